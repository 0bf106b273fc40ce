/// A command with all that can be typed with it, worked out once.
struct Scope: Sendable {
  let command: CommandSpec
  let arguments: [ArgumentSpec]
  /// Its own, then those of every command.
  let options: [OptionSpec]
  /// Its own, then those of every command.
  let rules: [Rule]

  init(_ command: CommandSpec, of grammar: Grammar) {
    self.command = command
    arguments = command.arguments
    options = grammar.options(of: command)
    rules = command.rules + grammar.rules
  }

  func option(named name: String) -> OptionSpec? { options.first { $0.name == name } }
}

/// A value that was typed and checked, and whose it is.
struct TypedValue: Sendable {
  let member: Rule.Member
  /// True for a switch.
  let value: any Sendable
}
