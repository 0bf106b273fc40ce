/// Two texts, and whether one's answer serves the other.
package struct LabelledPair: Sendable, Equatable {
  /// The one text.
  package var a: String
  /// The other text.
  package var b: String
  /// Whether one text's answer serves the other.
  package var isMatch: Bool

  /// The texts are taken as they are.
  package init(a: String, b: String, isMatch: Bool) {
    self.a = a
    self.b = b
    self.isMatch = isMatch
  }
}

extension LabelledPair {
  /// Pairs drawn from labelled texts: `count` that share a label, then `count` that do not.
  ///
  /// Every pair of the kind is as likely as any other, and none is drawn twice; where there are fewer, all are
  /// taken. Texts that normalise alike count once, with the label that comes first, since they are exact matches
  /// at any threshold. The same texts, count and seed give the same pairs in every release.
  ///
  /// Two texts drawn at random are mostly easy to tell apart, so thresholds found with such pairs are lower
  /// bounds: a cache compares each question with its nearest neighbour.
  package static func draw(
    _ count: Int, from texts: [(text: String, label: String)], seed: UInt64
  ) -> [LabelledPair] {
    let groups = distinctTexts(texts)
    let all = groups.flatMap(\.self)
    var random = SplitMix64(seed: seed)

    // Pairs within a label are numbered label by label, (1,0), (2,0), (2,1), (3,0) … in each.
    let within = groups.map { $0.count * ($0.count - 1) / 2 }
    let matches = random.sample(count, below: within.reduce(0, +)).map { number in
      let (group, rest) = position(of: number, in: within)
      let (row, column) = belowDiagonal(rest)
      return LabelledPair(a: groups[group][column], b: groups[group][row], isMatch: true)
    }

    // Pairs across labels: each text of a label with each text of the labels after it.
    var ends: [Int] = []
    for group in groups { ends.append((ends.last ?? 0) + group.count) }
    let across = zip(groups, ends).map { $0.count * (all.count - $1) }
    let strangers = random.sample(count, below: across.reduce(0, +)).map { number in
      let (group, rest) = position(of: number, in: across)
      let later = all.count - ends[group]
      return LabelledPair(a: groups[group][rest / later], b: all[ends[group] + rest % later], isMatch: false)
    }
    return matches + strangers
  }

  /// The texts by label, both in the order of their first appearance.
  private static func distinctTexts(_ texts: [(text: String, label: String)]) -> [[String]] {
    var seen: Set<[UInt8]> = []
    var groupOf: [[UInt8]: Int] = [:]
    var groups: [[String]] = []
    for (text, label) in texts where seen.insert(Array(QueryNormalizer.normalize(text).utf8)).inserted {
      let group = groupOf[Array(label.utf8)] ?? groups.count
      if group == groups.count {
        groupOf[Array(label.utf8)] = group
        groups.append([])
      }
      groups[group].append(text)
    }
    return groups
  }

  /// Which part a number falls into when parts of these sizes follow one another, and where in it.
  private static func position(of number: Int, in sizes: [Int]) -> (part: Int, rest: Int) {
    var rest = number
    for (part, size) in sizes.enumerated() {
      if rest < size { return (part, rest) }
      rest -= size
    }
    preconditionFailure("the number is below the sum of the sizes")
  }

  /// The place of a number in the triangle (1,0), (2,0), (2,1), (3,0) …
  private static func belowDiagonal(_ number: Int) -> (row: Int, column: Int) {
    var row = Int((Double(number) * 2).squareRoot())
    // The root is at most one off.
    while row * (row - 1) / 2 > number { row -= 1 }
    while (row + 1) * row / 2 <= number { row += 1 }
    return (row, number - row * (row - 1) / 2)
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

  /// `count` different numbers below `bound`, every such set equally likely, with one draw each (Floyd; in
  /// Bentley, "Programming Pearls: a sample of brilliance", 1987). All of them when there are no more.
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
