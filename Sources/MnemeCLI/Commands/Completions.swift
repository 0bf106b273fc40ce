import CommandGrammar

/// `mneme completions`
struct Completions: Command {
  static let shell = Argument("SHELL", value: .choice(Shell.self, "SHELL"), summary: "the shell")

  static let spec = CommandSpec(
    name: "completions", group: Group("Help"), summary: "print the completion script for a shell",
    description: """
      Prints the lines that let the Tab key complete commands, options, choices and files, and namespaces and key \
      prefixes that are on the server.
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
