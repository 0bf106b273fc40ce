internal import CTextLibraries

/// How a query becomes the key of the exact layer: normalise, then hash.
///
/// The result is the peer library's, byte for byte: Python's `str.strip()`, then `re.sub(r"\s+", " ")`, then
/// `str.casefold()`, then SHA-256 of the UTF-8. No Unicode normalisation takes place: a precomposed letter
/// and a decomposed one are two queries.
public enum QueryNormalizer {
  /// White space trimmed at both ends, each inner run of it one space, case folded in full (`ß` → `ss`).
  public static func normalize(_ query: String) -> String {
    caseFold(collapseWhiteSpace(query))
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

  /// What Python's `str.isspace()` and `\s` take for white space. Swift's `isWhitespace` lacks U+001C–U+001F,
  /// and neither takes U+200B; hence the list.
  static func isWhiteSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      true
    default: false
    }
  }

  private static func collapseWhiteSpace(_ text: String) -> String {
    var collapsed = String.UnicodeScalarView()
    var gap = false
    for scalar in text.unicodeScalars {
      if isWhiteSpace(scalar) {
        gap = !collapsed.isEmpty
      } else {
        if gap { collapsed.append(" ") }
        gap = false
        collapsed.append(scalar)
      }
    }
    return String(collapsed)
  }

  private static func caseFold(_ text: String) -> String {
    var text = text
    return text.withUTF8 { utf8 in
      guard !utf8.allSatisfy({ $0 < 0x80 }) else {
        return String(unsafeUninitializedCapacity: utf8.count) { folded in
          for (place, byte) in utf8.enumerated() {
            folded[place] = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
          }
          return utf8.count
        }
      }
      var folded: UnsafeMutablePointer<utf8proc_uint8_t>?
      let count = utf8proc_map(utf8.baseAddress, utf8.count, &folded, UTF8PROC_CASEFOLD)
      defer { free(folded) }
      // A Swift string is valid UTF-8, so memory is the only thing that utf8proc can lack.
      guard count >= 0, let folded else { fatalError("out of memory while case folding") }
      return String(decoding: UnsafeBufferPointer(start: folded, count: count), as: UTF8.self)
    }
  }
}
