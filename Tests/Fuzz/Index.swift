@testable import Mneme

extension Target {
  /// The file of an index: one that is whole is written again to the same bytes and searched to an end, and one with any
  /// byte changed is none.
  static let index = Target(
    name: "index", words: ["mnemeidx", "\u{1}\u{0}\u{0}\u{0}", "\u{4}\u{3}\u{2}\u{1}"]
  ) {
    input in
    let flags = input.byte()
    let limit = Int(input.byte() % 8)
    let place = Int(input.byte()) << 8 | Int(input.byte())
    var bytes = input.remainder()
    // Length and checksum by chance would be right once in a lifetime.
    if flags & 1 != 0 { bytes.takeLengthOfHeader() }
    if flags & 2 != 0 { bytes.takeChecksum() }
    guard let (header, image) = mapped(bytes) else { return }
    expect(header.rows == image.count && header.dimension == image.dimension, "another size")
    guard header.dimension <= 4096, let found = searched(image, limit) else { return }
    expect(found.count <= image.count && Set(found).count == found.count, "\(found) of \(image.count)")

    guard header.key.utf8.count == 64, header.mark.lineage.utf8.count == 64 else { return }
    let written = image.file(header)
    guard let (again, copy) = mapped(written) else { return expect(false, "what was written cannot be read") }
    expect(again == header, "another header")
    expect(copy.file(again) == written, "written once more it is another file")
    expect(searched(copy, limit) == found, "searched once more it finds others")
    var damaged = written
    damaged[place % damaged.count] ^= max(1, flags >> 2)
    if let (_, image) = mapped(damaged) {
      expect(image.dimension > 4096 || searched(image, limit) == nil, "byte \(place) is not seen")
    }
  }

  /// An index of any vectors: what is asked for after a search holds the nearest, and every similarity is within the
  /// bound of its row.
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
    let builder = VectorImageBuilder(dimension: dimension)
    let exact = VectorIndex(dimension: dimension)
    for (number, row) in rows.enumerated() {
      // Stored vectors are of length 1; what is none stays what it is, and is asked for.
      let stored =
        row.count == size ? (try? Embedding.normalizing(Embedding(bytes: row).numbers).bytes) ?? row : row
      stored.withUnsafeBytes { builder.append(EntryID(Int64(number + 1)), $0) }
      try? stored.withUnsafeBytes { try exact.set(EntryID(Int64(number + 1)), $0) }
    }
    let image = builder.image()
    expect(image.count == rows.count, "\(image.count) rows of \(rows.count)")
    guard let nearest = try? exact.search(query.numbers, limit: limit), let last = nearest.last,
      var search = image.search(query)
    else { return }
    // As a search of the cache goes: rows that cannot be compared are told of, until no more are asked for.
    var asked: Set<Int> = []
    while true {
      let rows = search.next(limit: limit, threshold: -.infinity)
      if rows.isEmpty { break }
      for row in rows {
        expect(asked.insert(row).inserted, "row \(row) is asked for twice")
        if image.errors[row] == .infinity { search.exclude(row) }
      }
    }
    let ids = Set(asked.map { search.id(of: $0) })
    for entry in nearest where entry.similarity > last.similarity {
      expect(ids.contains(entry.id), "entry \(entry.id) at \(entry.similarity) is not asked for")
    }
    expect(nearest.contains { ids.contains($0.id) }, "none of the nearest is asked for")
  }
}

/// A file in memory, as a cache finds one.
private func mapped(_ bytes: [UInt8]) -> (header: VectorImageHeader, image: VectorImage)? {
  withFile(of: bytes) { descriptor, _ in
    FileMapping(descriptor, byteCount: bytes.count).flatMap { VectorImage.read($0) }
  }
}

/// The rows that a search asks for, every other of them gone; nil for a file that is damaged.
private func searched(_ image: VectorImage, _ limit: Int) -> [Int]? {
  var query = [Float](repeating: 0, count: image.dimension)
  query[0] = 1
  guard var search = image.search(Embedding(query)) else { return nil }
  var asked: [Int] = []
  for threshold in [0.5, -Float.infinity] {
    while true {
      let rows = search.next(limit: limit, threshold: threshold)
      if rows.isEmpty { break }
      asked += rows
      for row in rows where row % 2 == 1 { search.exclude(row) }
    }
  }
  return asked
}

extension VectorImage {
  fileprivate func file(_ header: VectorImageHeader) -> [UInt8] {
    var bytes: [UInt8] = []
    write(header) { bytes += $0 }
    return bytes
  }
}

extension [UInt8] {
  /// Cut or filled up to what the header announces, where that is not much.
  fileprivate mutating func takeLengthOfHeader() {
    guard let header = withUnsafeBytes({ VectorImageHeader($0) }),
      let layout = VectorImageHeader.Layout(dimension: header.dimension, rows: header.rows),
      layout.end <= 1 << 16
    else { return }
    self = Array(prefix(layout.end)) + repeatElement(0, count: Swift.max(0, layout.end - count))
  }

  fileprivate mutating func takeChecksum() {
    guard count >= VectorImageHeader.size, count % 64 == 0 else { return }
    let offset = VectorImageHeader.checksumOffset
    replaceSubrange(offset..<offset + 8, with: repeatElement(0, count: 8))
    var checksum = Checksum()
    withUnsafeBytes { checksum.update($0) }
    Swift.withUnsafeBytes(of: checksum.value) { replaceSubrange(offset..<offset + 8, with: $0) }
  }
}
