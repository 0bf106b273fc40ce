import CommandGrammar

/// Source of a manual page in the man(7) macros, as both groff and mandoc read it.
struct Roff {
  private(set) var lines: [String]
  /// The program's name, which begins the name of each command's page.
  private let program: String

  /// - Parameter title: of the page, upper-case.
  init(program: String, title: String, date: String, source: String) {
    self.program = program
    lines = [
      #".\" Made from the definition of the command line, which is the place to change it."#,
      // The date is read by mandoc, so its hyphens stay hyphens.
      ".TH \(Roff.quoted(title)) 1 \(date) \(Roff.quoted(source)) \(Roff.quoted("User Commands"))",
      // No hyphenation and no stretched lines, so that words of a page can be searched for and copied.
      ".nh",
      ".ad l",
    ]
  }

  var text: String { lines.map { $0 + "\n" }.joined() }

  mutating func section(_ title: String) { lines.append(".SH \(title)") }

  mutating func subsection(_ title: String) { lines.append(".SS \(Roff.quoted(title))") }

  /// A paragraph's beginning, unless a heading has just made one.
  mutating func paragraph() {
    if let last = lines.last, !last.hasPrefix(".SH"), !last.hasPrefix(".SS") { lines.append(".PP") }
  }

  /// Filled text.
  mutating func add(_ inlines: [Markup.Inline]) {
    let words = Markup.words(inlines, text: { bare($0) }) { inline, piece in
      let text = styled(inline, piece)
      return StyledWord(text: text, width: text.utf8.count)
    }
    lines += wrap(words, width: 78).map(Roff.guarded)
  }

  /// The line that makewhatis(8) and apropos(1) read: names, a minus sign, a summary, and no font changes.
  mutating func add(name: String, summary: [Markup.Inline]) {
    lines.append("\(Roff.literal(name)) \\- \(Roff.escaped(summary.map(\.bare).joined()))")
  }

  /// A term that hangs out to the left of the text that follows.
  mutating func term(_ inlines: [Markup.Inline]) {
    lines += [".TP", Roff.guarded(inlines.map { styled($0, bare($0)) }.joined())]
  }

  /// Paragraphs, lists and verbatim lines.
  ///
  /// - Parameter hanging: whether they belong to a term.
  mutating func markup(_ source: String, hanging: Bool = false) {
    var isFirst = true
    var isList = false
    for block in Markup(source).blocks {
      let isItem = if case .item = block { true } else { false }
      if hanging, isItem != isList { lines.append(isItem ? ".RS" : ".RE") }
      isList = isItem
      switch block {
      case .paragraph(let inlines):
        if !hanging { paragraph() } else if !isFirst { lines.append(".IP") }
        add(inlines)
      case .item(let inlines):
        lines.append(#".IP \(bu 2"#)
        add(inlines)
      case .verbatim(let verbatim):
        if hanging { lines.append(".IP") } else { paragraph() }
        lines.append(".nf")
        lines += verbatim.map { "    " + Roff.literal($0) }
        lines.append(".fi")
      }
      isFirst = false
    }
    if hanging, isList { lines.append(".RE") }
  }

  /// A line as it would be typed, set off to the right.
  mutating func example(_ command: String) {
    lines += [".PP", ".RS 4", ".nf", "\\fB\(Roff.literal(command))\\fR", ".fi", ".RE"]
  }

  private func bare(_ inline: Markup.Inline) -> String {
    if case .command(let name) = inline { "\(program)-\(name)" } else { inline.bare }
  }

  private func styled(_ inline: Markup.Inline, _ text: String) -> String {
    switch inline {
    case .text: Roff.escaped(text)
    case .emphasis: "\\fI\(Roff.escaped(text))\\fR"
    case .argument: "\\fI\(Roff.literal(text))\\fR"
    case .name, .code, .option, .environment: "\\fB\(Roff.literal(text))\\fR"
    case .command: "\\fB\(Roff.literal(text))\\fR(1)"
    }
  }
}

// MARK: - Characters

extension Roff {
  /// Escapes prose: characters that are special in roff are escaped, and hyphens stay hyphens.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\e"
      case " "..."~": result.unicodeScalars.append(scalar)
      default: result += "\\[u\(hexadecimal(scalar))]"
      }
    }
    return result
  }

  /// Escapes code, so that it can be copied from the page: a hyphen is a minus sign, and quotes stay straight.
  static func literal(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "-": result += "\\-"
      case "'": result += "\\(aq"
      case "`": result += "\\(ga"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      default: result += escaped(String(scalar))
      }
    }
    return result
  }

  /// An argument of a macro.
  private static func quoted(_ text: String) -> String {
    "\"\(literal(text).split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\(dq"))\""
  }

  /// Protects a line that begins with a dot or an apostrophe, which would make it a request.
  private static func guarded(_ line: String) -> String {
    line.utf8.first == UInt8(ascii: ".") || line.utf8.first == UInt8(ascii: "'") ? "\\&" + line : line
  }

  /// Returns at least four hexadecimal digits, as groff_char(7) requires.
  private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
  }
}
