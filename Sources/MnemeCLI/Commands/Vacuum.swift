import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme vacuum`
struct Vacuum: Command {
  static let maxDuration = Option(
    "max-duration", value: .duration(in: .seconds(1)...(.longest)),
    summary: "end after this time, with status 75")
  static let repair = Switch(
    "repair", summary: "also mend what `mneme inspect-keys --check` finds",
    details: """
      Each problem is looked at again and mended in one transaction, where that costs no answer that is served. What \
      it leaves is told with the reason. It reads the fields and vector of every entry, and walks through all keys of \
      the server.
      """)

  static let spec = CommandSpec(
    name: "vacuum", summary: "remove expired entries",
    description: """
      Removes the entries whose time to live has passed, and what Redis's own expiry has left in the indexes. An \
      entry that is refreshed meanwhile stays. Several runs at once share the work; one that is interrupted or \
      killed leaves nothing half done, and the next goes on.

      Fit for cron: with {option:quiet} it prints nothing when all is well, and one line otherwise.
      """,
    options: [Options.onlyNamespace, Options.dryRun, Options.batchSize, maxDuration, repair, Options.pace],
    examples: [
      Example(command: "mneme vacuum --dry-run", says: "see what would go"),
      Example(command: "mneme -q vacuum --max-duration 5m", says: "a line for cron"),
      Example(command: "mneme vacuum --repair --dry-run", says: "what would be mended, and what left?"),
    ],
    exitNotes: [ExitNote(75, "{option:max-duration} was reached with work left")],
    seeAlso: ["mneme-inspect-keys(1)"])

  let namespace: Namespace?
  let dryRun: Bool
  let batchSize: Int?
  let maxDuration: Duration?
  let repair: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Options.onlyNamespace]
    dryRun = invocation[Options.dryRun]
    batchSize = invocation[Options.batchSize]
    maxDuration = invocation[Self.maxDuration]
    repair = invocation[Self.repair]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let start = Instant.now
    let work = LongWork(
      context, unit: "entries", total: try expected(in: store, context), pace: pace,
      deadline: maxDuration.map { start + $0 })
    var options = VacuumOptions()
    options.namespace = namespace
    options.now = context.clock()
    options.batchSize = batchSize
    options.dryRun = dryRun
    options.repair = repair
    let left = Findings(limit: 100)
    options.whenLeft = { left.add($0, because: $1) }
    options.control = work.control()
    let report = try store.vacuum(options)
    if report.expired == 0 { try context.noteAbsence(of: store) }
    return VacuumReportText(
      report: report, left: repair ? left : nil, dryRun: dryRun, duration: start.duration(to: .now),
      interrupted: context.interrupt.status, isBrief: context.settings.isQuiet)
  }

  /// How many entries there are to remove; nil where the index is damaged, which is the vacuum's to tell. A server
  /// that does not answer is waited for here, and not once more.
  private func expected(in store: RedisStore, _ context: Context) throws -> Int? {
    do {
      return try store.expiredCount(at: context.clock())
    } catch is CorruptCacheError {
      return nil
    }
  }
}

struct VacuumReportText: Report {
  var report: VacuumReport
  /// What a repair left; nil where none was asked for.
  var left: Findings?
  var dryRun: Bool
  var duration: Duration
  var interrupted: ExitStatus?
  /// One line at most.
  var isBrief = false

  var status: ExitStatus { report.complete ? .done : interrupted ?? .tryLater }

  var json: JSONOutput {
    var members: [(String, JSONOutput)] = [
      ("expired", JSONOutput(report.expired)), ("leftovers", JSONOutput(report.leftovers)),
      ("repaired", JSONOutput(report.repaired)), ("remaining", JSONOutput(report.remaining)),
      ("complete", JSONOutput(report.complete)), ("dry_run", JSONOutput(dryRun)),
      ("duration_seconds", JSONOutput((duration.inSeconds * 1000).rounded() / 1000)),
    ]
    if let left { members += [("left", JSONOutput(report.left)), ("problems", left.json)] }
    return .object(members)
  }

  func text(_ style: TerminalStyle) -> String? {
    let expired = counted(report.expired, "expired entry", plural: "expired entries")
    let isAll = report.repaired == 0 && report.left == 0
    let text = list([
      "\(dryRun ? "would remove" : "removed") \(expired)",
      report.leftovers > 0
        ? counted(report.leftovers, "leftover") + (isAll ? " of Redis's own expiry" : "") : nil,
      report.repaired > 0 ? "\(dryRun ? "would mend" : "mended") \(grouped(report.repaired))" : nil,
      report.left > 0 ? "\(dryRun ? "would leave" : "left") \(grouped(report.left))" : nil,
    ])
    let rest = report.remaining > 0 ? "about \(grouped(report.remaining)) remain" : "not all was looked at"
    let line = "\(text) in \(elapsed(duration))\(report.complete ? "" : "; \(rest)")"
    guard let left, report.left > 0, !isBrief else { return line }
    return "\(line)\n\n\(left.text(style))"
  }

  var isConfirmation: Bool { report.complete && !dryRun && report.left == 0 }
}
