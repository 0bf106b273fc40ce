internal import CVector

extension VectorIndex {
  /// The entries whose vectors lie nearest to a query: highest similarity first, of equal ones the lower id.
  ///
  /// In int8 the query stays float32; it is divided by 127 once, which is the same as to dequantise every row.
  /// - Parameters:
  ///   - query: `dimension` numbers, of length 1 for the results to be cosines.
  ///   - limit: how many at most; all there are when fewer, none when not positive.
  /// - Throws: `EmbedderDimensionError`, and `QuantizationError` for a zero vector, NaN or infinity.
  public func search(_ query: [Float], limit: Int) throws -> [(id: EntryID, similarity: Float)] {
    try search(query, limit: limit, avx2: cvector_has_avx2())
  }

  /// - Parameter avx2: only where the processor has it.
  func search(_ query: [Float], limit: Int, avx2: Bool) throws -> [(id: EntryID, similarity: Float)] {
    let query = try prepared(query)
    guard limit > 0, count > 0 else { return [] }
    var nearest = Nearest(limit: min(limit, count))
    let batch = 512
    withUnsafeTemporaryAllocation(of: Float.self, capacity: batch) { scores in
      for first in stride(from: 0, to: count, by: batch) {
        let rows = min(batch, count - first)
        let best = score(first, rows, query, avx2, scores.baseAddress!)
        guard best >= nearest.bar else { continue }
        for row in 0..<rows where scores[row] >= nearest.bar {
          nearest.insert(rowIDs[first + row], scores[row])
        }
      }
    }
    return nearest.sorted()
  }

  /// Scores `rows` rows from `first` on, and returns the largest score.
  private func score(
    _ first: Int, _ rows: Int, _ query: [Float], _ avx2: Bool, _ scores: UnsafeMutablePointer<Float>
  ) -> Float {
    let start = address(ofRow: first)
    switch precision {
    case .float32:
      return cvector_scores_f32(avx2, start.assumingMemoryBound(to: Float.self), rows, width, query, scores)
    case .int8:
      return cvector_scores_i8(avx2, start.assumingMemoryBound(to: Int8.self), rows, width, query, scores)
    }
  }

  /// The query checked, padded to the width of a row and, for int8, scaled.
  private func prepared(_ query: [Float]) throws -> [Float] {
    guard query.count == dimension else {
      throw EmbedderDimensionError(
        "The query's embedding has \(query.count) dimensions, the index \(dimension).",
        remedy: .useCacheEmbedder)
    }
    var padded = [Float](repeating: 0, count: width)
    let largest = query.reduce(0) { max($0, $1.magnitude.bitPattern) }
    try Self.check(largest, "The query's embedding", nil, .checkEmbedder)
    for (index, number) in query.enumerated() { padded[index] = precision == .int8 ? number / 127 : number }
    return padded
  }
}

/// The best of what is shown to it. Keeps up to twice as many as it is asked for, and sorts when full, so that
/// the work stays small for any limit.
private struct Nearest {
  private let limit: Int
  private var candidates: [(id: EntryID, similarity: Float)] = []
  /// What scores less is not among the best, whatever comes.
  private(set) var bar = -Float.infinity

  init(limit: Int) {
    self.limit = limit
    candidates.reserveCapacity(limit * 2)
  }

  mutating func insert(_ id: EntryID, _ similarity: Float) {
    candidates.append((id, similarity))
    if candidates.count == limit * 2 {
      candidates = sorted()
      bar = candidates[limit - 1].similarity
    }
  }

  func sorted() -> [(id: EntryID, similarity: Float)] {
    let order = candidates.sorted { a, b in
      a.similarity == b.similarity ? a.id < b.id : a.similarity > b.similarity
    }
    return Array(order.prefix(limit))
  }
}
