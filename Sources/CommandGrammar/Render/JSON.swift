/// A JSON value to be written. Members keep their order, so that the same definition gives the same bytes.
enum JSON {
  case null
  case bool(Bool)
  case number(Int)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  /// Indented by two spaces a level, the last line ended.
  var text: String {
    var text = ""
    write(to: &text, indent: 0)
    return text + "\n"
  }

  private func write(to text: inout String, indent: Int) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let value): text += String(value)
    case .string(let value): JSON.write(value, to: &text)
    case .array(let items):
      JSON.write(items, between: ("[", "]"), to: &text, indent: indent) { item, text in
        item.write(to: &text, indent: indent + 2)
      }
    case .object(let members):
      JSON.write(members, between: ("{", "}"), to: &text, indent: indent) { member, text in
        JSON.write(member.0, to: &text)
        text += ": "
        member.1.write(to: &text, indent: indent + 2)
      }
    }
  }

  private static func write<Item>(
    _ items: [Item], between brackets: (String, String), to text: inout String, indent: Int,
    item: (Item, inout String) -> Void
  ) {
    text += brackets.0
    for (index, value) in items.enumerated() {
      text += (index == 0 ? "\n" : ",\n") + spaces(indent + 2)
      item(value, &text)
    }
    if !items.isEmpty { text += "\n" + spaces(indent) }
    text += brackets.1
  }

  /// RFC 8259, section 7: quotation mark, reverse solidus and the controls must be escaped, and nothing else
  /// is.
  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

/// The definition as data, for tools: `help --json`. Texts are plain, without markup.
extension Grammar {
  var json: JSON {
    .object([
      ("program", .string(program)),
      ("version", .string(version)),
      ("summary", .string(plain(summary))),
      ("description", .string(text(description).plain)),
      ("usage", .string(usage(of: nil))),
      ("options", .array(globalOptions.map(json(of:)))),
      ("rules", .array(rules.map(json(of:)))),
      ("commands", .array(commands.map(json(of:)))),
      ("environment", .array(environmentNotes(of: nil).map(json(of:)))),
      ("exit_statuses", .array(exitStatuses.map(json(of:)))),
      ("files", .array(files.map(json(of:)))),
      ("examples", .array(examples.map(json(of:)))),
      ("see_also", .array(seeAlso.map { .string($0) })),
    ])
  }

  func json(of command: CommandSpec) -> JSON {
    .object([
      ("name", .string(command.name)),
      ("group", .string(command.group.title)),
      ("summary", .string(plain(command.summary))),
      ("description", .string(text(command.description).plain)),
      ("usage", .string(usage(of: command))),
      ("arguments", .array(command.arguments.map(json(of:)))),
      ("options", .array(command.options.map(json(of:)))),
      ("rules", .array(command.rules.map(json(of:)))),
      ("exit_statuses", .array(command.exitNotes.map(json(of:)))),
      ("examples", .array(command.examples.map(json(of:)))),
      ("see_also", .array(command.seeAlso.map { .string($0) })),
    ])
  }

  private func json(of option: OptionSpec) -> JSON {
    .object([
      ("name", .string(option.name)),
      ("short", option.short.map { .string(String($0)) } ?? .null),
      ("value", option.value.map(json(of:)) ?? .null),
      ("default", option.defaultText.map { .string($0) } ?? .null),
      ("environment", .array(option.environment.map { .string($0) })),
      ("repeats", .bool(option.repeats)),
      ("group", .string(option.group.title)),
      ("summary", .string(plain(option.summary))),
      ("details", .string(text(option.details).plain)),
    ])
  }

  private func json(of argument: ArgumentSpec) -> JSON {
    let (least, most): (Int, JSON) =
      switch argument.arity {
      case .required: (1, .number(1))
      case .optional: (0, .number(1))
      case .repeating(let atLeast): (atLeast, .null)
      }
    return .object([
      ("name", .string(argument.name)),
      ("value", json(of: argument.value)),
      ("at_least", .number(least)),
      ("at_most", most),
      ("summary", .string(plain(argument.summary))),
    ])
  }

  private func json(of value: ValueSpec) -> JSON {
    let words = { (words: [String]) in words.isEmpty ? JSON.null : .array(words.map { .string($0) }) }
    var suggestions: [String] = []
    if case .suggestions(let words) = value.completion { suggestions = words }
    let completion: (String, JSON) =
      switch value.completion {
      case .nothing: ("nothing", .null)
      case .files: ("files", .null)
      case .directories: ("directories", .null)
      case .commands: ("commands", .null)
      case .choices: ("choices", .null)
      case .suggestions: ("suggestions", .null)
      case .dynamic(let kind): ("dynamic", .string(kind))
      }
    return .object([
      ("placeholder", .string(value.placeholder)),
      ("choices", words(value.choices)),
      ("suggestions", words(suggestions)),
      ("completion", .string(completion.0)),
      ("completion_kind", completion.1),
    ])
  }

  private func json(of rule: Rule) -> JSON {
    let name =
      switch rule.kind {
      case .atMostOne: "at_most_one"
      case .exactlyOne: "exactly_one"
      case .atLeastOne: "at_least_one"
      case .dependency: "first_needs_second"
      }
    return .object([(name, .array(rule.members.map { .string($0.label) }))])
  }

  private func json(of example: Example) -> JSON {
    .object([("command", .string(example.command)), ("says", .string(plain(example.says)))])
  }

  private func json(of note: ExitNote) -> JSON {
    .object([("code", .number(note.code)), ("text", .string(plain(note.text)))])
  }

  private func json(of note: NamedNote) -> JSON {
    .object([("name", .string(note.name)), ("text", .string(plain(note.text)))])
  }
}
