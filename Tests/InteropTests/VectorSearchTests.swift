import Foundation
import Mneme
import TestSupport
import Testing

/// The vector index beside NumPy, on the same vectors: see `Tests/Interop/vector_search.py`.
@Suite("The vector index beside NumPy", .needsPythonPeer)
struct VectorSearchTests {
  static let limit = 10

  @Test(
    "finds the same entries with the same similarities, of equal ones the lower id first",
    arguments: [(5_000, 384), (1_000, 1_536), (2_000, 100), (500, 3), (7, 64)])
  func sameAnswers(rows: Int, dimension: Int) throws {
    let numPy = try NumPySearch(rows: rows, dimension: dimension, queries: 20, limit: Self.limit)
    for precision in VectorPrecision.allCases {
      let index = try numPy.index(precision)
      var comparable = 0
      for query in 0..<numPy.queries {
        let expected = try numPy.nearest(to: query, precision)
        let found = try index.search(numPy.query(query), limit: Self.limit)
        #expect(found.count == min(Self.limit, rows))
        for (ours, theirs) in zip(found, expected.similarities) {
          #expect(abs(Double(ours.similarity) - theirs) < 1e-6)
        }
        // Nearer to each other than float32 can tell, entries have no order.
        guard expected.gap > 1e-6 else { continue }
        comparable += 1
        #expect(found.map(\.id.rawValue) == expected.ids)
      }
      #expect(comparable >= numPy.queries / 2, "\(comparable) of \(numPy.queries) queries have an order")
    }
  }

  /// Whoever stores int8 wants to know what it costs: how far similarities move, and whether others are found.
  @Test("moves similarities in int8 by no more than rounding can, and hardly ever another entry to the front")
  func int8() throws {
    let numPy = try NumPySearch(rows: 5_000, dimension: 384, queries: 50, limit: Self.limit)
    let index = try numPy.index(.int8)
    var largest = 0.0
    var sameNearest = 0
    var common = 0
    for query in 0..<numPy.queries {
      let exact = try numPy.nearest(to: query, .float32)
      let vector = numPy.query(query)
      let found = try index.search(vector, limit: Self.limit)
      let places = Dictionary(uniqueKeysWithValues: zip(exact.ids, exact.similarities))
      // Half a step of rounding in each component, all of them against us.
      let bound = vector.reduce(0) { $0 + Double(abs($1)) } * 0.5 / 127
      for (id, similarity) in found {
        guard let theirs = places[id.rawValue] else { continue }
        common += 1
        let distance = abs(theirs - Double(similarity))
        #expect(distance <= bound)
        largest = max(largest, distance)
      }
      if found[0].id.rawValue == exact.ids[0] { sameNearest += 1 }
    }
    print(
      "int8, 5,000 × 384: the nearest is the same for \(sameNearest) of \(numPy.queries) queries, "
        + "\(common) of \(numPy.queries * Self.limit) of the \(Self.limit) nearest are; similarities move by up to "
        + String(format: "%.4f", largest))
    #expect(sameNearest >= numPy.queries * 9 / 10)
    #expect(common >= numPy.queries * Self.limit * 9 / 10)
  }
}

/// Vectors that NumPy made, and what it found among them.
private struct NumPySearch {
  let rows: Int
  let dimension: Int
  let queries: Int
  private let answers: JSONValue
  private let vectors: Data

  struct Nearest {
    let ids: [Int64]
    let similarities: [Double]
    /// Between the two unequal similarities that are closest to each other.
    let gap: Double
  }

  init(rows: Int, dimension: Int, queries: Int, limit: Int) throws {
    let directory = try TemporaryDirectory()
    let file = directory.path("vectors")
    let numPy = try PythonPeer.start(
      "vector_search.py", file, "\(rows)", "\(dimension)", "\(queries)", "\(limit)")
    answers = try JSONValue(numPy.finish(within: .seconds(120)).expecting(0).outputText)
    vectors = try Data(contentsOf: URL(filePath: file))
    (self.rows, self.dimension, self.queries) = (rows, dimension, queries)
    try #require(vectors.count == (rows + queries) * dimension * 4)
  }

  func index(_ precision: VectorPrecision) throws -> VectorIndex {
    let index = VectorIndex(dimension: dimension, precision: precision)
    try vectors.withUnsafeBytes {
      try index.set(
        (1...Int64(rows)).map { EntryID($0) }, UnsafeRawBufferPointer(rebasing: $0[..<(rows * dimension * 4)])
      )
    }
    return index
  }

  func nearest(to query: Int, _ precision: VectorPrecision) throws -> Nearest {
    let answer = answers[query][precision.rawValue]
    return Nearest(
      ids: try #require(answer["ids"].array).map { Int64(try #require($0.int)) },
      similarities: try #require(answer["similarities"].array).map { try #require($0.double) },
      gap: try #require(answer["gap"].double))
  }

  func query(_ number: Int) -> [Float] {
    let start = (rows + number) * dimension * 4
    return Embedding(bytes: Array(vectors[start..<start + dimension * 4])).numbers
  }
}
