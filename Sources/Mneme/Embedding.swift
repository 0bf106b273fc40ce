/// A vector as it is stored: dimension × little-endian float32.
///
/// The bytes are kept rather than the numbers, so that a vector is written back bit for bit. A cache without
/// vectors (`none`) stores empty ones.
public struct Embedding: Sendable, Hashable {
  /// The bytes, four for each number.
  public let bytes: [UInt8]

  /// - Precondition: the count is a multiple of four. Check bytes from outside first.
  public init(bytes: [UInt8]) {
    precondition(bytes.count % 4 == 0, "an embedding is whole float32s")
    self.bytes = bytes
  }

  /// Makes an embedding of numbers without normalizing them.
  public init(_ numbers: [Float]) {
    bytes = [UInt8](unsafeUninitializedCapacity: numbers.count * 4) { buffer, count in
      for (index, number) in numbers.enumerated() {
        let raw = UnsafeMutableRawBufferPointer(buffer)
        raw.storeBytes(of: number.bitPattern.littleEndian, toByteOffset: index * 4, as: UInt32.self)
      }
      count = numbers.count * 4
    }
  }

  /// The embedding of an entry in a cache without vectors.
  public static let empty = Embedding(bytes: [])

  /// The number of its components.
  public var dimension: Int { bytes.count / 4 }

  /// The numbers, in order.
  public var numbers: [Float] {
    bytes.withUnsafeBytes { raw in
      (0..<dimension).map {
        Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
      }
    }
  }

  /// The vector scaled to length 1, as every stored one is (cosine similarity is then a dot product).
  ///
  /// The sum of squares is taken in double precision and the quotient rounded once, so that the bytes do not
  /// depend on how a machine adds.
  /// - Throws: `QuantizationError` for a zero vector, NaN or infinity.
  public static func normalizing(_ numbers: [Float]) throws -> Embedding {
    var sum = 0.0
    for (index, number) in numbers.enumerated() {
      guard number.isFinite else {
        throw QuantizationError(
          "Component \(index) of the embedding is \(number), which is not a finite number.",
          remedy: .checkEmbedder)
      }
      sum += Double(number) * Double(number)
    }
    guard sum > 0 || numbers.isEmpty else {
      throw QuantizationError(
        "The embedding is all zeros and has no direction.",
        remedy: .checkEmbedder)
    }
    let length = sum.squareRoot()
    return Embedding(numbers.map { Float(Double($0) / length) })
  }
}

extension Embedding {
  /// The dot product, which is the cosine for vectors of length 1; 0 if the lengths differ. Summed in double
  /// precision, so that the order of addition does not show.
  public func dot(_ other: Embedding) -> Double {
    guard dimension == other.dimension else { return 0 }
    return zip(numbers, other.numbers).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }
}
