import Glibc

/// One connection to one server: sends commands, collects their replies. Not safe for threads by itself.
///
/// After any error it is of no more use, because what arrives next may be the answer to something else.
final class Connection {
  let endpoint: Endpoint
  private let transport: any Transport
  private let reader: ReplyReader
  private let limits: Limits
  private let meter: TrafficMeter

  /// What has not been said yet; nil once it has.
  private var greeting: Greeting?
  /// By when the greeting must have been answered.
  private let greetingDeadline: Deadline
  private(set) var role = ServerRole()
  private(set) var isUsable = true

  /// What the connection watches for: nothing; a transaction under way; one that is over without having been
  /// sent, so that `UNWATCH` goes along with whatever is sent next.
  private var watch = Watch.none
  private enum Watch { case none, underWay, stale }

  /// What has been sent and not been answered.
  private var outstanding: Outstanding?
  private struct Outstanding {
    var wanted: Int
    /// Replies to commands that travelled before the caller's own.
    var skipped: Int
    var watch: Watch
  }
  /// Who comes for them later; nobody, where whoever sent the commands has dropped the matter.
  private weak var answers: Answers?
  /// How often something has been sent.
  private(set) var sendCount = 0

  private static let bufferSize = 64 << 10
  private let buffer: UnsafeMutableRawBufferPointer
  private var outgoing: [UInt8] = []
  /// What of it is kept from one exchange to the next.
  private static let keptCapacity = 1 << 20

  struct Limits {
    var connect: Duration
    var command: Duration
    /// What the replies of one exchange may take in memory.
    var replyBytes = 1 << 30
  }

  init(
    endpoint: Endpoint, transport: any Transport, greeting: Greeting, limits: Limits,
    meter: TrafficMeter, connectedBy deadline: Deadline
  ) throws(ConnectionFailure) {
    self.endpoint = endpoint
    self.transport = transport
    self.greeting = greeting
    self.limits = limits
    self.meter = meter
    greetingDeadline = deadline
    reader = try ReplyReader(limit: limits.replyBytes)
    buffer = .allocate(byteCount: Connection.bufferSize, alignment: 16)
  }

  deinit { buffer.deallocate() }

  /// The connection can be used again: nothing has broken it, and the server has not hung up since.
  var isAlive: Bool { isUsable && transport.isIdle }

  /// The server runs on this machine.
  private(set) lazy var isLocal = hasLocalPeer(transport.descriptor)

  /// Keys are watched for a transaction that is to come.
  var isWatching: Bool { watch == .underWay }

  /// What is watched still is not to undo the next transaction.
  func endTransaction() {
    if watch == .underWay { watch = .stale }
  }

  /// Waits for the answers to the greeting, where that has not happened yet.
  func greet() throws {
    guard greeting != nil else { return }
    _ = try exchange(Pipeline())
  }

  /// Sends the commands in one write and waits for all replies, which may be errors.
  ///
  /// - Parameter atomically: between `MULTI` and `EXEC`. The replies are then those to `MULTI`, to each command
  ///   ("QUEUED") and to `EXEC`.
  /// - Throws: `ConnectionFailure`, `GreetingRefused`.
  func exchange(_ commands: Pipeline, atomically: Bool = false) throws -> Replies {
    try send(commands, atomically: atomically)
    return try receive()
  }

  /// Sends the commands and does not wait for the replies.
  /// - Parameter answers: what `collect` is asked for them with.
  func send(_ commands: Pipeline, atomically: Bool = false, for answers: Answers? = nil) throws {
    precondition(commands.isComplete, "a command lacks arguments")
    guard isUsable, outstanding == nil else { throw ConnectionFailure(.closed, stage: .exchange) }
    var head = greeting?.pipeline ?? Pipeline()
    if watch == .stale { head.append("UNWATCH") }
    let skipped = head.count
    if atomically { head.append("MULTI") }

    reader.begin()

    let wanted = head.count + commands.count + (atomically ? 1 : 0)
    isUsable = false
    meter.traffic.commandsSent += wanted
    sendCount += 1
    self.answers = answers
    if head.isEmpty {
      try transfer(commands.bytes, wanted: wanted, until: .sent)
    } else {
      outgoing.removeAll(keepingCapacity: true)
      outgoing.append(contentsOf: head.bytes)
      outgoing.append(contentsOf: commands.bytes)
      if atomically { outgoing.append(contentsOf: Connection.exec) }
      try transfer(outgoing, wanted: wanted, until: .sent)
      if outgoing.capacity > Connection.keptCapacity { outgoing = [] }
    }
    let isOver = atomically || watch == .stale
    outstanding = Outstanding(
      wanted: wanted, skipped: skipped, watch: commands.watches ? .underWay : isOver ? .none : watch)
  }

