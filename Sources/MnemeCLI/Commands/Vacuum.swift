import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme vacuum`
struct Vacuum: Command {
  static let batchSize = Option(
    "batch-size", value: .count("N", 1...1000), default: 64,
    summary: "how many entries one transaction removes")
  static let maxDuration = Option(
    "max-duration", value: .duration(in: .seconds(1)...), summary: "end after this time, with status 75")

  static let spec = CommandSpec(
    name: "vacuum", summary: "remove expired entries",
    description: """
      Removes the entries whose time to live has passed, and what Redis's own expiry has left in the indexes. An \
      entry that is refreshed meanwhile stays. Several runs at once share the work; one that is interrupted or \
      killed leaves nothing half done, and the next goes on.

      Fit for cron: with {option:quiet} it prints nothing when all is well.
      """,
    options: [Options.onlyNamespace, Options.dryRun, batchSize, maxDuration, Options.pace],
    examples: [
      Example(command: "mneme vacuum --dry-run", says: "see what would go"),
      Example(command: "mneme -q vacuum --max-duration 5m", says: "a line for cron"),
    ],
    exitNotes: [ExitNote(75, "{option:max-duration} was reached with work left")])

  let namespace: Namespace?
  let dryRun: Bool
  let batchSize: Int
  let maxDuration: Duration?
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Options.onlyNamespace]
    dryRun = invocation[Options.dryRun]
    batchSize = invocation[Self.batchSize]
    maxDuration = invocation[Self.maxDuration]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let start = Instant.now
    let work = LongWork(context, pace: pace, deadline: maxDuration.map { start + $0 })
    let progress = Progress(context, unit: "entries", total: try expected(in: store, context))
    var options = VacuumOptions()
    options.namespace = namespace
    options.now = context.clock()
    options.batchSize = batchSize
    options.dryRun = dryRun
    options.shouldStop = { work.shouldStop }
    options.progress = { report in
      progress.update(report.expired + report.leftovers)
      work.batchDone()
    }
    let report = try store.vacuum(options)
    if report.lacksScan {
      context.warn("the server withholds SCAN, so 'hash:' keys that point nowhere were not looked for")
    }
    if report.expired == 0 { try context.noteAbsence(of: store) }
    return VacuumReportText(
      report: report, dryRun: dryRun, duration: start.duration(to: .now),
      interrupted: context.interrupt.status)
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
  var dryRun: Bool
  var duration: Duration
  var interrupted: ExitStatus?

  var status: ExitStatus { report.complete ? .done : interrupted ?? .tryLater }

  var json: JSONOutput {
    [
      "expired": JSONOutput(report.expired), "leftovers": JSONOutput(report.leftovers),
      "repaired": JSONOutput(report.repaired), "remaining": JSONOutput(report.remaining),
      "complete": JSONOutput(report.complete), "dry_run": JSONOutput(dryRun),
      "duration_seconds": JSONOutput((duration.inSeconds * 1000).rounded() / 1000),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let expired = counted(report.expired, "expired entry", plural: "expired entries")
    let text = list([
      "\(dryRun ? "would remove" : "removed") \(expired)",
      report.leftovers > 0 ? "\(counted(report.leftovers, "leftover")) of Redis's own expiry" : nil,
      report.repaired > 0 ? "\(dryRun ? "would mend" : "mended") \(grouped(report.repaired))" : nil,
    ])
    let rest = report.complete ? "" : "; about \(grouped(report.remaining)) remain"
    return "\(text) in \(elapsed(duration))\(rest)"
  }

  var isConfirmation: Bool { report.complete && !dryRun }
}
