import Glibc

// The file of a base of rows. Numbers as the machine has them:
//
//       0  "mnemeidx"
//       8  UInt32  the format, 3
//      12  UInt32  0x01020304, the byte order
//      16  64 B    which cache, namespace and embedder it is of: SHA-256, in hexadecimal
//      80  16 B    a number of its own, by which the file of changes names it
//      96  Int64   the dimension
//     104  Int64   the rows
//     112  the mark of the store: see `StoreMark.write(to:)`
//    2040  UInt64  the checksum of the head
//    2048  blocks of rows: see `RowLayout`
//
// The file of changes has "mnemechg" and the same up to the mark, then Int64 counts of hidden entries and of rows, the
// ids of the hidden entries, each row's id, scale, error bound and numbers, zeros up to a multiple of 64, and the
// checksum of it all with 56 zeros.

/// The head of an index file.
struct IndexHead: Equatable {
  static let size = 2048
  static let base = Array("mnemeidx".utf8)
  static let changes = Array("mnemechg".utf8)
  private static let format: UInt32 = 3
  private static let byteOrder: UInt32 = 0x0102_0304

  /// `IndexDirectory.key(of:_:)`.
  var key: String
  /// The id of the base, or of the base to which the changes belong.
  var baseID: UInt128
  var dimension: Int
  /// The rows of the base.
  var rows: Int
  var mark: StoreMark

  func write(_ magic: [UInt8], to bytes: inout ByteWriter) {
    precondition(key.utf8.count == 64, "a hash has 64 digits")
    bytes.append(magic)
    bytes.append(Self.format)
    bytes.append(Self.byteOrder)
    bytes.append(Array(key.utf8))
    bytes.append(baseID)
    bytes.append(Int64(dimension))
    bytes.append(Int64(rows))
    mark.write(to: &bytes)
  }

  init(key: String, baseID: UInt128, dimension: Int, rows: Int, mark: StoreMark) {
    (self.key, self.baseID, self.dimension, self.rows, self.mark) = (key, baseID, dimension, rows, mark)
  }

  /// - Throws: `DamagedIndex` for bytes that are not a head of this format.
  init(_ magic: [UInt8], from bytes: inout ByteReader) throws {
    guard try bytes.take(8) == magic, try bytes.number(UInt32.self) == Self.format,
      try bytes.number(UInt32.self) == Self.byteOrder
    else { throw DamagedIndex() }
    key = String(decoding: try bytes.take(64), as: UTF8.self)
    baseID = try bytes.number()
    dimension = try bytes.count(upTo: 1 << 24)
    rows = try bytes.count(upTo: 1 << 36)
    guard dimension > 0 else { throw DamagedIndex() }
    mark = try StoreMark(from: &bytes)
  }

  /// The head of a base with its checksum: `size` bytes.
  var sealed: [UInt8] {
    var writer = ByteWriter()
    write(Self.base, to: &writer)
    var bytes = writer.bytes
    precondition(bytes.count <= Self.size - 8, "the mark is of bounded size")
    bytes += repeatElement(0, count: Self.size - bytes.count)
    let checksum = bytes.withUnsafeBytes { Checksum.of($0) }
    withUnsafeBytes(of: checksum) { bytes.replaceSubrange((Self.size - 8)..., with: $0) }
    return bytes
  }

  /// - Parameter sealed: `size` bytes.
  init(sealed: [UInt8]) throws {
    var bytes = sealed
    bytes.replaceSubrange((Self.size - 8)..., with: repeatElement(0, count: 8))
    var reader = ByteReader(sealed.suffix(8))
    guard try reader.number() == bytes.withUnsafeBytes({ Checksum.of($0) }) else { throw DamagedIndex() }
    reader = ByteReader(bytes[...])
    try self.init(Self.base, from: &reader)
  }
}

/// The rows of a base in a file.
///
/// The file is read into memory, some blocks at a time, at each search. It is not mapped, because a mapped file that
/// becomes shorter kills the process with SIGBUS, which a library cannot catch for its user.
struct FileRows: Sendable {
  let file: Descriptor
  let layout: RowLayout
  let count: Int

