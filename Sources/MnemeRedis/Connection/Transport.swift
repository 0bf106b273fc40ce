import Glibc

/// A way to move bytes to a server and back that never waits by itself.
protocol Transport: AnyObject {
  var descriptor: Int32 { get }

  /// What `poll` must wait for before a write, or a read, can get on: TLS may have to read in order to write.
  var eventsToWrite: Int16 { get }
  var eventsToRead: Int16 { get }

  func write(_ bytes: UnsafeRawBufferPointer) -> Transfer
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer

  /// More can be read at once, without waiting for the descriptor.
  var hasBufferedInput: Bool { get }

  /// Nothing has arrived and the peer has not hung up: what an idle connection must be before it is used again.
  var isIdle: Bool { get }
}

/// What one attempt to write or read came to.
enum Transfer {
  case moved(Int)
  /// Not now: wait for the descriptor.
  case wouldBlock
  /// Reading only: the peer has sent its last byte.
  case end
  case failed(ConnectionFailure.Cause)
}

/// Waits until the descriptor is ready for one of `events`, an error, or the deadline.
/// - Returns: the events that came; 0 when the deadline passed.
func wait(for events: Int16, on descriptor: Int32, until deadline: Deadline) throws(SystemError) -> Int16 {
  while true {
    var entry = pollfd(fd: descriptor, events: events, revents: 0)
    let ready = poll(&entry, 1, deadline.remainingMilliseconds)
    if ready > 0 { return entry.revents }
    if ready < 0 {
      let error = SystemError.last
      if error.code != EINTR { throw error }
    } else if deadline.remainingMilliseconds == 0 {
      return 0
    }
  }
}
