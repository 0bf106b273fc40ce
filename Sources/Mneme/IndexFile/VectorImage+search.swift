internal import CVector

extension VectorImage {
  /// Begins a search: every row is scored. The checksum of a file is taken on the way.
  /// - Parameter query: of length 1 or about that.
  /// - Returns: nil where the file is damaged.
  func search(_ query: Embedding) -> VectorImageSearch? {
    precondition(query.dimension == dimension, "the query is of the image's dimension")
    var padded = [Float](repeating: 0, count: width)
    for (index, number) in query.numbers.enumerated() { padded[index] = number }
    let length = Float(query.dot(query).squareRoot() * 1.000_001)

    let checksums = checksums()
    var checksum = checksums?.ofHead
    let avx2 = cvector_has_avx2()
    // Rows that the checksum has just read are still in the processor's cache when they are scored.
    let batch = 256
    let least = [Float](unsafeUninitializedCapacity: count) { scores, initialized in
      for first in stride(from: 0, to: count, by: batch) {
        let rows = min(batch, count - first)
        let start = vectors + first * width
        checksum?.update(UnsafeRawBufferPointer(start: start, count: rows * width))
        _ = cvector_scores_i8(avx2, start, rows, width, padded, scores.baseAddress! + first)
      }
      for row in 0..<count { scores[row] = scores[row] * scales[row] - errors[row] * length }
      initialized = count
    }
    if let checksums, checksum?.value != checksums.stored { return nil }
    return VectorImageSearch(self, least: least, length: length)
  }
}

/// A search under way: says which entries must be looked at, and is told what became of them.
struct VectorImageSearch {
  private let image: VectorImage
  /// The least that the similarity of a row can be.
  private let least: [Float]
  private let length: Float
  private var asked: Set<Int> = []
  private var gone: Set<Int> = []

  fileprivate init(_ image: VectorImage, least: [Float], length: Float) {
    self.image = image
    self.least = least
    self.length = length
  }

  /// How many rows have been handed out.
  var askedCount: Int { asked.count }

  func id(of row: Int) -> EntryID { EntryID(image.ids[row]) }

  /// The rows, not handed out before, that can be among the nearest `limit` of those that are not gone, in id order.
  ///
  /// The `limit` rows that are nearest at least are all as near as the last of them is. So who cannot come up to that
  /// is not among the nearest; everyone else is asked. When this is empty, the nearest are among those that were
  /// handed out.
  /// - Parameter threshold: what cannot be as similar is of no interest.
  mutating func next(limit: Int, threshold: Float) -> [Int] {
    let bar = max(threshold, bar(limit: limit))
    var rows: [Int] = []
    least.withUnsafeBufferPointer { least in
      // Put so that the sum of the infinities of an odd row, which is no number, asks for it.
      for row in 0..<least.count where !(least[row] + 2 * image.errors[row] * length < bar) {
        rows.append(row)
      }
    }
    return rows.filter { asked.insert($0).inserted }
  }

  /// The row's entry is gone, or has no vector to compare.
  mutating func exclude(_ row: Int) { gone.insert(row) }

  /// Of the largest `limit` lower bounds the smallest; -infinity where there are fewer rows.
  private func bar(limit: Int) -> Float {
    guard limit > 0 else { return .infinity }
    var best: [Float] = []
    best.reserveCapacity(limit + 1)
    least.withUnsafeBufferPointer { least in
      var bar = -Float.infinity
      for row in 0..<least.count where least[row] > bar && !gone.contains(row) {
        let place = best.firstIndex { $0 >= least[row] } ?? best.count
        best.insert(least[row], at: place)
        if best.count > limit { best.removeFirst() }
        if best.count == limit { bar = best[0] }
      }
    }
    return best.count == limit ? best[0] : -.infinity
  }
}
