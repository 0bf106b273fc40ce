/// The additions that all renderers make to a row of the table, as markup or inlines.
extension Grammar {
  /// The usage line.
  package func synopsis(of command: CommandSpec?) -> [Markup.Inline] {
    guard let command else {
      return [
        .name(program), .text(" ["), .argument("OPTIONS"), .text("] "), .argument("COMMAND"), .text(" ["),
        .argument("OPTIONS"), .text("] ["), .argument("ARGUMENTS"), .text("]"),
      ]
    }
    var line: [Markup.Inline] = [
      .name("\(program) \(command.name)"), .text(" ["), .argument("OPTIONS"), .text("]"),
    ]
    for argument in command.arguments {
      line.append(.text(" "))
      line += synopsis(of: argument, in: command)
    }
    return line
  }

  /// An argument in a usage line, with its alternatives: `(NAMESPACE... | --all)`.
  private func synopsis(of argument: ArgumentSpec, in command: CommandSpec) -> [Markup.Inline] {
    let repeats = if case .repeating = argument.arity { "..." } else { "" }
    let name: [Markup.Inline] = [.argument(argument.name), .text(repeats)].filter { $0 != .text("") }
    let alternatives = command.rules.filter { [.atMostOne, .exactlyOne].contains($0.kind) }
    guard let rule = alternatives.first(where: { $0.members.contains(.argument(argument.name)) }) else {
      let isNeeded = argument.arity != .optional && argument.arity != .repeating(atLeast: 0)
      return isNeeded ? name : [.text("[")] + name + [.text("]")]
    }
    var line = name
    for case .option(let other) in rule.members {
      line += [.text(" | "), .option(other)]
      if let placeholder = command.options.first(where: { $0.name == other })?.value?.placeholder {
        line += [.text(" "), .argument(placeholder)]
      }
    }
    return rule.kind == .atMostOne ? [.text("[")] + line + [.text("]")] : [.text("(")] + line + [.text(")")]
  }

  /// `-n, --namespace NS`.
  func forms(of option: OptionSpec) -> [Markup.Inline] {
    var forms: [Markup.Inline] = option.shortForm.map { [.name($0), .text(", ")] } ?? []
    forms.append(.option(option.name))
    if let value = option.value {
      forms +=
        option.impliedText == nil
        ? [.text(" "), .argument(value.placeholder)]
        : [.text("[="), .argument(value.placeholder), .text("]")]
    }
    return forms
  }

  /// Returns the summary as a sentence, the details, and the facts that the row itself gives.
  func story(of option: OptionSpec, in command: CommandSpec?) -> String {
    var notes: [String] = []
    if let choices = option.value?.choices, !choices.isEmpty {
      notes.append("\(option.value?.placeholder ?? "") is \(list(choices.map { "`\($0)`" }, "or")).")
    }
    if option.repeats { notes.append("May be given more than once.") }
    notes += ((command?.rules ?? []) + rules).compactMap { $0.note(on: .option(option.name)) }
    if !option.environment.isEmpty {
      notes.append("If not given, mneme uses {env:\(option.environment.joined(separator: "}, then {env:"))}.")
    }
    if let text = option.impliedText { notes.append("The name alone means `\(text)`.") }
    if let text = option.defaultText {
      notes.append(text.isEmpty ? "The default is the empty text." : "The default is `\(text)`.")
    }
    let start = sentence(option.summary)
    let rest = notes.joined(separator: " ")
    switch Markup(option.details).blocks.first {
    case nil: return rest.isEmpty ? start : "\(start) \(rest)"
    // Details follow the summary on its line, but a list or an example begins on a line of its own.
    case .paragraph: return paragraphs(["\(start) \(option.details)", rest])
    case .item, .verbatim: return paragraphs([start, option.details, rest])
    }
  }

  /// Returns the summary as a sentence, and the facts that the row itself gives.
  func story(of argument: ArgumentSpec, in command: CommandSpec) -> String {
    var notes: [String] = []
    if !argument.value.choices.isEmpty {
      notes.append("One of \(list(argument.value.choices.map { "`\($0)`" }, "and")).")
    }
    notes += command.rules.compactMap { $0.note(on: .argument(argument.name)) }
    return ([sentence(argument.summary)] + notes).joined(separator: " ")
  }

  /// The variables that options read, in the order of the table, then those that belong to none.
  func environmentNotes(of command: CommandSpec?) -> [NamedNote] {
    let options = command.map(\.options) ?? globalOptions
    let read = options.flatMap { option in
      option.environment.enumerated().map { index, name in
        let others = ["{option:\(option.name)}"] + option.environment[..<index].map { "{env:\($0)}" }
        let missing = index == 0 ? "that is not" : "\(list(others, "and")) are not"
        return NamedNote(name, "The value of {option:\(option.name)} when \(missing) given.")
      }
    }
    return command == nil ? read + environmentNotes : read
  }

  /// The meaning of exit statuses for a command: its own notes before the program's, one for each status.
  func exitNotes(of command: CommandSpec) -> [ExitNote] {
    let own = Set(command.exitNotes.map(\.code))
    return (command.exitNotes + exitStatuses.filter { !own.contains($0.code) }).sorted { $0.code < $1.code }
  }
}

/// Makes a sentence of a summary, which begins in lower case and has no full stop.
package func sentence(_ summary: String, endingWith end: String = ".") -> String {
  guard let first = summary.first else { return "" }
  return first.uppercased() + summary.dropFirst() + end
}

private func paragraphs(_ texts: [String]) -> String {
  texts.filter { !$0.isEmpty }.joined(separator: "\n\n")
}

/// Items under their headings, the headings in the order of their first item.
func grouped<Item>(_ items: [Item], by group: (Item) -> Group) -> [(group: Group, items: [Item])] {
  var result: [(group: Group, items: [Item])] = []
  for item in items {
    if let index = result.firstIndex(where: { $0.group == group(item) }) {
      result[index].items.append(item)
    } else {
      result.append((group(item), [item]))
    }
  }
  return result
}