  /// Passes each block to `body` with its number of rows. While some are searched, another thread reads the next ones.
  /// - Throws: `DamagedIndex` if a block is missing or has changed, and the errors of `body`.
  func forEachBlock(_ body: (RowBlock, Int) throws -> Void) throws {
    let reader = BlockReader(self)
    func handle(_ blocks: Range<Int>) throws {
      for number in blocks {
        let block = reader.block(number)
        guard block.isSound else { throw DamagedIndex() }
        try body(block, min(layout.rows, count - number * layout.rows))
      }
    }
    // A thread is not worth it for some thousand rows.
    if layout.blocks(for: count) <= 8 * reader.step {
      while let lot = try reader.next() { try handle(lot) }
    } else {
      try forEachReadAhead(reader.next, handle)
    }
  }
}

/// Reads the blocks of a file in order, `step` at a time. The last three lots are in memory: one is searched,
/// one waits, and one is read.
private final class BlockReader: @unchecked Sendable {
  let step: Int
  private let rows: FileRows
  private let blocks: Int
  private let buffer: Pages
  private var place = 0

  init(_ rows: FileRows) {
    self.rows = rows
    blocks = rows.layout.blocks(for: rows.count)
    step = max(1, (512 << 10) / rows.layout.byteCount)
    buffer = Pages(count: min(blocks, 3 * step) * rows.layout.byteCount)
  }

  func block(_ number: Int) -> RowBlock {
    RowBlock(
      layout: rows.layout, start: buffer.start + number % (3 * step) * rows.layout.byteCount)
  }

  @Sendable func next() throws -> Range<Int>? {
    guard place < blocks else { return nil }
    let lot = place..<min(place + step, blocks)
    let bytes = UnsafeMutableRawBufferPointer(
      start: block(lot.lowerBound).start, count: lot.count * rows.layout.byteCount)
    guard rows.file.read(bytes, at: IndexHead.size + lot.lowerBound * rows.layout.byteCount) else {
      throw DamagedIndex()
    }
    place = lot.upperBound
    return lot
  }
}

/// A file of a base while it is written, under a temporary name.
final class IndexFileWriter {
  let file: Descriptor
  private let directory: Descriptor
  private let temporaryName: String
  private let name: String
  private let sizeLimit: Int
  private var size = IndexHead.size
  private var isKept = false
  let baseID = UInt128.random(in: 1 ... .max)

  /// nil if it cannot be made.
  init?(in directory: Descriptor, name: String, sizeLimit: Int) {
    temporaryName = IndexDirectory.temporaryName(for: name)
    let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    guard let file = Descriptor(openat(directory.number, temporaryName, flags, 0o600)) else { return nil }
    (self.directory, self.file, self.name, self.sizeLimit) = (directory, file, name, sizeLimit)
    // The process's umask may have removed the owner's rights. The head is written after the rows.
    let head = [UInt8](repeating: 0, count: IndexHead.size)
    guard fchmod(file.number, 0o600) == 0, (try? head.withUnsafeBytes { try file.write($0) }) != nil else {
      return nil
    }
  }

  deinit { if !isKept { unlinkat(directory.number, temporaryName, 0) } }

  /// - Throws: `SystemFailure`, also where the file would pass the limit.
  func write(_ bytes: UnsafeRawBufferPointer) throws {
    size += bytes.count
    guard size <= sizeLimit else { throw SystemFailure() }
    try file.write(bytes)
  }

  /// Writes the head, and gives the file its name.
  /// - Returns: whether that was done.
  func keep(_ head: IndexHead) -> Bool {
    let isWritten = head.sealed.withUnsafeBytes {
      pwrite(file.number, $0.baseAddress, $0.count, 0) == IndexHead.size
    }
    isKept = isWritten && renameat(directory.number, temporaryName, directory.number, name) == 0
    return isKept
  }
}

/// A writer of numbers and bytes, one after the other.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ number: some FixedWidthInteger) { withUnsafeBytes(of: number) { bytes += $0 } }
  mutating func append(_ part: some Sequence<UInt8>) { bytes += part }
}

/// A reader of numbers and bytes. The bytes may be damaged.
struct ByteReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// - Throws: `DamagedIndex` if there are fewer.
  mutating func take(_ count: Int) throws -> [UInt8] {
    guard count >= 0, count <= rest.count else { throw DamagedIndex() }
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type = Number.self) throws
    -> Number
  {
    try take(MemoryLayout<Number>.size).withUnsafeBytes { $0.loadUnaligned(as: Number.self) }
  }

  /// - Throws: `DamagedIndex` for a number below zero or above the limit.
  mutating func count(upTo limit: Int64) throws -> Int {
    let number: Int64 = try number()
    guard 0...limit ~= number else { throw DamagedIndex() }
    return Int(number)
  }
}
