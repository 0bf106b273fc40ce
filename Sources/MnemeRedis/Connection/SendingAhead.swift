import Mneme

/// Commands that were sent, and whose answers are still to be taken.
///
/// While the server works on them, whoever sent them makes ready what comes next, so that neither waits for the other.
struct SentAhead {
  fileprivate let connection: Connection
  fileprivate let answers: Answers
  /// Which of the connection's sends it was.
  fileprivate let number: Int
  /// What had been sent with a question whether others use the server; nil where there was none.
  fileprivate let askedWith: Traffic?
  /// A transaction is among the commands, and may have been run although no answer comes.
  fileprivate let commits: Bool

  /// Nothing has been sent since, and nobody has ended what is watched.
  fileprivate func stands(on connection: Connection) -> Bool {
    self.connection === connection && number == connection.sendCount && connection.isWatching
  }
}

extension RedisClient {
  /// Sends commands without waiting for their answers, which are for `collect`.
  ///
  /// A transaction says what it rests on. It is not sent where that may be out of date: what is watched is forgotten
  /// with the connection, and with the next `EXEC`, whoever sends it.
  /// - Parameters:
  ///   - looked: the commands whose watch must still stand, their answers taken; nil for none.
  ///   - commits: a transaction is among the commands.
  /// - Returns: nil where nothing was done: the connection is not there, or was used for something else, or leads to
  ///   the wrong node. `transaction` then does all that is needed, and says what is wrong.
  /// - Throws: `StoreBackendError` where a transaction may have been run.
  func sendAhead(
    _ commands: Pipeline, after looked: SentAhead?, commits: Bool = false
  ) throws -> SentAhead? {
    try sendingAhead { session in
      guard let connection = try? session.connected() else { return nil }
      if let looked, !looked.stands(on: connection) { return nil }
      let answers = Answers()
      let (asked, asksAfterOthers) = session.asking(commands)
      do {
        try connection.greet()
        guard try !session.settle(on: connection) else { return nil }
        try connection.send(asked, for: answers)
      } catch var failure as ConnectionFailure where commits && failure.sent != .nothing {
        failure.mayHaveRun = true
        throw failure
      } catch {
        return nil
      }
      return SentAhead(
        connection: connection, answers: answers, number: connection.sendCount,
        askedWith: asksAfterOthers ? session.traffic : nil, commits: commits)
    }
  }

  /// The answers to commands that were sent ahead, errors among them. One round trip, begun when they were sent.
  /// - Returns: nil where the connection was lost and nothing was done.
  /// - Throws: `StoreBackendError`; where a transaction was among the commands it may have been run.
  func collect(_ sent: SentAhead) throws -> Replies? {
    try sendingAhead { session in
      do {
        let replies = try sent.connection.collect(sent.answers)
        return session.heeding(replies, askedWith: sent.askedWith)
      } catch var failure as ConnectionFailure {
        if !sent.commits, failure.isLoss { return nil }
        failure.mayHaveRun = sent.commits
        throw failure
      }
    }
  }

  /// Ends what was looked at without a transaction: what is watched is not to undo the next one.
  func giveUp(_ looked: SentAhead) {
    sendingAhead { _ in looked.connection.endTransaction() }
  }

  private func sendingAhead<R>(_ body: (Session) throws -> R) rethrows -> R {
    try withSession { session in try session.translatingFailures { try body(session) } }
  }
}
