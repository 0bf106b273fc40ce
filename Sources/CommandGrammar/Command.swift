/// A command: its arguments, its options, and all that its help says.
public struct CommandSpec: Sendable {
  /// Lower-case ASCII, as it is typed.
  public let name: String
  /// The heading under which help lists it.
  public let group: Group
  /// One line of markup, without a full stop.
  public let summary: String
  /// The full description, in markup.
  public let description: String
  private let declaredArguments: @Sendable () -> [any ArgumentDeclaration]
  private let declaredOptions: @Sendable () -> [any OptionDeclaration]
  private let declaredRules: @Sendable () -> [Rule]
  private let declaredExamples: @Sendable () -> [Example]
  private let declaredExitNotes: @Sendable () -> [ExitNote]

  /// In the order in which they are typed.
  public var arguments: [ArgumentSpec] { declaredArguments().map { $0.spec } }
  /// Its own options; those of every command are the grammar's.
  public var options: [OptionSpec] { declaredOptions().map { $0.spec } }
  /// The rules about arguments and options that exclude or need each other.
  package var rules: [Rule] { declaredRules() }
  /// Example command lines with their purposes.
  public var examples: [Example] { declaredExamples() }
  /// The meaning that exit statuses have for this command in particular.
  public var exitNotes: [ExitNote] { declaredExitNotes() }
  /// Other manual pages, such as `redis-cli(1)`, besides the program's own.
  public let seeAlso: [String]
  /// Whether the command is left out of the program's short help, which has room for the usual commands only.
  public let isMinor: Bool
  /// Whether the shells offer it.
  public let isOffered: Bool

  /// The lists are evaluated each time they are read, so that a program with many commands makes only the options of
  /// the command that is run. Pass lists of constants, such as static properties.
  public init(
    name: String, group: Group = .commands, summary: String, description: String = "",
    arguments: @autoclosure @escaping @Sendable () -> [any ArgumentDeclaration] = [],
    options: @autoclosure @escaping @Sendable () -> [any OptionDeclaration] = [],
    rules: @autoclosure @escaping @Sendable () -> [Rule] = [],
    examples: @autoclosure @escaping @Sendable () -> [Example] = [],
    exitNotes: @autoclosure @escaping @Sendable () -> [ExitNote] = [],
    seeAlso: [String] = [], isMinor: Bool = false, isOffered: Bool = true
  ) {
    self.name = name
    self.group = group
    self.summary = summary
    self.description = description
    declaredArguments = arguments
    declaredOptions = options
    declaredRules = rules
    declaredExamples = examples
    declaredExitNotes = exitNotes
    self.seeAlso = seeAlso
    self.isMinor = isMinor
    self.isOffered = isOffered
  }
}

/// A command line that can be copied, and its purpose.
public struct Example: Sendable {
  /// The line as it is typed at a shell's prompt. A test parses it.
  public let command: String
  /// Its purpose: one line of markup.
  public let says: String

  public init(command: String, says: String) {
    self.command = command
    self.says = says
  }
}

/// The meaning of an exit status.
public struct ExitNote: Sendable {
  /// The status.
  public let code: Int
  /// The meaning: one line of markup.
  public let text: String

  public init(_ code: Int, _ text: String) {
    self.code = code
    self.text = text
  }
}

/// A variable of the environment, or a file, and what it is for.
public struct NamedNote: Sendable {
  /// `NO_COLOR`, or a path.
  public let name: String
  /// Its purpose: markup.
  public let text: String

  public init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
  }
}
