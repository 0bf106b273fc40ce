/// A check of bytes by the grammar of RFC 8259. It uses no recursion, so deep nesting costs a byte a level and cannot
/// overflow the stack.
struct JSONGrammar {
  private let bytes: [UInt8]
  private let allowsNaN: Bool
  private var index = 0

  // Findings of the check that some readers of JSON do not accept.

  /// The depth of the deepest container.
  private(set) var depth = 0
  /// The most digits of a number without a fraction and an exponent.
  private(set) var longestInteger = 0
  /// An escaped half of a surrogate pair, which is not text.
  private(set) var hasLoneSurrogate = false

  /// - Parameter allowsNaN: accepts `NaN`, `Infinity` and `-Infinity`, which Python's `json` writes and reads.
  init(bytes: [UInt8], allowsNaN: Bool = false) {
    self.bytes = bytes
    self.allowsNaN = allowsNaN
  }

  /// - Returns: the range of the document's value.
  mutating func checkDocument() throws(JSONSyntaxError) -> Range<Int> {
    guard (try? UTF8Span(validating: bytes.span)) != nil else { throw failure("invalid UTF-8") }
    skipWhiteSpace()
    let start = index
    try checkValue()
    let end = index
    skipWhiteSpace()
    guard index == bytes.count else { throw failure("text after the value") }
    return start..<end
  }

  private mutating func checkValue() throws(JSONSyntaxError) {
    /// The containers that are open, outermost first, each by its opening byte.
    var open: [UInt8] = []
    repeat {
      // A value begins here. An opening bracket leads to the next value, or closes immediately.
      switch peek {
      case UInt8(ascii: "{"):
        depth = max(depth, open.count + 1)
        index += 1
        skipWhiteSpace()
        if peek == UInt8(ascii: "}") {
          index += 1
        } else {
          open.append(UInt8(ascii: "{"))
          try checkName()
          continue
        }
      case UInt8(ascii: "["):
        depth = max(depth, open.count + 1)
        index += 1
        skipWhiteSpace()
        if peek == UInt8(ascii: "]") {
          index += 1
        } else {
          open.append(UInt8(ascii: "["))
          continue
        }
      case UInt8(ascii: "\""): try checkString()
      case UInt8(ascii: "t"): try check(word: "true")
      case UInt8(ascii: "f"): try check(word: "false")
      case UInt8(ascii: "n"): try check(word: "null")
      case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try checkNumber()
      case UInt8(ascii: "N") where allowsNaN: try check(word: "NaN")
      case UInt8(ascii: "I") where allowsNaN: try check(word: "Infinity")
      case nil: throw failure("the text ends where a value should be")
      default: throw failure("no value begins so")
      }
      // A value has ended: close what closes here, up to a comma that leads to the next value.
      while let container = open.last {
        skipWhiteSpace()
        if peek == UInt8(ascii: ",") {
          index += 1
          skipWhiteSpace()
          if container == UInt8(ascii: "{") { try checkName() }
          break
        }
        let closing = container == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]")
        guard peek == closing else {
          throw failure(
            peek == nil
              ? "the text is cut off" : "neither a comma nor a '\(Character(Unicode.Scalar(closing)))'")
        }
        index += 1
        open.removeLast()
      }
    } while !open.isEmpty
  }

  /// A member's name, the colon and the space after it.
  private mutating func checkName() throws(JSONSyntaxError) {
    guard peek == UInt8(ascii: "\"") else { throw failure("a member needs a name in quotes") }
    try checkString()
    skipWhiteSpace()
    guard peek == UInt8(ascii: ":") else { throw failure("a colon is missing") }
    index += 1
    skipWhiteSpace()
  }

  private mutating func checkString() throws(JSONSyntaxError) {
    index += 1
    /// Whether the first half of a surrogate pair is just before.
    var awaitsLow = false
    while true {
      var unit: UInt32 = 0
      let byte = peek
      switch byte {
      case nil: throw failure("the string has no end")
      case UInt8(ascii: "\\"):
        index += 1
        unit = try checkEscape()
      case .some(0x00...0x1F): throw failure("a control character in a string")
      case UInt8(ascii: "\""): index += 1
      default:
        // Nearly all of a text: to the next byte that is not just one of a string.
        if awaitsLow { hasLoneSurrogate = true }
        awaitsLow = false
        index = bytes.withUnsafeBytes { JSONRun.end(in: $0, from: index, stopsAtControls: true) }
        continue
      }
      let isLow = (0xDC00..<0xE000).contains(unit)
      if isLow != awaitsLow { hasLoneSurrogate = true }
      awaitsLow = (0xD800..<0xDC00).contains(unit)
      if byte == UInt8(ascii: "\"") { return }
    }
  }

  /// - Returns: the code unit that `\uXXXX` names; 0 for the other escapes.
  private mutating func checkEscape() throws(JSONSyntaxError) -> UInt32 {
    switch peek {
    case UInt8(ascii: "u"):
      index += 1
      var unit: UInt32 = 0
      for _ in 0..<4 {
        guard let digit = peek.flatMap({ hexadecimalValue(of: $0) }) else {
          throw failure("\\u takes four hexadecimal digits")
        }
        unit = unit << 4 | digit
        index += 1
      }
      return unit
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      index += 1
      return 0
    default: throw failure("no such escape")
    }
  }

  private mutating func checkNumber() throws(JSONSyntaxError) {
    if peek == UInt8(ascii: "-") { index += 1 }
    if allowsNaN, peek == UInt8(ascii: "I") { return try check(word: "Infinity") }
    let first = index
    if peek == UInt8(ascii: "0") { index += 1 } else { try checkDigits() }
    let digits = index - first
    if peek == UInt8(ascii: ".") {
      index += 1
      try checkDigits()
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      index += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { index += 1 }
      try checkDigits()
    }
    // With a fraction or an exponent it has moved on.
    if index - first == digits { longestInteger = max(longestInteger, digits) }
  }

  private mutating func checkDigits() throws(JSONSyntaxError) {
    guard let first = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
      throw failure("a number lacks a digit")
    }
    while let digit = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) { index += 1 }
  }

  private mutating func check(word: String) throws(JSONSyntaxError) {
    guard bytes[index...].starts(with: word.utf8) else { throw failure("no value begins so") }
    index += word.utf8.count
  }

  private mutating func skipWhiteSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
  }

  private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  private func failure(_ reason: String) -> JSONSyntaxError {
    JSONSyntaxError(offset: index, description: reason)
  }
}