  /// Waits for all replies to what was sent.
  private func receive() throws -> Replies {
    guard let awaited = outstanding.take() else { throw ConnectionFailure(.closed, stage: .exchange) }
    try transfer([], wanted: awaited.wanted, until: .answered)
    isUsable = true
    watch = awaited.watch
    if let greeting {
      do {
        role = try greeting.digest(Replies(tape: reader.tape, skipped: 0))
      } catch {
        isUsable = false
        throw error
      }
      self.greeting = nil
    }
    return Replies(tape: reader.tape, skipped: awaited.skipped)
  }

  /// The replies to what `send` has sent for these answers. To be asked once.
  /// - Throws: `ConnectionFailure`, `GreetingRefused`.
  func collect(_ answers: Answers) throws -> Replies {
    if let result = answers.taken.take() { return try result.get() }
    guard answers === self.answers else { throw ConnectionFailure(.closed, stage: .exchange, sent: .all) }
    return try receive()
  }

  /// Takes the replies that are on their way, or what befalls them, so that others can use the connection, and keeps
  /// them for `collect`.
  func settle() {
    guard outstanding != nil else { return }
    let result = Result { try receive() }
    answers?.taken = result
  }

  private static let exec = Array("*1\r\n$4\r\nEXEC\r\n".utf8)
}

/// Answers that are come for later than the commands were sent.
final class Answers {
  /// Those that had to be taken before.
  fileprivate var taken: Result<Replies, any Error>?
}

// MARK: - Moving bytes

extension Connection {
  /// How many bytes must move, in either direction, for the time limit to begin anew.
  private static let progressStep = 64 << 10

  /// What a transfer waits for.
  private enum Goal { case sent, answered }

  /// Sends all bytes, and reads until the tape has `wanted` replies where that is the goal. Reads while it still has
  /// to send: a server stops reading when its own answers are not taken.
  private func transfer(_ bytes: [UInt8], wanted: Int, until goal: Goal) throws(ConnectionFailure) {
    var sent = 0
    var moved = 0
    if goal == .sent { meter.traffic.roundTrips += 1 }
    var deadline = Deadline.after(limits.command)
    // The server takes no more; what it said before it hung up may still be read.
    var broken: ConnectionFailure.Cause?

    while true {
      if sent < bytes.count && broken == nil {
        let outcome = bytes.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
        switch outcome {
        case .moved(let count):
          sent += count
          moved += count
          meter.traffic.bytesSent += count
        case .wouldBlock: break
        case .end: broken = .closed
        case .failed(let cause): broken = cause
        }
      }
      if sent == bytes.count && (goal == .sent || reader.tape.rootCount == wanted) { return }

      // The first answer of all must come within the time for connecting: whoever accepts and is silent is as
      // good as not there.
      let isGreeting = greeting != nil && reader.tape.rootCount == 0
      do throws(ConnectionFailure.Cause) {
        let writes = sent < bytes.count && broken == nil
        guard try awaitReadiness(alsoToWrite: writes, until: isGreeting ? greetingDeadline : deadline) else {
          throw .timedOut(isGreeting ? limits.connect : limits.command)
        }
        moved += try receive(wanted: wanted)
      } catch {
        var failure = ConnectionFailure(
          error.saysMore ? error : broken ?? error, stage: isGreeting ? .greeting : .exchange)
        failure.sent = sent == bytes.count ? .all : sent == 0 ? .nothing : .partly
        // An error that nobody has asked for, and then the end: the server turns us away.
        if greeting != nil && reader.tape.rootCount == 1 {
          failure.serverSaid = Replies(tape: reader.tape, skipped: 0)[0].error
        }
        throw failure
      }
      if moved >= Connection.progressStep {
        moved = 0
        deadline = Deadline.after(limits.command)
      }
    }
  }

  /// - Returns: false when the deadline has passed.
  private func awaitReadiness(
    alsoToWrite writes: Bool, until deadline: Deadline
  ) throws(ConnectionFailure.Cause) -> Bool {
    if transport.hasBufferedInput { return true }
    let events = writes ? transport.eventsToRead | transport.eventsToWrite : transport.eventsToRead
    do {
      return try wait(for: events, on: transport.descriptor, until: deadline) != 0
    } catch {
      throw .system(error)
    }
  }

  /// Takes what has arrived and hands it to the parser.
  /// - Returns: the number of bytes; 0 where nothing has.
  private func receive(wanted: Int) throws(ConnectionFailure.Cause) -> Int {
    switch transport.read(into: buffer) {
    case .wouldBlock: return 0
    case .end: throw .closed
    case .failed(let cause): throw cause
    case .moved(let count):
      meter.traffic.bytesReceived += count
      do throws(ProtocolViolation) {
        try reader.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]), wanted: wanted)
      } catch {
        throw .violation(error)
      }
      return count
    }
  }
}
