/// A word of a line: its text with marks, and the columns that it takes.
package struct StyledWord {
  package var text: String
  package var width: Int

  package init(text: String, width: Int) {
    self.text = text
    self.width = width
  }
}

extension Markup {
  /// Cuts a paragraph at its spaces. A word may consist of stretches of several meanings: `{option:ttl},` is
  /// one.
  ///
  /// - Parameters:
  ///   - text: returns the text of a stretch.
  ///   - style: adds marks to a piece of that text that has no spaces.
  package static func words(
    _ inlines: [Inline], text: (Inline) -> String, style: (Inline, String) -> StyledWord
  ) -> [StyledWord] {
    var words: [StyledWord] = []
    var joins = false
    for inline in inlines {
      let pieces = text(inline).split(separator: " ", omittingEmptySubsequences: false)
      for (index, piece) in pieces.enumerated() {
        if index > 0 { joins = false }
        guard !piece.isEmpty else { continue }
        let word = style(inline, String(piece))
        if joins, let last = words.indices.last {
          words[last].text += word.text
          words[last].width += word.width
        } else {
          words.append(word)
        }
        joins = true
      }
    }
    return words
  }
}

/// Fills lines with words. A word wider than a line gets its own line.
package func wrap(_ words: [StyledWord], width: Int) -> [String] {
  var lines: [String] = []
  var used = 0
  for word in words {
    if !lines.isEmpty, used + 1 + word.width <= width {
      lines[lines.count - 1] += " " + word.text
      used += 1 + word.width
    } else {
      lines.append(word.text)
      used = word.width
    }
  }
  return lines
}
