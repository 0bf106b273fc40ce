extension Grammar {
  /// What `-h`, `--help`, `help` and `help --json` print, the last line ended.
  ///
  /// The short form fits a screen of 80 by 24 with the prompt on it; `problems()` says where it does not.
  public func help(_ command: CommandSpec?, _ form: HelpForm, style: TextStyle = TextStyle()) -> String {
    switch (form, command) {
    case (.json, let command?): json(of: command).text
    case (.json, nil): json.text
    case (.short, let command?): shortHelp(command, style).text
    case (.short, nil): shortHelp(style).text
    case (.long, let command?): longHelp(command, style).text
    case (.long, nil): longHelp(style).text
    }
  }

  /// Rows that the short form may take: a screen of 24, less the prompt's.
  static let shortHelpRows = 23
}

// MARK: - The short form

extension Grammar {
  /// The commands, as roomy as the screen allows: under headings, or without them, or those that do the same
  /// in a row.
  private func shortHelp(_ style: TextStyle) -> TextPage {
    let roomy = shortHelp(style, headings: true, merging: false)
    if roomy.lines.count <= Grammar.shortHelpRows { return roomy }
    let plain = shortHelp(style, headings: false, merging: false)
    if plain.lines.count <= Grammar.shortHelpRows { return plain }
    return shortHelp(style, headings: false, merging: true)
  }

  private func shortHelp(_ style: TextStyle, headings: Bool, merging: Bool) -> TextPage {
    var page = TextPage(style)
    page.paragraph([.name(program), .text(" \(version): ")] + line(summary))
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
    page.paragraph(
      [.text("Options: ")] + compactForms(globalOptions) + [
        .text(". See '"), .name("\(program) --help"),
        .text("' and '"), .name("\(program) COMMAND -h"), .text("'."),
      ],
      hanging: 2)
    return page
  }

  /// Where not all fits, the options under headings of their own are named among those of every command.
  private func shortHelp(_ command: CommandSpec, _ style: TextStyle) -> TextPage {
    let all = shortHelp(command, style, named: [])
    let named = command.options.filter { $0.group != .options }
    if all.lines.count <= Grammar.shortHelpRows || named.isEmpty { return all }
    return shortHelp(command, style, named: named)
  }

  private func shortHelp(_ command: CommandSpec, _ style: TextStyle, named: [OptionSpec]) -> TextPage {
    var page = TextPage(style)
    page.paragraph([.name("\(program) \(command.name)"), .text(": ")] + line(command.summary))
    page.paragraph([.text("Usage: ")] + synopsis(of: command), hanging: 7)
    let arguments = command.arguments.map { ([Markup.Inline.argument($0.name)], line($0.summary)) }
    let options = command.options.filter { option in !named.contains { $0.name == option.name } }
      .map { (forms(of: $0), shortSummary(of: $0)) }
    let rows = (arguments + options).map { (term: $0.0, meaning: $0.1) }
    page.blank()
    page.table(rows, column: column(for: rows.map(\.term)))
    page.blank()
    page.paragraph(
      [.text("Also: ")] + compactForms(named + globalOptions) + [.text(".")], hanging: 2)
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
  private func longHelp(_ style: TextStyle) -> TextPage {
    var page = TextPage(style)
    page.paragraph([.name(program), .text(" \(version): ")] + line(summary))
    page.blank()
    page.paragraph([.text("Usage: ")] + synopsis(of: nil), hanging: 7)
    page.blank()
    page.markup(text(description))
    let terms = commands.map { [Markup.Inline.name($0.name)] }
    for (group, commands) in grouped(commands, by: \.group) {
      page.heading(group.title)
      page.table(
        commands.map { ([.name($0.name)], line($0.summary)) }, column: column(for: terms))
    }
    addOptions(globalOptions, of: nil, to: &page)
    addNotes(
      "Environment", environmentNotes(of: nil).map { ([.environment($0.name)], $0.text) }, to: &page)
    addNotes("Exit status", exitStatuses.map { ([.text("\($0.code)")], $0.text) }, to: &page)
    addNotes("Files", files.map { ([.name($0.name)], $0.text) }, to: &page)
    addExamples(examples, to: &page)
    page.blank()
    page.paragraph([
      .text("'"), .name("\(program) help COMMAND"), .text("' explains a command, '"),
      .name("\(program) COMMAND -h"),
      .text("' in short."),
    ])
    return page
  }

  private func longHelp(_ command: CommandSpec, _ style: TextStyle) -> TextPage {
    var page = TextPage(style)
    page.paragraph([.name("\(program) \(command.name)"), .text(": ")] + line(command.summary))
    page.blank()
    page.paragraph([.text("Usage: ")] + synopsis(of: command), hanging: 7)
    page.blank()
    page.markup(text(command.description))
    if !command.arguments.isEmpty {
      page.heading("Arguments")
      for argument in command.arguments {
        page.line([.argument(argument.name)], indent: 2)
        page.markup(text(story(of: argument, in: command)), indent: 6)
      }
    }
    addOptions(command.options, of: command, to: &page)
    page.heading("Options of every command")
    let rows = globalOptions.map { (term: forms(of: $0), meaning: shortSummary(of: $0)) }
    page.table(rows, column: column(for: rows.map(\.term)))
    addNotes("Exit status", exitNotes(of: command).map { ([.text("\($0.code)")], $0.text) }, to: &page)
    addExamples(command.examples, to: &page)
    page.blank()
    page.paragraph([
      .text("'"), .name("\(program) --help"), .text("' explains the options of every command."),
    ])
    return page
  }

  private func addOptions(_ options: [OptionSpec], of command: CommandSpec?, to page: inout TextPage) {
    for (group, options) in grouped(options, by: \.group) {
      page.heading(group.title)
      for (index, option) in options.enumerated() {
        if index > 0 { page.blank() }
        page.line(forms(of: option), indent: 2)
        page.markup(text(story(of: option, in: command)), indent: 6)
      }
    }
  }

  private func addNotes(
    _ title: String, _ notes: [(term: [Markup.Inline], text: String)], to page: inout TextPage
  ) {
    guard !notes.isEmpty else { return }
    page.heading(title)
    page.table(notes.map { ($0.term, line($0.text)) }, column: column(for: notes.map(\.term)))
  }

  private func addExamples(_ examples: [Example], to page: inout TextPage) {
    guard !examples.isEmpty else { return }
    page.heading("Examples")
    for (index, example) in examples.enumerated() {
      if index > 0 { page.blank() }
      page.paragraph(line(sentence(example.says, endingWith: ":")), indent: 2)
      page.line([.name(example.command)], indent: 6)
    }
  }
}
