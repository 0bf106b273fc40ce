import Glibc
import Mneme

/// A non-blocking connection that transfers bytes to and from a server.
protocol Transport: AnyObject {
  var descriptor: Int32 { get }

  /// The events for which `poll` must wait before a write, or a read, can continue. TLS may have to read before it can
  /// write.
  var eventsToWrite: Int16 { get }
  var eventsToRead: Int16 { get }

  func write(_ bytes: UnsafeRawBufferPointer) -> Transfer
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer

  /// Whether more can be read without waiting for the descriptor.
  var hasBufferedInput: Bool { get }

  /// Whether nothing has arrived and the peer has not closed the connection. Only then it can be used again.
  var isIdle: Bool { get }
}

/// The result of one attempt to write or read.
enum Transfer {
  case moved(Int)
  /// The call would block. Wait for the descriptor first.
  case wouldBlock
  /// Only for reads: the peer has sent its last byte.
  case end
  case failed(ConnectionFailure.Cause)
}

/// The time that a server has after a stop request. It is enough for the current batch if the server replies.
private let graceAfterStop = Duration.seconds(2)

/// Waits until the descriptor is ready for one of `events`, an error, or the deadline.
/// - Returns: the events that came; 0 when the deadline passed.
/// - Throws: `SystemError.stopped` where a stop request has come and the descriptor was not ready soon after it.
func wait(for events: Int16, on descriptor: Int32, until deadline: Deadline) throws(SystemError) -> Int16 {
  var deadline = deadline
  var isStopping = false
  while true {
    var entries = (
      pollfd(fd: descriptor, events: events, revents: 0),
      pollfd(fd: isStopping ? -1 : StopRequest.descriptor, events: Int16(POLLIN), revents: 0)
    )
    let ready = withUnsafeMutableBytes(of: &entries) {
      poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, deadline.remainingMilliseconds)
    }
    if entries.0.revents != 0, ready > 0 { return entries.0.revents }
    if ready > 0 {
      isStopping = true
      deadline = min(deadline, .after(graceAfterStop))
    } else if ready < 0 {
      let error = SystemError.last
      if error.code != EINTR { throw error }
    } else if deadline.remainingMilliseconds == 0 {
      guard !isStopping else { throw .stopped }
      return 0
    }
  }
}
