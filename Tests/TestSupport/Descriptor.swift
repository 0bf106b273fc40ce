import Glibc
import Synchronization

/// A file descriptor that is closed with the last reference, and by `exec`: no child keeps a pipe open, so that the
/// end of this process is the end of the pipe.
package final class Descriptor: Sendable {
  package let number: Int32

  init(_ number: Int32) { self.number = number }

  /// A connection to a port of 127.0.0.1.
  package convenience init(connectedTo port: Int) throws {
    ignoreBrokenPipes()
    self.init(try checked("socket", socket(AF_INET, closedByExec, 0)))
    try withLoopbackAddress(port) { try checked("connect to port \(port)", connect(number, $0, $1)) }
  }

  deinit { close(number) }

  /// Held while a descriptor exists that is not yet closed by `exec`, and while a child is started.
  package static let spawning = Mutex(())

  /// - Precondition: `spawning` is held.
  static func pipe() throws -> (reading: Descriptor, writing: Descriptor) {
    var ends: [Int32] = [-1, -1]
    try checked("pipe", Glibc.pipe(&ends))
    for end in ends { try checked("fcntl", fcntl(end, F_SETFD, FD_CLOEXEC)) }
    return (Descriptor(ends[0]), Descriptor(ends[1]))
  }

  /// - Returns: false when nothing came until the deadline. The end of the stream counts as readable.
  func isReadable(until deadline: Deadline) throws -> Bool {
    var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    while true {
      let count = poll(&entry, 1, deadline.milliseconds(atMost: 60_000))
      if count > 0 { return true }
      if count < 0 && errno != EINTR { throw SystemError("poll") }
      if deadline.hasPassed { return false }
    }
  }

  /// Reads what is there, at most `limit` bytes; empty at the end of the stream.
  package func readSome(_ limit: Int = 65_536) throws -> [UInt8] {
    var count = 0
    let bytes = try [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
      repeat { count = read(number, buffer.baseAddress, limit) } while count < 0 && errno == EINTR
      // A peer that resets the connection has ended it too.
      if count < 0 && errno != ECONNRESET { throw SystemError("read") }
      initialized = max(count, 0)
    }
    return bytes
  }

  package func writeAll(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      rest.removeFirst(try checked("write", count))
    }
  }
}

extension Descriptor {
  /// The TCP port that a socket is bound to.
  var localPort: Int {
    get throws {
      var address = sockaddr_in()
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
      }
      try checked("getsockname", result)
      return Int(UInt16(bigEndian: address.sin_port))
    }
  }
}
