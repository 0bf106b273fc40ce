import Glibc
import Mneme

/// One connection to one server: sends commands, collects their replies. Not safe for threads by itself.
///
/// After an error it must not be used any more, because the next bytes may be the reply to an earlier command.
final class Connection {
  let endpoint: Endpoint
  private let transport: any Transport
  private let reader: ReplyReader
  private let limits: Limits
  private let meter: TrafficMeter

  /// The greeting, until it has been sent.
  private var greeting: Greeting?
  /// The time by which the greeting must have been answered.
  private let greetingDeadline: Deadline
  private(set) var role = ServerRole()
  private(set) var isUsable = true

  /// The keys that the connection watches: none, those of a transaction under way, or those of a transaction that was
  /// not sent. In the last case `UNWATCH` is sent with the next commands.
  private var watch = Watch.none
  private enum Watch { case none, underWay, stale }

  /// The server's answer to an empty transaction, which is sent before the first look of a change. A server that refuses
  /// `MULTI` would run the commands after it one by one.
  private(set) var transactions = Transactions.unknown
  enum Transactions {
    case unknown, taken
    /// `MULTI` was refused; or `EXEC`, without which a connection does not leave a transaction.
    case refused(CommandText, ServerError)

    var areUnknown: Bool { if case .unknown = self { true } else { false } }
  }

  /// The number of times that something has been sent.
  private(set) var exchangeCount = 0

  private static let bufferSize = 64 << 10
  private let buffer: UnsafeMutableRawBufferPointer
  private var outgoing: [UInt8] = []
  /// The most memory of a buffer that is kept from one exchange to the next.
  private static let keptCapacity = 1 << 20

  struct Limits {
    var connect: Duration
    var command: Duration
    /// The memory limit for the replies of one exchange.
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

  /// Whether the connection can be used again: there was no error, and the server has not closed it.
  var isAlive: Bool { isUsable && transport.isIdle }

  /// Ends watching, so that the next transaction does not fail.
  func endTransaction() {
    if watch == .underWay { watch = .stale }
  }

  /// Waits for the replies to the greeting, if they were not read yet.
  func greet() throws {
    guard greeting != nil else { return }
    _ = try exchange(Pipeline())
  }

  /// Sends the commands in one write and waits for all replies, which may be errors.
  /// - Throws: `ConnectionFailure`, `GreetingRefused`.
  func exchange(_ commands: Pipeline) throws -> Replies {
    try exchange(commands, triesTransaction: false)
  }

  /// Sends the commands that a transaction depends on. The first time, `transactions` becomes known.
  func exchange(lookingBeforeTransaction commands: Pipeline) throws -> Replies {
    try exchange(commands, triesTransaction: true)
  }

  /// Sends commands between `MULTI` and `EXEC`, and further commands after them, in one write.
  /// - Returns: the replies to `MULTI`, to each command ("QUEUED") and to `EXEC`, then those to the further commands.
  /// - Throws: `ConnectionFailure`, `GreetingRefused`.
  func exchange(transaction commands: Pipeline, followedBy look: Pipeline?) throws -> Replies {
    try exchange(commands, triesTransaction: false, isTransaction: true, followedBy: look)
  }

  private func exchange(
    _ commands: Pipeline, triesTransaction: Bool, isTransaction: Bool = false,
    followedBy look: Pipeline? = nil
  ) throws -> Replies {
    precondition(commands.isComplete, "a command lacks arguments")
    guard isUsable else { throw ConnectionFailure(.closed, stage: .exchange) }
    var head = greeting?.pipeline ?? Pipeline()
    if watch == .stale { head.append("UNWATCH") }
    let isUntried = triesTransaction && transactions.areUnknown
    let trial = isUntried ? (head.append("MULTI"), head.append("EXEC")) : nil
    let skipped = head.count
    if isTransaction { head.append("MULTI") }
    let wanted = head.count + commands.count + (isTransaction ? 1 : 0) + (look?.count ?? 0)

    reader.begin()
    isUsable = false
    exchangeCount += 1
    let start = Instant.now
    if head.isEmpty, look == nil {
      try transfer(commands.bytes, wanted: wanted)
    } else {
      outgoing.removeAll(keepingCapacity: true)
      outgoing.append(contentsOf: head.bytes)
      outgoing.append(contentsOf: commands.bytes)
      if isTransaction { outgoing.append(contentsOf: Connection.exec) }
      if let look { outgoing.append(contentsOf: look.bytes) }
      try transfer(outgoing, wanted: wanted)
      if outgoing.capacity > Connection.keptCapacity { outgoing = [] }
    }
    meter.count(commands: wanted, took: start.duration(to: .now))
    isUsable = true
    let forgets = isTransaction || watch == .stale
    watch = (look ?? commands).watches ? .underWay : forgets ? .none : watch
    if let greeting {
      do {
        role = try greeting.digest(Replies(tape: reader.tape, skipped: 0))
      } catch {
        isUsable = false
        throw error
      }
      self.greeting = nil
    }
    if let trial { judgeTransactions(Replies(tape: reader.tape, skipped: 0), trial) }
    return Replies(tape: reader.tape, skipped: skipped)
  }

  private func judgeTransactions(_ replies: Replies, _ trial: (multi: Slot, exec: Slot)) {
    if let error = replies[trial.multi].error {
      transactions = .refused(CommandText(name: "MULTI", key: nil), error)
    } else if let error = replies[trial.exec].error {
      transactions = .refused(CommandText(name: "EXEC", key: nil), error)
      isUsable = false
    } else {
      transactions = .taken
    }
  }

  private static let exec = Array("*1\r\n$4\r\nEXEC\r\n".utf8)
}

// MARK: - Moving bytes

extension Connection {
  /// The number of bytes that must move, in either direction, for the time limit to start again.
  private static let progressStep = 64 << 10

  /// Sends all bytes, and reads until the tape has `wanted` replies. It reads while it still has to send, since a
  /// server stops reading if its replies are not read.
  private func transfer(_ bytes: [UInt8], wanted: Int) throws(ConnectionFailure) {
    var sent = 0
    var moved = 0
    meter.traffic.roundTrips += 1
    var deadline = Deadline.after(limits.command)
    // The server has closed the connection. Its last replies may still be read.
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
      if sent == bytes.count && reader.tape.rootCount == wanted { return }

      // The first reply must arrive within the time limit for connecting, since a server that accepts a connection and
      // does not reply is not available.
      let isGreeting = greeting != nil && reader.tape.rootCount == 0
      do throws(ConnectionFailure.Cause) {
        let writes = sent < bytes.count && broken == nil
        guard try awaitReadiness(alsoToWrite: writes, until: isGreeting ? greetingDeadline : deadline) else {
          throw .timedOut(isGreeting ? limits.connect : limits.command)
        }
        moved += try receive(wanted: wanted)
      } catch {
        var failure = ConnectionFailure(
          error.isMoreSpecific ? error : broken ?? error, stage: isGreeting ? .greeting : .exchange)
        failure.sent = sent == bytes.count ? .all : sent == 0 ? .nothing : .partly
        // An error as the first reply, and then the end of the connection: the server refuses this client.
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

  /// Reads what has arrived and passes it to the parser.
  /// - Returns: the number of bytes; 0 if nothing has arrived.
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
