/// A word without its commonest English endings, so that `cancelled` and `cancelling` meet in `cancel`.
///
/// The result need not be a word (`charg`), but is the same for all forms. In order:
/// 1. an irregular form becomes its word. A word shorter than 4 letters, or with anything but `a`–`z`, stays;
/// 2. of 5 letters or more, `ies` and `ied` become `y`; else a final `s` goes, unless after `s`, `u` or `i`;
/// 3. `ing`, else `ed`, goes when 3 letters or more with an `a`, `e`, `i`, `o`, `u` or `y` among them stay, and
///    the word does not end in `eed`;
/// 4. of what has more than 3 letters: a final `e` goes; then one of two equal final letters;
/// 5. of what has more than 4 letters: a final `is` becomes `iz`, then a final `our` `or` (British spelling).
struct Stem: Equatable {
  private(set) var bytes: [UInt8]

  init(of word: ArraySlice<UInt8>) {
    bytes = Lexicon.base(of: word) ?? Array(word)
    guard bytes.count >= 4, bytes.allSatisfy({ (0x61...0x7a).contains($0) }) else { return }
    stripPlural()
    stripVerbEnding()
    if bytes.count > 3, ends(with: "e") { bytes.removeLast() }
    if bytes.count > 3, bytes[bytes.count - 1] == bytes[bytes.count - 2] { bytes.removeLast() }
    if bytes.count > 4, ends(with: "is") { bytes[bytes.count - 1] = UInt8(ascii: "z") }
    if bytes.count > 4, ends(with: "our") { replaceEnding("our", with: "or") }
  }

  private mutating func stripPlural() {
    if bytes.count > 4, ends(with: "ies") || ends(with: "ied") {
      replaceEnding("ies", with: "y")
    } else if ends(with: "s"), !ends(with: "ss"), !ends(with: "us"), !ends(with: "is") {
      bytes.removeLast()
    }
  }

  private mutating func stripVerbEnding() {
    guard !ends(with: "eed") else { return }
    if ends(with: "ing") {
      strip(3)
    } else if ends(with: "ed") {
      strip(2)
    }
  }

  private mutating func strip(_ count: Int) {
    let rest = bytes.dropLast(count)
    if rest.count >= 3, rest.contains(where: Stem.isVowel) { bytes = Array(rest) }
  }

  private static func isVowel(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"): true
    case UInt8(ascii: "y"): true
    default: false
    }
  }

  private func ends(with ending: StaticString) -> Bool {
    ending.withUTF8Buffer { bytes.suffix($0.count).elementsEqual($0) }
  }

  private mutating func replaceEnding(_ old: StaticString, with new: StaticString) {
    bytes.removeLast(old.utf8CodeUnitCount)
    new.withUTF8Buffer { bytes.append(contentsOf: $0) }
  }
}
