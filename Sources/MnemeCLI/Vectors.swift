import Mneme

/// A vector from a file: a JSON array of numbers, or raw little-endian float32.
func readVector(from path: String) throws -> [Float] {
  let limit = 1 << 22
  guard let bytes = try InputFile(path).readAll(limit: limit) else {
    throw InputError(
      "The embedding '\(path)' has more than \(limit) bytes.", remediation: "Give one vector.")
  }
  if let first = bytes.first(where: { $0 > 0x20 }), first == UInt8(ascii: "["),
    let value = try? JSONText(parsing: bytes)
  {
    return try numbers(in: value, of: "The embedding '\(path)'")
  }
  guard !bytes.isEmpty, bytes.count % 4 == 0 else {
    throw InputError(
      "The embedding '\(path)' is neither a JSON array of numbers nor a whole number of float32s.",
      remediation: "Write [0.1, 0.2, ...], or the raw little-endian float32s.")
  }
  return Embedding(bytes: bytes).numbers
}

/// The numbers of a JSON array.
/// - Parameter what: the subject of the message when it is not one.
func numbers(in value: JSONText, of what: String) throws -> [Float] {
  let elements = value.elements
  let numbers = elements.compactMap(\.double).map(Float.init)
  guard value.kind == .array, numbers.count == elements.count, !numbers.isEmpty else {
    throw InputError(
      "\(what) is no JSON array of numbers.", remediation: "Write it as [0.1, 0.2, ...].")
  }
  return numbers
}
