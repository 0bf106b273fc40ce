import Mneme

/// A transaction under way, with which a change reads and commits. It cannot outlive the change.
struct Transaction: ~Copyable {
  let client: RedisClient
  let connection: Connection
  /// The memory that is available to the commands.
  let room: Room
  /// Whether the change has commands for a server with less memory.
  let frees: Bool

  /// Sends `WATCH` and commands that only read. One round trip.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    let replies = try interrupting { try connection.exchange(lookingBeforeTransaction: commands) }
    if try client.settle(on: connection) { throw Interruption.moved }
    if case .refused(let command, let error) = connection.transactions {
      throw client.translated(error, of: command)
    }
    try interruptWhereRedirected(replies)
    return try client.check(replies, of: commands, tolerating: tolerating)
  }

  /// Reads more before the decision. One round trip.
  func read<Seen>(_ build: (inout Pipeline) throws -> Question<Seen>) throws -> Seen {
    let look = try Look(build)
    return try read(look.commands)[look.question]
  }

  /// Sends the commands between `MULTI` and `EXEC` in one write. One round trip.
  ///
  /// - Parameter look: commands of the next change, which are sent after `EXEC` in the same write.
  /// - Returns: the replies to the commands, and those to the look, which may be errors; the latter are nil if they
  ///   cannot be used. The result is nil if a watched key has changed and nothing was done.
  func commit(
    _ commands: Pipeline, followedBy look: Pipeline?
  ) throws -> (written: Replies, following: Replies?)? {
    try interrupting { try connection.greet() }
    if try client.settle(on: connection) { throw Interruption.moved }
    if room == .noneForTransactions { return (try send(commands), nil) }
    let replies = try interrupting(mayHaveRun: { $0 == .all || $0 == .partly && look != nil }) {
      try connection.exchange(transaction: commands, followedBy: look)
    }
    let exec = commands.count + 1
    let result = replies[exec]
    if result.isNull { return nil }
    guard result.error == nil else {
      try interruptWhereRedirected(replies.prefix(exec + 1))
      if frees, replies.prefix(exec + 1).contains(where: { $0.error?.code == "OOM" }) {
        throw Interruption.full
      }
      throw refusal(replies, of: commands)
    }
    guard result.count == commands.count else {
      let violation = ProtocolViolation(
        description: "an answer to EXEC that is not one to each command", opening: [])
      throw Interruption.lost(ConnectionFailure(.violation(violation), stage: .exchange, sent: .all))
    }
    let written = try client.check(Replies(elementsOf: result), of: commands, tolerating: false)
    guard look != nil else { return (written, nil) }
    let following = replies.dropping(exec + 1)
    // If a node has redirected the look, it is made again later.
    return (written, client.redirectedCommands(following) == nil ? following : nil)
  }

  /// Sends the commands without a transaction, to a server that refuses one. The keys are not watched any more.
  private func send(_ commands: Pipeline) throws -> Replies {
    defer { connection.endTransaction() }
    let replies = try interrupting(mayHaveRun: { $0.mayHaveRun(commands) }) {
      try connection.exchange(commands)
    }
    try interruptWhereRedirected(replies)
    return try client.check(replies, of: commands, tolerating: false)
  }

  /// Converts a tolerated error reply to the error for the user.
  func translate(_ error: ServerError, command: String, key: String) -> any MnemeError {
    client.translated(error, of: CommandText(name: command, key: key))
  }

  /// Passes a failure of the connection through the change.
  /// - Parameter mayHaveRun: whether the sent bytes may contain a complete transaction. If `EXEC` does not arrive, the
  ///   server drops the queued commands.
  private func interrupting<R>(
    mayHaveRun: (ConnectionFailure.Sent) -> Bool = { _ in false }, _ body: () throws -> R
  ) throws -> R {
    do {
      return try body()
    } catch var failure as ConnectionFailure {
      failure.mayHaveRun = mayHaveRun(failure.sent)
      throw Interruption.lost(failure)
    }
  }

  private func interruptWhereRedirected(_ replies: some Sequence<Reply>) throws {
    guard let redirected = client.redirectedCommands(replies) else { return }
    if redirected.redirection != .demoted { try client.meetCluster(cause: redirected.error) }
    throw Interruption.redirected(redirected.redirection)
  }

  /// Returns the error to report if `EXEC` was refused: that of the command, or of `MULTI`, which was refused first.
  private func refusal(_ replies: Replies, of commands: Pipeline) -> any Error {
    let exec = commands.count + 1
    let index = replies.prefix(exec).firstIndex { $0.kind == .error } ?? exec
    let command =
      switch index {
      case 0: CommandText(name: "MULTI", key: nil)
      case exec: CommandText(name: "EXEC", key: nil)
      default: commands.command(at: index - 1)
      }
    guard let error = replies[index].error else { preconditionFailure("EXEC was not refused") }
    return client.translated(error, of: command)
  }
}

/// The reason why a change cannot continue. The loop that runs it handles it.
enum Interruption: Error {
  case lost(ConnectionFailure)
  /// Another node is the right one, and the next connection goes there.
  case moved
  case redirected(Redirection)
  /// The server has no memory, and the change has commands that need none.
  case full
}
