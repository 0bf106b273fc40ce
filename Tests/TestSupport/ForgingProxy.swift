import Foundation
import Synchronization

/// Stands between a client and a server and puts a reply of its own in the place of one of the server's.
package final class ForgingProxy: Sendable {
  /// What is sent where the server's reply would be.
  package enum Forgery: Sendable {
    /// These bytes.
    case bytes([UInt8])
    /// The reply itself, and these bytes behind it.
    case trailing([UInt8])
    /// The next reply first, then this one.
    case swapped
    /// These bytes, then the second ones again and again until the client has gone.
    case endless(start: [UInt8], rest: [UInt8])
  }

  private let listener: Listener
  private let log = Log()

  private final class Log: Sendable {
    let replies = Mutex(0)
  }

  /// - Parameters:
  ///   - number: which reply, counted from 0 over all connections; those of the greeting too.
  ///   - forgery: nil only counts.
  package init(toSocket path: String, reply number: Int, _ forgery: Forgery?) throws {
    ignoreBrokenPipes()
    listener = try Listener()
    listener.serve { [log] client, _ in try ForgingProxy.forward(client, to: path, number, forgery, log) }
  }

  deinit { listener.stop() }

  package var url: String { "redis://127.0.0.1:\(listener.port)" }

  /// How many replies there were so far, the forged one among them.
  package var replies: Int { log.replies.withLock { $0 } }

  private static func forward(
    _ client: Descriptor, to path: String, _ number: Int, _ forgery: Forgery?, _ log: Log
  ) throws {
    let server = Descriptor(try checked("socket", socket(AF_UNIX, closedByExec, 0)))
    try withUnixAddress(path) { try checked("connect", connect(server.number, $0, $1)) }
    var parser = RESPParser()
    /// The forged reply while it waits for its successor.
    var held: [UInt8]?
    while true {
      var entries = [client, server].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
      guard poll(&entries, 2, -1) >= 0 || errno == EINTR else { return }
      if entries[0].revents != 0 {
        let bytes = try client.readSome()
        if bytes.isEmpty { return }
        try server.writeAll(bytes)
      }
      guard entries[1].revents != 0 else { continue }
      let bytes = try server.readSome()
      if bytes.isEmpty { return }
      parser.append(bytes)
      var passed: [UInt8] = []
      while let reply = try parser.next() {
        let place = log.replies.withLock { count in
          defer { count += 1 }
          return count
        }
        let own = reply.encoded
        guard place == number, let forgery else {
          passed += own + (held ?? [])
          held = nil
          continue
        }
        switch forgery {
        case .bytes(let bytes): passed += bytes
        case .trailing(let bytes): passed += own + bytes
        case .swapped: held = own
        case .endless(let start, let rest):
          try client.writeAll(passed + start)
          // Ends with the client: writing to one that has gone is an error.
          while true { try client.writeAll(rest) }
        }
      }
      try client.writeAll(passed)
    }
  }
}

extension RESPValue {
  /// The bytes of a value, as a server sends them.
  package var encoded: [UInt8] {
    switch self {
    case .simple(let text): Array("+\(text)\r\n".utf8)
    case .error(let text): Array("-\(text)\r\n".utf8)
    case .integer(let number): Array(":\(number)\r\n".utf8)
    case .bulk(let bytes): Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    case .array(let items): Array("*\(items.count)\r\n".utf8) + items.flatMap(\.encoded)
    // Redis itself sends the other form only where an array is missing: after EXEC.
    case .null: Array("$-1\r\n".utf8)
    }
  }
}
