import CVector
import TestSupport
import Testing

@testable import Mneme

@Suite("The vector index")
struct VectorIndexTests {
  /// Unit vectors, the same for the same seed and stream.
  static func vectors(_ count: Int, dimension: Int, stream: UInt64 = 42) throws -> [[Float]] {
    var random = SeededGenerator(stream: stream)
    return try (0..<count).map { _ in
      let numbers = (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) }
      return try Embedding.normalizing(numbers).numbers
    }
  }

  /// Entries 1 and up.
  static func index(_ rows: [[Float]]) -> VectorIndex {
    var index = VectorIndex(dimension: rows[0].count)
    for (number, row) in rows.enumerated() { index.set(EntryID(Int64(number) + 1), row) }
    return index
  }

  /// Every instruction set that this machine has.
  static var instructionSets: [Bool] { cvector_has_avx2() ? [false, true] : [false] }

  /// The result of a search over the vectors themselves.
  static func ranked(_ vectors: [EntryID: [Float]], to query: [Float]) -> [(id: EntryID, similarity: Double)]
  {
    let query = Embedding(query)
    return vectors.map { (id: $0, similarity: Embedding($1).dot(query)) }
      .sorted { $0.similarity == $1.similarity ? $0.id < $1.id : $0.similarity > $1.similarity }
  }

  @Test("returns every entry that is among the nearest, and few others", arguments: [1, 3, 64, 384])
  func candidates(dimension: Int) throws {
    let rows = try Self.vectors(400, dimension: dimension)
    let index = Self.index(rows)
    let vectors = Dictionary(uniqueKeysWithValues: rows.enumerated().map { (EntryID(Int64($0) + 1), $1) })
    var named = 0
    let queries = try Self.vectors(6, dimension: dimension, stream: 5)
    for query in queries {
      let ranked = Self.ranked(vectors, to: query)
      let similarities = Dictionary(uniqueKeysWithValues: ranked.map { ($0.id, Float($0.similarity)) })
      for limit in [1, 3, 20] {
        for avx2 in Self.instructionSets {
          let found = try #require(
            index.search(Embedding(query), limit: limit, threshold: -.infinity, avx2: avx2))
          #expect(Set(found.candidates.map(\.id)).isSuperset(of: ranked.prefix(limit).map(\.id)))
          #expect(found.candidates.map(\.most) == found.candidates.map(\.most).sorted(by: >))
          for candidate in found.candidates {
            let similarity = try #require(similarities[candidate.id])
            #expect(similarity >= candidate.least - 1e-6 && similarity <= candidate.most + 1e-6)
          }
          named += found.candidates.count
        }
      }
    }
    // In one dimension there are two similarities alone.
    #expect(dimension == 1 || named < queries.count * 3 * Self.instructionSets.count * 200)
  }

  @Test("returns nothing below the threshold, and reports if there may be more above it")
  func threshold() throws {
    let index = Self.index([[1, 0], [0.9, 0.4358899], [0.8, 0.6], [0, 1]])
    let east = Embedding([1, 0])
    func ids(_ limit: Int, _ threshold: Float) -> ([Int64], Bool) {
      let found = index.search(east, limit: limit, threshold: threshold)
      return (found?.candidates.map(\.id.rawValue) ?? [], found?.isCut ?? true)
    }
    #expect(ids(9, 0.85) == ([1, 2], false))
    #expect(ids(1, 0.85) == ([1], true))
    #expect(ids(9, 1.1) == ([], false))
    #expect(ids(9, -.infinity) == ([1, 2, 3, 4], false))
  }

  @Test("orders equal bounds by id, in any order of insertion")
  func ties() throws {
    var index = VectorIndex(dimension: 2)
    for number in [7, 3, 9, 1, 8, 2, 6, 4, 5] as [Int64] {
      index.set(EntryID(number), number == 6 ? [1, 0] : [0.6, 0.8])
    }
    let found = try #require(index.search(Embedding([1, 0]), limit: 5))
    #expect(found.candidates.map(\.id.rawValue) == [6, 1, 2, 3, 4, 5, 7, 8, 9])
  }

  @Test(
    "is right after any series of changes, in memory and over a base", arguments: 1...6 as ClosedRange<UInt64>
  )
  func changes(stream: UInt64) throws {
    let dimension = 20
    var random = SeededGenerator(stream: stream)
    let pool = try Self.vectors(3000, dimension: dimension, stream: 100 + stream)
    var vectors: [EntryID: [Float]] = [:]
    let builder = VectorRowsBuilder(RowLayout(dimension: dimension))
    if stream % 2 == 0 {
      for number in 0..<700 {
        let id = EntryID(Int64(number))
        vectors[id] = pool[number]
        try Embedding(pool[number]).bytes.withUnsafeBytes { try builder.append(id, $0) }
      }
    }
    var index = VectorIndex(base: try builder.finish(), builder.layout)
    for round in 0..<12 {
      let before = index
      let vectorsBefore = vectors
      for _ in 0..<Int.random(in: 0..<300, using: &random) {
        let id = EntryID(Int64.random(in: 0..<1000, using: &random))
        if Int.random(in: 0..<3, using: &random) == 0 {
          index.remove(id)
          vectors[id] = nil
        } else {
          let vector = pool.randomElement(using: &random)!
          index.set(id, vector)
          vectors[id] = vector
        }
      }
      if round % 4 == 3 {
        let builder = VectorRowsBuilder(index.layout)
        try index.write(to: builder)
        #expect(builder.count == vectors.count)
        index = VectorIndex(base: try builder.finish(), builder.layout)
      }
      // A copy that was taken before is as it was.
      for (index, vectors) in [(index, vectors), (before, vectorsBefore)] {
        let query = pool.randomElement(using: &random)!
        let found = try #require(index.search(Embedding(query), limit: 5))
        let ids = found.candidates.map(\.id)
        #expect(Set(ids).count == ids.count, "round \(round)")
        #expect(
          Set(ids).isSuperset(of: Self.ranked(vectors, to: query).prefix(5).map(\.id)),
          "round \(round)")
        #expect(Set(ids).isSubset(of: vectors.keys), "round \(round)")
      }
    }
    for id in vectors.keys { index.remove(id) }
    #expect(index.isEmpty)
    #expect(try #require(index.search(Embedding(pool[0]), limit: 3)).candidates.isEmpty)
  }

  @Test("keeps every vector while its memory grows over several huge pages")
  func growth() throws {
    var index = VectorIndex(dimension: 384)
    let rows = try Self.vectors(60, dimension: 384)
    // Each row 500 times, a number of them moved a little.
    for number in 0..<30_000 {
      index.set(EntryID(Int64(number)), rows[number % 60])
    }
    for (number, row) in rows.enumerated() {
      let found = try #require(index.search(Embedding(row), limit: 1, threshold: 0.99))
      #expect(found.candidates.count == 500)
      #expect(found.candidates.allSatisfy { Int($0.id.rawValue) % 60 == number })
    }
  }

  @Test(
    "returns vectors that cannot be compared separately, each time, and only a few of them",
    arguments: [[0, 0], [.nan, 1], [.infinity, 0], [1], [1, 2, 3], []] as [[Float]])
  func odd(numbers: [Float]) throws {
    var index = Self.index([[1, 0], [0, 1]])
    for id in 10..<200 { index.set(EntryID(Int64(id)), numbers) }
    for _ in 0..<2 {
      let found = try #require(index.search(Embedding([1, 0]), limit: 1, threshold: 0.5))
      #expect(found.candidates.map(\.id) == [EntryID(1)])
      #expect(found.odd.map(\.rawValue) == Array(10..<(10 + Int64(VectorIndex.mostOdd))))
    }
    index.set(EntryID(10), [0.9, 0.4358899])
    let found = try #require(index.search(Embedding([1, 0]), limit: 3, threshold: 0.5))
    #expect(found.candidates.map(\.id.rawValue) == [1, 10])
    #expect(found.odd.first == EntryID(11))
  }
}

extension VectorIndex {
  mutating func set(_ id: EntryID, _ numbers: [Float]) {
    Embedding(numbers).bytes.withUnsafeBytes { set(id, $0) }
  }
}
