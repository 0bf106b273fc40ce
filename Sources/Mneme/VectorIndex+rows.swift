internal import CVector

/// The layout of rows in memory and in a file: blocks of 256, the last one partly filled.
///
///       0  UInt64  the checksum of the rest of the block, and 56 bytes of zeros
///      64  rows × Int64    ids
///          rows × Float32  scales: what the int8 numbers of a row are multiplied with
///          rows × Float32  error bounds: see `cvector_quantize_row`
///          rows × width × Int8
///
/// Numbers are in the byte order of the machine, and every part begins at a multiple of 64 bytes. Blocks let rows be
/// added without moving those that are there, written to a file while they come in, and searched while they are read.
struct RowLayout: Equatable, Sendable {
  static let headSize = 64
  /// The numbers of each vector.
  let dimension: Int
  /// The numbers of each row: those of a vector in whole blocks of `CVECTOR_BLOCK`, the rest zero.
  let width: Int
  /// The rows of a block: 256, fewer where they are so wide that a block would pass 4 MiB.
  let rows: Int
  let scales: Int
  let errors: Int
  let vectors: Int
  /// The bytes of a block.
  let byteCount: Int

  /// - Precondition: `dimension` is positive.
  init(dimension: Int) {
    precondition(dimension > 0, "vectors have a dimension")
    func padded(_ count: Int) -> Int { (count + 63) & ~63 }
    let block = Int(CVECTOR_BLOCK)
    self.dimension = dimension
    width = (dimension + block - 1) / block * block
    rows = max(1, min(256, (4 << 20) / width))
    scales = Self.headSize + padded(rows * 8)
    errors = scales + padded(rows * 4)
    vectors = errors + padded(rows * 4)
    byteCount = vectors + rows * width
  }

  func blocks(for count: Int) -> Int { (count + rows - 1) / rows }
}

/// A block in memory. It must not be used longer than the memory.
struct RowBlock {
  let layout: RowLayout
  let start: UnsafeMutableRawPointer

  var ids: UnsafeMutablePointer<Int64> { part(RowLayout.headSize) }
  var scales: UnsafeMutablePointer<Float> { part(layout.scales) }
  var errors: UnsafeMutablePointer<Float> { part(layout.errors) }
  var vectors: UnsafeMutablePointer<Int8> { part(layout.vectors) }

  private func part<Number>(_ offset: Int) -> UnsafeMutablePointer<Number> {
    (start + offset).assumingMemoryBound(to: Number.self)
  }

  func vector(_ row: Int) -> UnsafeMutablePointer<Int8> { vectors + row * layout.width }

  func copy(_ row: Int, from other: RowBlock, _ otherRow: Int) {
    ids[row] = other.ids[otherRow]
    scales[row] = other.scales[otherRow]
    errors[row] = other.errors[otherRow]
    vector(row).update(from: other.vector(otherRow), count: layout.width)
  }

  private var contents: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: start + RowLayout.headSize, count: layout.byteCount - RowLayout.headSize)
  }

  /// Fills the rows from `count` on with zeros, and sets the checksum.
  func seal(count: Int) {
    for row in count..<layout.rows {
      ids[row] = 0
      scales[row] = 0
      errors[row] = 0
      vector(row).update(repeating: 0, count: layout.width)
    }
    start.initializeMemory(as: UInt8.self, repeating: 0, count: RowLayout.headSize)
    start.storeBytes(of: Checksum.of(contents), as: UInt64.self)
  }

  /// Whether the checksum is the one of the contents.
  var isSound: Bool { start.loadUnaligned(as: UInt64.self) == Checksum.of(contents) }
}

/// Rows in memory, in the order in which they were appended. A value: copies share the blocks.
struct MemoryRows: @unchecked Sendable {
  let layout: RowLayout
  private(set) var count = 0
  private var blocks: [Block] = []
  private var room = Room()

  /// Memory for some blocks.
  private final class Segment {
    let pages: Pages
    init(byteCount: Int) { pages = Pages(count: byteCount) }
  }

  private struct Block {
    let segment: Segment
    let start: UnsafeMutableRawPointer
  }

