/// A kind of difference between two queries that suggests different answers.
///
/// Embeddings barely register these differences: queries that differ in a number or a "not" are closer than most
/// paraphrases.
package enum TextDifference: String, CaseIterable, Sendable {
  /// A number, an amount, or a word for one.
  case number
  /// A date, a time, a month, a day of the week, or a word such as "tomorrow".
  case date
  /// A negation in one of the texts.
  case negation
  /// A word in one text and its opposite in the other.
  case opposite
  /// Swapped words: both texts have the same words, but different ones follow "from", "to" or "before".
  case order
  /// A capitalized name, an abbreviation, a code, or something in quotation marks.
  case name
  /// Anything else.
  case other
}

/// A comparison of two texts, word by word.
package struct TextComparison: Sendable {
  /// The differences, in the order of `TextDifference.allCases`. Empty if the texts differ only in case, spaces and
  /// punctuation; `other` alone if no other kind is found.
  package private(set) var differences: [TextDifference] = []
  /// The words of each text that make the differences.
  package private(set) var first: [Range<String.Index>] = []
  package private(set) var second: [Range<String.Index>] = []

  package init(_ first: String, _ second: String) {
    let (a, b) = (TextWords(first), TextWords(second))
    // Words that both texts have do not count.
    let (onlyA, onlyB) = (a.words(notIn: b), b.words(notIn: a))
    func add(_ difference: TextDifference, _ a: [TextWords.Word], _ b: [TextWords.Word]) {
      differences.append(difference)
      self.first += a.map(\.range)
      self.second += b.map(\.range)
    }
    func add(_ difference: TextDifference, of kind: TextWords.Kind) {
      let (a, b) = (onlyA.filter { $0.kind == kind }, onlyB.filter { $0.kind == kind })
      if !a.isEmpty || !b.isEmpty { add(difference, a, b) }
    }
    add(.number, of: .number)
    add(.date, of: .date)
    let negations = (a.all.filter { $0.kind == .negation }, b.all.filter { $0.kind == .negation })
    if (negations.0.count - negations.1.count) % 2 != 0 { add(.negation, negations.0, negations.1) }
    let opposites = Self.opposites(onlyA, onlyB)
    if !opposites.0.isEmpty { add(.opposite, opposites.0, opposites.1) }
    if onlyA.isEmpty, onlyB.isEmpty {
      let (followersA, followersB) = (a.followers, b.followers)
      let moved = (Self.moved(followersA, followersB), Self.moved(followersB, followersA))
      if !moved.0.isEmpty { add(.order, moved.0, moved.1) }
    }
    let names = (a.names(notIn: b), b.names(notIn: a))
    if !names.0.isEmpty, !names.1.isEmpty { add(.name, names.0, names.1) }
    if differences.isEmpty, !onlyA.isEmpty || !onlyB.isEmpty { add(.other, onlyA, onlyB) }
    self.first.sort { $0.lowerBound < $1.lowerBound }
    self.second.sort { $0.lowerBound < $1.lowerBound }
  }

  private static func opposites(
    _ a: [TextWords.Word], _ b: [TextWords.Word]
  ) -> ([TextWords.Word], [TextWords.Word]) {
    func hasOpposite(_ word: TextWords.Word, in others: [TextWords.Word]) -> Bool {
      others.contains { Opposites.are(word.key, $0.key) }
    }
    return (a.filter { hasOpposite($0, in: b) }, b.filter { hasOpposite($0, in: a) })
  }

  /// The words that follow a direction in one text and not in the other.
  private static func moved(_ a: [TextWords.Follower], _ b: [TextWords.Follower]) -> [TextWords.Word] {
    a.filter { mine in
      !b.contains { $0.direction == mine.direction && $0.word.key == mine.word.key }
    }.map(\.word)
  }
}
