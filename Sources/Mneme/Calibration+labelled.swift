/// Two texts, and whether the response to one also answers the other.
public struct LabelledPair: Sendable, Equatable {
  /// The one text.
  public var a: String
  /// The other text.
  public var b: String
  /// Whether the response to one text also answers the other.
  public var isMatch: Bool

  /// Makes a pair. The texts are not normalized.
  public init(a: String, b: String, isMatch: Bool) {
    self.a = a
    self.b = b
    self.isMatch = isMatch
  }
}

/// A text and its label. The response to a text also answers every text with the same label.
package struct LabelledText: Sendable, Equatable {
  package var text: String
  package var label: String

  package init(text: String, label: String) { (self.text, self.label) = (text, label) }
}

extension LabelledText {
  /// Halves texts at random: one half fills a cache, the other is asked.
  ///
  /// Texts that are equal when normalized are used once, with their first label, since they are exact hits at any
  /// threshold. Equal texts and seeds give equal halves in every release.
  package static func halves(
    of texts: [LabelledText], seed: UInt64
  ) -> (stored: [LabelledText], asked: [LabelledText]) {
    var seen: Set<[UInt8]> = []
    let distinct = texts.filter { seen.insert(Array(QueryNormalizer.normalize($0.text).utf8)).inserted }
    var random = SplitMix64(seed: seed)
    let isStored = random.sample((distinct.count + 1) / 2, below: distinct.count)
      .reduce(into: [Bool](repeating: false, count: distinct.count)) { $0[$1] = true }
    let halves = zip(distinct, isStored)
    return (halves.filter { $0.1 }.map(\.0), halves.filter { !$0.1 }.map(\.0))
  }
}

extension LeaveOneOut {
  /// A test of a cache with questions that it does not hold.
  /// - Parameters:
  ///   - stored: vectors of length 1, each with its label.
  ///   - asked: vectors of length 1, each with its label. The nearest stored vector answers each, or the first of
  ///     several equally near ones.
  ///   - thresholds: the thresholds to try.
  /// - Precondition: all vectors have the same dimension, and one is stored.
  package init(
    asking asked: [(vector: Embedding, label: String)], of stored: [(vector: Embedding, label: String)],
    thresholds: [Double]
  ) {
    var index = VectorIndex(dimension: stored[0].vector.dimension)
    for (number, entry) in stored.enumerated() {
      entry.vector.bytes.withUnsafeBytes { index.set(EntryID(Int64(number)), $0) }
    }
    self.init(
      asked.map { question in
        let candidates = index.search(question.vector, limit: 1)?.candidates ?? []
        let places = candidates.map { Int($0.id.rawValue) }.sorted()
        var nearest: Nearest?
        for place in places {
          let similarity = stored[place].vector.dot(question.vector)
          guard similarity > nearest?.similarity ?? -.infinity else { continue }
          nearest = Nearest(
            similarity: similarity,
            hasSameResponse: stored[place].label.utf8.elementsEqual(question.label.utf8))
        }
        return nearest
      }, thresholds: thresholds)
  }
}

extension Calibration {
  /// The curve of a table: right answers among those served, and among all that were asked.
  package init(_ table: LeaveOneOut) {
    curve = table.rows.map { row in
      let asked = row.same + row.different + row.none
      return Point(
        threshold: row.threshold, precision: row.falseRate.map { 1 - $0 } ?? 1,
        recall: asked == 0 ? 0 : Double(row.same) / Double(asked))
    }
  }
}

/// A small random number generator whose numbers never change: SplitMix64 (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014, with Stafford's mixing constants). Swift's own ways to draw
/// from a generator may change between releases, so the drawing is here too.
struct SplitMix64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }

  /// A number from 0 to below `bound`, each equally likely: numbers from the incomplete last stretch of the
  /// generator's range are thrown away.
  mutating func next(below bound: Int) -> Int {
    let bound = UInt64(bound)
    let excess = (UInt64.max % bound + 1) % bound
    while true {
      let number = next()
      if number <= UInt64.max - excess { return Int(number % bound) }
    }
  }

  /// Returns `count` different numbers below `bound`, or all of them if there are fewer. Every such set is equally
  /// likely, and takes one draw for each number (Floyd; in Bentley, "Programming Pearls: a sample of brilliance",
  /// 1987).
  mutating func sample(_ count: Int, below bound: Int) -> [Int] {
    var chosen: Set<Int> = []
    var order: [Int] = []
    for last in max(0, bound - count)..<bound {
      let number = next(below: last + 1)
      let fresh = chosen.insert(number).inserted ? number : last
      chosen.insert(fresh)
      order.append(fresh)
    }
    return order
  }
}
