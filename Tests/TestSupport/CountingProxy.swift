import Foundation
import Synchronization

/// Stands between a client and a server and counts round trips: how often the client waited for the server.
///
/// A round trip begins with the first command that is sent while no reply is outstanding, and ends when every
/// command has been answered; what is sent in between shares it.
package final class CountingProxy {
  /// The commands that shared a round trip, by name, in order.
  package struct RoundTrip: Sendable, CustomStringConvertible {
    package var commands: [String] = []

    /// A connection being made: nothing in it concerns data.
    package var isSetUp: Bool {
      commands.allSatisfy { ["HELLO", "AUTH", "SELECT", "CLIENT", "PING"].contains($0) }
    }

    package var description: String { commands.joined(separator: " ") }
  }

  private let directory: TemporaryDirectory
  private let listener: Listener
  private let finished = Finished()

  private final class Finished: Sendable {
    let roundTrips = Mutex<[RoundTrip]>([])
  }

  package init(to server: RedisServer) throws {
    ignoreBrokenPipes()
    directory = try TemporaryDirectory()
    listener = try Listener(unixSocket: directory.path("proxy.sock"))
    let target = server.socketPath
    listener.serve { [finished] client, _ in try CountingProxy.forward(client, to: target, finished) }
  }

  deinit { listener.stop() }

  package var url: String { "unix://\(directory.path("proxy.sock"))" }

  /// The round trips since the start, or since the last call, without those that only set up a connection.
  package func roundTrips() -> [RoundTrip] {
    finished.roundTrips.withLock { trips in
      defer { trips = [] }
      return trips.filter { !$0.isSetUp }
    }
  }

  /// Passes bytes both ways until one side ends, and reads along.
  private static func forward(_ client: Descriptor, to target: String, _ finished: Finished) throws {
    let server = Descriptor(try checked("socket", socket(AF_UNIX, closedByExec, 0)))
    try withUnixAddress(target) { try checked("connect", connect(server.number, $0, $1)) }
    var requests = RESPParser()
    var replies = RESPParser()
    var current = RoundTrip()
    var outstanding = 0
    while true {
      var entries = [client, server].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
      guard poll(&entries, 2, -1) >= 0 || errno == EINTR else { return }
      if entries[0].revents != 0 {
        let bytes = try client.readSome()
        if bytes.isEmpty { return }
        requests.append(bytes)
        while let request = try requests.next() {
          current.commands.append(request.items.first?.text?.uppercased() ?? "?")
          outstanding += 1
        }
        try server.writeAll(bytes)
      }
      if entries[1].revents != 0 {
        let bytes = try server.readSome()
        if bytes.isEmpty { return }
        replies.append(bytes)
        while try replies.next() != nil { outstanding -= 1 }
        // Counted before the client can know of it, so that who asks after the client's end misses none.
        if outstanding == 0 {
          finished.roundTrips.withLock { $0.append(current) }
          current = RoundTrip()
        }
        try client.writeAll(bytes)
      }
    }
  }
}
