import Foundation
import TestSupport
import Testing

@testable import Mneme

@Suite("Differences between two texts")
struct TextDifferenceTests {
  private struct Pair {
    /// nil for two texts that ask the same.
    var difference: TextDifference?
    var texts: [String]
  }

  /// The pairs of `question_pairs.tsv`, which were written for this test.
  private static func pairs() throws -> [Pair] {
    let file = Repository.top + "/Tests/MnemeTests/Fixtures/question_pairs.tsv"
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").dropFirst()
    return try lines.map { line in
      let fields = line.split(separator: "\t").map(String.init)
      try #require(fields.count == 3)
      let difference = TextDifference(rawValue: fields[0])
      try #require((difference == nil) == (fields[0] == "same"))
      return Pair(difference: difference, texts: Array(fields[1...]))
    }
  }

  @Test("finds the differences of two questions, in either order")
  func dangerous() throws {
    let pairs = try Self.pairs()
    #expect(Set(pairs.compactMap(\.difference)) == Set(TextDifference.allCases).subtracting([.other]))
    for pair in pairs {
      guard let difference = pair.difference else { continue }
      for (a, b) in [(pair.texts[0], pair.texts[1]), (pair.texts[1], pair.texts[0])] {
        let found = TextComparison(a, b)
        #expect(found.differences.contains(difference), "\(a) | \(b): \(found.differences)")
        #expect(!found.differences.contains(.other))
        for (ranges, text) in [(found.first, a), (found.second, b)] {
          #expect(ranges.allSatisfy { $0.upperBound <= text.endIndex && !$0.isEmpty })
        }
        #expect(!(found.first + found.second).isEmpty)
      }
    }
  }

  @Test("finds no difference in paraphrases")
  func harmless() throws {
    let paraphrases = try Self.pairs().filter { $0.difference == nil }
    #expect(paraphrases.count > 90)
    for pair in paraphrases {
      let signs = Set(TextComparison(pair.texts[0], pair.texts[1]).differences).subtracting([.other])
      #expect(signs.isEmpty, "\(pair.texts): \(signs)")
    }
  }

  @Test("the built-in embedder finds as many of these pairs similar as its documentation says")
  func builtIn() throws {
    let embedder = HashedNgramEmbedder()
    var counts: [TextDifference?: [Int]] = [:]
    for pair in try Self.pairs() {
      let vectors = try pair.texts.map { Embedding(try embedder.embed(QueryNormalizer.normalize($0))) }
      let isServed = vectors[0].dot(vectors[1]) >= 0.85
      counts[pair.difference, default: [0, 0]][0] += 1
      counts[pair.difference, default: [0, 0]][1] += isServed ? 1 : 0
    }
    #expect(
      counts == [
        .order: [10, 10], .negation: [15, 5], .date: [12, 1], .number: [18, 0], .opposite: [39, 1],
        .name: [11, 0], nil: [99, 45],
      ])
  }

  @Test("finds nothing between texts of the same words, and `other` between other texts")
  func same() {
    #expect(TextComparison("How do I pay?", "how do I  PAY").differences == [])
    #expect(TextComparison("", "").differences == [])
    #expect(TextComparison("", "?!").differences == [])
    #expect(TextComparison("tea", "coffee").differences == [.other])
    #expect(TextComparison("", "coffee").differences == [.other])
  }

  @Test("names the words that differ")
  func ranges() {
    let (a, b) = ("Turn on the light in room 3", "Turn off the light in room 5")
    let found = TextComparison(a, b)
    #expect(found.differences == [.number, .opposite])
    #expect(found.first.map { a[$0] } == ["on", "3"])
    #expect(found.second.map { b[$0] } == ["off", "5"])
    let moved = TextComparison("from tea to milk", "from milk to tea")
    #expect(moved.differences == [.order] && moved.first.count == 2)
  }
}
