import Foundation
import Mneme
import TestSupport
import Testing

/// The vector index compared with NumPy, on the same vectors: see `Tests/Interop/vector_search.py`.
@Suite("The vector index compared with NumPy", .needsPythonPeer)
struct VectorSearchTests {
  static let limit = 10

  @Test(
    "finds the same entries with the same similarities, and of equal ones the lower id first",
    arguments: [(5_000, 384), (1_000, 1_536), (2_000, 100), (500, 3), (7, 64)])
  func sameAnswers(rows: Int, dimension: Int) throws {
    let numPy = try NumPySearch(rows: rows, dimension: dimension, queries: 20, limit: Self.limit)
    let index = numPy.index()
    var comparable = 0
    for query in 0..<numPy.queries {
      let expected = try numPy.nearest(to: query)
      let vector = Embedding(numPy.query(query))
      let candidates = try #require(index.search(vector, limit: Self.limit)).candidates
      var ranked: [(id: EntryID, similarity: Double)] = []
      for candidate in candidates {
        ranked.append((candidate.id, Embedding(numPy.row(candidate.id)).dot(vector)))
      }
      ranked.sort { $0.similarity == $1.similarity ? $0.id < $1.id : $0.similarity > $1.similarity }
      let found = Array(ranked.prefix(Self.limit))
      #expect(found.count == min(Self.limit, rows))
      for (ours, theirs) in zip(found, expected.similarities) {
        #expect(abs(ours.similarity - theirs) < 1e-6)
      }
      // Nearer to each other than float32 can tell, entries have no order.
      guard expected.gap > 1e-6 else { continue }
      comparable += 1
      #expect(found.map(\.id.rawValue) == expected.ids)
    }
    #expect(comparable >= numPy.queries / 2, "\(comparable) of \(numPy.queries) queries have an order")
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
    answers = try JSONValue(numPy.finish().expecting(0).outputText)
    vectors = try Data(contentsOf: URL(filePath: file))
    (self.rows, self.dimension, self.queries) = (rows, dimension, queries)
    try #require(vectors.count == (rows + queries) * dimension * 4)
  }

  func index() -> VectorIndex {
    var index = VectorIndex(dimension: dimension)
    for id in 1...Int64(rows) {
      Embedding(row(EntryID(id))).bytes.withUnsafeBytes { index.set(EntryID(id), $0) }
    }
    return index
  }

  func nearest(to query: Int) throws -> Nearest {
    let answer = answers[query]["float32"]
    return Nearest(
      ids: try #require(answer["ids"].array).map { Int64(try #require($0.int)) },
      similarities: try #require(answer["similarities"].array).map { try #require($0.double) },
      gap: try #require(answer["gap"].double))
  }

  func query(_ number: Int) -> [Float] { vector(rows + number) }

  func row(_ id: EntryID) -> [Float] { vector(Int(id.rawValue) - 1) }

  private func vector(_ number: Int) -> [Float] {
    let start = number * dimension * 4
    return Embedding(bytes: Array(vectors[start..<start + dimension * 4])).numbers
  }
}
