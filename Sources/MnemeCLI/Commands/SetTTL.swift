import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme set-ttl`
struct SetTTL: Command {
  static let duration = Argument(
    "DURATION", value: .timeToLive, summary: "how long the entries live from now on, or `never`")
  static let fromCreation = Switch(
    "from-creation", summary: "count from the time at which each entry was stored")
  static let onlyShorten = Switch("only-shorten", summary: "never let an entry live longer than before")
  static let onlyLengthen = Switch("only-lengthen", summary: "never let an entry live shorter than before")
  static let nativeTTL = Switch(
    "native-ttl", summary: "let Redis itself expire the entries, too",
    details: "Entries that Redis expires already keep that, with the new time.")

  static let spec = CommandSpec(
    name: "set-ttl", summary: "change how long entries live",
    description: """
      Changes the time to live of the entries of a selection: they expire {arg:DURATION} from now. mneme shows the \
      entries that will change, and asks for confirmation on a terminal; elsewhere {option:yes} is required. An entry that \
      changes while the command runs is checked again, and keeps the time to live that an application has set.
      """,
    arguments: [duration, SelectionRequest.moreIDs],
    options: [
      fromCreation, onlyShorten, onlyLengthen, nativeTTL, Options.yes, Options.dryRun, Options.pace,
    ] + SelectionRequest.options,
    rules: SelectionRequest.rules + [.atMostOne(of: onlyShorten, onlyLengthen)],
    examples: [
      Example(
        command: "mneme set-ttl 1h --contains 'Model X'", says: "let answers about a product expire soon"),
      Example(
        command: "mneme set-ttl 30d --no-ttl --yes",
        says: "from cron, give a time to live to entries without one"),
    ],
    exitNotes: [ExitNote(1, "no entry matches, or you did not confirm")])

  let change: TTLChange
  let selection: SelectionRequest
  let yes: Bool
  let dryRun: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    var change = TTLChange(invocation[Self.duration].duration.map { Seconds($0) })
    change.fromCreation = invocation[Self.fromCreation]
    change.onlyShortens = invocation[Self.onlyShorten]
    change.onlyLengthens = invocation[Self.onlyLengthen]
    change.isNative = invocation[Self.nativeTTL]
    self.change = change
    selection = try SelectionRequest(invocation, moreIDs: invocation[SelectionRequest.moreIDs])
    guard selection.isGiven else { throw Self.noSelection(invocation) }
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    pace = invocation[Options.pace]
  }

  private static func noSelection(_ invocation: Invocation) -> UsageError {
    invocation.usageError(
      "no entries are selected",
      suggestion: "Say which, as in --namespace faq or --older-than 30d; --min-uses 0 selects all.")
  }

  func run(_ context: Context) throws -> any Report {
    try context.settings.checkTerminal()
    let store = try context.openExistingStore()
    defer { store.close() }
    let chosen = try selection.selection(store, context)
    var report = TTLReport(dryRun: dryRun)
    if dryRun || !yes {
      let preview = try SelectionPreview(chosen, store, context) { change.changes($0, at: $1) }
      report.preview = preview
      (report.changed, report.unchanged) = (preview.count, preview.unchanged)
      guard !dryRun, preview.count > 0 else { return try noting(report, chosen, store, context) }
      guard try preview.confirm("Change the time to live of", context) else {
        return TTLReport(dryRun: false, isDeclined: true)
      }
    }
    let work = try LongWork(
      context, unit: "entries", total: report.preview.map { $0.count + $0.unchanged }, pace: pace,
      guarding: [store], change: { "changed \(entryCount($0)), or left them unchanged" })
    var damaged = DamagedEntries()
    (report.changed, report.unchanged) = try store.setTTL(
      change, of: chosen, at: store.time(for: context.clock()), work.control()
    ) { _, error in damaged.add(error) }
    // The preview, if there was one, has already warned of them.
    if report.preview == nil { damaged.warn(context) }
    report.preview = nil
    try work.finish()
    report.interruption = work.interruption
    return try noting(report, chosen, store, context)
  }

  private func noting(
    _ report: TTLReport, _ chosen: Selection, _ store: RedisStore, _ context: Context
  ) throws -> TTLReport {
    if report.changed + report.unchanged == 0 { try context.noteAbsence(of: store, chosen.namespaces) }
    return report
  }
}

struct TTLReport: Report {
  var changed = 0
  var unchanged = 0
  var dryRun: Bool
  /// Entries that would change, in a dry run.
  var preview: SelectionPreview?
  var isDeclined = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (changed + unchanged == 0 ? .no : .done) }

  var json: JSONOutput {
    [
      "changed": JSONOutput(changed), "unchanged": JSONOutput(unchanged), "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    if isDeclined { return "nothing changed" }
    if changed + unchanged == 0 { return "no entry matches" }
    let table = dryRun && changed > 0 ? preview.map { $0.text(style) + "\n" } ?? "" : ""
    return table
      + list([
        "\(dryRun ? "would change" : "changed") \(entryCount(changed))",
        unchanged > 0 ? "\(dryRun ? "would leave" : "left") \(grouped(unchanged)) unchanged" : nil,
        interruption != nil ? "interrupted" : nil,
      ])
  }

  var isConfirmation: Bool { !dryRun && interruption == nil && changed + unchanged > 0 }
}

/// A time to live on the command line: a duration, or `never`.
struct TimeToLive: Sendable {
  /// The duration; nil if the entry never expires.
  var duration: Duration?
}

extension ValueKind where Value == TimeToLive {
  static var timeToLive: ValueKind {
    let durations = ValueKind<Duration>.duration(
      in: .seconds(1)...(.seconds(SemanticCache.longestTTL.rawValue)))
    return ValueKind(
      placeholder: "DURATION", completion: .suggestions(["never"]), isNumeric: true,
      parse: { text throws(ValueProblem) in
        TimeToLive(duration: text == "never" ? nil : try durations.parse(text))
      },
      format: { $0.duration.map(durations.format) ?? "never" })
  }
}
