/// The place that the reply to one command has among the replies to its pipeline: what `Pipeline.append` returns.
struct Slot: Sendable, Equatable {
  let position: Int
}

/// Something that one or more replies answer together.
///
/// A function that appends commands to a pipeline returns the question that they ask, and only the question knows
/// which replies it is read from: a command that is added in front of it moves nothing else.
///
///     let quota = appendQuotaQuestion(for: namespace, to: &pipeline)
///     let replies = try client.read(pipeline)
///     let maxEntries = try replies[quota]
struct Question<Value> {
  private let read: (Replies) throws -> Value

  init(_ read: @escaping (Replies) throws -> Value) { self.read = read }

  /// The answer, among the replies to the pipeline that the question was appended to.
  func answer(in replies: Replies) throws -> Value { try read(replies) }

  func map<Other>(_ transform: @escaping (Value) throws -> Other) -> Question<Other> {
    Question<Other> { try transform(read($0)) }
  }
}

extension Question<Void> {
  /// Asks nothing.
  static var nothing: Question { Question { _ in } }
}

extension Replies {
  /// The reply to one command.
  subscript(slot: Slot) -> Reply { self[slot.position] }

  /// The answer that the replies to several commands give together.
  subscript<Value>(question: Question<Value>) -> Value {
    get throws { try question.answer(in: self) }
  }
}
