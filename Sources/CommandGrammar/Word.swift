/// One word of a command line. Words that are not UTF-8 keep their place, so that a `--help` before them still
/// works.
enum Word {
  case text(String)
  /// The place of the first byte that is not UTF-8.
  case invalid(offset: Int)

  init(bytes: [UInt8]) {
    if let text = String(validating: bytes, as: UTF8.self) {
      self = .text(text)
    } else {
      self = .invalid(offset: Word.validPrefix(of: bytes))
    }
  }

  /// Counts the bytes at the beginning that are well-formed UTF-8.
  private static func validPrefix(of bytes: [UInt8]) -> Int {
    var offset = 0
    var iterator = bytes.makeIterator()
    var decoder = UTF8()
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      offset += UTF8.width(scalar)
    }
    return offset
  }
}

/// The form of a word, before anything is known about options.
enum Shape {
  /// `--name`, or `--name=value`.
  case long(name: String, value: String?)
  /// `-abc`, without the dash: switches, of which the last may be an option with its value.
  case short(Substring.UTF8View)
  /// `--`.
  case endOfOptions
  /// Anything else, a lone `-` included.
  case operand

  /// Reads bytes and not characters, because Swift joins `=` with a combining mark after it to one character.
  init(_ word: String) {
    let bytes = word.utf8
    if bytes.elementsEqual("--".utf8) {
      self = .endOfOptions
    } else if bytes.starts(with: "--".utf8) {
      let rest = bytes.dropFirst(2)
      let equals = rest.firstIndex(of: UInt8(ascii: "="))
      self = .long(
        name: String(Substring(rest[..<(equals ?? rest.endIndex)])),
        value: equals.map { String(Substring(rest[$0...].dropFirst())) })
    } else if bytes.first == UInt8(ascii: "-"), bytes.count > 1 {
      self = .short(bytes.dropFirst())
    } else {
      self = .operand
    }
  }
}

/// Whether a word is `-` and digits, and so more likely a number than a bundle of switches.
func looksNegative(_ word: String) -> Bool {
  let rest = word.utf8.dropFirst()
  return word.utf8.first == UInt8(ascii: "-")
    && (rest.first.map(isDigit) == true
      || (rest.first == UInt8(ascii: ".") && rest.dropFirst().first.map(isDigit) == true))
}
