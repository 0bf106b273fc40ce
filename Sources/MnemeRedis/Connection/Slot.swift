/// The place that the reply to one command has among the replies to its pipeline: what `Pipeline.append` returns.
struct Slot: Sendable, Equatable {
  let position: Int
}

/// A value that is read from one or more replies.
///
/// A function that appends commands to a pipeline returns a question, and only the question knows from which replies
/// it is read. So a command can be added before the others without changing any position.
///
///     let quota = appendQuotaQuestion(for: namespace, to: &pipeline)
///     let replies = try client.read(pipeline)
///     let maxEntries = try replies[quota]
struct Question<Value> {
  private let read: (Replies) throws -> Value

  init(_ read: @escaping (Replies) throws -> Value) { self.read = read }

  /// Reads the value from the replies to the pipeline.
  func answer(in replies: Replies) throws -> Value { try read(replies) }

  func map<Other>(_ transform: @escaping (Value) throws -> Other) -> Question<Other> {
    Question<Other> { try transform(read($0)) }
  }
}

extension Question<Void> {
  /// The question that reads no reply.
  static var nothing: Question { Question { _ in } }
}

extension Replies {
  /// The reply to one command.
  subscript(slot: Slot) -> Reply { self[slot.position] }

  /// The value that a question reads from these replies.
  subscript<Value>(question: Question<Value>) -> Value {
    get throws { try question.answer(in: self) }
  }
}
