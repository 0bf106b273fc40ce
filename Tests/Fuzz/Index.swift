@testable import Mneme

extension Target {
  /// The head of an index file and the changes to a base: a valid one is written again to the same bytes and
  /// searched, and one with any byte changed is refused.
  static let index = Target(
    name: "index", words: ["mnemeidx", "mnemechg", "\u{2}\u{0}\u{0}\u{0}", "\u{4}\u{3}\u{2}\u{1}"]
  ) {
    input in
    let flags = input.byte()
    let place = Int(input.byte()) << 8 | Int(input.byte())
    var bytes = input.remainder()
    // A checksum by chance would be right once in a lifetime.
    if flags & 1 != 0 { bytes.takeChecksum() }
    if bytes.count == IndexHead.size, let head = try? IndexHead(sealed: bytes), head.key.utf8.count == 64 {
      let written = head.sealed
      expect((try? IndexHead(sealed: written)) == head, "another head")
      var damaged = written
      damaged[place % damaged.count] ^= max(1, flags >> 2)
      expect((try? IndexHead(sealed: damaged)) == nil, "byte \(place) is not seen")
    }
    var base = IndexHead(
      key: String(repeating: "a", count: 64), baseID: 1, dimension: 3, rows: 4,
      mark: StoreMark(
        lineage: ["a"], version: 1, entries: 4, highestID: EntryID(4), time: UnixTime(0)))
    var reader = ByteReader(bytes[...])
    if let head = try? IndexHead(IndexHead.changes, from: &reader), head.dimension <= 4096 { base = head }
    let builder = VectorRowsBuilder(RowLayout(dimension: base.dimension))
    guard let rows = try? builder.finish() else { return }
    var index = VectorIndex(base: rows, builder.layout)
    guard (try? index.apply(bytes, to: base)) != nil else { return }
    var query = [Float](repeating: 0, count: base.dimension)
    query[0] = 1
    let found = index.search(Embedding(query), limit: 3)
    expect(Set(found?.candidates.map(\.id) ?? []).count == found?.candidates.count, "an entry twice")
    guard base.key.utf8.count == 64 else { return }
    var again = VectorIndex(base: rows, builder.layout)
    expect((try? again.apply(index.changes(base), to: base)) != nil, "what was written cannot be read")
    expect(
      again.search(Embedding(query), limit: 3)?.candidates == found?.candidates,
      "searched once more it finds others")
  }

  /// An index of any vectors: what a search names holds the nearest, and every similarity is within its bounds.
  static let vectors = Target(name: "vectors") { input in
    let dimension = [1, 2, 3, 8, 63, 64, 65][Int(input.byte() % 7)]
    let limit = Int(input.byte() % 4) + 1
    let bytes = input.remainder()
    let size = dimension * 4
    let rows = stride(from: 0, to: bytes.count, by: size).map {
      Array(bytes[$0..<min($0 + size, bytes.count)])
    }
    guard let first = rows.first, first.count == size,
      let query = try? Embedding.normalizing(Embedding(bytes: first).numbers)
    else { return }
    var index = VectorIndex(dimension: dimension)
    var similarities: [EntryID: Double] = [:]
    for (number, row) in rows.enumerated() {
      let id = EntryID(Int64(number + 1))
      // Stored vectors are of length 1; others stay unchanged, and are named.
      let stored = row.count == size ? try? Embedding.normalizing(Embedding(bytes: row).numbers) : nil
      (stored?.bytes ?? row).withUnsafeBytes { index.set(id, $0) }
      similarities[id] = stored?.dot(query)
    }
    guard let found = index.search(query, limit: limit) else { return expect(false, "memory is damaged") }
    let named = Set(found.candidates.map(\.id)).union(found.odd)
    let last = similarities.values.sorted(by: >).prefix(limit).last ?? 2
    for (id, similarity) in similarities where similarity > last + 1e-6 {
      expect(named.contains(id), "entry \(id) at \(similarity) is not named")
    }
    for candidate in found.candidates {
      guard let similarity = similarities[candidate.id] else { continue }
      expect(
        Float(similarity) >= candidate.least - 1e-5 && Float(similarity) <= candidate.most + 1e-5,
        "entry \(candidate.id) at \(similarity) is not within its bounds")
    }
  }
}

extension [UInt8] {
  /// The checksum that belongs to the bytes: of a head, or of changes.
  fileprivate mutating func takeChecksum() {
    if count == IndexHead.size {
      replaceSubrange((count - 8)..., with: repeatElement(0, count: 8))
      let checksum = withUnsafeBytes { Checksum.of($0) }
      Swift.withUnsafeBytes(of: checksum) { replaceSubrange((count - 8)..., with: $0) }
    } else if count >= 128, count % 64 == 0 {
      let checksum = dropLast(64).withUnsafeBytes { Checksum.of($0) }
      Swift.withUnsafeBytes(of: checksum) { replaceSubrange((count - 64)..<(count - 56), with: $0) }
    }
  }
}
