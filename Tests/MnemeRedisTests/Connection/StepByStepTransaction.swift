@testable import MnemeRedis

// A change whose body reads, decides and commits by itself, for tests of what happens between the steps.

extension Transaction {
  enum Outcome<R> {
    case done(R)
    /// A watched key had changed: once more from the beginning.
    case retry
  }

  /// - Returns: a reply for each command; nil if a watched key had changed and nothing was done.
  func commit(_ commands: Pipeline) throws -> Replies? { try commit(commands, followedBy: nil)?.written }
}

extension RedisClient {
  func transaction<R>(_ body: (borrowing Transaction) throws -> Transaction.Outcome<R>) throws -> R {
    try change { _ in
      .nothing
    } decide: { transaction, _ in
      switch try body(transaction) {
      case .done(let result): .done(result)
      case .retry: .lookAgain
      }
    }
  }
}
