internal import CVector

extension VectorIndex {
  /// An entry that can be among the nearest, with bounds of its similarity to the query.
  package struct Candidate: Sendable, Equatable {
    package var id: EntryID
    /// The least that the similarity can be.
    package var least: Float
    /// The most that the similarity can be; infinite for a vector that cannot be compared.
    package var most: Float
  }

  /// The result of a search.
  package struct Found: Sendable {
    /// Every entry that can be among the nearest, the one with the highest possible similarity first.
    package var candidates: [Candidate] = []
    /// Some of the entries whose vectors cannot be compared, in id order: the first `mostOdd`.
    package var odd: [EntryID] = []
    /// Whether there may be more entries above the threshold.
    package var isCut = false
  }

  static let mostOdd = 64

  /// Finds the entries that can be among the `limit` nearest to a query and can reach the threshold.
  /// - Parameters:
  ///   - query: of length 1 or about that.
  ///   - threshold: the least similarity of interest.
  /// - Returns: nil if the rows are in a file that is damaged.
  /// - Precondition: the query has the index's dimension.
  package func search(_ query: Embedding, limit: Int, threshold: Float = -.infinity) -> Found? {
    search(query, limit: limit, threshold: threshold, avx2: cvector_has_avx2())
  }

  /// - Parameter avx2: only where the processor has it.
  func search(_ query: Embedding, limit: Int, threshold: Float, avx2: Bool) -> Found? {
    precondition(query.dimension == dimension, "the query is of the index's dimension")
    let numbers = query.numbers
    let padded = numbers + [Float](repeating: 0, count: layout.width - dimension)
    let length = Float(query.dot(query).squareRoot() * 1.000_001)
    // Rounding in float32 can lower the bound itself.
    var nearest = NearestRows(limit: limit, threshold: threshold - 1e-5)
    do {
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: layout.rows) { scores in
        try withUnsafeTemporaryAllocation(of: UInt32.self, capacity: layout.rows) { selected in
          func search(_ block: RowBlock, _ rows: Int, counts: (Int) -> Bool) {
            let scores = scores.baseAddress!
            _ = cvector_scores_i8(avx2, block.vectors, rows, layout.width, padded, scores)
            let count = cvector_select(
              avx2, scores, block.scales, block.errors, rows, length, nearest.bar, selected.baseAddress)
            for row in selected[..<count] {
              let row = Int(row)
              guard counts(row) else { continue }
              let error = block.errors[row] * length
              nearest.insert(
                Candidate(
                  id: EntryID(block.ids[row]), least: scores[row] - error, most: scores[row] + error))
            }
          }
          try forEachBlock(search)
        }
      }
    } catch {
      return nil
    }
    return nearest.found()
  }
}

/// A collector of the candidates among the rows of a search.
private struct NearestRows {
  private let limit: Int
  private let threshold: Float
  private var candidates: [VectorIndex.Candidate] = []
  private var odd: [EntryID] = []
  /// The largest lower bounds, in rising order, `limit` at most.
  private var best: [Float] = []
  /// The least similarity of a candidate: at least `limit` rows are known to be as near.
  private(set) var bar: Float

  init(limit: Int, threshold: Float) {
    self.limit = max(1, limit)
    self.threshold = threshold
    bar = threshold
  }

  mutating func insert(_ candidate: VectorIndex.Candidate) {
    guard candidate.most.isFinite, candidate.least.isFinite else {
      // Sorted and cut at the end, so that the result does not depend on the order of rows.
      odd.append(candidate.id)
      return
    }
    candidates.append(candidate)
    guard best.count < limit || candidate.least > best[0] else { return }
    var (low, high) = (0, best.count)
    while low < high {
      let middle = (low + high) / 2
      if best[middle] < candidate.least { low = middle + 1 } else { high = middle }
    }
    best.insert(candidate.least, at: low)
    if best.count > limit { best.removeFirst() }
    if best.count == limit { bar = max(threshold, best[0]) }
  }

  func found() -> VectorIndex.Found {
    var found = VectorIndex.Found()
    found.candidates = candidates.filter { $0.most >= bar }
      .sorted { $0.most == $1.most ? $0.id < $1.id : $0.most > $1.most }
    found.odd = Array(odd.sorted().prefix(VectorIndex.mostOdd))
    found.isCut = bar > threshold
    return found
  }
}
