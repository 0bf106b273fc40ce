import Foundation
import Synchronization

/// A proxy between a client and a server. It counts the bytes and follows its script: it does nothing, imitates
/// networks and dying servers, or sends a reply of its own in the place of one of the server's.
///
/// Commands of the client reach the server until a fault strikes. So the server has carried out the commands whose
/// answers are lost.
package final class ScriptedProxy: Sendable {
  /// The fault of a connection after so many bytes of the server's.
  package enum Script: Sendable, CustomStringConvertible {
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
    /// One reply is another. Replies are counted from 0 over all connections, those of the greeting too.
    case forge(reply: Int, Forgery)

    fileprivate var budget: Int {
      switch self {
      case .none, .delay, .behead, .forge: .max
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
      case .forge(let reply, _): "a forged reply \(reply)"
      }
    }
  }

  /// The bytes that replace one reply of the server.
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

  /// One connection that a client made.
  package struct Conversation: Sendable {
    /// Bytes of the server's that were passed on.
    package var received = 0
    /// Whether the fault has struck.
    package var isHit = false
  }

  /// The commands that shared a wait for the server, by name, in order.
  ///
  /// A round trip begins with the first command that is sent while no reply is outstanding, and ends when every
  /// command has been answered; what is sent in between shares it.
  package struct RoundTrip: Sendable, CustomStringConvertible {
    package var commands: [String] = []

    /// A connection being made: nothing in it concerns data.
    package var isSetUp: Bool {
      commands.allSatisfy { ["HELLO", "AUTH", "SELECT", "CLIENT", "PING"].contains($0) }
    }

    package var description: String { commands.joined(separator: " ") }
  }

  fileprivate struct Tally {
    var conversations: [Conversation] = []
    var roundTrips: [RoundTrip] = []
    var replies = 0
  }

  private let listener: Listener
  private let log = Log()

  fileprivate final class Log: Sendable {
    let tally = Mutex(Tally())
  }

  /// - Parameter times: how many connections the script is played on; those that follow are only counted.
  package init(to server: RedisServer, _ script: Script = .none, times: Int = .max) throws {
    ignoreBrokenPipes()
    listener = try Listener()
    let target = server.socketPath
    listener.serve { [log] client, number in
      log.tally.withLock { tally in
        while tally.conversations.count <= number { tally.conversations.append(Conversation()) }
      }
      var line = Line(client: client, script: number < times ? script : .none, log: log, number: number)
      try line.forward(toSocket: target)
    }
  }

  deinit { listener.stop() }

  package var port: Int { listener.port }
  package var url: String { "redis://127.0.0.1:\(port)" }

  /// Every connection so far, in order.
  package var conversations: [Conversation] { log.tally.withLock { $0.conversations } }

  /// The number of replies so far, the forged one included.
  package var replies: Int { log.tally.withLock { $0.replies } }

  /// The round trips since the start, or since the last call, without those that only set up a connection.
  package func roundTrips() -> [RoundTrip] {
    log.tally.withLock { tally in
      defer { tally.roundTrips = [] }
      return tally.roundTrips.filter { !$0.isSetUp }
    }
  }
}

/// One connection and what its script does to it.
private struct Line {
  let client: Descriptor
  let script: ScriptedProxy.Script
  let log: ScriptedProxy.Log
  let number: Int

  private var requests = RESPParser()
  private var answers = RESPParser()
  /// Commands that have not been answered, and all of the round trip that they belong to.
  private var outstanding = 0
  private var current = ScriptedProxy.RoundTrip()
  /// The forged reply while it waits for its successor.
  private var held: [UInt8]?

  init(client: Descriptor, script: ScriptedProxy.Script, log: ScriptedProxy.Log, number: Int) {
    (self.client, self.script, self.log, self.number) = (client, script, log, number)
  }

  /// Passes bytes both ways until one side ends or the fault has done its work.
  mutating func forward(toSocket path: String) throws {
    var left = script.budget
    var unsent = if case .behead(let count) = script { count } else { Int.max }
    if left == 0, try !strike() { return }
    let server = Descriptor(try checked("socket", socket(AF_UNIX, closedByExec, 0)))
    try withUnixAddress(path) { try checked("connect", connect(server.number, $0, $1)) }
    while true {
      var entries = [client, server].map { pollfd(fd: $0.number, events: Int16(POLLIN), revents: 0) }
      guard poll(&entries, 2, -1) >= 0 || errno == EINTR else { return }
      if entries[0].revents != 0 {
        let bytes = try client.readSome()
        if bytes.isEmpty { return }
        try count(requests: bytes)
        try server.writeAll(Array(bytes.prefix(unsent)))
        unsent -= min(unsent, bytes.count)
        if unsent == 0 { return note { $0.isHit = true } }
      }
      if entries[1].revents != 0 {
        let arrived = try server.readSome()
        if arrived.isEmpty { return }
        let bytes = try passing(arrived)
        if case .delay(let milliseconds) = script { usleep(milliseconds * 1000) }
        // Counted before the client can know of it, so that a test that asks after the client's end misses none.
        let passed = min(left, bytes.count)
        note { $0.received += passed }
        try client.writeAll(Array(bytes[..<passed]))
        left -= passed
        if left == 0, try !strike(overwriting: bytes.count - passed) { return }
      }
    }
  }

  private func note(_ change: (inout ScriptedProxy.Conversation) -> Void) {
    log.tally.withLock { change(&$0.conversations[number]) }
  }

  private mutating func count(requests bytes: [UInt8]) throws {
    requests.append(bytes)
    while let request = try requests.next() {
      current.commands.append(request.items.first?.text?.uppercased() ?? "?")
      outstanding += 1
    }
  }

  /// Counts the replies in what has come from the server.
  /// - Returns: what the client gets of it; all but what a forgery keeps or changes.
  private mutating func passing(_ arrived: [UInt8]) throws -> [UInt8] {
    answers.append(arrived)
    var passed: [UInt8] = []
    while let own = try answers.nextBytes() {
      outstanding -= 1
      let place = log.tally.withLock { tally in
        defer { tally.replies += 1 }
        if outstanding == 0 { tally.roundTrips.append(current) }
        return tally.replies
      }
      if outstanding == 0 { current = ScriptedProxy.RoundTrip() }
      guard case .forge(let reply, let forgery) = script else { continue }
      guard place == reply else {
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
    // Only a forgery has to wait for whole replies.
    if case .forge = script { return passed }
    return arrived
  }

  /// - Parameter count: how many bytes of an answer are at hand behind those that were passed on.
  /// - Returns: whether bytes are passed on still.
  private func strike(overwriting count: Int = 0) throws -> Bool {
    note { $0.isHit = true }
    switch script {
    case .none, .delay, .behead, .forge: return true
    case .cut: return false
    case .reset:
      var option = linger(l_onoff: 1, l_linger: 0)
      setsockopt(client.number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
      return false
    case .stall:
      while try !client.readSome().isEmpty {}
      return false
    case .garbage:
      // Line ends in it, so that it is not taken for a line that is still under way, and more than is left of a text.
      let noise = Array("!?\r\n".utf8)
      if count == 0 { _ = try client.readSome() }
      try client.writeAll((0..<max(count, 65_536)).map { noise[$0 % noise.count] })
      while try !client.readSome().isEmpty {}
      return false
    }
  }
}
