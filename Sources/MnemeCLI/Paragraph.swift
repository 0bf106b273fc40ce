import CommandGrammar

/// Breaks a paragraph into lines of at most `columns` columns.
func filled(_ text: String, indent: Int, _ columns: Int) -> [String] {
  let words = text.split(separator: " ").map { StyledWord(text: String($0), width: displayWidth(String($0))) }
  let margin = String(repeating: " ", count: indent)
  return wrap(words, width: columns - 1 - indent).map { margin + $0 }
}
