/// The definition of a program's command line, from which it is parsed, documented and completed.
///
/// Making one costs a few array copies: nothing is indexed, and markup is parsed only when it is read.
public struct Grammar: Sendable {
  /// The name as it is typed.
  public let program: String
  /// The version as `--version` prints it.
  public let version: String
  /// The day of the release, `YYYY-MM-DD`, for the manual pages.
  public let date: String
  /// One line of markup, without a full stop.
  public let summary: String
  /// The full description, in markup.
  public let description: String
  /// The options of every command, `--help` and `--version` last.
  public let globalOptions: [OptionSpec]
  /// The rules about options that exclude or need each other.
  package let rules: [Rule]
  /// All commands, `help` last.
  public let commands: [CommandSpec]
  /// Example command lines for the program's own page.
  public let examples: [Example]
  /// Variables of the environment that belong to no option.
  public let environmentNotes: [NamedNote]
  /// The meaning of each exit status.
  public let exitStatuses: [ExitNote]
  /// Files that the program reads or writes by itself.
  public let files: [NamedNote]
  /// Other manual pages, such as `redis-cli(1)`.
  public let seeAlso: [String]
  /// Words that people try in place of a command, with blanks between them, and the line that does what they want.
  public let triedNames: KeyValuePairs<String, String>

  /// `-h`, `--help` and `--version` are added to the options, and `help` to the commands.
  public init(
    program: String, version: String, date: String, summary: String, description: String = "",
    globalOptions: [any OptionDeclaration] = [], rules: [Rule] = [], commands: [CommandSpec],
    examples: [Example] = [],
    environmentNotes: [NamedNote] = [], exitStatuses: [ExitNote] = [], files: [NamedNote] = [],
    seeAlso: [String] = [], triedNames: KeyValuePairs<String, String> = [:]
  ) {
    self.program = program
    self.version = version
    self.date = date
    self.summary = summary
    self.description = description
    self.globalOptions = globalOptions.map { $0.spec } + [BuiltIn.help.spec, BuiltIn.version.spec]
    self.rules = rules
    self.commands = commands + [BuiltIn.helpCommand]
    self.examples = examples
    self.environmentNotes = environmentNotes
    self.exitStatuses = exitStatuses
    self.files = files
    self.seeAlso = seeAlso
    self.triedNames = triedNames
  }

  /// The command of that name.
  public func command(named name: String) -> CommandSpec? {
    commands.first { $0.name == name }
  }

  /// Returns all options of a command: its own, then those of every command.
  public func options(of command: CommandSpec) -> [OptionSpec] {
    command.options + globalOptions
  }

  /// `mneme put [OPTIONS] QUERY [RESPONSE]`; without a command, the program's own line.
  public func usage(of command: CommandSpec?) -> String {
    synopsis(of: command).map(\.plain).joined()
  }
}

/// The command and the options that every grammar has.
enum BuiltIn {
  static let help = Switch(
    "help", short: "h", group: .general,
    summary: "print all of the help, or with `-h` a screenful")
  static let version = Switch("version", group: .general, summary: "print the version and exit")
  static let topic = Argument(
    optional: "COMMAND", value: .text(completion: .commands),
    summary: "the command to explain; if not given, the program")

  static let helpCommand = CommandSpec(
    name: "help", group: .general, summary: "explain the program or one of its commands",
    description: "Prints the same text as {option:help}.", arguments: [topic], isMinor: true)
}

extension Group {
  /// The heading of `help`, `--help` and `--version`.
  public static let general = Group("General")
}
