internal import CTextLibraries

/// The steps from a query to the key of an exact match: normalization, then hashing.
///
/// The result is that of the Python library, byte for byte: Python's `str.strip()`, then `re.sub(r"\s+", " ")`, then
/// `str.casefold()`, then SHA-256 of the UTF-8. No Unicode normalization takes place: a precomposed letter
/// and a decomposed one are two queries.
public enum QueryNormalizer {
  /// White space trimmed at both ends, each inner run of it one space, case folded in full (`ß` → `ss`).
  public static func normalize(_ query: String) -> String {
    String(decoding: normalizedBytes(of: query), as: UTF8.self)
  }

  /// The UTF-8 of a normalized text.
  package static func normalizedBytes(of text: String) -> [UInt8] {
    var text = text
    return text.withUTF8 { utf8 in
      var bytes: [UInt8] = []
      bytes.reserveCapacity(utf8.count)
      /// Whether there is white space between the last word and the next.
      var gap = false
      var index = 0
      while index < utf8.count {
        let (scalar, length) = scalar(at: index, in: utf8)
        index += length
        if isWhiteSpace(scalar) {
          gap = !bytes.isEmpty
          continue
        }
        if gap { bytes.append(UInt8(ascii: " ")) }
        gap = false
        if scalar.value < 0x80 {
          let byte = UInt8(scalar.value)
          bytes.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte)
        } else {
          appendCaseFolded(scalar, to: &bytes)
        }
      }
      return bytes
    }
  }

  /// - Parameter utf8: that of a string, and so valid.
  private static func scalar(
    at index: Int, in utf8: UnsafeBufferPointer<UInt8>
  ) -> (Unicode.Scalar, length: Int) {
    let first = utf8[index]
    if first < 0x80 { return (Unicode.Scalar(first), 1) }
    let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    let value = (1..<length).reduce(UInt32(first) & (0x7F >> UInt32(length))) {
      $0 << 6 | UInt32(utf8[index + $1] & 0x3F)
    }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", length)
  }

  /// SHA-256 of the UTF-8 of `text`, 64 lower-case hexadecimal digits.
  public static func hash(_ text: String) -> String {
    var text = text
    var context = SHA2_CTX()
    SHA256Init(&context)
    text.withUTF8 { SHA256Update(&context, $0.baseAddress, $0.count) }
    let digest = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
      SHA256Final(buffer.baseAddress, &context)
      return Array(buffer)
    }
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 64) { buffer in
      for (index, byte) in digest.enumerated() {
        buffer[index * 2] = digits[Int(byte >> 4)]
        buffer[index * 2 + 1] = digits[Int(byte & 15)]
      }
      return 64
    }
  }

  /// The hash under which a query is found.
  /// - Parameter normalizing: false for applications that hash queries as they are.
  public static func queryHash(_ query: String, normalizing: Bool = true) -> String {
    hash(normalizing ? normalize(query) : query)
  }

  /// Tells whether a text has the form of a query hash: 64 lower-case hexadecimal digits.
  public static func isHash(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }

  /// Checks the hash of an entry before it is stored: one of another form could not be read again.
  /// - Throws: `InvalidInputError`.
  public static func check(hash: String) throws {
    guard !isHash(hash) else { return }
    throw InvalidInputError(
      "A query hash is not 64 lower-case hexadecimal digits.", remedy: .makeQueryHash)
  }

  /// The characters that Python's `str.isspace()` and `\s` take for white space. Swift's `isWhitespace` lacks
  /// U+001C–U+001F, and neither takes U+200B, hence the list.
  static func isWhiteSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      true
    default: false
    }
  }

  /// Appends the full case folding of a character, which is several characters for some (`ß` is `ss`).
  private static func appendCaseFolded(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
    // The longest folding has three characters.
    withUnsafeTemporaryAllocation(of: utf8proc_int32_t.self, capacity: 4) { folded in
      var boundClass: Int32 = 0
      let count = utf8proc_decompose_char(
        utf8proc_int32_t(bitPattern: scalar.value), folded.baseAddress, folded.count, UTF8PROC_CASEFOLD,
        &boundClass)
      for place in 0..<max(0, min(count, folded.count)) {
        guard let scalar = Unicode.Scalar(UInt32(bitPattern: folded[place])) else { continue }
        bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
      }
    }
  }
}
