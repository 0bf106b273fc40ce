import Foundation
import Synchronization

/// Stands between a client and a server and does to their connections what networks and dying servers do.
///
/// What the client sends reaches the server until the fault strikes, so that what a lost answer belongs to has
/// been done.
package final class FaultyProxy: Sendable {
  /// What befalls a connection once so many bytes of the server's have been passed on.
  package enum Fault: Sendable, CustomStringConvertible {
    /// Nothing: the proxy only counts.
    case none
    /// No further byte arrives, and the connection stays open.
    case stall(after: Int)
    /// The connection ends.
    case cut(after: Int)
    /// The connection ends with a reset.
    case reset(after: Int)
    /// Everything that follows is overwritten with what Redis never sends.
    case garbage(after: Int)
    /// No more than so many bytes of the client's reach the server, and the connection ends.
    case behead(after: Int)
    /// Each piece of an answer takes so long.
    case delay(milliseconds: UInt32)

    fileprivate var budget: Int {
      switch self {
      case .none, .delay, .behead: .max
      case .stall(let count), .cut(let count), .reset(let count), .garbage(let count): count
      }
    }

    package var description: String {
      switch self {
      case .none: "no fault"
      case .stall(let count): "silence after \(count) bytes"
      case .cut(let count): "a cut after \(count) bytes"
      case .reset(let count): "a reset after \(count) bytes"
      case .garbage(let count): "garbage after \(count) bytes"
      case .behead(let count): "a cut after \(count) bytes of the client's"
      case .delay(let milliseconds): "a delay of \(milliseconds) ms"
      }
    }
  }

  /// One connection that a client made.
  package struct Conversation: Sendable {
    /// Bytes of the server's that were passed on.
    package var received = 0
    /// Whether the fault has struck.
    package var isHit = false
  }

  private let listener: Listener
  private let log = Log()

  private final class Log: Sendable {
    let conversations = Mutex<[Conversation]>([])
  }

  /// - Parameters:
  ///   - socketPath: the server's.
  ///   - times: how many connections the fault befalls; those that follow are only counted.
  package init(toSocket socketPath: String, _ fault: Fault, times: Int = .max) throws {
    ignoreBrokenPipes()
    listener = try Listener()
    listener.serve { [log] client, number in
      log.conversations.withLock { all in
        while all.count <= number { all.append(Conversation()) }
      }
      let line = Line(client: client, fault: number < times ? fault : .none) { change in
        log.conversations.withLock { change(&$0[number]) }
      }
      try line.forward(toSocket: socketPath)
    }
  }

  package convenience init(to server: RedisServer, _ fault: Fault, times: Int = .max) throws {
    try self.init(toSocket: server.socketPath, fault, times: times)
  }

  deinit { listener.stop() }

  package var port: Int { listener.port }
  package var url: String { "redis://127.0.0.1:\(port)" }

  /// Every connection so far, in order.
  package var conversations: [Conversation] { log.conversations.withLock { $0 } }
}

/// One connection and what befalls it.
private struct Line {
  let client: Descriptor
  let fault: FaultyProxy.Fault
  let note: ((inout FaultyProxy.Conversation) -> Void) -> Void

  /// Passes bytes both ways until one side ends or the fault has done its work.
  func forward(toSocket path: String) throws {
    var left = fault.budget
    var unsent = if case .behead(let count) = fault { count } else { Int.max }
    if left == 0, try !strike() { return }
    let server = Descriptor(try checked("socket", socket(AF_UNIX, closedByExec, 0)))
    try withUnixAddress(path) { try checked("connect", connect(server.number, $0, $1)) }
    while true {
      var entries = [client, server].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
      guard poll(&entries, 2, -1) >= 0 || errno == EINTR else { return }
      if entries[0].revents != 0 {
        let bytes = try client.readSome()
        if bytes.isEmpty { return }
        try server.writeAll(Array(bytes.prefix(unsent)))
        unsent -= min(unsent, bytes.count)
        if unsent == 0 { return note { $0.isHit = true } }
      }
      if entries[1].revents != 0 {
        let bytes = try server.readSome()
        if bytes.isEmpty { return }
        if case .delay(let milliseconds) = fault { usleep(milliseconds * 1000) }
        // Counted before the client can know of it, so that who asks after the client's end misses none.
        let passed = min(left, bytes.count)
        note { $0.received += passed }
        try client.writeAll(Array(bytes[..<passed]))
        left -= passed
        if left == 0, try !strike(overwriting: bytes.count - passed) { return }
      }
    }
  }

  /// - Parameter count: how many bytes of an answer are at hand behind those that were passed on.
  /// - Returns: whether bytes are passed on still.
  private func strike(overwriting count: Int = 0) throws -> Bool {
    note { $0.isHit = true }
    switch fault {
    case .none, .delay, .behead: return true
    case .cut: return false
    case .reset:
      var option = linger(l_onoff: 1, l_linger: 0)
      setsockopt(client.number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
      return false
    case .stall:
      while try !client.readSome().isEmpty {}
      return false
    case .garbage:
      // Line ends in it, so that it is not taken for a line that is still under way.
      let noise = Array("!?\r\n".utf8)
      if count == 0 { _ = try client.readSome() }
      try client.writeAll((0..<max(count, 64)).map { noise[$0 % noise.count] })
      while try !client.readSome().isEmpty {}
      return false
    }
  }
}
