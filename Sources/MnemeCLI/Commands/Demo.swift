import CommandGrammar
import Glibc
import Mneme
import MnemeEmbedders

/// `mneme demo`
struct Demo: Command {
  static let spec = CommandSpec(
    name: "demo", summary: "take a tour on a private redis-server",
    description: """
      Starts a redis-server on a Unix socket in a temporary directory, runs the commands on it and shows their \
      real output, and removes everything at the end. Needs `redis-server` in the {env:PATH}.
      """,
    examples: [Example(command: "mneme demo", says: "take the tour")], isMinor: true)

  init(_ invocation: Invocation) throws(UsageError) {}

  /// A step of the tour: its explanation, the command line, and its exit status.
  private struct Stop {
    var says: String
    var words: [String]
    var status: ExitStatus = .done

    init(_ says: String, _ words: [String], _ status: ExitStatus = .done) {
      self.says = says
      self.words = words
      self.status = status
    }
  }

  func run(_ context: Context) throws -> any Report {
    context.interrupt.begin()
    let environment = withoutSecrets(Environment.process.all)
    let server = try DemoServer(environment)
    defer { server.stop() }
    let file = "\(server.directory)/faq.jsonl"
    for stop in Self.tour(file: file) {
      if let status = context.interrupt.status { throw Interruption(status: status) }
      try show(stop, on: server, environment, context)
    }
    try context.output.print("\nThat was the tour. The server is stopped and its directory removed.")
    return NoReport()
  }

  /// Prints the command line, runs it with this program's own file, and checks its exit status.
  private func show(
    _ stop: Stop, on server: DemoServer, _ environment: [String: String], _ context: Context
  ) throws {
    if stop.words.isEmpty {
      try context.output.print("\n# \(stop.says)")
      try context.output.flush()
      sleep(for: .milliseconds(2100))
      return
    }
    let typed = (["mneme"] + stop.words).map(shellQuoted).joined(separator: " ")
    if !stop.says.isEmpty { try context.output.print("\n# \(stop.says)") }
    try context.output.print(context.output.style.bold("$ \(typed)"))
    try context.output.flush()
    var variables = environment
    variables["MNEME_URL"] = server.url
    variables["MNEME_KEY_PREFIX"] = nil
    guard let child = ChildProcess(["/proc/self/exe"] + stop.words, environment: variables, joinsErrors: true)
    else {
      throw FileError(
        status: .bug, message: "The demo could not start mneme itself.",
        remediation: "Check that /proc is mounted.")
    }
    let status = child.wait()
    if let status = context.interrupt.status { throw Interruption(status: status) }
    guard status == stop.status.rawValue else {
      throw FileError(
        status: .bug,
        message: "The demo expected status \(stop.status.rawValue) of '\(typed)', and it was \(status).",
        remediation: "Please report this, with the output above.")
    }
    if status != 0 { try context.output.print("(exit status \(status))") }
  }

  private static func tour(file: String) -> [Stop] {
    [
      Stop("Two answers go in.", ["put", "How do I reset my password?", "Use the link on the login page."]),
      Stop("", ["put", "When will my card arrive?", "Within five working days."]),
      Stop(
        "The same question, however it is typed: an exact hit.", ["get", "  how do i RESET my password? "]),
      Stop(
        "The same question in other words: a semantic hit.",
        ["get", "--json", "how can I reset my password"]),
      Stop("Another question: a miss.", ["get", "Can I pay with cheques?"], .no),
      Stop("The reason:", ["get", "--peek", "--explain", "Can I pay with cheques?"], .no),
      Stop("The entries that mention something,", ["list", "--contains", "card"]),
      Stop("one of them in full,", ["show", "2"]),
      Stop("and a time to live for it.", ["set-ttl", "1d", "--id", "2", "--yes"]),
      Stop("An answer for two seconds.", ["put", "--ttl", "2s", "Is the office open today?", "Until six."]),
      Stop("Two seconds later it is served no more,", []),
      Stop("and vacuum removes what it left.", ["vacuum"]),
      Stop("A namespace is capped at two entries.", ["set-quota", "faq", "2"]),
      Stop("", ["put", "-n", "faq", "Where are you?", "In Lisbon."]),
      Stop("", ["put", "-n", "faq", "What are your hours?", "Nine to five."]),
      Stop(
        "The third evicts the least recently used.", ["put", "-n", "faq", "Who are you?", "A demo."]),
      Stop(
        "A question that is nearly one that is there, with another answer:",
        ["put", "When does my card arrive?", "In two weeks."]),
      Stop("audit finds what could be answered wrongly,", ["audit", "-n", "default"], .no),
      Stop("and delete removes it.", ["delete", "When does my card arrive?"]),
      Stop("The figures.", ["stats"]),
      Stop("The state of the cache and of the server.", ["health"]),
      Stop("What the prefix holds, key by key.", ["inspect-keys", "--sample", "all"]),
      Stop("A copy of a namespace,", ["export", "-n", "faq", "-o", file]),
      Stop("carried into another prefix.", ["-p", "copy", "import", file]),
      Stop("", ["-p", "copy", "get", "-n", "faq", "what are your hours?"]),
      Stop(
        "The same cache with the vectors of another embedder, here of the same one.", ["reembed", "other"]),
      Stop("A namespace is emptied,", ["-p", "other", "clear", "--yes", "faq"]),
      Stop("and a whole cache removed.", ["-p", "other", "drop", "--yes"]),
      Stop("Snapshots are Redis's own business.", ["snapshot"], .unavailable),
    ]
  }
}
