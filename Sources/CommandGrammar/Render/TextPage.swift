/// The width and the colours of text for a terminal.
public struct TextStyle: Sendable {
  /// The number of columns. Lines are never longer, except for words that cannot be broken. They have at most 100
  /// columns, because longer lines are hard to read.
  public let width: Int
  /// Whether names and headings are bold, by escape sequences: for terminals only.
  public let isBold: Bool

  /// - Parameters:
  ///   - width: columns.
  ///   - isBold: whether names and headings are bold, by escape sequences.
  public init(width: Int = 80, isBold: Bool = false) {
    self.width = min(max(width, 40), 100)
    self.isBold = isBold
  }
}

/// The lines of text for a terminal.
struct TextPage {
  let style: TextStyle
  private(set) var lines: [String] = []

  init(_ style: TextStyle) { self.style = style }

  /// The lines, the last one ended too.
  var text: String { lines.map { $0 + "\n" }.joined() }

  /// An empty line, unless there is one or nothing yet.
  mutating func blank() {
    if lines.last?.isEmpty == false { lines.append("") }
  }

  mutating func heading(_ title: String) {
    blank()
    lines.append(bold("\(title):"))
  }

  /// A line that is not wrapped.
  mutating func line(_ inlines: [Markup.Inline], indent: Int = 0) {
    lines.append(spaces(indent) + words(inlines).map(\.text).joined(separator: " "))
  }

  /// Wrapped text; `hanging` more columns from the second line on.
  mutating func paragraph(_ inlines: [Markup.Inline], indent: Int = 0, hanging: Int = 0) {
    for (index, line) in wrap(words(inlines), width: style.width - indent - hanging).enumerated() {
      lines.append(spaces(indent + (index == 0 ? 0 : hanging)) + line)
    }
  }

  /// Paragraphs, lists and verbatim lines, a blank line between them; the items of a list close together.
  mutating func markup(_ markup: Markup, indent: Int = 0) {
    var followsItem = false
    for (index, block) in markup.blocks.enumerated() {
      let isItem = if case .item = block { true } else { false }
      if index > 0, !(isItem && followsItem) { blank() }
      followsItem = isItem
      switch block {
      case .paragraph(let inlines): paragraph(inlines, indent: indent)
      case .item(let inlines): paragraph([.text("- ")] + inlines, indent: indent, hanging: 2)
      case .verbatim(let verbatim): lines += verbatim.map { spaces(indent + 4) + $0 }
      }
    }
  }

  /// Adds a table of two columns: terms on the left, their meanings on the right.
  mutating func table(
    _ rows: [(term: [Markup.Inline], meaning: [Markup.Inline])], indent: Int = 2, column: Int
  ) {
    for row in rows {
      let left = words(row.term)
      let width = left.map(\.width).reduce(max(left.count - 1, 0), +)
      let term = spaces(indent) + left.map(\.text).joined(separator: " ")
      var right = wrap(words(row.meaning), width: style.width - indent - column)
      if width + 2 <= column, !right.isEmpty {
        lines.append(term + spaces(column - width) + right.removeFirst())
      } else {
        lines.append(term)
      }
      lines += right.map { spaces(indent + column) + $0 }
    }
  }

  private func words(_ inlines: [Markup.Inline]) -> [StyledWord] {
    Markup.words(inlines, text: { style.isBold ? $0.bare : $0.plain }) { inline, piece in
      switch inline {
      case .text, .argument, .emphasis, .environment: StyledWord(text: piece, width: piece.count)
      case .name, .code, .option, .command: StyledWord(text: bold(piece), width: piece.count)
      }
    }
  }

  private func bold(_ text: String) -> String { style.isBold ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}

func spaces(_ count: Int) -> String { String(repeating: " ", count: max(count, 0)) }

/// Returns the column at which meanings start: after the widest term, but not so far that there is no room for them.
func column(for terms: [[Markup.Inline]], atMost most: Int = 30) -> Int {
  min((terms.map { $0.map(\.plain).joined().count }.max() ?? 0) + 2, most)
}