/// Steps over the values directly inside a checked object or array, names and values alike.
struct JSONWalker {
  private let bytes: ArraySlice<UInt8>
  private var index: Int

  /// - Parameter bytes: a container, brackets included.
  init(bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex + 1
  }

  /// The range of the next value; nil at the closing bracket.
  mutating func next() -> Range<Int>? {
    while isSeparator(bytes[index]) { index += 1 }
    guard bytes[index] != UInt8(ascii: "}"), bytes[index] != UInt8(ascii: "]") else { return nil }
    let start = index
    switch bytes[index] {
    case UInt8(ascii: "\""): skipString()
    case UInt8(ascii: "{"), UInt8(ascii: "["): skipContainer()
    default:
      while !isSeparator(bytes[index]), bytes[index] != UInt8(ascii: "}"), bytes[index] != UInt8(ascii: "]") {
        index += 1
      }
    }
    return start..<index
  }

  private func isSeparator(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":") || byte == 0x20 || byte == 0x0A || byte == 0x0D
      || byte == 0x09
  }

  private mutating func skipString() {
    let start = bytes.startIndex
    index = bytes.withUnsafeBytes { bytes in
      var end = index - start + 1
      while true {
        end = JSONRun.end(in: bytes, from: end, stopsAtControls: false)
        if bytes[end] == UInt8(ascii: "\"") { return start + end + 1 }
        end += 2
      }
    }
  }

  private mutating func skipContainer() {
    var depth = 0
    repeat {
      switch bytes[index] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "\""):
        skipString()
        continue
      default: break
      }
      index += 1
    } while depth > 0
  }
}

/// The largest part of a string: bytes that need no escape. An embedding alone has thousands of them.
enum JSONRun {
  /// The place of the first quote, backslash or control character from `start` on; the count if there is none.
  static func end(in bytes: UnsafeRawBufferPointer, from start: Int, stopsAtControls: Bool) -> Int {
    var index = start
    // Eight at a time. `(x - ones) & ~x & highs` has a bit where a byte of x is zero, and perhaps in bytes above it,
    // which are then looked at one by one; with 0x20 in place of ones, where one is below that.
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs = ones << 7
    while index + 8 <= bytes.count {
      let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
      let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
      var found = (quote &- ones) & ~quote | (backslash &- ones) & ~backslash
      if stopsAtControls { found |= (word &- (ones &* 0x20)) & ~word }
      if found & highs != 0 { break }
      index += 8
    }
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || stopsAtControls && byte < 0x20 {
        return index
      }
      index += 1
    }
    return index
  }
}
