/// A section of the documentation of a command or of the program. The long help and the manual pages render the same
/// sections.
package struct Section {
  package enum Block {
    /// Paragraphs and lists, in markup.
    case text(String)
    /// A heading within the section.
    case heading(String)
    /// A term, and a line of markup about it.
    case row([Markup.Inline], String)
    /// A term, and paragraphs of markup about it.
    case entry([Markup.Inline], String)
    /// The options of every command, which the program's own page describes.
    case globalOptions
    case example(Example)
  }

  package let title: String
  package let blocks: [Block]
}

extension Grammar {
  /// The sections of the program's page, or of a command's, without those that would be empty.
  package func sections(of command: CommandSpec?) -> [Section] {
    let (summary, description) = command.map { ($0.summary, $0.description) } ?? (summary, description)
    let options = listed(command?.options ?? globalOptions, by: \.group) { option in
      .entry(forms(of: option), story(of: option, in: command))
    }
    let sections = [
      Section(title: "Description", blocks: [.text(description.isEmpty ? sentence(summary) : description)]),
      Section(
        title: "Arguments",
        blocks: command.map { command in
          command.arguments.map { .entry([.argument($0.name)], story(of: $0, in: command)) }
        } ?? []),
      Section(
        title: "Commands",
        blocks: command == nil ? listed(commands, by: \.group) { .row([.command($0.name)], $0.summary) } : []),
      Section(title: "Options", blocks: command == nil ? options : options + [.globalOptions]),
      Section(
        title: "Exit status",
        blocks: (command.map(exitNotes) ?? exitStatuses).map { .row([.name("\($0.code)")], $0.text) }),
      Section(
        title: "Environment",
        blocks: environmentNotes(of: command).map { .row([.environment($0.name)], $0.text) }),
      Section(
        title: "Files", blocks: command == nil ? files.map { .row([.emphasis($0.name)], $0.text) } : []),
      Section(title: "Examples", blocks: (command?.examples ?? examples).map { .example($0) }),
    ]
    return sections.filter { !$0.blocks.isEmpty }
  }

  /// Lists items under the headings of their groups. If all options are in the default group, there is no heading.
  private func listed<Item>(
    _ items: [Item], by group: (Item) -> Group, _ block: (Item) -> Section.Block
  ) -> [Section.Block] {
    let groups = grouped(items, by: group)
    return groups.flatMap { group, items in
      (groups.count > 1 || group != .options ? [.heading(group.title)] : []) + items.map(block)
    }
  }
}
