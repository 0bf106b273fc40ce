/// A command: its arguments, its options, and all that its help says.
public struct CommandSpec: Sendable {
  /// Lower-case ASCII, as it is typed.
  public let name: String
  /// The heading under which help lists it.
  public let group: Group
  /// One line of markup, without a full stop.
  public let summary: String
  /// The whole story, in markup.
  public let description: String
  /// In the order in which they are typed.
  public let arguments: [ArgumentSpec]
  /// Its own options; those of every command are the grammar's.
  public let options: [OptionSpec]
  /// Which of its arguments and options exclude each other, and of which one is needed.
  let rules: [Rule]
  /// Lines that work, and what each does.
  public let examples: [Example]
  /// What an exit status means for this command in particular.
  public let exitNotes: [ExitNote]
  /// Other manual pages, such as `redis-cli(1)`, besides the program's own.
  public let seeAlso: [String]
  /// Left out of the program's short help, whose screen is for what people come for.
  public let isMinor: Bool

  /// - Parameters:
  ///   - name: lower-case ASCII, as it is typed.
  ///   - group: the heading under which help lists it.
  ///   - summary: one line of markup, without a full stop.
  ///   - description: the whole story, in markup.
  ///   - arguments: in the order in which they are typed: required ones, then optional ones, then a repeating one.
  ///   - options: its own options, in the order in which help lists them.
  ///   - rules: which of its arguments and options exclude each other, and of which one is needed.
  ///   - examples: lines that work.
  ///   - exitNotes: what an exit status means for this command in particular.
  ///   - seeAlso: other manual pages besides the program's own.
  ///   - isMinor: leaves it out of the program's short help.
  public init(
    name: String, group: Group = .commands, summary: String, description: String = "",
    arguments: [any ArgumentDeclaration] = [], options: [any OptionDeclaration] = [],
    rules: [Rule] = [], examples: [Example] = [], exitNotes: [ExitNote] = [], seeAlso: [String] = [],
    isMinor: Bool = false
  ) {
    self.name = name
    self.group = group
    self.summary = summary
    self.description = description
    self.arguments = arguments.map(\.spec)
    self.options = options.map(\.spec)
    self.rules = rules
    self.examples = examples
    self.exitNotes = exitNotes
    self.seeAlso = seeAlso
    self.isMinor = isMinor
  }
}

/// A line that works as it stands, and what it does.
public struct Example: Sendable {
  /// As typed at a shell's prompt.
  public let command: String
  /// What it does: one line of markup.
  public let says: String

  /// - Parameters:
  ///   - command: as typed at a shell's prompt; `problems()` checks that it parses.
  ///   - says: what it does.
  public init(command: String, says: String) {
    self.command = command
    self.says = says
  }
}

/// What an exit status means.
public struct ExitNote: Sendable {
  /// The status.
  public let code: Int
  /// What it means: one line of markup.
  public let text: String

  /// - Parameters:
  ///   - code: the status.
  ///   - text: what it means.
  public init(_ code: Int, _ text: String) {
    self.code = code
    self.text = text
  }
}

/// A variable of the environment, or a file, and what it is for.
public struct NamedNote: Sendable {
  /// `NO_COLOR`, or a path.
  public let name: String
  /// What it is for: markup.
  public let text: String

  /// - Parameters:
  ///   - name: the variable or the path.
  ///   - text: what it is for.
  public init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
  }
}
