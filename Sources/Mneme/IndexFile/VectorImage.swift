internal import CVector
import Glibc

/// The vectors of a namespace in int8, in id order, as they lie in a file that can be mapped and searched at once.
///
/// Unlike an int8 `VectorIndex`, which answers from int8 alone, an image only says which entries can be among the
/// nearest: each row has a scale of its own, and a bound for how far rounding moves its similarity to any query.
/// Their true vectors then decide, so that the answer is the one of float32.
final class VectorImage {
  let dimension: Int
  /// How many numbers a row takes: the dimension in whole blocks, the rest zero.
  let width: Int
  /// How many vectors there are.
  let count: Int
  let ids: UnsafeBufferPointer<Int64>
  /// What a row's int8 numbers are to be multiplied with.
  let scales: UnsafeBufferPointer<Float>
  /// How far a row's similarity to a query of length 1 can be from the true one; infinite for what is no vector that
  /// can be compared.
  let errors: UnsafeBufferPointer<Float>
  /// `count` × `width`.
  let vectors: UnsafePointer<Int8>
  /// What the pointers lead into.
  let memory: Memory

  /// What an image holds its numbers in.
  enum Memory {
    case mapping(FileMapping)
    case builder(VectorImageBuilder)
  }

  init(
    dimension: Int, width: Int, count: Int, ids: UnsafePointer<Int64>, scales: UnsafePointer<Float>,
    errors: UnsafePointer<Float>, vectors: UnsafePointer<Int8>, in memory: Memory
  ) {
    self.dimension = dimension
    self.width = width
    self.count = count
    self.ids = UnsafeBufferPointer(start: ids, count: count)
    self.scales = UnsafeBufferPointer(start: scales, count: count)
    self.errors = UnsafeBufferPointer(start: errors, count: count)
    self.vectors = vectors
    self.memory = memory
  }

  static func width(ofDimension dimension: Int) -> Int {
    let block = Int(CVECTOR_BLOCK)
    return (dimension + block - 1) / block * block
  }
}

/// Makes an image of vectors as they come, in id order.
final class VectorImageBuilder {
  let dimension: Int
  private let quantizer: RowQuantizer
  private var ids = Column<Int64>()
  private var scales = Column<Float>()
  private var errors = Column<Float>()
  private var vectors = Column<Int8>()
  /// How many rows stand for what is no vector that can be compared.
  private(set) var oddCount = 0

  /// - Precondition: `dimension` is positive.
  init(dimension: Int) {
    self.dimension = dimension
    quantizer = RowQuantizer(dimension: dimension)
  }

  /// Adds the vector of an entry. What is none that can be compared is an odd row, which every search asks about.
  func append(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) {
    let (scale, error) = quantizer.quantize(bytes, into: vectors.extend(by: quantizer.width))
    if error == .infinity { oddCount += 1 }
    ids.extend(by: 1).initialize(to: id.rawValue)
    scales.extend(by: 1).initialize(to: scale)
    errors.extend(by: 1).initialize(to: error)
  }

  /// The image, which goes on using the memory: nothing is appended any more.
  func image() -> VectorImage {
    VectorImage(
      dimension: dimension, width: quantizer.width, count: ids.count, ids: ids.start, scales: scales.start,
      errors: errors.start, vectors: vectors.start, in: .builder(self))
  }
}

/// Numbers that become more, in memory straight from the kernel.
private struct Column<Number: BitwiseCopyable>: ~Copyable {
  private var pages = Pages(count: 0)
  private(set) var count = 0

  var start: UnsafeMutablePointer<Number> { pages.start.assumingMemoryBound(to: Number.self) }

  /// Makes room for some more, and returns where: memory that is still zero. What was returned before may have moved.
  mutating func extend(by more: Int) -> UnsafeMutablePointer<Number> {
    let size = MemoryLayout<Number>.stride
    if (count + more) * size > pages.count {
      var grown = Pages(count: max(4096, 2 * (count + more) * size))
      grown.start.copyMemory(from: pages.start, byteCount: count * size)
      swap(&pages, &grown)
    }
    defer { count += more }
    return start + count
  }
}

/// Turns stored vectors into rows of an image.
final class RowQuantizer {
  let dimension: Int
  let width: Int
  private let numbers: UnsafeMutableBufferPointer<Float>
  private let avx2 = cvector_has_avx2()

  init(dimension: Int) {
    self.dimension = dimension
    width = VectorImage.width(ofDimension: dimension)
    numbers = .allocate(capacity: width)
    numbers.initialize(repeating: 0)
  }

  deinit { numbers.deallocate() }

  /// - Parameters:
  ///   - bytes: little-endian float32, of any number.
  ///   - row: gets `width` numbers.
  /// - Returns: the scale, and the bound of `VectorImage.errors`.
  func quantize(_ bytes: UnsafeRawBufferPointer, into row: UnsafeMutablePointer<Int8>) -> (
    scale: Float, error: Float
  ) {
    let isFinite =
      bytes.count == dimension * 4
      && cvector_read_f32(bytes.baseAddress, dimension, numbers.baseAddress) < 0x7f80_0000
    guard isFinite else {
      row.initialize(repeating: 0, count: width)
      return (0, .infinity)
    }
    var error: Float = 0
    let scale = cvector_quantize_row(avx2, numbers.baseAddress, width, row, &error)
    return (scale, error)
  }
}
