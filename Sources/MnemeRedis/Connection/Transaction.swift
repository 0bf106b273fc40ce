import Glibc
import Mneme

/// A transaction under way: what its body uses to read, watch and commit. It cannot outlive the body.
struct Transaction: ~Copyable {
  /// What a body made of it.
  enum Outcome<R> {
    case done(R)
    /// A watched key had changed: once more from the beginning.
    case retry
  }

  fileprivate let session: Session
  fileprivate let connection: Connection

  /// Sends `WATCH` and commands that only read. One round trip.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    let replies = try session.asking(along: commands) { asked in
      try interrupting { try connection.exchange(asked) }
    }
    if try session.settle(on: connection) { throw Interruption.moved }
    try interruptWhereRedirected(replies)
    return try session.check(replies, of: commands, tolerating: tolerating)
  }

  /// Sends the commands between `MULTI` and `EXEC` in one write. One round trip.
  ///
  /// - Parameter tolerating: leaves errors that commands met while the transaction ran in their places among the
  ///   replies. Errors that kept it from running at all are thrown either way.
  /// - Returns: a reply for each command; nil where a watched key had changed and nothing was done.
  func commit(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies? {
    try interrupting { try connection.greet() }
    if try session.settle(on: connection) { throw Interruption.moved }
    let replies = try interrupting(whenCommitting: true) {
      try connection.exchange(commands, atomically: true)
    }
    let result = replies[replies.endIndex - 1]
    if result.isNull { return nil }
    guard result.error == nil else {
      try interruptWhereRedirected(replies)
      throw refusal(replies, of: commands)
    }
    guard result.count == commands.count else {
      let violation = ProtocolViolation(
        description: "an answer to EXEC that is not one to each command", opening: [])
      throw Interruption.lost(ConnectionFailure(.violation(violation), stage: .exchange, sent: .all))
    }
    return try session.check(replies.adoptingElements(of: result), of: commands, tolerating: tolerating)
  }

  /// The server's error among replies that were tolerated, as the user meets it.
  func translate(_ error: ServerError, command: String, key: String) -> any MnemeError {
    session.translate(error, command: CommandText(name: command, key: key))
  }

  /// Has a failure of the connection pass through the body.
  private func interrupting<R>(whenCommitting commits: Bool = false, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch var failure as ConnectionFailure {
      // EXEC is the last word of the write: without all of it the server drops what it has queued.
      failure.mayHaveRun = commits && failure.sent == .all
      throw Interruption.lost(failure)
    }
  }

  private func interruptWhereRedirected(_ replies: Replies) throws {
    guard let redirected = session.redirectedCommands(replies) else { return }
    try session.meetCluster(cause: redirected.error)
    throw Interruption.redirected(redirected.redirection)
  }

  /// `EXEC` was refused because a command was, or `MULTI` itself: that error is the one worth telling.
  private func refusal(_ replies: Replies, of commands: Pipeline) -> any Error {
    let last = replies.endIndex - 1
    let index = replies.firstIndex { $0.kind == .error } ?? last
    let command =
      switch index {
      case 0: CommandText(name: "MULTI", key: nil)
      case last: CommandText(name: "EXEC", key: nil)
      default: commands.command(at: index - 1)
      }
    guard let error = replies[index].error else { preconditionFailure("EXEC was not refused") }
    return session.translate(error, command: command)
  }
}

/// The body of a transaction cannot go on. Passes through it to whoever runs it.
enum Interruption: Error {
  case lost(ConnectionFailure)
  /// Another node is the right one, and the next connection goes there.
  case moved
  case redirected(Redirection)
}

extension Session {
  /// How often a transaction is tried: with as many writers as a cache has, one of them gets through each time.
  static let attemptLimit = 100

  func transaction<R>(_ body: (borrowing Transaction) throws -> Transaction.Outcome<R>) throws -> R {
    var attempts = 0
    var losses = 0
    var patience = Patience(until: Deadline.after(connector.limits.command))
    return try translatingFailures {
      while attempts < Session.attemptLimit {
        do {
          if case .done(let result) = try attemptOnce(body) { return result }
          attempts += 1
          backOff(attempts)
        } catch Interruption.lost(let failure) {
          // A server that dies may take the connection down and still accept the next one, to drop that too.
          losses += 1
          guard failure.isLoss, !failure.mayHaveRun, losses <= 2 else { throw failure }
          try reconnect(after: failure)
        } catch Interruption.redirected(let redirection) {
          guard follow(redirection, patience: &patience) else { throw tired(of: redirection) }
        } catch Interruption.moved {
          continue
        }
      }
      throw StoreBackendError(
        .contention,
        "Other writers changed the same keys of \(address) \(Session.attemptLimit) times in a row.",
        remediation: "Try again, or let fewer processes write the same entries at once.")
    }
  }

  private func attemptOnce<R>(
    _ body: (borrowing Transaction) throws -> Transaction.Outcome<R>
  ) throws -> Transaction.Outcome<R> {
    let connection = try connected()
    defer { connection.endTransaction() }
    return try body(Transaction(session: self, connection: connection))
  }

  /// Waits a little, longer each time and never two writers the same, so that they get out of step.
  private func backOff(_ attempts: Int) {
    let longest = UInt32(500) << UInt32(min(attempts, 7))
    usleep(.random(in: 0...longest))
  }
}
