internal import CVector

/// In which numbers an index keeps its vectors.
public enum VectorPrecision: String, Sendable, CaseIterable {
  /// As they are stored; similarities are exact to float32.
  case float32
  /// A quarter of the memory, and twice the speed: each component times 127, rounded to the nearest integer.
  /// Similarities move by up to some hundredths, so the threshold wants calibrating for it.
  case int8
}

/// The vectors of one namespace, searched exactly: every vector is compared with the query.
///
/// Vectors are expected to have length 1, as stored ones do, so that the cosine similarity is a dot product. Rows
/// lie one after another in memory; removing one moves the last into its place, so that there are no gaps to
/// skip and nothing to compact.
///
/// Not thread-safe: who shares an index locks it.
public final class VectorIndex {
  /// The length of every vector.
  public let dimension: Int
  /// How the vectors are kept.
  public let precision: VectorPrecision

  /// The ids in the order of their rows.
  private(set) var rowIDs: [EntryID] = []
  private var rowOf: [EntryID: Int] = [:]
  private var pages = Pages(count: 0)
  /// How many numbers a row takes: the dimension in whole blocks, the rest zero.
  let width: Int
  /// Of one vector in float32, with the same padding, for what has to be read before it can be quantised.
  private let scratch: UnsafeMutableBufferPointer<Float>

  /// - Precondition: `dimension` is positive.
  public init(dimension: Int, precision: VectorPrecision = .float32) {
    precondition(dimension > 0, "vectors have a dimension")
    self.dimension = dimension
    self.precision = precision
    let block = Int(CVECTOR_BLOCK)
    width = (dimension + block - 1) / block * block
    scratch = .allocate(capacity: width)
    scratch.initialize(repeating: 0)
  }

  deinit { scratch.deallocate() }

  /// The number of vectors.
  public var count: Int { rowIDs.count }

  /// The ids that have a vector, in no order to rely on.
  public var ids: [EntryID] { rowIDs }

  /// Whether there is a vector of that entry.
  public func contains(_ id: EntryID) -> Bool { rowOf[id] != nil }

  /// Makes room for so many vectors in all, which saves copying while they come in.
  public func reserveCapacity(_ count: Int) {
    guard count > self.count else { return }
    rowIDs.reserveCapacity(count)
    rowOf.reserveCapacity(count)
    growPages(toHold: count)
  }

  /// Adds the vector of an entry, or replaces it.
  /// - Parameter bytes: `dimension` × little-endian float32, of any alignment.
  /// - Throws: `EmbedderDimensionError` when the bytes are more or fewer, `QuantizationError` for a zero vector,
  ///   NaN or infinity. The index is then as it was.
  public func set(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count == dimension * 4 else {
      throw EmbedderDimensionError(
        "The embedding of entry \(id) has \(bytes.count) bytes; \(dimension) dimensions take \(dimension * 4).",
        about: .entry(id), remedy: .replaceEntry)
    }
    let largest = cvector_read_f32(bytes.baseAddress, dimension, scratch.baseAddress)
    try Self.check(largest, "The embedding of entry \(id)", .entry(id), .replaceEntry)
    let row = rowOf[id] ?? count
    if row == count {
      if (count + 1) * rowBytes > pages.count { growPages(toHold: max(64, count * 2)) }
      rowIDs.append(id)
      rowOf[id] = row
    }
    let target = address(ofRow: row)
    switch precision {
    case .float32: target.copyMemory(from: scratch.baseAddress!, byteCount: rowBytes)
    case .int8:
      cvector_quantize(scratch.baseAddress, width, target.assumingMemoryBound(to: Int8.self))
    }
  }

  /// Adds or replaces many: `ids.count` vectors, one after another as `set(_:_:)` takes them, without an
  /// allocation for each.
  /// - Throws: as `set(_:_:)` does, for the first vector that is at fault; those before it are in.
  public func set(_ ids: [EntryID], _ rows: UnsafeRawBufferPointer) throws {
    guard rows.count == ids.count * dimension * 4 else {
      throw EmbedderDimensionError(
        "\(ids.count) embeddings of \(dimension) dimensions take \(ids.count * dimension * 4) bytes, "
          + "not \(rows.count).",
        remedy: .provideEachEmbedding)
    }
    reserveCapacity(count + ids.count)
    for (index, id) in ids.enumerated() {
      try set(id, UnsafeRawBufferPointer(rebasing: rows[index * dimension * 4..<(index + 1) * dimension * 4]))
    }
  }

  /// - Returns: whether there was a vector of that entry.
  @discardableResult
  public func remove(_ id: EntryID) -> Bool {
    guard let row = rowOf.removeValue(forKey: id) else { return false }
    let last = rowIDs.removeLast()
    if last != id {
      rowIDs[row] = last
      rowOf[last] = row
      address(ofRow: row).copyMemory(from: address(ofRow: rowIDs.count), byteCount: rowBytes)
    }
    return true
  }

  // MARK: Rows

  private var rowBytes: Int { width * (precision == .float32 ? MemoryLayout<Float>.stride : 1) }

  func address(ofRow row: Int) -> UnsafeMutableRawPointer { pages.start + row * rowBytes }

  private func growPages(toHold rows: Int) {
    guard rows * rowBytes > pages.count else { return }
    var grown = Pages(count: rows * rowBytes)
    if count > 0 { grown.start.copyMemory(from: pages.start, byteCount: count * rowBytes) }
    swap(&pages, &grown)
  }

  /// - Parameter largest: what `cvector_read_f32` returned.
  static func check(_ largest: UInt32, _ what: String, _ object: ErrorObject?, _ remedy: Remedy) throws {
    guard largest < 0x7f80_0000 else {
      throw QuantizationError(
        "\(what) has a component that is no finite number.", about: object, remedy: remedy)
    }
    guard largest > 0 else {
      throw QuantizationError("\(what) is all zeros and has no direction.", about: object, remedy: remedy)
    }
  }
}
