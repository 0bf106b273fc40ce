import Glibc
import Synchronization

/// A request from outside, such as a signal, to end what this process waits for: a server, an embedder, a pipe.
///
/// A signal ends a wait only in the thread that gets it. So every wait also polls a descriptor, which becomes readable
/// when the request comes and stays so.
package enum StopRequest {
  private static let source = Atomic<Int32>(-1)

  /// The descriptor for `poll`; -1, which `poll` ignores, if there are no requests.
  package static var descriptor: Int32 { source.load(ordering: .relaxed) }

  /// Takes requests from a descriptor.
  package static func watch(_ descriptor: Int32) { source.store(descriptor, ordering: .relaxed) }

  /// Whether the request has come.
  package static var hasCome: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return entry.fd >= 0 && poll(&entry, 1, 0) > 0
  }

  /// Sleeps until the time has passed or the request comes.
  package static func sleep(for duration: Duration) {
    guard duration > .zero else { return }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    poll(&entry, 1, Int32(clamping: Int64((duration / .milliseconds(1)).rounded(.up))))
  }
}

/// A wait that a stop request has ended.
package struct WaitStopped: Error {
  /// Whether the server may have run the command nevertheless.
  package var mayHaveRun = false

  package init(mayHaveRun: Bool = false) { self.mayHaveRun = mayHaveRun }
}
