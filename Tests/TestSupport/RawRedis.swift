import Glibc

/// A connection to Redis that shares no code with the library: what a test says about the keys on a server
/// rests on this alone.
package final class RawRedis {
  private let socket: Descriptor
  private var parser = RESPParser()

  package init(unixSocket path: String) throws {
    ignoreBrokenPipes()
    socket = Descriptor(try checked("socket", Glibc.socket(AF_UNIX, closedByExec, 0)))
    try withUnixAddress(path) { try checked("connect \(path)", connect(socket.number, $0, $1)) }
  }

  /// To 127.0.0.1.
  package init(port: Int) throws {
    socket = try Descriptor(connectedTo: port)
  }

  /// Sends a command and waits for its reply. An error that the server answers is thrown.
  @discardableResult
  package func send(_ words: String...) throws -> RESPValue { try send(words.map { Array($0.utf8) }) }

  /// Sends a command of words that are not text.
  @discardableResult
  package func send(_ words: [[UInt8]]) throws -> RESPValue {
    try write(words)
    let reply = try receive()
    if case .error(let text) = reply {
      throw ServerError(description: "\(words.prefix(2).map(shellQuoted).joined(separator: " ")): \(text)")
    }
    return reply
  }

  /// Sends several commands together and gives their replies, errors among them.
  package func pipeline(_ commands: [[[UInt8]]]) throws -> [RESPValue] {
    try socket.writeAll(commands.flatMap(RESPValue.command))
    return try commands.map { _ in try receive() }
  }

  /// An error that the server answered.
  package struct ServerError: Error, CustomStringConvertible {
    package let description: String
  }

  func write(_ words: [[UInt8]]) throws { try socket.writeAll(RESPValue.command(words)) }

  /// The next value that the server sends, asked for or not.
  func receive() throws -> RESPValue {
    let deadline = Deadline(in: patience)
    while true {
      if let value = try parser.next() { return value }
      guard try socket.isReadable(until: deadline) else { throw TestTimeout("a reply of Redis") }
      let bytes = try socket.readSome()
      guard !bytes.isEmpty else { throw SystemError("Redis closed the connection", code: EPIPE) }
      parser.append(bytes)
    }
  }
}

/// A stream socket that no child inherits.
let closedByExec = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

@discardableResult
func withUnixAddress<Result>(
  _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
) throws -> Result {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
    throw SystemError("socket path \(path)", code: ENAMETOOLONG)
  }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  return try withUnsafePointer(to: &address) {
    try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      try body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
}

@discardableResult
func withLoopbackAddress<Result>(
  _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Result
) throws -> Result {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return try withUnsafePointer(to: &address) {
    try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      try body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
}

/// A TCP port of 127.0.0.1 that nobody listens on.
package func freePort() throws -> Int { try bindPort(0).localPort }

/// A TCP port of 127.0.0.1 for a node of a cluster, which listens on the one 10,000 above as well. Redis before 7.0
/// cannot be told to take another.
func freeNodePort() throws -> Int {
  while true {
    let port = try freePort()
    if port < 55_000, (try? bindPort(port + 10_000)) != nil { return port }
  }
}

/// Takes a port of 127.0.0.1; any free one if it is 0.
/// - Parameter forServer: a server may still listen on it. Linux permits that where both sockets may share the address and
///   the first does not listen.
func bindPort(_ port: Int, forServer: Bool = false) throws -> Descriptor {
  let probe = Descriptor(try checked("socket", socket(AF_INET, closedByExec, 0)))
  var shares: Int32 = forServer ? 1 : 0
  let size = socklen_t(MemoryLayout<Int32>.size)
  try checked("setsockopt", setsockopt(probe.number, SOL_SOCKET, SO_REUSEADDR, &shares, size))
  try withLoopbackAddress(port) { try checked("bind", bind(probe.number, $0, $1)) }
  return probe
}
