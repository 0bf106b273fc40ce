/// Documentation as neutral text, from which help and manual pages are made.
///
/// Paragraphs are separated by blank lines. A line that starts with `- ` begins an item of a list, and lines
/// indented by four spaces are shown unchanged. Within a paragraph:
///
///     *emphasis*  `code`  {option:ttl}  {command:vacuum}  {arg:QUERY}  {env:NO_COLOR}
///
/// `Grammar.problems()` in GrammarTools checks the references. Between backquotes no character is special, so write
/// stars, braces and backslashes there.
package struct Markup: Equatable {
  package enum Block: Equatable {
    case paragraph([Inline])
    case item([Inline])
    case verbatim([String])
  }

  /// A stretch of text of one meaning.
  package enum Inline: Equatable {
    case text(String)
    case emphasis(String)
    /// The name of the program or a command, or an option's short form. Markup cannot contain it.
    case name(String)
    case code(String)
    case option(String)
    case command(String)
    case argument(String)
    case environment(String)
  }

  package private(set) var blocks: [Block] = []

  package init(_ source: String) {
    var paragraph: [Substring] = []
    var verbatim: [String] = []
    func words(_ lines: [Substring]) -> String { lines.joined(separator: " ") }
    func flush(_ blocks: inout [Block]) {
      if let first = paragraph.first {
        let isItem = first.hasPrefix("- ")
        let inlines = Markup.inlines(of: isItem ? String(words(paragraph).dropFirst(2)) : words(paragraph))
        blocks.append(isItem ? .item(inlines) : .paragraph(inlines))
      }
      if !verbatim.isEmpty { blocks.append(.verbatim(verbatim)) }
      paragraph = []
      verbatim = []
    }
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("    "), paragraph.isEmpty {
        verbatim.append(String(line.dropFirst(4)))
        continue
      }
      if line.allSatisfy({ $0 == " " }) || line.hasPrefix("- ") || !verbatim.isEmpty { flush(&blocks) }
      let text = line.drop { $0 == " " }
      if !text.isEmpty { paragraph.append(text) }
    }
    flush(&blocks)
  }

  /// Reads one paragraph. A mark that is not closed, or not a reference, stays text.
  package static func inlines(of source: String) -> [Inline] {
    var result: [Inline] = []
    var text = ""
    var rest = source[...]
    func emit(_ inline: Inline) {
      if !text.isEmpty { result.append(.text(text)) }
      text = ""
      result.append(inline)
    }
    while let character = rest.first {
      if let (inline, end) = span(at: rest) {
        emit(inline)
        rest = rest[end...]
      } else {
        text.append(character)
        rest.removeFirst()
      }
    }
    if !text.isEmpty { result.append(.text(text)) }
    return result
  }

  /// Parses the markup that starts here, and returns its end; nil for plain text.
  private static func span(at rest: Substring) -> (Inline, Substring.Index)? {
    let closing: Character
    switch rest.first {
    case "`": closing = "`"
    case "*": closing = "*"
    case "{": closing = "}"
    default: return nil
    }
    let body = rest.dropFirst().prefix { $0 != closing }
    guard body.endIndex < rest.endIndex, !body.isEmpty else { return nil }
    let end = rest.index(after: body.endIndex)
    switch closing {
    case "`": return (.code(String(body)), end)
    case "*": return body.first == " " || body.last == " " ? nil : (.emphasis(String(body)), end)
    default:
      let parts = body.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { return nil }
      let name = String(parts[1])
      switch parts[0] {
      case "option": return (.option(name), end)
      case "command": return (.command(name), end)
      case "arg": return (.argument(name), end)
      case "env": return (.environment(name), end)
      default: return nil
      }
    }
  }
}

extension Markup.Block {
  /// The text; empty for verbatim lines.
  package var inlines: [Markup.Inline] {
    switch self {
    case .paragraph(let inlines), .item(let inlines): inlines
    case .verbatim: []
    }
  }
}

extension Markup.Inline {
  /// The text without any marks.
  package var bare: String {
    switch self {
    case .text(let text), .emphasis(let text), .name(let text), .code(let text): text
    case .option(let name): "--\(name)"
    case .command(let name), .argument(let name), .environment(let name): name
    }
  }

  /// The text for output without bold type: code is in quotes.
  var plain: String {
    guard case .code(let text) = self else { return bare }
    return text.contains("'") ? "`\(text)`" : "'\(text)'"
  }
}

extension Markup {
  func replacing(_ replacement: (Inline) -> Inline) -> Markup {
    var result = self
    result.blocks = blocks.map { block in
      switch block {
      case .paragraph(let inlines): .paragraph(inlines.map(replacement))
      case .item(let inlines): .item(inlines.map(replacement))
      case .verbatim: block
      }
    }
    return result
  }
}

extension Grammar {
  /// Parses documentation for a terminal, where a command's name is the words that one types.
  func text(_ source: String) -> Markup { Markup(source).replacing(spelledOut) }

  /// Parses one line of documentation for a terminal.
  func line(_ source: String) -> [Markup.Inline] { Markup.inlines(of: source).map(spelledOut) }

  /// Returns one line of documentation without any marks.
  package func plain(_ source: String) -> String { line(source).map(\.plain).joined() }

  private func spelledOut(_ inline: Markup.Inline) -> Markup.Inline {
    if case .command(let name) = inline { .code("\(program) \(name)") } else { inline }
  }
}
