import Mneme

/// The outcome of deciding about a change: nothing to write, or the commands to commit.
enum Plan<Result> {
  /// There is nothing to write.
  case done(Result)
  /// The keys that were read have changed since. The change starts again.
  case lookAgain
  /// These commands are run in one transaction. The question reads the result from their replies.
  case commit(Pipeline, Question<Result>)

  /// Commands in one transaction.
  static func write(_ build: (inout Pipeline) throws -> Question<Result>) rethrows -> Plan {
    var pipeline = Pipeline()
    let question = try build(&pipeline)
    return .commit(pipeline, question)
  }
}

/// The first step of a change: `WATCH` for the keys that it depends on, and commands that read.
struct Look<Seen> {
  let commands: Pipeline
  let question: Question<Seen>

  init(_ build: (inout Pipeline) throws -> Question<Seen>) rethrows {
    var pipeline = Pipeline()
    question = try build(&pipeline)
    commands = pipeline
  }
}

/// The memory that a server has for writes.
enum Room: Sendable, Comparable {
  /// Enough, as far as it is known.
  case enough
  /// The server has reached `maxmemory` and evicts nothing. It accepts commands that free memory, and refuses a
  /// transaction if any of its commands may need memory.
  case none
  /// Redis 6.2 and 7.0 then refuse every command in a transaction. They still accept single commands that free memory.
  case noneForTransactions
}

/// A change of the cache in its three steps: look, decide, write.
struct Change<Seen, Result> {
  /// Whether the server's errors stay in their places among the answers to the look.
  var tolerates = false
  /// Whether `decide` has commands that only free memory, for a full server (`Transaction.room`). If the server then
  /// refuses the change for lack of memory, it starts again with less room. Outside a transaction the keys that were
  /// read are not protected, but a full server refuses all writes that would change them.
  var frees = false
  let look: () throws -> Look<Seen>
  /// Decides by the values read. It may read more with `Transaction.read`.
  let decide: (borrowing Transaction, Seen) throws -> Plan<Result>
}

/// The replies to a look that was sent together with the transaction before. They are valid as long as nothing else is
/// sent on the connection.
struct Looked<Seen> {
  fileprivate let look: Look<Seen>
  fileprivate let replies: Replies
  fileprivate let connection: Connection
  fileprivate let exchangeCount: Int
}

extension RedisClient {
  /// The number of attempts at a change. One of several competing writers succeeds each time, so there would have to be
  /// about as many writers for one to fail.
  static let attemptLimit = 100

  /// Makes a change: looks, decides and writes. It starts again if a watched key has changed in between, or if the
  /// connection was lost before the transaction was sent.
  ///
  /// Two round trips, or one if there is nothing to write, and one for each further `Transaction.read`. `decide` must
  /// not use the client itself.
  /// - Throws: the errors of `look` and `decide`; `StoreBackendError` with `contention` after `attemptLimit` attempts.
  /// - Parameters:
  ///   - tolerating: leaves the server's errors in their places among the answers to the look.
  ///   - freeing: whether the change can only free memory if the server is full: `Change.frees`.
  func change<Seen, Result>(
    tolerating: Bool = false, freeing: Bool = false, _ look: (inout Pipeline) throws -> Question<Seen>,
    decide: (borrowing Transaction, Seen) throws -> Plan<Result>
  ) throws -> Result {
    try withoutActuallyEscaping(look) { look in
      try withoutActuallyEscaping(decide) { decide in
        let change = Change(
          tolerates: tolerating, frees: freeing, look: { try Look(look) }, decide: decide)
        return try perform(change, looked: nil, upcoming: { nil }).result
      }
    }
  }

  /// Makes one of several changes that come one after the other, as `change` does.
  /// - Parameters:
  ///   - looked: the replies to this change's look, if it was sent with the change before.
  ///   - upcoming: the look of the next change. It is sent after the transaction in the same write, so that successive
  ///     changes take one round trip each. It is called at most once.
  /// - Returns: the result, and the replies to the upcoming look if it was sent and can still be used.
  func perform<Seen, Result>(
    _ change: Change<Seen, Result>, looked: Looked<Seen>?, upcoming: () throws -> Look<Seen>?
  ) throws -> (result: Result, next: Looked<Seen>?) {
    var looked = looked
    var next: Look<Seen>?
    var hasAsked = false
    var done: (result: Result, next: Looked<Seen>?)?
    try attempting { connection in
      let transaction = Transaction(
        client: self, connection: connection, room: change.frees ? room : .enough, frees: change.frees)
      let seen: Seen
      if let known = looked.take(), known.connection === connection,
        known.exchangeCount == connection.exchangeCount
      {
        seen = try check(known.replies, of: known.look.commands, tolerating: change.tolerates)[
          known.look.question]
      } else {
        connection.endTransaction()
        let look = try change.look()
        seen = try transaction.read(look.commands, tolerating: change.tolerates)[look.question]
      }
      switch try change.decide(transaction, seen) {
      case .done(let result):
        connection.endTransaction()
        done = (result, nil)
      case .lookAgain: return false
      case .commit(let commands, let question):
        if !hasAsked {
          next = try upcoming()
          hasAsked = true
        }
        guard let (written, following) = try transaction.commit(commands, followedBy: next?.commands) else {
          return false
        }
        let nextLooked = next.flatMap { look in
          following.map {
            Looked(
              look: look, replies: $0, connection: connection, exchangeCount: connection.exchangeCount)
          }
        }
        done = (try written[question], nextLooked)
      }
      return true
    }
    guard let done else { preconditionFailure("an attempt that was done has a result") }
    return done
  }

  /// Runs `body` until it succeeds.
  /// - Parameter body: one attempt; false if a watched key has changed.
  private func attempting(_ body: (Connection) throws -> Bool) throws {
    try locked {
      try translatingFailures {
        var attempts = 0
        var losses = 0
        var redirections = RedirectionLimit(until: Deadline.after(connector.limits.command))
        while attempts < RedisClient.attemptLimit {
          try WorkCancellation.check()
          let connection = try connected()
          var isDone = false
          defer { if !isDone { connection.endTransaction() } }
          do {
            isDone = try body(connection)
            if isDone { return }
            attempts += 1
            backOff(attempts)
          } catch Interruption.lost(let failure) {
            // A server that is ending may close the connection, accept the next one, and close that too.
            losses += 1
            guard failure.isLoss, !failure.mayHaveRun, losses <= 2 else { throw failure }
            try reconnect(after: failure)
          } catch Interruption.redirected(let redirection) {
            guard follow(redirection, limit: &redirections) else {
              throw tooManyRedirections(of: redirection)
            }
          } catch Interruption.moved {
            continue
          } catch Interruption.full {
            room = room == .enough ? .none : .noneForTransactions
          }
        }
        throw StoreBackendError(
          .contention,
          "Other clients changed the same keys of \(description) \(RedisClient.attemptLimit) times in a row.",
          about: .server(description), remedy: .reduceWriters)
      }
    }
  }

  /// Waits for a random time that grows with each attempt, so that competing clients do not collide again.
  private func backOff(_ attempts: Int) {
    let longest = 500 << min(attempts, 7)
    sleep(for: .microseconds(Int.random(in: 0...longest)))
  }
}
