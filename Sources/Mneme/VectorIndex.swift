struct VectorIndex {
  let dimension: Int
  private var rows: [EntryID: [Float]] = [:]
  init(dimension: Int) { self.dimension = dimension }
  var ids: [EntryID] { Array(rows.keys) }
  func contains(_ id: EntryID) -> Bool { rows[id] != nil }
  mutating func set(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) throws {
    rows[id] = Embedding(bytes: Array(bytes)).numbers
  }
  mutating func remove(_ id: EntryID) { rows[id] = nil }
  func search(_ query: [Float], limit: Int) throws -> [(id: EntryID, similarity: Float)] {
    let all = rows.map { (id: $0, similarity: zip($1, query).reduce(Float(0)) { $0 + $1.0 * $1.1 }) }
    return Array(all.sorted { ($1.similarity, $0.id) < ($0.similarity, $1.id) }.prefix(limit))
  }
}
