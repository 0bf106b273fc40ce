extension Grammar {
  /// The manual pages: `mneme.1`, then one a command, `mneme-put.1`. The same grammar gives the same bytes.
  public func manualPages() -> [GeneratedFile] {
    [GeneratedFile(name: "\(program).1", text: programPage().text)]
      + commands.map { GeneratedFile(name: "\(program)-\($0.name).1", text: page(of: $0).text) }
  }

  private func programPage() -> Roff {
    var page = page(titled: program, summary: summary, synopsis: synopsis(of: nil))
    if !description.isEmpty {
      page.section("DESCRIPTION")
      page.markup(description)
    }
    page.section("COMMANDS")
    for (group, commands) in grouped(commands, by: \.group) {
      page.subsection(group.title)
      for command in commands {
        page.term([.command(command.name)])
        page.add(Markup.inlines(of: sentence(command.summary)))
      }
    }
    addOptions(globalOptions, of: nil, to: &page)
    addExitStatus(exitStatuses, to: &page)
    addEnvironment(environmentNotes(of: nil), to: &page)
    if !files.isEmpty {
      page.section("FILES")
      for file in files {
        page.term([.emphasis(file.name)])
        page.markup(file.text, hanging: true)
      }
    }
    addExamples(examples, to: &page)
    addSeeAlso(commands.map { "\(program)-\($0.name)(1)" } + seeAlso, to: &page)
    return page
  }

  private func page(of command: CommandSpec) -> Roff {
    var page = page(
      titled: "\(program)-\(command.name)", summary: command.summary, synopsis: synopsis(of: command))
    page.section("DESCRIPTION")
    page.markup(command.description.isEmpty ? sentence(command.summary) : command.description)
    if !command.arguments.isEmpty {
      page.section("ARGUMENTS")
      for argument in command.arguments {
        page.term([.argument(argument.name)])
        page.markup(story(of: argument, in: command), hanging: true)
      }
    }
    addOptions(command.options, of: command, to: &page)
    if command.options.isEmpty { page.section("OPTIONS") }
    page.paragraph()
    page.add(
      Markup.inlines(of: "The options of every command are described in ") + [.name(program), .text("(1).")])
    addExitStatus(exitNotes(of: command), to: &page)
    addEnvironment(environmentNotes(of: command), to: &page)
    addExamples(command.examples, to: &page)
    let references = Markup(command.description).blocks.flatMap(\.inlines).compactMap { inline in
      if case .command(let name) = inline, name != command.name {
        "\(program)-\(name)(1)"
      } else {
        nil as String?
      }
    }
    var pages: [String] = []
    for page in ["\(program)(1)"] + references + command.seeAlso where !pages.contains(page) {
      pages.append(page)
    }
    addSeeAlso(pages, to: &page)
    return page
  }

  private func page(titled name: String, summary: String, synopsis: [Markup.Inline]) -> Roff {
    var page = Roff(program: program, title: name.uppercased(), date: date, source: "\(program) \(version)")
    page.section("NAME")
    page.add(name: name, summary: Markup.inlines(of: summary))
    page.section("SYNOPSIS")
    page.add(synopsis)
    return page
  }
}

// MARK: - Sections

extension Grammar {
  private func addOptions(_ options: [OptionSpec], of command: CommandSpec?, to page: inout Roff) {
    guard !options.isEmpty else { return }
    page.section("OPTIONS")
    let groups = grouped(options, by: \.group)
    for (group, options) in groups {
      if groups.count > 1 || group != .options { page.subsection(group.title) }
      for option in options {
        page.term(forms(of: option))
        page.markup(story(of: option, in: command), hanging: true)
      }
    }
  }

  private func addExitStatus(_ notes: [ExitNote], to page: inout Roff) {
    guard !notes.isEmpty else { return }
    page.section("EXIT STATUS")
    for note in notes {
      page.term([.name("\(note.code)")])
      page.markup(note.text, hanging: true)
    }
  }

  private func addEnvironment(_ notes: [NamedNote], to page: inout Roff) {
    guard !notes.isEmpty else { return }
    page.section("ENVIRONMENT")
    for note in notes {
      page.term([.environment(note.name)])
      page.markup(note.text, hanging: true)
    }
  }

  private func addExamples(_ examples: [Example], to page: inout Roff) {
    guard !examples.isEmpty else { return }
    page.section("EXAMPLES")
    for example in examples {
      page.paragraph()
      page.add(Markup.inlines(of: sentence(example.says, endingWith: ":")))
      page.example(example.command)
    }
  }

  private func addSeeAlso(_ pages: [String], to page: inout Roff) {
    guard !pages.isEmpty else { return }
    page.section("SEE ALSO")
    var line: [Markup.Inline] = []
    for (index, name) in pages.enumerated() {
      // `redis-cli(1)`: the name is bold, the section is not.
      let end = name.firstIndex(of: "(") ?? name.endIndex
      let comma = index == pages.count - 1 ? "" : ", "
      line += [.name(String(name[..<end])), .text(name[end...] + comma)]
    }
    page.add(line)
  }
}
