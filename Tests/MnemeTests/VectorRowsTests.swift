import CVector
import TestSupport
import Testing

@testable import Mneme

@Suite("Rows of vectors in int8")
struct VectorRowsTests {
  /// Rows of many kinds: anywhere, sparse, of one large component, tiny, huge, of few steps.
  static func rows(dimension: Int) -> [[Float]] {
    var random = SeededGenerator(stream: UInt64(dimension))
    func number() -> Float { Float.random(in: -1...1, using: &random) }
    var rows: [[Float]] = []
    for kind in 0..<120 {
      var row = (0..<dimension).map { _ in number() }
      switch kind % 6 {
      case 1: row = row.map { abs($0) < 0.9 ? 0 : $0 }
      case 2: row[kind % dimension] = 40
      case 3: row = row.map { $0 * 1e-9 }
      case 4: row = row.map { $0 * 1e9 }
      case 5: row = row.map { ($0 * 3).rounded() }
      default: break
      }
      rows.append(row)
    }
    return rows
  }

  @Test(
    "the error of each similarity in int8 is within its row's bound",
    arguments: [1, 2, 3, 63, 64, 65, 384, 1536])
  func bound(dimension: Int) throws {
    let width = RowLayout(dimension: dimension).width
    let sets = VectorIndexTests.instructionSets
    let queries = try VectorIndexTests.vectors(20, dimension: dimension, stream: 99).map {
      $0 + [Float](repeating: 0, count: width - dimension)
    }
    var quantized = [Int8](repeating: 0, count: width)
    // Smaller ones have no bound.
    for row in Self.rows(dimension: dimension) where row.contains(where: { abs($0) >= 1e-12 }) {
      let padded = row + [Float](repeating: 0, count: width - dimension)
      for avx2 in sets {
        var error: Float = 0
        let scale = cvector_quantize_row(avx2, padded, width, &quantized, &error)
        try #require(error.isFinite && error > 0)
        // Along the row itself, and against what rounding took away, the distance is the greatest there can be.
        let rest = zip(padded, quantized).map { $0 - Float($1) * scale }
        let extremes = [padded, rest].compactMap { try? Embedding.normalizing($0).numbers }
        for query in queries + extremes {
          let exact = zip(padded, query).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
          for other in sets {
            var rough: Float = 0
            _ = cvector_scores_i8(other, quantized, 1, width, query, &rough)
            #expect(abs(Double(rough * scale) - exact) <= Double(error))
          }
        }
      }
    }
  }

  @Test(
    "a row beyond the range of float32's squares has no bound", arguments: [0, 1e-13, 1e13, 1e30, .infinity])
  func beyondBounds(magnitude: Float) {
    var quantized = [Int8](repeating: 7, count: 64)
    var row = [Float](repeating: 0, count: 64)
    row[3] = magnitude
    for avx2 in VectorIndexTests.instructionSets {
      var error: Float = 0
      #expect(cvector_quantize_row(avx2, row, 64, &quantized, &error) == 0)
      #expect(error == .infinity)
      #expect(quantized.allSatisfy { $0 == 0 })
    }
  }

  @Test("the checksum is the same with every instruction set and in any parts, and depends on every bit")
  func checksum() {
    var bytes = (0..<640).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    func sum(_ parts: [Range<Int>], avx2: Bool) -> UInt64 {
      var state = cvector_checksum()
      for part in parts {
        bytes[part].withUnsafeBytes { cvector_checksum_update(avx2, &state, $0.baseAddress, $0.count) }
      }
      return withUnsafePointer(to: state) { cvector_checksum_value($0) }
    }
    let whole = sum([0..<640], avx2: false)
    for avx2 in VectorIndexTests.instructionSets {
      #expect(sum([0..<640], avx2: avx2) == whole)
      #expect(sum([0..<64, 64..<320, 320..<640], avx2: avx2) == whole)
    }
    for bit in 0..<bytes.count * 8 {
      bytes[bit / 8] ^= 1 << (bit % 8)
      #expect(sum([0..<640], avx2: false) != whole)
      bytes[bit / 8] ^= 1 << (bit % 8)
    }
    let first = Array(bytes[0..<64])
    bytes.replaceSubrange(0..<64, with: bytes[64..<128])
    bytes.replaceSubrange(64..<128, with: first)
    #expect(sum([0..<640], avx2: false) != whole)
  }

  @Test("selects every row that reaches the bar, and rows with NaN", arguments: [1, 7, 256])
  func select(count: Int) {
    var random = SeededGenerator(stream: UInt64(count))
    func number() -> Float { Float.random(in: -1...1, using: &random) }
    let scores = (0..<count).map { _ in number() }
    let scales = (0..<count).map { _ in abs(number()) }
    let errors = (0..<count).map { $0 % 5 == 4 ? .infinity : $0 % 7 == 6 ? .nan : abs(number()) / 10 }
    for bar in [-Float.infinity, -0.5, 0, 0.3, .infinity] {
      for avx2 in VectorIndexTests.instructionSets {
        var products = scores
        var rows = [UInt32](repeating: 0, count: count)
        let selected = cvector_select(avx2, &products, scales, errors, count, 1.5, bar, &rows)
        #expect(products == zip(scores, scales).map { $0 * $1 })
        let expected = (0..<count).filter { !(products[$0] + errors[$0] * 1.5 < bar) }
        #expect(rows.prefix(selected).map(Int.init) == expected)
      }
    }
  }

  @Test(
    "rows are where the layout says, for vectors of any width",
    arguments: [1, 64, 384, 70_000, 1 << 24])
  func layout(dimension: Int) {
    let layout = RowLayout(dimension: dimension)
    #expect(layout.width >= dimension && layout.width % Int(CVECTOR_BLOCK) == 0)
    #expect(1...256 ~= layout.rows)
    for offset in [layout.scales, layout.errors, layout.vectors, layout.byteCount] {
      #expect(offset % 64 == 0)
    }
    #expect(layout.byteCount <= (5 << 20) || layout.rows == 1)
  }
}
