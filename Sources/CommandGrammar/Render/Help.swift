extension Grammar {
  /// The text that `-h`, `--help` and `help` print. It ends with a line end.
  ///
  /// The short form fits a screen of 80 by 24 with the prompt. `problems()` reports if it does not.
  public func help(_ command: CommandSpec?, _ form: HelpForm, style: TextStyle = TextStyle()) -> String {
    switch (form, command) {
    case (.short, let command?): shortHelp(command, style).text
    case (.short, nil): shortHelp(style).text
    case (.long, _): longHelp(command, style).text
    }
  }

  /// The most rows of the short form: a screen of 24 without the prompt.
  package static let shortHelpRows = 23
}

// MARK: - The short form

extension Grammar {
  /// Lists the commands with as much space as the screen allows: under headings, without headings, or with related
  /// commands in one row.
  private func shortHelp(_ style: TextStyle) -> TextPage {
    let roomy = shortHelp(style, headings: true, merging: false)
    if roomy.lines.count <= Grammar.shortHelpRows { return roomy }
    let plain = shortHelp(style, headings: false, merging: false)
    if plain.lines.count <= Grammar.shortHelpRows { return plain }
    return shortHelp(style, headings: false, merging: true)
  }

  private func shortHelp(_ style: TextStyle, headings: Bool, merging: Bool) -> TextPage {
    var page = TextPage(style)
    page.paragraph(title(of: nil))
    page.paragraph([.text("Usage: ")] + synopsis(of: nil), hanging: 7)
    page.blank()
    let major = commands.filter { !$0.isMinor }
    let rows = merging ? mergedBySummary(major) : major.map { ([$0.name], $0) }
    let terms = rows.map { [Markup.Inline.name($0.0.joined(separator: ", "))] }
    let column = column(for: terms)
    for (group, rows) in grouped(Array(zip(terms, rows)), by: { $0.1.1.group }) {
      if headings { page.heading(group.title) }
      page.table(rows.map { ($0.0, line($0.1.1.summary)) }, column: column)
    }
    page.blank()
    let minor = commands.filter { $0.isMinor && $0.isOffered && $0.group != .general }
    let command: [Markup.Inline] = [.text("'"), .name("\(program) COMMAND -h"), .text("'.")]
    if !minor.isEmpty {
      page.paragraph([.text("Also: \(list(minor.map(\.name), "and")). See ")] + command, hanging: 2)
    }
    page.paragraph(
      [.text("Options: ")] + compactForms(globalOptions) + [.text(". See '"), .name("\(program) --help")]
        + (minor.isEmpty ? [.text("' and ")] + command : [.text("'.")]),
      hanging: 2)
    return page
  }

  /// Makes the short help. If it is too long, its options are listed by name only.
  private func shortHelp(_ command: CommandSpec, _ style: TextStyle) -> TextPage {
    let all = shortHelp(command, style, named: [])
    let named = command.options.filter { $0.group != .options }
    if all.lines.count <= Grammar.shortHelpRows || named.isEmpty { return all }
    return shortHelp(command, style, named: named)
  }

  private func shortHelp(_ command: CommandSpec, _ style: TextStyle, named: [OptionSpec]) -> TextPage {
    var page = TextPage(style)
    page.paragraph(title(of: command))
    page.paragraph([.text("Usage: ")] + synopsis(of: command), hanging: 7)
    let arguments = command.arguments.map { ([Markup.Inline.argument($0.name)], line($0.summary)) }
    let options = command.options.filter { option in !named.contains { $0.name == option.name } }
      .map { (forms(of: $0), shortSummary(of: $0)) }
    let rows = (arguments + options).map { (term: $0.0, meaning: $0.1) }
    page.blank()
    page.table(rows, column: column(for: rows.map(\.term)))
    page.blank()
    page.paragraph(
      [.text("Also: ")] + compactForms(named + globalOptions)
        + [.text(". See '"), .name("\(program) \(command.name) --help"), .text("'.")],
      hanging: 2)
    if let example = command.examples.first {
      page.blank()
      page.line([.text("Example: "), .name(example.command)])
    }
    return page
  }

  private func shortSummary(of option: OptionSpec) -> [Markup.Inline] {
    guard let text = option.defaultText, !text.isEmpty else { return line(option.summary) }
    return line(option.summary) + [.text(" [\(text)]")]
  }

  /// `-u/--url, -q/--quiet, --color`.
  private func compactForms(_ options: [OptionSpec]) -> [Markup.Inline] {
    var forms: [Markup.Inline] = []
    for option in options {
      if !forms.isEmpty { forms.append(.text(", ")) }
      if let short = option.shortForm { forms += [.name(short), .text("/")] }
      forms.append(.option(option.name))
    }
    return forms
  }

  private func mergedBySummary(_ commands: [CommandSpec]) -> [([String], CommandSpec)] {
    var rows: [([String], CommandSpec)] = []
    for command in commands {
      if let index = rows.firstIndex(where: { $0.1.summary == command.summary && $0.1.group == command.group }
      ) {
        rows[index].0.append(command.name)
      } else {
        rows.append(([command.name], command))
      }
    }
    return rows
  }
}

// MARK: - The long form

extension Grammar {
  private func longHelp(_ command: CommandSpec?, _ style: TextStyle) -> TextPage {
    var page = TextPage(style)
    page.paragraph(title(of: command))
    page.blank()
    page.paragraph([.text("Usage: ")] + synopsis(of: command), hanging: 7)
    for section in sections(of: command) { add(section, to: &page) }
    page.blank()
    page.paragraph(
      command == nil
        ? [
          .text("'"), .name("\(program) help COMMAND"), .text("' explains a command, '"),
          .name("\(program) COMMAND -h"), .text("' in short."),
        ]
        : [.text("'"), .name("\(program) --help"), .text("' explains the options of every command.")])
    return page
  }

  private func add(_ section: Section, to page: inout TextPage) {
    let rows = section.blocks.compactMap { if case .row(let term, _) = $0 { term } else { nil } }
    switch section.blocks[0] {
    case .text, .heading, .globalOptions: break
    case .row, .entry, .example: page.heading(section.title)
    }
    for (index, block) in section.blocks.enumerated() {
      switch block {
      case .text(let source):
        page.blank()
        page.markup(text(source))
      case .heading(let title): page.heading(title)
      case .row(let term, let meaning): page.table([(term, line(meaning))], column: column(for: rows))
      case .entry(let term, let source):
        if index > 0, case .entry = section.blocks[index - 1] { page.blank() }
        page.line(term, indent: 2)
        page.markup(text(source), indent: 6)
      case .globalOptions:
        page.heading("Options of every command")
        let rows = globalOptions.map { (term: forms(of: $0), meaning: shortSummary(of: $0)) }
        page.table(rows, column: column(for: rows.map(\.term)))
      case .example(let example):
        if index > 0 { page.blank() }
        page.paragraph(line(sentence(example.says, endingWith: ":")), indent: 2)
        page.line([.name(example.command)], indent: 6)
      }
    }
  }

  /// `mneme put: store an answer`.
  private func title(of command: CommandSpec?) -> [Markup.Inline] {
    guard let command else { return [.name(program), .text(" \(version): ")] + line(summary) }
    return [.name("\(program) \(command.name)"), .text(": ")] + line(command.summary)
  }
}
