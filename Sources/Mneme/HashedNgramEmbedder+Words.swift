/// The class of a character. Ranges are spelt out, not looked up in Unicode's tables: those change from version to
/// version, and vectors must not.
enum CharacterKind: Equatable {
  /// ASCII letters and digits, and every code point that no other kind names.
  case letter
  /// A word by itself, which is different from the text without it: `c++`, `£`, `→`, emoji.
  case symbol
  case separator
  /// A script written without spaces, cut into words of so many characters, each starting one after the last.
  case unspaced(Int)

  init(of scalar: Unicode.Scalar) {
    switch scalar.value {
    case 0x30...0x39, 0x61...0x7a: self = .letter
    case 0x23, 0x24, 0x25, 0x2a, 0x2b, 0x3c, 0x3d, 0x3e, 0x5e, 0x7e: self = .symbol  // # $ % * + < = > ^ ~
    case 0xa2...0xa5: self = .symbol  // cent, pound, currency sign, yen
    case 0x00...0xbf: self = .separator
    case 0xd7, 0xf7: self = .symbol  // times, divided by
    case 0x0e00...0x0eff, 0x1000...0x109f, 0x1780...0x17ff: self = .unspaced(4)  // Thai, Lao, Myanmar, Khmer
    case 0x2000...0x206f: self = .separator
    case 0x20a0...0x20cf: self = .symbol  // currencies
    case 0x2190...0x2bff: self = .symbol  // arrows, mathematics, pictographs
    case 0x3000...0x303f: self = .separator
    case 0x2e80...0xa4cf, 0xf900...0xfaff: self = .unspaced(2)  // Han, kana, bopomofo, Yi
    case 0xfe00...0xfe6f, 0xff00...0xff0f, 0xff1a...0xff20: self = .separator
    case 0x1f000...0x1faff: self = .symbol  // emoji
    case 0x20000...0x3ffff: self = .unspaced(2)
    default: self = .letter
    }
  }
}

/// The words of a text, in order (steps 1 and 2 of `HashedNgramEmbedder`).
struct Words {
  /// The text with ASCII letters lower-cased, as UTF-8.
  private(set) var text: [UInt8] = []
  /// The words one after another, and where each ends: two arrays instead of one for each word.
  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var grams: [Bool] = []

  /// The run under way: its kind, where in `text` it starts, and in a run of letters the places of its
  /// apostrophes, in one of a script without spaces where each character starts.
  private var runKind = CharacterKind.separator
  private var runStart = 0
  private var runMarks: [Int] = []

  var count: Int { ends.count }

  /// UTF-8.
  subscript(word: Int) -> ArraySlice<UInt8> { bytes[(word == 0 ? 0 : ends[word - 1])..<ends[word]] }

  /// Whether the parts of a word count too. Parts of numbers and symbols have no meaning: `1914` is not nearly
  /// `1945`.
  func hasGrams(_ word: Int) -> Bool { grams[word] }

  init(of string: String) {
    text.reserveCapacity(string.utf8.count)
    // The place of an apostrophe, until the next character shows whether it is between letters.
    var apostrophe: Int?
    for scalar in string.unicodeScalars {
      let scalar = scalar.isUpperASCII ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar
      let kind = CharacterKind(of: scalar)
      if let mark = apostrophe {
        apostrophe = nil
        if kind == .letter { runMarks.append(mark) } else { endRun(at: mark) }
      }
      if runKind == .letter, scalar == "'" || scalar == "\u{2019}" {
        apostrophe = text.count
        text.append(UInt8(ascii: "'"))
        continue
      }
      if kind != runKind || kind == .symbol {
        endRun(at: text.count)
        runKind = kind
      }
      if case .unspaced = kind { runMarks.append(text.count) }
      text.append(contentsOf: UTF8.encode(scalar)!)
    }
    endRun(at: apostrophe ?? text.count)
  }

  private mutating func endRun(at end: Int) {
    switch runKind {
    case .separator: break
    case .symbol: append(text[runStart..<end], hasGrams: false)
    case .letter: appendLetters(upTo: end)
    case .unspaced(let width): appendWindows(of: width, upTo: end)
    }
    runKind = .separator
    runStart = text.count
    runMarks.removeAll(keepingCapacity: true)
  }

  private mutating func appendWindows(of width: Int, upTo end: Int) {
    let count = runMarks.count
    for first in 0..<max(1, count - width + 1) {
      let next = first + width
      append(text[runMarks[first]..<(next < count ? runMarks[next] : end)], hasGrams: true)
    }
  }

  private mutating func appendLetters(upTo end: Int) {
    var end = end
    if let last = runMarks.last {
      let ending = text[(last + 1)..<end]
      if Lexicon.isClitic(ending) {
        end = last
        runMarks.removeLast()
      } else if ending.elementsEqual([UInt8(ascii: "t")]) {
        // Closes the gap: the part before the apostrophe now ends in `t`.
        text.swapAt(last, last + 1)
        end = last + 1
        runMarks.removeLast()
      }
    }
    var start = runStart
    for mark in runMarks {
      appendPiece(text[start..<mark])
      start = mark + 1
    }
    appendPiece(text[start..<end])
  }

  private mutating func appendPiece(_ piece: ArraySlice<UInt8>) {
    if let positive = Lexicon.positive(of: piece) {
      append(positive[...], hasGrams: true)
      append(Array("not".utf8)[...], hasGrams: true)
    } else {
      append(piece, hasGrams: !piece.allSatisfy { (0x30...0x39).contains($0) })
    }
  }

  private mutating func append(_ word: ArraySlice<UInt8>, hasGrams: Bool) {
    bytes += word
    ends.append(bytes.count)
    grams.append(hasGrams)
  }
}

extension Unicode.Scalar {
  fileprivate var isUpperASCII: Bool { (0x41...0x5a).contains(value) }
}
