/// A line of bash up to the cursor, cut into words without their quotes.
struct BashLine {
  /// The words before the one at the cursor, the program's name first.
  private(set) var words: [String] = []
  /// The word at the cursor; empty if a new one begins.
  private(set) var word = ""
  /// The part of the word that readline does not replace: up to an open quote, or up to a character at which readline,
  /// unlike the shell, begins a word.
  private(set) var head = ""
  /// The quote that is open at the cursor.
  private var quote: Unicode.Scalar?

  /// - Parameter wordBreaks: the characters at which readline begins a word: COMP_WORDBREAKS.
  init(_ line: String, wordBreaks: String) {
    var isInWord = false
    var rest = line.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch (quote, scalar) {
      case (nil, "'"), (nil, "\""):
        (quote, head, isInWord) = (scalar, word, true)
      case (let open?, scalar) where open == scalar:
        quote = nil
      case (nil, "\\"), ("\"", "\\"):
        let next = rest.popFirst()
        // Within quotes a backslash is an ordinary character, unless the next one can be escaped.
        if quote != nil, let next, !"\"\\$`".unicodeScalars.contains(next) { word.append("\\") }
        if let next { word.unicodeScalars.append(next) }
        isInWord = true
      case (nil, _) where scalar.properties.isWhitespace:
        if isInWord { words.append(word) }
        (word, head, isInWord) = ("", "", false)
      default:
        word.unicodeScalars.append(scalar)
        isInWord = true
        if quote == nil, wordBreaks.unicodeScalars.contains(scalar) { head = word }
      }
    }
  }

  /// Returns a replacement for the word at the cursor, quoted in the same way, without the part that readline keeps.
  func quoted(_ candidate: String) -> String {
    let skipped = candidate.utf8.starts(with: head.utf8) ? head.unicodeScalars.count : 0
    let text = String(candidate.unicodeScalars.dropFirst(skipped))
    switch quote {
    case "'": return text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
    case "\"": return backslashed(text) { "\"\\$`".unicodeScalars.contains($0) }
    default:
      return backslashed(text) {
        $0.isASCII && !$0.properties.isAlphabetic && !("0"..."9" ~= $0)
          && !"_-./:=@%+,".unicodeScalars.contains($0)
      }
    }
  }
}

/// Puts a backslash before each special character of a text.
func backslashed(_ text: String, where isSpecial: (Unicode.Scalar) -> Bool) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    if isSpecial(scalar) { result.append("\\") }
    result.append(scalar)
  }
  return String(result)
}
