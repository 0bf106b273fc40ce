import CommandGrammar
import Mneme

/// A file with the vector of a query, and its form.
struct VectorFile {
  static let type = Option(
    "embedding-type", value: .choice(Form.self, "TYPE"), group: Options.embedders,
    summary: "how {option:embedding} is written",
    details: """
      `json` is an array of numbers; `f32`, `f64` and `f16` are raw little-endian numbers of 4, 8 and 2 bytes. If not given, \
      mneme reads a file of text as JSON, and any other as `f32`.
      """)
  static let options: [any OptionDeclaration] = [Options.embedding, type]
  static let rule = Rule.dependency(of: type, on: Options.embedding)

  enum Form: String, CaseIterable, Sendable {
    case json, f32, f64, f16

    /// The bytes of a number.
    fileprivate var size: Int {
      switch self {
      case .json: 1
      case .f16: 2
      case .f32: 4
      case .f64: 8
      }
    }
  }

  let path: String
  /// The form; nil if it is recognized from the file.
  let form: Form?

  /// Reads the options; nil if no file is named.
  init?(_ invocation: Invocation) {
    guard let path = invocation[Options.embedding] else { return nil }
    (self.path, form) = (path, invocation[Self.type])
  }

  init(path: String, form: Form? = nil) { (self.path, self.form) = (path, form) }

  /// Reads the vector.
  /// - Parameter dimension: of the cache's vectors; nil if it is not known. If the file would fit with numbers of
  ///   another size, the error names that size.
  func read(for dimension: Int? = nil) throws -> [Float] {
    let limit = 1 << 22
    guard let bytes = try InputFile(path).readAll(limit: limit) else {
      throw wrong("has more than \(limit) bytes.", "Give one vector.")
    }
    let text = withoutByteOrderMark(bytes)
    switch form ?? (Self.isText(text) ? .json : .f32) {
    case .json:
      guard let value = try? JSONText(parsing: text) else {
        throw wrong("is text, and not a JSON array of numbers.", "Write [0.1, 0.2, ...].")
      }
      return try numbers(in: value, of: "The embedding '\(path)'")
    case let raw: return try decode(bytes, raw, dimension)
    }
  }

  /// Whether the bytes are text. Raw numbers hardly ever consist of printable ASCII alone.
  private static func isText(_ bytes: [UInt8]) -> Bool {
    bytes.allSatisfy { (0x20...0x7E).contains($0) || $0.isJSONSpace }
  }

  private func decode(_ bytes: [UInt8], _ raw: Form, _ dimension: Int?) throws -> [Float] {
    guard !bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw wrong(
        "is a NumPy file (.npy), which begins with a heading.",
        "Write the numbers alone: vector.astype('float32').tofile('\(path)').")
    }
    guard !bytes.isEmpty, bytes.count % raw.size == 0 else {
      throw wrong(
        "has \(bytes.count) bytes, which is not a whole number of \(raw.rawValue).",
        "Write [0.1, 0.2, ...], or raw numbers, and name their size with --embedding-type.")
    }
    if let dimension, form == nil, bytes.count != dimension * raw.size,
      let other = [Form.f64, .f16].first(where: { bytes.count == dimension * $0.size })
    {
      throw wrong(
        "has \(bytes.count) bytes: \(dimension) numbers if each has \(other.size).",
        "Add --embedding-type \(other.rawValue) if that is what it holds.")
    }
    return stride(from: 0, to: bytes.count, by: raw.size).map { start in
      let bits = (0..<raw.size).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
      return switch raw {
      case .f64: Float(Double(bitPattern: bits))
      case .f16: Float(half: UInt16(truncatingIfNeeded: bits))
      case .f32, .json: Float(bitPattern: UInt32(truncatingIfNeeded: bits))
      }
    }
  }

  private func wrong(_ what: String, _ remediation: String) -> InputError {
    InputError("The embedding '\(path)' \(what)", remediation: remediation)
  }
}

extension Float {
  /// Converts the bits of an IEEE 754 half-precision number. (Swift has `Float16` on some processors only.)
  init(half bits: UInt16) {
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF) / 1024)
    let magnitude: Float =
      switch exponent {
      case 0: fraction * 0x1p-14
      case 31: fraction == 0 ? .infinity : .nan
      default: (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
      }
    self = bits >> 15 == 0 ? magnitude : -magnitude
  }
}

/// The numbers of a JSON array.
/// - Parameter what: the subject of the message if the value is not an array of numbers.
func numbers(in value: JSONText, of what: String) throws -> [Float] {
  let elements = value.elements
  let numbers = elements.compactMap(\.double).map(Float.init)
  guard value.kind == .array, numbers.count == elements.count, !numbers.isEmpty else {
    throw InputError(
      "\(what) is not a JSON array of numbers.", remediation: "Write it as [0.1, 0.2, ...].")
  }
  return numbers
}
