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
      Removes every entry of the given namespaces. Quotas and counters stay, and other prefixes are not changed. \
      On a terminal, mneme asks for confirmation; elsewhere {option:yes} is required.
      """,
    arguments: [namespaces], options: [all, Options.yes, Options.dryRun, Options.pace],
    rules: [.exactlyOne(of: namespaces, all)],
    examples: [
      Example(command: "mneme clear --dry-run faq", says: "show how many entries would be removed"),
      Example(command: "mneme clear --yes faq support", says: "empty two namespaces without being asked"),
    ],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix, a namespace does not exist, or you did not confirm")
    ])

  let namespaces: [Namespace]
  let all: Bool
  let yes: Bool
  let dryRun: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    namespaces = Array(Set(invocation[Self.namespaces])).sorted()
    all = invocation[Self.all]
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    try context.settings.checkTerminal()
    let store = try context.openExistingStore()
    defer { store.close() }
    let targets = all ? try store.namespaces() : namespaces
    let counts = try targets.map { ClearReport.Row(namespace: $0, entries: try store.count(in: $0)) }
    let total = counts.reduce(0) { $0 + $1.entries }
    let empty = all ? [] : counts.filter { $0.entries == 0 }.map(\.namespace)
    if total == 0 || !empty.isEmpty { try context.noteAbsence(of: store, empty) }
    if dryRun { return ClearReport(rows: counts, dryRun: true) }
    if !yes, total > 0 {
      let names = targets.map { "'\(visible($0.name))'" }
      let places = names.count > 5 ? counted(names.count, "namespace") : names.joined(separator: ", ")
      let place =
        "under the prefix '\(visible(context.settings.keyPrefix))' at \(try context.serverAddress())"
      guard try confirm("Remove \(entryCount(total)) from \(places) \(place)? [y/N] ")
      else { return ClearReport(rows: [], dryRun: false, isDeclined: true) }
    }
    return try remove(counts, store, context)
  }

  private func remove(
    _ targets: [ClearReport.Row], _ store: RedisStore, _ context: Context
  ) throws -> ClearReport {
    let work = try LongWork(
      context, unit: "entries", total: targets.reduce(0) { $0 + $1.entries }, pace: pace, guarding: [store],
      change: { "removed \(entryCount($0))" })
    let last = try store.highestID()
    var report = ClearReport(rows: [], dryRun: false)
    for target in targets where !work.shouldStop {
      let before = report.rows.reduce(0) { $0 + $1.entries }
      let removed = try empty(target.namespace, upTo: last, store, work, after: before)
      report.rows.append(.init(namespace: target.namespace, entries: removed))
    }
    try work.finish()
    report.interruption = work.interruption
    return report
  }

  /// Removes entries until none is left that has an id of the beginning. A server may list only some of them in one
  /// walk, and another program may put one back. Entries that are stored later may stay.
  private func empty(
    _ namespace: Namespace, upTo last: EntryID, _ store: RedisStore, _ work: LongWork, after before: Int
  ) throws -> Int {
    var removed = 0
    for _ in 0..<Self.mostWalks {
      removed += try store.removeAll(in: namespace, work.control(after: before + removed))
      if work.shouldStop { return removed }
      if try store.countEntries(upTo: last, in: namespace) == 0 { return removed }
    }
    throw StoreBackendError(
      .contention,
      "Entries of '\(visible(namespace.name))' still exist, or exist again, after it was emptied \(Self.mostWalks) times.",
      about: .namespace(namespace), remedy: .stopWriters)
  }

  private static let mostWalks = 10
}

struct ClearReport: Report {
  struct Row {
    var namespace: Namespace
    var entries: Int
  }

  var rows: [Row]
  var dryRun: Bool
  var isDeclined = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (isDeclined ? .no : .done) }

  var json: JSONOutput {
    [
      "cleared": .array(
        rows.map { ["namespace": JSONOutput($0.namespace), "entries": JSONOutput($0.entries)] }),
      "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    if isDeclined { return "nothing removed" }
    guard !rows.isEmpty else { return "there is nothing to clear" }
    let verb = dryRun ? "would remove" : "removed"
    let done = rows.map { "\(verb) \(entryCount($0.entries)) from '\(visible($0.namespace.name))'" }
    let rest = interruption == nil ? [] : ["interrupted; run it again for the rest"]
    return (done + rest).joined(separator: "\n")
  }

  var isConfirmation: Bool { !dryRun && !isDeclined && interruption == nil }
}
