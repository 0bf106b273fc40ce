/// The words of a text, each with its kind.
struct TextWords {
  enum Kind: Equatable, Sendable { case word, number, date, negation }

  struct Word: Sendable {
    var range: Range<String.Index>
    /// The form that is compared: lower case, and for a number its value.
    var key: String
    var kind: Kind
    /// Whether the word is written like a name.
    var isName = false
  }

  /// A word that follows a direction such as "from" or "to".
  struct Follower {
    var direction: String
    var word: Word
  }

  private(set) var all: [Word] = []

  init(_ text: String) {
    var parts: [(range: Range<String.Index>, startsSentence: Bool, isQuoted: Bool)] = []
    var index = text.startIndex
    var startsSentence = true
    var quote: Character?
    while index < text.endIndex {
      let character = text[index]
      guard character.isLetter || character.isNumber || Self.signs.contains(character) else {
        if ".!?:\n".contains(character) { startsSentence = true }
        if let open = quote {
          if Self.quotes[open] == character { quote = nil }
        } else if Self.quotes[character] != nil {
          quote = character
        }
        index = text.index(after: index)
        continue
      }
      let end = Self.end(of: text, from: index)
      parts.append((index..<end, startsSentence, quote != nil))
      startsSentence = false
      index = end
    }
    let isGerman = parts.contains { WordLists.german.contains(text[$0.range].lowercased()) }
    let words = parts.filter { text[$0.range].first?.isLetter ?? false }
    // In a title nearly every word is capitalized, so capitals do not mark names.
    let isTitle = words.count > 2 && words.count { text[$0.range].first!.isUppercase } * 3 > words.count * 2
    for part in parts {
      for var word in Self.words(text[part.range]) {
        let written = text[part.range]
        let isCapitalised = written.first!.isUppercase && written.count > 1 && !part.startsSentence
        word.isName =
          word.kind == .word
          && (part.isQuoted || written.contains(where: \.isNumber) || Self.hasInnerCapital(written)
            || isCapitalised && !isGerman && !isTitle && !written.hasPrefix("I'"))
        all.append(word)
      }
    }
  }

  /// Characters that are words by themselves.
  private static let signs: Set<Character> = ["%", "€", "$", "£", "¥"]
  private static let quotes: [Character: Character] = ["\"": "\"", "“": "”", "„": "“", "«": "»", "`": "`"]

  private static func hasInnerCapital(_ text: Substring) -> Bool {
    text.count > 1 && text.dropFirst().contains(where: \.isUppercase)
  }

  /// The end of a word: letters and digits, and the characters that join them.
  private static func end(of text: String, from start: String.Index) -> String.Index {
    guard !signs.contains(text[start]) else { return text.index(after: start) }
    var end = start
    while end < text.endIndex {
      let character = text[end]
      let next = text.index(after: end)
      if !(character.isLetter || character.isNumber) {
        guard next < text.endIndex, text[next].isLetter || text[next].isNumber else { break }
        let before = text[text.index(before: end)]
        let joinsDigits = ".,:/-".contains(character) && before.isNumber && text[next].isNumber
        let joinsCode = character == "-" && (before.isNumber != text[next].isNumber)
        guard "'’".contains(character) || joinsDigits || joinsCode else { break }
      }
      end = next
    }
    return end
  }

  /// Splits a contraction such as "don't" into its verb and a negation. Any other text is one word.
  private static func words(_ text: Substring) -> [Word] {
    let range = text.startIndex..<text.endIndex
    var key = text.lowercased().replacing("’", with: "'")
    if let verb = WordLists.contractions[key] {
      return [Word(range: range, key: verb, kind: .word), Word(range: range, key: "not", kind: .negation)]
    }
    if key.hasSuffix("n't") {
      return [
        Word(range: range, key: String(key.dropLast(3)), kind: .word),
        Word(range: range, key: "not", kind: .negation),
      ]
    }
    for ending in ["'s", "'m", "'re", "'ll", "'ve", "'d"] where key.hasSuffix(ending) {
      key = String(key.dropLast(ending.count))
    }
    if WordLists.negations.contains(key) || key.hasPrefix("kein") {
      return [Word(range: range, key: "not", kind: .negation)]
    }
    if let number = WordLists.numbers[key] { return [Word(range: range, key: number, kind: .number)] }
    if let date = WordLists.dates[key] { return [Word(range: range, key: date, kind: .date)] }
    guard key.contains(where: \.isNumber) else {
      return [Word(range: range, key: key, kind: signs.contains(key.first!) ? .number : .word)]
    }
    return [numberOrCode(key, range)]
  }

  private static func numberOrCode(_ key: String, _ range: Range<String.Index>) -> Word {
    let digits = key.prefix { $0.isNumber || ".,:/-".contains($0) }
    let unit = key.dropFirst(digits.count)
    guard digits.count > 0, unit.isEmpty || WordLists.units.contains(String(unit)) else {
      return Word(range: range, key: key, kind: .word)
    }
    let separators = digits.filter { !$0.isNumber }
    if separators.contains(":") || separators.contains("/") || separators.contains("-") || separators == ".."
    {
      return Word(range: range, key: key, kind: .date)
    }
    let groups = digits.split(whereSeparator: { ".,".contains($0) })
    // 1,000 and 1.000 are a thousand; 1.5 and 1,5 are not.
    let isGrouped =
      groups.count > 1 && groups.dropFirst().allSatisfy { $0.count == 3 } && groups[0].count <= 3
    let plain = isGrouped ? groups.joined() : groups.joined(separator: ".")
    let value = Double(plain).map { $0 == $0.rounded() && abs($0) < 1e15 ? String(Int64($0)) : String($0) }
    let ordinals: Set<Substring> = ["st", "nd", "rd", "th"]
    return Word(range: range, key: (value ?? plain) + (ordinals.contains(unit) ? "" : unit), kind: .number)
  }

  // MARK: Comparing

  /// The words that the other text has less often. Articles and polite words do not count, unless they end the text, as
  /// the German "ein" of "einschalten" does.
  func words(notIn other: TextWords) -> [Word] {
    var rest = Dictionary(grouping: other.all.map { WordLists.stem($0.key) }, by: \.self).mapValues(\.count)
    return all.enumerated().filter { place, word in
      let key = WordLists.stem(word.key)
      if let count = rest[key], count > 0 {
        rest[key] = count - 1
        return false
      }
      return !WordLists.fillers.contains(word.key) || place == all.count - 1 && word.key != "please"
    }.map(\.element)
  }

  /// The words that look like names and do not occur in the other text.
  func names(notIn other: TextWords) -> [Word] {
    let keys = Set(other.all.map(\.key))
    return all.filter { $0.isName && !keys.contains($0.key) }
  }

  /// The words that follow a direction such as "from" or "to".
  var followers: [Follower] {
    var followers: [Follower] = []
    var direction: String?
    for word in all where !WordLists.fillers.contains(word.key) {
      if WordLists.directions.contains(word.key) {
        direction = word.key
      } else if let open = direction {
        followers.append(Follower(direction: open, word: word))
        direction = nil
      }
    }
    return followers
  }
}