  /// The right to write after the last row and into the free blocks of a segment. Only a value that holds the only
  /// reference has it, because copies read the same memory.
  private final class Room {
    var free: ArraySlice<Block> = []
  }

  init(_ layout: RowLayout) { self.layout = layout }

  func block(_ number: Int) -> RowBlock { RowBlock(layout: layout, start: blocks[number].start) }

  /// The rows of a block that are in use.
  func rows(ofBlock number: Int) -> Int { min(layout.rows, count - number * layout.rows) }

  var blockCount: Int { layout.blocks(for: count) }

  /// Makes room for one row, which the caller fills.
  mutating func append() -> (block: RowBlock, row: Int) {
    let (number, row) = count.quotientAndRemainder(dividingBy: layout.rows)
    if !isKnownUniquelyReferenced(&room) {
      room = Room()
      // The block that is not full is copied to new memory.
      let shared = blocks.suffix(from: number)
      blocks.removeSubrange(number...)
      if row > 0, let shared = shared.first {
        let copy = segment(of: 1)[0]
        copy.start.copyMemory(from: shared.start, byteCount: layout.byteCount)
        blocks.append(copy)
      }
    }
    if number == blocks.count {
      // Doubles the blocks, up to about 8 MiB: few rows take little memory, and many are in huge pages.
      if room.free.isEmpty {
        room.free = segment(of: max(1, min(blocks.count, (8 << 20) / layout.byteCount)))[...]
      }
      blocks.append(room.free.removeFirst())
    }
    count += 1
    return (block(number), row)
  }

  /// Removes the rows and keeps the memory.
  mutating func removeAll() { count = 0 }

  private func segment(of count: Int) -> [Block] {
    let segment = Segment(byteCount: count * layout.byteCount)
    return (0..<count).map { Block(segment: segment, start: segment.pages.start + $0 * layout.byteCount) }
  }
}

/// Turns stored vectors into rows.
final class RowQuantizer {
  let layout: RowLayout
  private let numbers: UnsafeMutableBufferPointer<Float>
  private let avx2 = cvector_has_avx2()

  init(_ layout: RowLayout) {
    self.layout = layout
    numbers = .allocate(capacity: layout.width)
    numbers.initialize(repeating: 0)
  }

  deinit { numbers.deallocate() }

  /// Fills a row. A vector that cannot be compared becomes a row with an infinite error bound.
  /// - Parameter bytes: little-endian float32, of any number.
  func fill(_ row: Int, of block: RowBlock, _ id: EntryID, _ bytes: UnsafeRawBufferPointer) {
    block.ids[row] = id.rawValue
    let isFinite =
      bytes.count == layout.dimension * 4
      && cvector_read_f32(bytes.baseAddress, layout.dimension, numbers.baseAddress) < 0x7f80_0000
    guard isFinite else {
      block.vector(row).update(repeating: 0, count: layout.width)
      block.scales[row] = 0
      block.errors[row] = .infinity
      return
    }
    block.scales[row] = cvector_quantize_row(
      avx2, numbers.baseAddress, layout.width, block.vector(row), block.errors + row)
  }
}

/// See `cvector_checksum_update`.
struct Checksum {
  private var state = cvector_checksum()
  private let avx2 = cvector_has_avx2()

  /// - Parameter bytes: a multiple of 64.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    cvector_checksum_update(avx2, &state, bytes.baseAddress, bytes.count)
  }

  var value: UInt64 { withUnsafePointer(to: state) { cvector_checksum_value($0) } }

  /// - Parameter bytes: a multiple of 64.
  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var checksum = Checksum()
    checksum.update(bytes)
    return checksum.value
  }

  /// The checksum of any bytes: of their count, the bytes, and zeros up to a multiple of 64.
  static func of(_ bytes: [UInt8]) -> UInt64 {
    var padded = withUnsafeBytes(of: Int64(bytes.count)) { Array($0) }
    padded += bytes
    padded += repeatElement(0, count: (64 - padded.count % 64) % 64)
    return padded.withUnsafeBytes { of($0) }
  }
}
