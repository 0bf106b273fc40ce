/// What the scripts of bash and zsh have to know of the grammar, as the branches of `case` statements.
///
/// A branch matches `COMMAND:WORD`. The command is empty as long as it has not been typed.
struct CompletionTable {
  /// What an option is called, and what it takes.
  struct Meaning: Equatable {
    let name: String
    let takes: String
  }

  /// Patterns such as `*:--shelf` and `add:-n`, each with what it stands for; a more special one comes first.
  let options: [(patterns: [String], meaning: Meaning)]
  /// Patterns such as `load:0` and `find:*`.
  let arguments: [(pattern: String, takes: String)]

  init(_ grammar: Grammar) {
    options = CompletionTable.options(of: grammar)
    arguments = grammar.commands.flatMap { command in
      command.arguments.enumerated().map { index, argument in
        let place = if case .repeating = argument.arity { "*" } else { String(index) }
        return ("\(command.name):\(place)", grammar.takes(argument.value, called: argument.name))
      }
    }
  }

  /// An option means the same wherever it stands, unless two commands have different ones of one name or
  /// letter: then the command says, and before the command the first of them is as good a guess as any.
  private static func options(of grammar: Grammar) -> [(patterns: [String], meaning: Meaning)] {
    var forms: [(form: String, owners: [(command: String, meaning: Meaning)])] = []
    func add(_ option: OptionSpec, of command: String) {
      let meaning = Meaning(
        name: option.longForm, takes: option.value.map { grammar.takes($0, called: $0.placeholder) } ?? "")
      for form in [option.longForm, option.shortForm].compactMap(\.self) {
        if let index = forms.firstIndex(where: { $0.form == form }) {
          forms[index].owners.append((command, meaning))
        } else {
          forms.append((form, [(command, meaning)]))
        }
      }
    }
    for option in grammar.globalOptions { add(option, of: "*") }
    for command in grammar.commands {
      for option in command.options { add(option, of: command.name) }
    }

    var special: [(patterns: [String], meaning: Meaning)] = []
    var general: [(patterns: [String], meaning: Meaning)] = []
    for (form, owners) in forms {
      for owner in owners where owner.meaning != owners[0].meaning {
        special.append((["\(owner.command):\(form)"], owner.meaning))
      }
      if let index = general.firstIndex(where: { $0.meaning == owners[0].meaning }) {
        general[index].patterns.append("*:\(form)")
      } else {
        general.append((["*:\(form)"], owners[0].meaning))
      }
    }
    return special + general
  }
}

extension Grammar {
  /// What a shell offers, in a word or more: `files`, `choices a b`, `dynamic shelves`, `text DURATION`.
  fileprivate func takes(_ value: ValueSpec, called name: String) -> String {
    switch value.completion {
    case .nothing: "text \(name)"
    case .files: "files"
    case .directories: "directories"
    case .choices(let words), .suggestions(let words): "choices \(words.joined(separator: " "))"
    case .commands: "choices \(commands.map(\.name).joined(separator: " "))"
    case .dynamic(let kind): "dynamic \(kind)"
    }
  }

  /// The program's name as part of the name of a shell's function.
  var functionName: String { String(program.map { $0 == "-" || $0 == "." ? "_" : $0 }) }
}

/// In single quotes, as bash and zsh read them.
func shellQuoted(_ text: String) -> String {
  let parts = text.split(separator: "'", omittingEmptySubsequences: false)
  return "'\(parts.joined(separator: #"'\''"#))'"
}
