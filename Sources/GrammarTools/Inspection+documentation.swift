import CommandGrammar

extension Inspection {
  /// The longest summary for which there is room after an option's name.
  private static let longestSummary = 60
  /// The longest example that fits an indented line of 80 columns.
  private static let longestExample = 74

  mutating func inspect(summary: String, in command: CommandSpec?) {
    let text = grammar.plain(summary)
    require(!text.isEmpty, "there is no summary")
    require(text.last != ".", "the summary '\(text)' ends with a full stop")
    require(
      text.count <= Inspection.longestSummary,
      "the summary '\(text)' has \(text.count) characters, over \(Inspection.longestSummary)")
    require(!summary.contains("\n"), "the summary '\(text)' has more than one line")
    inspect(markup: summary, in: command)
  }

  /// Checks that every reference has a target, and that every mark is closed.
  mutating func inspect(markup source: String, in command: CommandSpec?) {
    // A terminal whose locale is ASCII could not show other characters.
    require(source.utf8.allSatisfy { $0 < 0x80 }, "the text '\(source)' is not ASCII")
    for inline in Markup(source).blocks.flatMap(\.inlines) {
      switch inline {
      case .option(let name):
        let known =
          command.map(grammar.options(of:)) ?? grammar.globalOptions + grammar.commands.flatMap(\.options)
        require(known.contains { $0.name == name }, "{option:\(name)} leads nowhere")
      case .command(let name):
        require(grammar.command(named: name) != nil, "{command:\(name)} leads nowhere")
      case .argument(let name):
        let known = command.map { [$0] } ?? grammar.commands
        require(
          known.contains { $0.arguments.contains { $0.name == name } }, "{arg:\(name)} leads nowhere")
      case .environment(let name):
        let variables = (grammar.globalOptions + grammar.commands.flatMap(\.options)).flatMap(\.environment)
        require(
          variables.contains(name) || grammar.environmentNotes.contains { $0.name == name },
          "{env:\(name)} leads nowhere")
      case .text(let text):
        require(!text.contains("`"), "a backquote in '\(text)' is not closed")
        require(
          !text.contains("*"), "a star in '\(text)' is not closed; a star itself goes between backquotes")
        require(
          !text.contains("{"),
          "a brace in '\(text)' begins no reference; a brace itself goes between backquotes")
      case .emphasis, .name, .code: break
      }
    }
  }

  /// Checks that each example calls the program, and that each call parses.
  mutating func inspect(examples: [Example], in command: CommandSpec?) {
    for example in examples {
      inspect(markup: example.says, in: command)
      require(!example.says.isEmpty, "the example '\(example.command)' is not explained")
      require(
        example.command.count <= Inspection.longestExample,
        "the example '\(example.command)' has \(example.command.count) characters, over \(Inspection.longestExample)"
      )
      let calls = ShellLine.commands(in: example.command).filter { $0[0] == grammar.program }
      require(!calls.isEmpty, "the example '\(example.command)' does not call \(grammar.program)")
      for call in calls {
        do {
          _ = try grammar.parse(Array(call.dropFirst()))
        } catch {
          note("the example '\(example.command)' does not parse: \(error.message)")
        }
      }
    }
  }

  /// Checks that pages are written `name(section)`.
  mutating func inspect(pages: [String]) {
    for page in pages {
      let parts = page.split(separator: "(", omittingEmptySubsequences: false)
      let isPage = parts.count == 2 && !parts[0].isEmpty && parts[1].count == 2 && parts[1].last == ")"
      require(isPage, "'\(page)' is not written as name(1)")
    }
  }

  mutating func inspectShortHelp(of command: CommandSpec?) {
    let lines = grammar.help(command, .short).split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast()
    require(
      lines.count <= Grammar.shortHelpRows,
      "the short help has \(lines.count) lines, over \(Grammar.shortHelpRows)")
    for line in lines where line.count > 80 { note("the short help has a line over 80 columns: \(line)") }
  }
}
