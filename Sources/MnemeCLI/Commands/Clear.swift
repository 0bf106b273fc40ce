import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme clear`
struct Clear: Command {
  static let namespaces = Argument(
    repeating: "NAMESPACE", value: .namespace, summary: "the namespaces to empty")
  static let all = Switch("all", summary: "empty every namespace of the prefix")

  static let spec = CommandSpec(
    name: "clear", summary: "empty namespaces",
    description: """
      Removes every entry of the namespaces named. Quotas and counters stay, other prefixes are not touched. Asks \
      first on a terminal; elsewhere {option:yes} is needed.
      """,
    arguments: [namespaces], options: [all, Options.yes, Options.dryRun],
    rules: [.exactlyOne(of: namespaces, all)],
    examples: [
      Example(command: "mneme clear --dry-run faq", says: "see how many entries would go"),
      Example(command: "mneme clear --yes faq support", says: "empty two namespaces without a question"),
    ])

  let namespaces: [Namespace]
  let all: Bool
  let yes: Bool
  let dryRun: Bool
  /// What is said where there is nobody to ask.
  let unasked: UsageError

  init(_ invocation: Invocation) throws(UsageError) {
    namespaces = Array(Set(invocation[Self.namespaces])).sorted()
    all = invocation[Self.all]
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    unasked = invocation.usageError(
      "clear asks before it removes anything, and there is no terminal to ask on",
      suggestion: "Add --yes if that is what you want.")
  }

  func run(_ context: Context) throws -> any Report {
    guard yes || dryRun || isInteractive() else { throw unasked }
    let store = try context.openExistingStore()
    defer { store.close() }
    let targets = all ? try store.namespaces() : namespaces
    let counts = try targets.map { ClearReport.Row(namespace: $0, entries: try store.count(in: $0)) }
    let total = counts.reduce(0) { $0 + $1.entries }
    if total == 0 { try context.noteAbsence(of: store) }
    if dryRun { return ClearReport(rows: counts, dryRun: true) }
    if !yes, total > 0 {
      let names = targets.map { "'\(visible($0.name))'" }
      let places = names.count > 5 ? counted(names.count, "namespace") : names.joined(separator: ", ")
      let prefix = visible(context.settings.keyPrefix)
      guard try confirm("Remove \(entryCount(total)) from \(places) under the prefix '\(prefix)'? [y/N] ")
      else { return ClearReport(rows: [], dryRun: false, isDeclined: true) }
    }
    let work = LongWork(context)
    var report = ClearReport(rows: [], dryRun: false)
    for namespace in targets {
      try work.check()
      report.rows.append(.init(namespace: namespace, entries: try store.removeAll(in: namespace)))
    }
    return report
  }
}

struct ClearReport: Report {
  struct Row {
    var namespace: Namespace
    var entries: Int
  }

  var rows: [Row]
  var dryRun: Bool
  var isDeclined = false

  var json: JSONOutput {
    [
      "cleared": .array(
        rows.map { ["namespace": JSONOutput($0.namespace), "entries": JSONOutput($0.entries)] })
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    if isDeclined { return "nothing was removed" }
    guard !rows.isEmpty else { return "there is nothing to clear" }
    let verb = dryRun ? "would remove" : "removed"
    return rows.map { "\(verb) \(entryCount($0.entries)) from '\(visible($0.namespace.name))'" }
      .joined(separator: "\n")
  }

  var isConfirmation: Bool { !dryRun && !isDeclined }
}
