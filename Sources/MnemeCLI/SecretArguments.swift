import Glibc

/// Puts asterisks over the password of each URL among the arguments of the process, where `ps` and
/// `/proc/PID/cmdline` show them to everyone on the machine. What was read before stays as it was.
///
/// - Parameter arguments: those that the system handed over, not a copy of them.
func erasePasswords(
  in arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, count: Int
) {
  for index in 0..<max(0, count) {
    guard let word = arguments[index] else { continue }
    let bytes = UnsafeMutableRawBufferPointer(start: word, count: strlen(word))
    for range in passwordRanges(in: bytes) { for place in range { bytes[place] = UInt8(ascii: "*") } }
  }
}

/// Where passwords stand in a word that is, or that ends with, a URL: between the colon after the user's name and
/// the last `@`, and after `password=`. Better too much than too little: a password with a slash that should have
/// been escaped makes the URL a wrong one, and is a secret all the same.
func passwordRanges(in word: some Collection<UInt8>) -> [Range<Int>] {
  let bytes = Array(word)
  guard let start = bytes.end(of: "://", from: 0) else { return [] }
  var ranges: [Range<Int>] = []
  if let at = bytes[start...].lastIndex(of: UInt8(ascii: "@")),
    let colon = bytes[start..<at].firstIndex(of: UInt8(ascii: ":"))
  {
    ranges.append(colon + 1..<at)
  }
  var place = start
  while let value = bytes.end(of: "password=", from: place) {
    place = bytes[value...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.endIndex
    ranges.append(value..<place)
  }
  return ranges
}

extension [UInt8] {
  /// Where a text that stands among these bytes ends. (The standard library's own search would bring regular
  /// expressions into the start of every command.)
  fileprivate func end(of text: StaticString, from start: Int) -> Int? {
    let length = text.utf8CodeUnitCount
    guard start + length <= count else { return nil }
    return text.withUTF8Buffer { text in
      (start...count - length).first { self[$0..<$0 + length].elementsEqual(text) }.map { $0 + length }
    }
  }
}
