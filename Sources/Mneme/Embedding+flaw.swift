extension Embedding {
  /// A reason why a stored vector cannot be compared.
  package enum Flaw: Sendable, Equatable {
    /// All components are zero. Python stores such vectors for texts in which its embedder finds no feature.
    case allZeros
    /// A component is NaN or infinite.
    case notFinite
    /// The length is not 1, so that a dot product with it is not a cosine.
    case length(Double)

    /// The largest deviation of a length from 1, and of a similarity from the cosine. Numbers that were kept in
    /// 16 bits stay well within it.
    package static let tolerance = 0.01

    /// Finds the flaw of a vector; nil if it can be compared, or has no components.
    /// - Parameter bytes: little-endian float32s, of any alignment.
    package init?(in bytes: UnsafeRawBufferPointer) {
      var squares = 0.0
      var largest: UInt32 = 0
      for offset in stride(from: 0, to: bytes.count & ~3, by: 4) {
        let pattern = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        // Without its sign, the larger pattern is the larger number, and infinities and NaNs are above all others.
        largest = max(largest, pattern & 0x7fff_ffff)
        let number = Double(Float(bitPattern: pattern))
        squares += number * number
      }
      if bytes.isEmpty { return nil }
      if largest >= Float.infinity.bitPattern {
        self = .notFinite
      } else if largest == 0 {
        self = .allZeros
      } else if abs(squares.squareRoot() - 1) > Self.tolerance {
        self = .length(squares.squareRoot())
      } else {
        return nil
      }
    }
  }

  /// The reason why the vector cannot be compared, or nil.
  package var flaw: Flaw? { bytes.withUnsafeBytes { Flaw(in: $0) } }
}
