extension VectorIndex {
  /// Makes the file of the changes since the base was made.
  func changes(_ head: IndexHead) -> [UInt8] {
    var writer = ByteWriter()
    head.write(IndexHead.changes, to: &writer)
    writer.append(Int64(hidden.count))
    writer.append(Int64(latest.count))
    for id in hidden { writer.append(id.rawValue) }
    for number in latest.values.sorted() {
      let block = added.block(number / layout.rows)
      let row = number % layout.rows
      writer.append(block.ids[row])
      writer.append(block.scales[row].bitPattern)
      writer.append(block.errors[row].bitPattern)
      writer.append(UnsafeRawBufferPointer(start: block.vector(row), count: layout.width))
    }
    var bytes = writer.bytes
    bytes += repeatElement(0, count: (64 - bytes.count % 64) % 64)
    let checksum = bytes.withUnsafeBytes { Checksum.of($0) }
    withUnsafeBytes(of: checksum) { bytes += $0 }
    bytes += repeatElement(0, count: 56)
    return bytes
  }

  /// Applies the changes that are in a file.
  /// - Returns: its mark.
  /// - Throws: `DamagedIndex` if the file is not whole, or its changes are to another base. The index is then as it
  ///   was.
  mutating func apply(_ file: [UInt8], to base: IndexHead) throws -> StoreMark {
    guard file.count >= 64, file.count % 64 == 0 else { throw DamagedIndex() }
    var reader = ByteReader(file.suffix(64))
    let contents = file.dropLast(64)
    guard try reader.number() == contents.withUnsafeBytes({ Checksum.of($0) }) else { throw DamagedIndex() }
    reader = ByteReader(contents)
    let head = try IndexHead(IndexHead.changes, from: &reader)
    guard head.key == base.key, head.baseID == base.baseID, head.dimension == base.dimension,
      head.rows == base.rows
    else { throw DamagedIndex() }
    var changed = self
    let hiddenCount = try reader.count(upTo: Int64(file.count / 8))
    let rowCount = try reader.count(upTo: Int64(file.count / 16))
    for _ in 0..<hiddenCount { changed.remove(EntryID(try reader.number())) }
    var buffer = MemoryRows(layout)
    for _ in 0..<rowCount {
      let (block, row) = buffer.append()
      let id = EntryID(try reader.number())
      block.ids[row] = id.rawValue
      block.scales[row] = Float(bitPattern: try reader.number())
      block.errors[row] = Float(bitPattern: try reader.number())
      let numbers = try reader.take(layout.width)
      numbers.withUnsafeBytes {
        UnsafeMutableRawPointer(block.vector(row)).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
      }
      changed.set(id, row: row, of: block)
      buffer.removeAll()
    }
    self = changed
    return head.mark
  }
}
