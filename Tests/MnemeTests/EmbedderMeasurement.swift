import Foundation
import Mneme
import TestSupport
import Testing

/// The value of the built-in embedder for a cache, on real questions: Banking77, 77 intents of a bank's support desk.
/// The nearest stored question answers if it is near enough; it is right when it has the same intent.
///
/// By default a sample. With MNEME_MEASURE_EMBEDDER set it is all of them, those that it was tuned on too, and the
/// figures are printed. `Tests/measure-embedder` gives the same for the new questions, and the figures of a model.
@Suite("The built-in embedder on Banking77", .needsBanking77)
struct EmbedderMeasurement {
  static let takesAll = ProcessInfo.processInfo.environment["MNEME_MEASURE_EMBEDDER"] != nil
  static let thresholds: [Double] = [0.70, 0.75, 0.80, 0.85, 0.90, 0.95]

  @Test("answers many new questions, and rarely wrongly")
  func newQuestions() throws {
    let cache = try Filled(with: Question.read("train.csv"))
    let outcomes = try Question.read("test.csv").map { question in
      try cache.answer(to: question.text, sparing: nil).map {
        Outcome(similarity: $0.similarity, isRight: $0.intent == question.intent)
      }
    }
    let atDefault = Tally(outcomes, threshold: 0.85)
    #expect(Double(atDefault.right) / Double(atDefault.right + atDefault.wrong) > 0.94)
    // A sample has fewer neighbours to find.
    #expect(Double(atDefault.right) / Double(outcomes.count) > (Self.takesAll ? 0.40 : 0.10))
    report("3,080 new questions (test.csv), asked of a cache filled from train.csv", outcomes)
  }

  @Test(
    "has the same quality on the questions that it was tuned on",
    .enabled(if: takesAll, "MNEME_MEASURE_EMBEDDER is not set")
  )
  func tuningQuestions() throws {
    let questions = try Question.read("train.csv")
    let cache = try Filled(with: questions)
    let outcomes = try questions.map { question in
      try cache.answer(to: question.text, sparing: question.text).map {
        Outcome(similarity: $0.similarity, isRight: $0.intent == question.intent)
      }
    }
    let atDefault = Tally(outcomes, threshold: 0.85)
    #expect(Double(atDefault.right) / Double(atDefault.right + atDefault.wrong) > 0.96)
    report("10,003 tuning questions (train.csv), each asked of a cache of all the others", outcomes)
  }

  private func report(_ title: String, _ outcomes: [Outcome?]) {
    guard Self.takesAll else { return }
    var lines = ["", title, "threshold   right           wrong          none            right of served"]
    for threshold in Self.thresholds {
      let tally = Tally(outcomes, threshold: threshold)
      func share(_ count: Int, of all: Int = outcomes.count) -> String {
        String(format: "%5.1f %%", 100 * Double(count) / Double(all))
      }
      lines.append(
        String(format: "%9.2f", threshold)
          + [tally.right, tally.wrong, tally.none].map { String(format: "%6d ", $0) + share($0) }.joined()
          + "        " + share(tally.right, of: tally.right + tally.wrong))
    }
    print(lines.joined(separator: "\n"))
  }
}

private struct Outcome {
  let similarity: Double
  let isRight: Bool
}

private struct Tally {
  private(set) var right = 0
  private(set) var wrong = 0
  private(set) var none = 0

  init(_ outcomes: [Outcome?], threshold: Double) {
    for outcome in outcomes {
      if let outcome, outcome.similarity >= threshold {
        if outcome.isRight { right += 1 } else { wrong += 1 }
      } else {
        none += 1
      }
    }
  }
}

/// The embedder and an index, as a cache puts them together.
private struct Filled {
  private let embedder = HashedNgramEmbedder()
  private var index = VectorIndex(dimension: HashedNgramEmbedder.dimension)
  private var intents: [String] = []
  private var ids: [String: EntryID] = [:]
  private var vectors: [EntryID: Embedding] = [:]

  init(with questions: [Question]) throws {
    for question in questions {
      // A question put again replaces the first.
      if let id = ids[question.text] {
        intents[Int(id.rawValue)] = question.intent
        continue
      }
      let id = EntryID(Int64(intents.count))
      ids[question.text] = id
      intents.append(question.intent)
      let vector = Embedding(try embedder.embed(question.text))
      vectors[id] = vector
      vector.bytes.withUnsafeBytes { index.set(id, $0) }
    }
  }

  func answer(to text: String, sparing spared: String?) throws -> (similarity: Double, intent: String)? {
    let spared = spared.flatMap { ids[$0] }
    let query = Embedding(try embedder.embed(text))
    var nearest: (id: EntryID, similarity: Double)?
    for candidate in index.search(query, limit: 2)?.candidates ?? [] where candidate.id != spared {
      let similarity = vectors[candidate.id]!.dot(query)
      let isNearer = nearest.map {
        similarity > $0.similarity || similarity == $0.similarity && candidate.id < $0.id
      }
      if isNearer ?? true { nearest = (candidate.id, similarity) }
    }
    return nearest.map { ($0.similarity, intents[Int($0.id.rawValue)]) }
  }
}

private struct Question {
  let text: String
  let intent: String

  /// The rows of a file next to train.csv: every one, or every eighth.
  static func read(_ file: String) throws -> [Question] {
    let folder = URL(filePath: Repository.banking77).deletingLastPathComponent()
    let rows = parse(try Data(contentsOf: folder.appending(path: file))).dropFirst()
    let step = EmbedderMeasurement.takesAll ? 1 : 8
    return rows.enumerated().filter { $0.offset % step == 0 }.map { _, row in
      Question(text: QueryNormalizer.normalize(row[0]), intent: row[1])
    }
  }

  /// Comma-separated values as RFC 4180 has them, quoted line breaks and all.
  private static func parse(_ data: Data) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var previous: UInt8?
    for byte in data {
      defer { previous = byte }
      switch byte {
      case UInt8(ascii: "\""):
        // A quote that opens again immediately was a doubled one.
        if !isQuoted, previous == byte { field.append(byte) }
        isQuoted.toggle()
      case UInt8(ascii: ",") where !isQuoted, UInt8(ascii: "\n") where !isQuoted:
        row.append(String(decoding: field, as: UTF8.self))
        field = []
        if byte == UInt8(ascii: "\n") {
          rows.append(row)
          row = []
        }
      default: field.append(byte)
      }
    }
    return rows
  }
}
