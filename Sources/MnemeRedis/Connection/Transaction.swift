import Mneme

/// A transaction under way: what a change reads and commits with. It cannot outlive the change.
struct Transaction: ~Copyable {
  let client: RedisClient
  let connection: Connection
  /// The room that the commands must do with.
  let room: Room
  /// Whether the change can do with less room than it has.
  let frees: Bool

  /// Sends `WATCH` and commands that only read. One round trip.
  func read(_ commands: Pipeline, tolerating: Bool = false) throws -> Replies {
    if commands.isEmpty { return Replies.none }
    let replies = try interrupting { try connection.exchange(commands) }
    if try client.settle(on: connection) { throw Interruption.moved }
    try interruptWhereRedirected(replies)
    return try client.check(replies, of: commands, tolerating: tolerating)
  }

  /// Looks at more, before it is decided. One round trip.
  func read<Seen>(_ build: (inout Pipeline) throws -> Question<Seen>) throws -> Seen {
    let look = try Look(build)
    return try read(look.commands)[look.question]
  }

  /// Sends the commands between `MULTI` and `EXEC` in one write. One round trip.
  ///
  /// - Parameter look: commands that are sent behind `EXEC` in the same write, for what comes next.
  /// - Returns: a reply for each command, and those to the look, errors among them, nil where they are of no use; nil
  ///   where a watched key had changed and nothing was done.
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
    // A look that a node has redirected is made again when its turn comes.
    return (written, client.redirectedCommands(following) == nil ? following : nil)
  }

  /// Sends the commands as they are, to a server that takes no transaction. The keys are not watched any more.
  private func send(_ commands: Pipeline) throws -> Replies {
    defer { connection.endTransaction() }
    let replies = try interrupting(mayHaveRun: { $0.mayHaveRun(commands) }) {
      try connection.exchange(commands)
    }
    try interruptWhereRedirected(replies)
    return try client.check(replies, of: commands, tolerating: false)
  }

  /// The server's error among replies that were tolerated, as the user meets it.
  func translate(_ error: ServerError, command: String, key: String) -> any MnemeError {
    client.translated(error, of: CommandText(name: command, key: key))
  }

  /// Has a failure of the connection pass through the change.
  /// - Parameter mayHaveRun: whether so much of what was sent may hold a whole transaction. The server drops what it has
  ///   queued when `EXEC` does not come.
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

  /// `EXEC` was refused because a command was, or `MULTI` itself: that error is the one worth telling.
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
  /// The server has no room, and the change can do without.
  case full
}
