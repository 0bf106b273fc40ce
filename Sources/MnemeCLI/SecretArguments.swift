import Glibc
import Mneme

/// Puts asterisks over the password of each URL among the arguments of the process, where `ps` and
/// `/proc/PID/cmdline` show them to all users. Another process may have read it before.
///
/// - Parameter arguments: the memory of the process's arguments, not a copy.
func erasePasswords(
  in arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, count: Int
) {
  for index in 0..<max(0, count) {
    guard let word = arguments[index] else { continue }
    let bytes = UnsafeMutableRawBufferPointer(start: word, count: strlen(word))
    for range in passwordRanges(in: bytes) { for place in range { bytes[place] = UInt8(ascii: "*") } }
  }
}

/// The passwords on the command line, for messages that repeat its words: `unexpected argument 'redis://:***@host'`.
struct TypedPasswords {
  /// The part after the scheme of each URL that has a password, and the same part with asterisks.
  private var tails: [(typed: [UInt8], shown: [UInt8])] = []

  var isEmpty: Bool { tails.isEmpty }

  /// - Parameter words: those of the command line.
  init(in words: [[UInt8]] = []) {
    for word in words {
      let ranges = passwordRanges(in: word)
      guard !ranges.isEmpty, let start = word[...].firstRange(ofBytes: schemeEnd)?.lowerBound else {
        continue
      }
      var shown: [UInt8] = []
      var place = start
      for range in ranges where range.upperBound >= place {
        // Overlapping ranges get one `***`.
        if range.lowerBound >= place { shown += word[place..<range.lowerBound] + Array("***".utf8) }
        place = range.upperBound
      }
      tails.append((Array(word[start...]), shown + word[place...]))
    }
  }

  /// A text with asterisks for the passwords of the URLs in it.
  func masked(in text: String) -> String {
    tails.reduce(text) { replacing($1.typed, with: $1.shown, in: $0) }
  }
}

private let schemeEnd = Array("://".utf8)

/// The ranges of passwords in a word that is, or ends with, a URL: between the colon after the user's name and
/// the last `@`, and after `password=`, which may be escaped like every part of a URL. A password with a slash that
/// should have been escaped makes the URL wrong, and is a secret too.
/// - Returns: ranges that may overlap, in the order in which they begin.
func passwordRanges(in word: some Collection<UInt8>) -> [Range<Int>] {
  let bytes = Array(word)
  guard let start = bytes[...].firstRange(ofBytes: schemeEnd)?.upperBound else { return [] }
  var ranges: [Range<Int>] = []
  if let at = bytes[start...].lastIndex(of: UInt8(ascii: "@")),
    let colon = bytes[start..<at].firstIndex(of: UInt8(ascii: ":"))
  {
    ranges.append(colon + 1..<at)
  }
  for equals in bytes.indices[start...] where bytes[equals] == UInt8(ascii: "=") {
    // The longest form has every letter escaped.
    let name = unescaped(bytes[start..<equals].suffix(24))
    guard name.suffix(8).elementsEqual("password".utf8) else { continue }
    ranges.append(equals + 1..<(bytes[equals...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.endIndex))
  }
  return ranges.sorted { $0.lowerBound < $1.lowerBound }
}

/// The bytes that a part of a URL represents.
private func unescaped(_ text: some Sequence<UInt8>) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = Array(text)[...]
  while let byte = rest.popFirst() {
    let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard byte == UInt8(ascii: "%"), digits.count == 2 else {
      bytes.append(byte)
      continue
    }
    bytes.append(UInt8(digits[0] << 4 | digits[1]))
    rest = rest.dropFirst(2)
  }
  return bytes
}
