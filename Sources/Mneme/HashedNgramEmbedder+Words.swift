/// What a character is to the embedder. Ranges are spelt out, not looked up in Unicode's tables: those change
/// from version to version, and vectors must not.
enum CharacterKind: Equatable {
  /// ASCII letters and digits, and every code point that no other kind names.
  case letter
  /// A word by itself, told apart from the same text without it: `c++`, `£`, `→`, emoji.
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
  struct Word {
    /// UTF-8.
    let bytes: [UInt8]
    /// Whether the word is known by its parts too. Of numbers and symbols no part means anything: `1914` is
    /// not nearly `1945`.
    let hasGrams: Bool
  }

  /// The text with ASCII letters lower-cased, as UTF-8.
  private(set) var text: [UInt8] = []
  private(set) var list: [Word] = []

  /// The run under way: its kind, and where in `text` each of its characters starts. Letter runs keep no such
  /// starts but the places of their apostrophes.
  private var run: (kind: CharacterKind, start: Int, marks: [Int]) = (.separator, 0, [])

  init(of string: String) {
    text.reserveCapacity(string.utf8.count)
    // An apostrophe waits here until the character after it says whether it stands between letters.
    var apostrophe: Int?
    for scalar in string.unicodeScalars {
      let scalar = scalar.isUpperASCII ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar
      let kind = CharacterKind(of: scalar)
      if let mark = apostrophe {
        apostrophe = nil
        if kind == .letter { run.marks.append(mark) } else { endRun(at: mark) }
      }
      if run.kind == .letter, scalar == "'" || scalar == "\u{2019}" {
        apostrophe = text.count
        text.append(UInt8(ascii: "'"))
        continue
      }
      if kind != run.kind || kind == .symbol {
        endRun(at: text.count)
        run = (kind, text.count, [])
      }
      if case .unspaced = kind { run.marks.append(text.count) }
      text.append(contentsOf: UTF8.encode(scalar)!)
    }
    endRun(at: apostrophe ?? text.count)
  }

  private mutating func endRun(at end: Int) {
    switch run.kind {
    case .separator: break
    case .symbol: list.append(Word(bytes: Array(text[run.start..<end]), hasGrams: false))
    case .letter: appendLetters(upTo: end)
    case .unspaced(let width): appendWindows(of: width, upTo: end)
    }
    run = (.separator, end, [])
  }

  private mutating func appendWindows(of width: Int, upTo end: Int) {
    let edges = run.marks + [end]
    let count = edges.count - 1
    for first in 0..<max(1, count - width + 1) {
      let window = text[edges[first]..<edges[min(first + width, count)]]
      list.append(Word(bytes: Array(window), hasGrams: true))
    }
  }

  private mutating func appendLetters(upTo end: Int) {
    var parts: [[UInt8]] = []
    var start = run.start
    for mark in run.marks {
      parts.append(Array(text[start..<mark]))
      start = mark + 1
    }
    parts.append(Array(text[start..<end]))
    if parts.count > 1, let ending = parts.last {
      if Lexicon.clitics.contains(ending) {
        parts.removeLast()
      } else if ending == [UInt8(ascii: "t")] {
        parts.removeLast()
        parts[parts.count - 1] += ending
      }
    }
    for part in parts {
      if let positive = Lexicon.negated[part] {
        list.append(Word(bytes: positive, hasGrams: true))
        list.append(Word(bytes: Array("not".utf8), hasGrams: true))
      } else {
        list.append(Word(bytes: part, hasGrams: !part.allSatisfy { (0x30...0x39).contains($0) }))
      }
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isUpperASCII: Bool { (0x41...0x5a).contains(value) }
}
