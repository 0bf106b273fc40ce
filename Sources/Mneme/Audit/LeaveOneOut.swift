/// A test of a cache against itself: each query is asked as if its own entry were not there.
///
/// The nearest other entry answers, if it is near enough. The entry's own response says whether that answer is right.
/// The test needs no labels, no embedder and no network. It measures the queries that were asked so far.
package struct LeaveOneOut: Sendable, Equatable {
  /// The nearest other entry of an entry.
  package struct Nearest: Sendable, Equatable {
    /// The cosine similarity of the two.
    package var similarity: Double
    package var hasSameResponse: Bool

    package init(similarity: Double, hasSameResponse: Bool) {
      (self.similarity, self.hasSameResponse) = (similarity, hasSameResponse)
    }
  }

  /// The numbers of entries that get their own response at a threshold, a different one, or none.
  package struct Row: Sendable, Equatable {
    package var threshold: Double
    package var same: Int
    package var different: Int
    package var none: Int

    package init(threshold: Double, same: Int, different: Int, none: Int) {
      (self.threshold, self.same, self.different, self.none) = (threshold, same, different, none)
    }

    /// The share of different responses among those that are served; nil if none is.
    package var falseRate: Double? {
      same + different == 0 ? nil : Double(different) / Double(same + different)
    }

    /// The 95 % confidence interval of the false rate; nil if nothing is served.
    package var interval: ClosedRange<Double>? { wilsonInterval(different, of: same + different) }
  }

  /// 0.70, 0.71 … 0.99.
  package static let defaultThresholds = (70...99).map { Double($0) / 100 }

  /// A row for each threshold, in the order given.
  package private(set) var rows: [Row]

  /// - Parameters:
  ///   - nearest: of each entry; nil for one that has no other to be compared with.
  ///   - thresholds: the thresholds to try.
  package init(_ nearest: [Nearest?], thresholds: [Double] = Self.defaultThresholds) {
    rows = thresholds.map { threshold in
      let served = nearest.compactMap { $0.flatMap { $0.similarity >= threshold ? $0 : nil } }
      let same = served.count { $0.hasSameResponse }
      return Row(
        threshold: threshold, same: same, different: served.count - same, none: nearest.count - served.count)
    }
  }

  /// Adds the counts of another table with the same thresholds.
  package mutating func add(_ other: LeaveOneOut) {
    precondition(rows.map(\.threshold) == other.rows.map(\.threshold))
    for (place, row) in other.rows.enumerated() {
      rows[place].same += row.same
      rows[place].different += row.different
      rows[place].none += row.none
    }
  }

  /// The lowest threshold at which no more than `maxFalse` of what is served is different; nil if there is none. A
  /// threshold at which nothing is served is not recommended.
  package func recommended(maxFalse: Double = 0.01) -> Row? {
    rows.filter { $0.falseRate.map { $0 <= maxFalse } ?? false }.min { $0.threshold < $1.threshold }
  }
}

/// Computes Wilson's score interval, at 95 %, for a share of which `count` of `total` were drawn. Unlike the simple
/// interval it holds for few draws and for shares near 0 and 1.
///
/// Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
/// - Returns: nil if nothing was drawn.
package func wilsonInterval(_ count: Int, of total: Int) -> ClosedRange<Double>? {
  guard total > 0 else { return nil }
  let z = 1.959_963_984_540_054
  let (n, share) = (Double(total), Double(count) / Double(total))
  let scale = 1 + z * z / n
  let middle = (share + z * z / (2 * n)) / scale
  let half = z / scale * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
  return max(0, middle - half)...min(1, middle + half)
}
