import CommandGrammar

/// `mneme completions`
struct Completions: Command {
  static let shell = Argument("SHELL", value: .choice(Shell.self, "SHELL"), summary: "bash, zsh or fish")

  static let spec = CommandSpec(
    name: "completions", group: Group("Help"), summary: "print the completion script for a shell",
    description: """
      Prints the lines that make Tab ask `mneme` what can be typed: commands, options, choices, files and, from the \
      server, namespaces and key prefixes.
      """,
    arguments: [shell],
    examples: [
      Example(
        command: "mneme completions bash > mneme.bash", says: "write the script, for bash to `source`")
    ], isMinor: true)

  let shell: Shell

  init(_ invocation: Invocation) throws(UsageError) { shell = invocation[Self.shell] }

  func run(_ context: Context) throws -> any Report {
    try context.output.write(CommandTable.grammar.completionStub(for: shell).utf8)
    return NoReport()
  }
}
