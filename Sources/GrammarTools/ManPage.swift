import CommandGrammar

/// A file generated from the grammar. It is committed, and compared with what the grammar generates now.
public struct GeneratedFile: Sendable, Equatable {
  /// Without a directory: `mneme-put.1`.
  public let name: String
  /// All of it.
  public let text: String
}

extension Grammar {
  /// Makes the stubs of the shells, under the names for which these search.
  public func completionStubs() -> [GeneratedFile] {
    Shell.allCases.map { GeneratedFile(name: $0.fileName(for: program), text: completionStub(for: $0)) }
  }

  /// Makes the manual pages: `mneme.1`, then one for each command, such as `mneme-put.1`. The result depends only on
  /// the grammar.
  public func manualPages() -> [GeneratedFile] {
    ([nil] + commands).map { command in
      GeneratedFile(name: "\(pageName(of: command)).1", text: manualPage(of: command).text)
    }
  }

  private func pageName(of command: CommandSpec?) -> String {
    command.map { pageName(of: $0.name) } ?? program
  }

  private func pageName(of command: String) -> String { "\(program)-\(command)" }

  private func manualPage(of command: CommandSpec?) -> Roff {
    let name = pageName(of: command)
    var page = Roff(program: program, title: name.uppercased(), date: date, source: "\(program) \(version)")
    page.section("NAME")
    page.add(name: name, summary: Markup.inlines(of: command?.summary ?? summary))
    page.section("SYNOPSIS")
    page.add(synopsis(of: command))
    for section in sections(of: command) {
      page.section(section.title.uppercased())
      for block in section.blocks { add(block, to: &page) }
    }
    addSeeAlso(command.map(references) ?? commands.map { pageName(of: $0.name) + "(1)" } + seeAlso, to: &page)
    return page
  }

  private func add(_ block: Section.Block, to page: inout Roff) {
    switch block {
    case .text(let source): page.markup(source)
    case .heading(let title): page.subsection(title)
    case .row(let term, let source), .entry(let term, let source):
      page.term(term)
      page.markup(source, hanging: true)
    case .globalOptions:
      page.paragraph()
      page.add([
        .text("The options of every command are described in "), .name(program), .text("(1)."),
      ])
    case .example(let example):
      page.paragraph()
      page.add(Markup.inlines(of: sentence(example.says, endingWith: ":")))
      page.example(example.command)
    }
  }

  /// The program's page, those that the description refers to, then others.
  private func references(of command: CommandSpec) -> [String] {
    let mentioned = Markup(command.description).blocks.flatMap(\.inlines).compactMap { inline -> String? in
      if case .command(let name) = inline, name != command.name { pageName(of: name) + "(1)" } else { nil }
    }
    return (["\(program)(1)"] + mentioned + command.seeAlso).reduce(into: []) { pages, page in
      if !pages.contains(page) { pages.append(page) }
    }
  }

  private func addSeeAlso(_ pages: [String], to page: inout Roff) {
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
