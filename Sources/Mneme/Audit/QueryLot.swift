internal import CVector

/// Some vectors that are compared with every row of an index together, so that each row is loaded once for all of them.
///
/// The comparison uses int8, as in a search, and so it gives bounds. The vectors themselves are kept for pairs that the
/// bounds do not decide.
final class QueryLot {
  let layout: RowLayout
  let capacity: Int
  private(set) var count = 0
  /// The least similarity of interest, for each vector.
  var bars: [Float] = []

  /// The vectors: `capacity` × dimension.
  private let numbers: UnsafeMutablePointer<Float>
  private let quantized: Pages
  private var scales: [Float] = []
  private var errors: [Float] = []
  /// The lengths of the quantized vectors, in steps of their scales.
  private var lengths: [Float] = []
  private let padded: UnsafeMutablePointer<Float>
  private let panels: Pages
  private let scores: UnsafeMutablePointer<Float>
  private let rowLengths: UnsafeMutablePointer<Float>
  private let selected: UnsafeMutablePointer<UInt32>
  private let instructions: cvector_instructions
  private let avx2 = cvector_has_avx2()

  private static let panel = Int(CVECTOR_PANEL)
  /// The kernels take a multiple of 8 vectors. The scores of so many fit into the first cache.
  private static let group = 32

  /// - Parameter instructions: those that the processor has.
  init(_ layout: RowLayout, instructions: cvector_instructions = cvector_best_instructions()) {
    self.layout = layout
    self.instructions = instructions
    // 64 MiB, which only very wide vectors reach.
    capacity = max(Self.group, min(1024, (64 << 20) / (5 * layout.width) / Self.group * Self.group))
    let paddedRows = (layout.rows + Self.panel - 1) / Self.panel * Self.panel
    numbers = .allocate(capacity: capacity * layout.dimension)
    quantized = Pages(count: capacity * layout.width)
    padded = .allocate(capacity: layout.width)
    padded.initialize(repeating: 0, count: layout.width)
    panels = Pages(count: paddedRows * layout.width)
    scores = .allocate(capacity: Self.group * paddedRows)
    rowLengths = .allocate(capacity: layout.rows)
    selected = .allocate(capacity: layout.rows)
  }

  deinit {
    numbers.deallocate()
    padded.deallocate()
    scores.deallocate()
    rowLengths.deallocate()
    selected.deallocate()
  }

  func removeAll() {
    count = 0
    bars = []
    scales = []
    errors = []
    lengths = []
  }

  /// Adds a vector, unless it cannot be compared.
  /// - Parameter bytes: little-endian float32, of any number.
  /// - Returns: whether it was added.
  func add(_ bytes: UnsafeRawBufferPointer, bar: Float) -> Bool {
    precondition(count < capacity)
    guard bytes.count == layout.dimension * 4,
      cvector_read_f32(bytes.baseAddress, layout.dimension, padded) < 0x7f80_0000
    else { return false }
    let row = int8(count)
    var error: Float = 0
    let scale = cvector_quantize_row(avx2, padded, layout.width, row, &error)
    guard error.isFinite else { return false }
    (numbers + count * layout.dimension).update(from: padded, count: layout.dimension)
    var length: Float = 0
    cvector_lengths(row, 1, layout.width, &length)
    scales.append(scale)
    errors.append(error)
    lengths.append(length)
    bars.append(bar)
    count += 1
    return true
  }

  private func int8(_ query: Int) -> UnsafeMutablePointer<Int8> {
    (quantized.start + query * layout.width).assumingMemoryBound(to: Int8.self)
  }

  /// Returns the dot product of a vector and a stored one, equal to that of `Embedding.dot`.
  func similarity(of query: Int, to bytes: UnsafeRawBufferPointer) -> Double {
    cvector_dot_f32(bytes.baseAddress, numbers + query * layout.dimension, layout.dimension)
  }

  /// Compares the vectors with the rows of a block.
  /// - Parameter body: called with each pair that can reach the bar of its vector, and with the bounds of its
  ///   similarity. It may change the bars.
  func compare(
    with block: RowBlock, rows: Int,
    _ body: (_ query: Int, _ row: Int, _ least: Float, _ most: Float) throws -> Void
  ) rethrows {
    guard rows > 0 else { return }
    let packed = panels.start.assumingMemoryBound(to: UInt8.self)
    cvector_pack(block.vectors, rows, layout.width, packed)
    cvector_lengths(block.vectors, rows, layout.width, rowLengths)
    var longest: Float = 0
    for row in 0..<rows where block.errors[row].isFinite {
      rowLengths[row] = rowLengths[row] * block.scales[row] + block.errors[row]
      longest = max(longest, rowLengths[row])
    }
    let panelCount = (rows + Self.panel - 1) / Self.panel
    let stride = panelCount * Self.panel
    for first in Swift.stride(from: 0, to: count, by: Self.group) {
      let group = min(Self.group, count - first)
      cvector_scores_of_pairs(
        instructions, int8(first), (group + 7) / 8 * 8, packed, panelCount, layout.width, scores)
      for query in first..<first + group {
        // a·b - a'·b' = (a - a')·b + a'·(b - b'), where a' and b' are what int8 made of a and b. In steps of the
        // query's scale, and with a little for float32.
        let bar = (bars[query] - 1e-5 - errors[query] * longest) / scales[query]
        let ownScores = scores + (query - first) * stride
        let found = cvector_select(
          avx2, ownScores, block.scales, block.errors, rows, lengths[query], bar, selected)
        for place in 0..<found {
          let row = Int(selected[place])
          guard block.errors[row].isFinite else { continue }
          let error =
            block.errors[row] * lengths[query] * scales[query] + errors[query] * rowLengths[row] + 1e-5
          let score = ownScores[row] * scales[query]
          try body(query, row, score - error, score + error)
        }
      }
    }
  }
}
