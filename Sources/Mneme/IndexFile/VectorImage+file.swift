internal import CVector
import Glibc

// The file of an image. Numbers as the machine has them, every part at a multiple of 64 bytes, the rest zero:
//
//       0  "mnemeidx"
//       8  UInt32  the format, 1
//      12  UInt32  0x01020304, the order of bytes
//      16  64 B    which cache, namespace and embedder it is of: SHA-256, in hexadecimal
//      80  64 B    the mark: the lineage's SHA-256, in hexadecimal
//     144  Int64             the version
//     152  Int64             the entries of the whole store
//     160  Int64             the highest id
//     168  Int64   the dimension
//     176  Int64   the rows
//     184  UInt64  the checksum of everything before and behind it
//     192  rows × Int64    ids, rising
//          rows × Float32  scales
//          rows × Float32  error bounds
//          rows × width × Int8
struct VectorImageHeader: Equatable {
  var key: String
  var mark: StoreMark
  var dimension: Int
  var rows: Int

  static let size = 192
  static let checksumOffset = 184
  private static let magic = Array("mnemeidx".utf8)
  private static let format: UInt32 = 1
  private static let byteOrder: UInt32 = 0x0102_0304

  init(key: String, mark: StoreMark, dimension: Int, rows: Int) {
    self.key = key
    self.mark = mark
    self.dimension = dimension
    self.rows = rows
  }

  /// nil for what no header of this format looks like. Nothing but the header is looked at.
  init?(_ file: UnsafeRawBufferPointer) {
    guard file.count >= Self.size, file.starts(with: Self.magic),
      file.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == Self.format,
      file.loadUnaligned(fromByteOffset: 12, as: UInt32.self) == Self.byteOrder
    else { return nil }
    func number(_ offset: Int) -> Int64 { file.loadUnaligned(fromByteOffset: offset, as: Int64.self) }
    key = String(decoding: file[16..<80], as: UTF8.self)
    mark = StoreMark(
      lineage: String(decoding: file[80..<144], as: UTF8.self), version: number(144), entries: number(152),
      highestID: EntryID(number(160)))
    dimension = Int(number(168))
    rows = Int(number(176))
  }

  /// The header's bytes, with zeros in place of the checksum.
  var bytes: [UInt8] {
    precondition(key.utf8.count == 64 && mark.lineage.utf8.count == 64, "hashes have 64 digits")
    var bytes = Self.magic
    withUnsafeBytes(of: Self.format) { bytes += $0 }
    withUnsafeBytes(of: Self.byteOrder) { bytes += $0 }
    bytes += Array(key.utf8) + Array(mark.lineage.utf8)
    for number in [
      mark.version, mark.entries, mark.highestID.rawValue, Int64(dimension), Int64(rows), 0,
    ] {
      withUnsafeBytes(of: number) { bytes += $0 }
    }
    return bytes
  }

  /// Where the parts of the file begin.
  struct Layout: Equatable {
    let width: Int
    let scales: Int
    let errors: Int
    let vectors: Int
    let end: Int

    /// nil for more than can be.
    init?(dimension: Int, rows: Int) {
      guard 1...1 << 24 ~= dimension, 0...1 << 36 ~= rows else { return nil }
      width = VectorImage.width(ofDimension: dimension)
      scales = VectorImageHeader.size + Self.padded(rows * 8)
      errors = scales + Self.padded(rows * 4)
      vectors = errors + Self.padded(rows * 4)
      end = vectors + rows * width
    }

    static func padded(_ count: Int) -> Int { (count + 63) & ~63 }
  }
}

extension VectorImage {
  /// An image in a mapped file, and the header that it came with. nil where the file is not whole, or no such file.
  ///
  /// All is checked but the checksum, which `search` sees to while it reads the rows anyway.
  static func read(_ mapping: FileMapping) -> (header: VectorImageHeader, image: VectorImage)? {
    guard let header = VectorImageHeader(mapping.bytes),
      let layout = VectorImageHeader.Layout(dimension: header.dimension, rows: header.rows),
      mapping.bytes.count == layout.end, let start = mapping.bytes.baseAddress
    else { return nil }
    let image = VectorImage(
      dimension: header.dimension, width: layout.width, count: header.rows,
      ids: (start + VectorImageHeader.size).assumingMemoryBound(to: Int64.self),
      scales: (start + layout.scales).assumingMemoryBound(to: Float.self),
      errors: (start + layout.errors).assumingMemoryBound(to: Float.self),
      vectors: (start + layout.vectors).assumingMemoryBound(to: Int8.self), in: .mapping(mapping))
    return (header, image)
  }

  /// Hands over the file's bytes, part by part: the image's first `header.rows` rows under that header.
  func write(_ header: VectorImageHeader, to write: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    let rows = header.rows
    precondition(rows <= count && header.dimension == dimension, "the header is this image's")
    var parts: [[UInt8]] = [header.bytes]
    parts.append(Self.padded(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(ids)[..<(rows * 8)])))
    for numbers in [scales, errors] {
      parts.append(
        Self.padded(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(numbers)[..<(rows * 4)])))
    }
    let rowBytes = UnsafeRawBufferPointer(start: vectors, count: rows * width)
    var checksum = Checksum()
    for part in parts { part.withUnsafeBytes { checksum.update($0) } }
    checksum.update(rowBytes)
    withUnsafeBytes(of: checksum.value) {
      parts[0].replaceSubrange(VectorImageHeader.checksumOffset..., with: $0)
    }
    for part in parts { try part.withUnsafeBytes { try write($0) } }
    try write(rowBytes)
  }

  private static func padded(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    let count = VectorImageHeader.Layout.padded(bytes.count)
    return [UInt8](bytes) + [UInt8](repeating: 0, count: count - bytes.count)
  }

  /// The checksum that stands in the file, and that of everything before its rows. nil: no file.
  func checksums() -> (stored: UInt64, ofHead: Checksum)? {
    guard case .mapping(let mapping) = memory else { return nil }
    let bytes = mapping.bytes
    let offset = VectorImageHeader.checksumOffset
    var header = [UInt8](bytes[..<VectorImageHeader.size])
    header.replaceSubrange(offset..<offset + 8, with: repeatElement(0, count: 8))
    var checksum = Checksum()
    header.withUnsafeBytes { checksum.update($0) }
    checksum.update(
      UnsafeRawBufferPointer(rebasing: bytes[VectorImageHeader.size..<bytes.count - count * width]))
    return (bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), checksum)
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
}
