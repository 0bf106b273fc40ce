/// A JSON value as part of its text: its kind and bytes, with nothing converted.
///
/// A cache returns metadata that other programs wrote, so numbers such as `1e400` or `12345678901234567890`, the order
/// of members and the spelling of escapes must not change. JSON libraries convert numbers to machine types or refuse
/// them. This one checks the grammar of RFC 8259 and does not change the text.
package struct JSONText: Sendable {
  /// The kinds of JSON values.
  package enum Kind: Sendable, Hashable {
    case object, array, string, number, boolean, null
  }

  /// The kind of value.
  package let kind: Kind
  /// The value's own bytes, without white space around it.
  package let bytes: ArraySlice<UInt8>

  /// Checks that `bytes` is one JSON value with nothing but white space around it.
  /// - Throws: `JSONSyntaxError` with the offset of the first byte that cannot be.
  package init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
    var checker = JSONGrammar(bytes: bytes)
    let range = try checker.checkDocument()
    self.init(checked: bytes[range])
  }

  /// A value inside a text that has been checked.
  init(checked bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    switch bytes[bytes.startIndex] {
    case UInt8(ascii: "{"): kind = .object
    case UInt8(ascii: "["): kind = .array
    case UInt8(ascii: "\""): kind = .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): kind = .boolean
    case UInt8(ascii: "n"): kind = .null
    default: kind = .number
    }
  }

  /// The value as it was written.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The number, if it is written as an integer (no fraction, no exponent) that fits; else nil.
  package var integer: Int64? { kind == .number ? Int64(text) : nil }

  /// The nearest double, infinite if the number is too large; nil for other values.
  package var double: Double? { kind == .number ? Double(text) : nil }

  /// The members of an object in the order written; empty for anything else. A name can come twice: Python and
  /// most others take the last. A name with a lone surrogate escape is nil.
  package var members: [(name: String?, value: JSONText)] {
    var members: [(String?, JSONText)] = []
    forEachMember { members.append(($0.string, $1)) }
    return members
  }

  /// Passes each member to a function, with the name as it is written.
  package func forEachMember(_ body: (_ name: JSONText, _ value: JSONText) -> Void) {
    guard kind == .object else { return }
    var walker = JSONWalker(bytes: bytes)
    while let name = walker.next(), let value = walker.next() {
      body(JSONText(checked: bytes[name]), JSONText(checked: bytes[value]))
    }
  }

  /// The elements of an array; empty for anything else.
  package var elements: [JSONText] {
    guard kind == .array else { return [] }
    var elements: [JSONText] = []
    var walker = JSONWalker(bytes: bytes)
    while let element = walker.next() { elements.append(JSONText(checked: bytes[element])) }
    return elements
  }

  /// The characters of a string that is written without escapes; nil for anything else.
  package var plainBytes: ArraySlice<UInt8>? {
    guard kind == .string else { return nil }
    let content = bytes.dropFirst().dropLast()
    return firstEscape(in: content) == nil ? content : nil
  }

  /// The place of the first backslash. A quote inside a string always follows one.
  private func firstEscape(in content: ArraySlice<UInt8>) -> Int? {
    let offset = content.withUnsafeBytes { JSONRun.end(in: $0, from: 0, stopsAtControls: false) }
    return offset < content.count ? content.startIndex + offset : nil
  }

  /// The characters of a string, escapes resolved; nil for anything else, and for half of a surrogate pair, which
  /// is not text.
  package var string: String? {
    guard kind == .string else { return nil }
    return bytes.dropFirst().dropLast().withUnsafeBytes { content in
      var isText = true
      let text = String(unsafeUninitializedCapacity: content.count) { text in
        let filled = Self.resolveEscapes(of: content, into: UnsafeMutableRawBufferPointer(text))
        isText = filled != nil
        return filled ?? 0
      }
      return isText ? text : nil
    }
  }

  /// - Parameter text: as long as the content, which no escape makes longer.
  /// - Returns: the number of bytes of the text; nil if it is not text.
  private static func resolveEscapes(
    of content: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Int? {
    var (index, filled) = (0, 0)
    func append(_ bytes: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: text[filled...]).copyMemory(from: bytes)
      filled += bytes.count
    }
    while true {
      let escape = JSONRun.end(in: content, from: index, stopsAtControls: false)
      append(UnsafeRawBufferPointer(rebasing: content[index..<escape]))
      guard escape < content.count else { return filled }
      index = escape + 2
      switch content[escape + 1] {
      case UInt8(ascii: "b"): text[filled] = 0x08
      case UInt8(ascii: "f"): text[filled] = 0x0C
      case UInt8(ascii: "n"): text[filled] = 0x0A
      case UInt8(ascii: "r"): text[filled] = 0x0D
      case UInt8(ascii: "t"): text[filled] = 0x09
      case UInt8(ascii: "u"):
        guard let (scalar, length) = escapedScalar(in: content, at: escape) else { return nil }
        for byte in UTF8.encode(scalar) ?? .init() {
          text[filled] = byte
          filled += 1
        }
        index = escape + length
        continue
      case let character: text[filled] = character
      }
      filled += 1
    }
  }

  /// The scalar of `\uXXXX`, or of a pair of them, at `index`, and the number of its bytes.
  private static func escapedScalar(
    in content: UnsafeRawBufferPointer, at index: Int
  ) -> (Unicode.Scalar, Int)? {
    func unit(at index: Int) -> UInt32? {
      guard index + 6 <= content.count, content[index] == UInt8(ascii: "\\"),
        content[index + 1] == UInt8(ascii: "u")
      else { return nil }
      return content[index + 2..<index + 6].reduce(0 as UInt32?) { unit, digit in
        guard let unit, let value = hexadecimalValue(of: digit) else { return nil }
        return unit << 4 | value
      }
    }
    guard let high = unit(at: index) else { return nil }
    if let scalar = Unicode.Scalar(high) { return (scalar, 6) }
    guard (0xD800..<0xDC00).contains(high), let low = unit(at: index + 6), (0xDC00..<0xE000).contains(low)
    else { return nil }
    return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)).map { ($0, 12) }
  }
}

/// The value of a hexadecimal digit in either case; nil for another character.
func hexadecimalValue(of digit: UInt8) -> UInt32? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(digit - UInt8(ascii: "a") + 10)
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(digit - UInt8(ascii: "A") + 10)
  default: nil
  }
}

/// The reason why a text is not JSON, and the place.
package struct JSONSyntaxError: Error, Sendable, CustomStringConvertible {
  /// Bytes from the start of the text.
  package let offset: Int
  package let description: String
}
