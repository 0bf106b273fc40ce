import CVector
import Testing

@testable import Mneme

@Suite("The vector index")
struct VectorIndexTests {
  /// Unit vectors from a seeded generator, the same everywhere.
  static func vectors(_ count: Int, dimension: Int, seed: UInt64 = 42) throws -> [[Float]] {
    var random = SplitMix64(seed: seed)
    return try (0..<count).map { _ in
      let numbers = (0..<dimension).map { _ in Float(random.next() >> 40) / Float(1 << 23) - 1 }
      return try Embedding.normalizing(numbers).numbers
    }
  }

  static func index(_ rows: [[Float]], _ precision: VectorPrecision = .float32) throws -> VectorIndex {
    let index = VectorIndex(dimension: rows[0].count, precision: precision)
    for (number, row) in rows.enumerated() { try index.set(number + 1, row) }
    return index
  }

  /// Every instruction set that this machine has.
  static var instructionSets: [Bool] { cvector_has_avx2() ? [false, true] : [false] }

  // Expected: Python mneme-cache 1.0.1, `NumpyIndex(24, dtype=…)` with the vectors of `vectors(200, dimension: 24)`
  // as entries 1 to 200, searched with the 201st; NumPy 2.4.6.
  @Test(
    "finds what the peer library finds",
    arguments: [
      (
        .float32,
        [
          (91, 0.5744767785072327), (156, 0.4375251829624176), (8, 0.3700266480445862),
          (68, 0.33168721199035645),
          (74, 0.32585975527763367),
        ]
      ),
      (
        .int8,
        [
          (91, 0.5745499730110168), (156, 0.4364813566207886), (8, 0.37037181854248047),
          (68, 0.33704423904418945), (74, 0.32699155807495117),
        ]
      ),
    ] as [(VectorPrecision, [(Int64, Double)])])
  func peer(precision: VectorPrecision, expected: [(Int64, Double)]) throws {
    let vectors = try Self.vectors(201, dimension: 24)
    let index = try Self.index(Array(vectors.dropLast()), precision)
    for avx2 in Self.instructionSets {
      let found = try index.search(vectors[200], limit: 5, avx2: avx2)
      #expect(found.map(\.id.rawValue) == expected.map(\.0))
      for (ours, theirs) in zip(found, expected) { #expect(abs(Double(ours.similarity) - theirs.1) < 1e-6) }
    }
  }

  @Test(
    "scores as a sum in double precision does", arguments: [1, 3, 64, 100, 384, 1000],
    VectorPrecision.allCases)
  func plainSum(dimension: Int, precision: VectorPrecision) throws {
    let rows = try Self.vectors(40, dimension: dimension)
    let query = try Self.vectors(1, dimension: dimension, seed: 7)[0]
    let index = try Self.index(rows, precision)
    for avx2 in Self.instructionSets {
      for (id, similarity) in try index.search(query, limit: 40, avx2: avx2) {
        let sum = zip(rows[Int(id.rawValue) - 1], query).reduce(0.0) { sum, pair in
          let component = precision == .int8 ? (pair.0 * 127).rounded(.toNearestOrEven) / 127 : pair.0
          return sum + Double(component) * Double(pair.1)
        }
        #expect(abs(sum - Double(similarity)) < 1e-6)
      }
    }
  }

  @Test("rounds halves to even and clips, in int8")
  func quantization() throws {
    let row = [0.5, 1.5, 2.5, -1.5, 1000, -1000].map { Float($0 / 127) }
    let index = VectorIndex(dimension: row.count, precision: .int8)
    try index.set(1, row)
    for (position, expected) in [0, 2, 2, -2, 127, -128].enumerated() {
      var query = [Float](repeating: 0, count: row.count)
      query[position] = 127
      #expect(try index.search(query, limit: 1)[0].similarity == Float(expected))
    }
  }

  @Test("orders equal similarities by id, whatever the order they came in, for every limit")
  func ties() throws {
    let index = VectorIndex(dimension: 2)
    for number in [7, 3, 9, 1, 8, 2, 6, 4, 5] { try index.set(number, number == 6 ? [1, 0] : [0.6, 0.8]) }
    for limit in 1...9 {
      let found = try index.search([1, 0], limit: limit).map(\.id.rawValue)
      #expect(found == Array([6, 1, 2, 3, 4, 5, 7, 8, 9].prefix(limit)))
    }
  }

  @Test(
    "gives all there are when asked for more, and none when asked for none",
    arguments: [-1, 0, 3, 4, 1_000_000])
  func limits(limit: Int) throws {
    let index = try Self.index(Self.vectors(3, dimension: 8))
    #expect(try index.search([1, 0, 0, 0, 0, 0, 0, 0], limit: limit).count == min(3, max(0, limit)))
    #expect(try VectorIndex(dimension: 8).search([1, 0, 0, 0, 0, 0, 0, 0], limit: 3).isEmpty)
  }

  @Test("replaces, removes and finds the rest", arguments: VectorPrecision.allCases)
  func changes(precision: VectorPrecision) throws {
    let vectors = try Self.vectors(20, dimension: 16)
    let index = try Self.index(Array(vectors[0..<10]), precision)
    try index.set(4, vectors[15])
    #expect(index.remove(EntryID(1)))
    #expect(index.remove(EntryID(10)))
    #expect(index.remove(EntryID(5)))
    #expect(!index.remove(EntryID(5)))
    #expect(!index.remove(EntryID(99)))
    try index.set(11, vectors[10])

    #expect(index.count == 8)
    #expect(Set(index.ids.map(\.rawValue)) == [2, 3, 4, 6, 7, 8, 9, 11])
    #expect(index.contains(EntryID(4)) && !index.contains(EntryID(5)))
    for id in index.ids {
      let own = id == EntryID(4) ? vectors[15] : vectors[Int(id.rawValue) - 1]
      #expect(try index.search(own, limit: 1)[0].id == id)
    }
    for id in index.ids { index.remove(id) }
    #expect(index.count == 0)
  }

  @Test(
    "keeps every vector while its memory grows over several huge pages", arguments: VectorPrecision.allCases)
  func growth(precision: VectorPrecision) throws {
    // Components of one magnitude, so that a row is as quick to make as its 384 signs.
    var random = SplitMix64(seed: 3)
    let rows = (0..<6000).map { _ in
      var row = [UInt8](repeating: 0, count: 384 * 4)
      for component in 0..<384 {
        row[component * 4 + 2] = 0x50
        row[component * 4 + 3] = random.next() >> 63 == 0 ? 0x3d : 0xbd
      }
      return row
    }
    let index = VectorIndex(dimension: 384, precision: precision)
    for (number, row) in rows.enumerated() {
      try row.withUnsafeBytes { try index.set(EntryID(Int64(number)), $0) }
    }
    for number in stride(from: 0, to: rows.count, by: 997) {
      let query = Embedding(bytes: rows[number]).numbers
      #expect(try index.search(query, limit: 1)[0].id == EntryID(Int64(number)))
    }
  }

  @Test("reads raw rows of any alignment, many at once")
  func rawRows() throws {
    let rows = try Self.vectors(50, dimension: 10)
    let bytes: [UInt8] = [0xff] + rows.flatMap { Embedding($0).bytes }
    let index = VectorIndex(dimension: 10)
    try bytes.withUnsafeBytes {
      try index.set((1...50).map { EntryID($0) }, UnsafeRawBufferPointer(rebasing: $0[1...]))
    }
    for (number, row) in rows.enumerated() {
      let found = try index.search(row, limit: 1)[0]
      #expect(found.id == EntryID(Int64(number) + 1))
      #expect(abs(found.similarity - 1) < 1e-6)
    }
  }

  @Test(
    "refuses a vector without a direction, names the entry, and stays as it was",
    arguments: [[0, 0], [-0.0, 0], [1, .nan], [.infinity, 0], [0, -.infinity]] as [[Float]])
  func noDirection(numbers: [Float]) throws {
    let index = VectorIndex(dimension: 2)
    try index.set(17, [1, 0])
    for id in [17, 18] as [Int64] {
      let error = #expect(throws: QuantizationError.self) { try index.set(id, numbers) }
      #expect(error?.message.contains("entry \(id)") == true)
    }
    #expect(throws: QuantizationError.self) { try index.search(numbers, limit: 1) }
    #expect(index.count == 1)
    #expect(try index.search([1, 0], limit: 2).map(\.similarity) == [1])
  }

  @Test("refuses vectors and queries of another dimension", arguments: [[], [1], [1, 0, 0]] as [[Float]])
  func otherDimension(numbers: [Float]) throws {
    let index = VectorIndex(dimension: 2)
    #expect(throws: EmbedderDimensionError.self) { try index.set(1, numbers) }
    #expect(throws: EmbedderDimensionError.self) { try index.search(numbers, limit: 1) }
    #expect(throws: EmbedderDimensionError.self) {
      try Embedding(numbers).bytes.withUnsafeBytes { try index.set([EntryID(1), EntryID(2)], $0) }
    }
    #expect(index.count == 0)
  }
}

extension VectorIndex {
  fileprivate func set(_ id: Int64, _ numbers: [Float]) throws {
    try Embedding(numbers).bytes.withUnsafeBytes { try set(EntryID(id), $0) }
  }

  fileprivate func set(_ id: Int, _ numbers: [Float]) throws { try set(Int64(id), numbers) }
}
