import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme vacuum`
struct Vacuum: Command {
  static let maxDuration = Option(
    "max-duration", value: .duration(in: .seconds(1)...(.longest)),
    summary: "end after this time, with status 1 if work is left")
  static let repair = Switch(
    "repair", summary: "also repair what `mneme inspect-keys --check` finds",
    details: """
      mneme looks at each problem again and repairs it in one transaction, if that loses no usable answer. It prints \
      every problem that it leaves, with the reason, and exits with status 1. An index of another type is not \
      changed, and all others are repaired. A repair reads every entry and scans all keys of the database.
      """)
  static let dropUnreadable = Switch(
    "drop-unreadable", summary: "delete entries that no Python program can read",
    details: """
      A Python program reads every entry when it opens a cache, and fails at the first that it cannot read: a vector of \
      another length, text that is not UTF-8, an integer of more than 4,300 digits in the metadata, an entry key that is \
      not a hash. {option:repair} leaves these entries, because it cannot tell what they should be.
      """)

  static let spec = CommandSpec(
    name: "vacuum", summary: "remove expired entries",
    description: """
      Removes entries whose time to live has passed, leftovers of Redis's own expiry, incomplete hashes that a \
      Python program has left of deleted entries, and entries over the quota of their namespace. (Python programs \
      respect only the quotas of their own configuration.) An entry that is refreshed at the same time stays. \
      Several runs may work in parallel and share the work. A run that is interrupted or killed leaves nothing half \
      done, and the next run continues.

      From cron, use {option:quiet}: mneme then prints nothing if all is done, and one line otherwise.
      """,
    options: [
      Options.onlyNamespace, Options.dryRun, Options.batchSize, maxDuration, repair, dropUnreadable,
      Options.allCaches, Options.pace,
    ],
    rules: [.dependency(of: dropUnreadable, on: repair)],
    examples: [
      Example(command: "mneme vacuum --dry-run", says: "show how much would be removed"),
      Example(command: "mneme -q vacuum --max-duration 5m", says: "run it from cron"),
      Example(command: "mneme vacuum --repair --dry-run", says: "preview a repair"),
    ],
    exitNotes: [
      ExitNote(
        1,
        "{option:max-duration} was reached with work left, {option:repair} left a problem, or there is no cache under "
          + "the prefix or no such namespace")
    ],
    seeAlso: ["mneme-inspect-keys(1)"])

  let namespace: Namespace?
  let dryRun: Bool
  let batchSize: Int?
  let maxDuration: Duration?
  let repair: Bool
  let dropUnreadable: Bool
  let allCaches: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Options.onlyNamespace]
    dryRun = invocation[Options.dryRun]
    batchSize = invocation[Options.batchSize]
    maxDuration = invocation[Self.maxDuration]
    repair = invocation[Self.repair]
    dropUnreadable = invocation[Self.dropUnreadable]
    allCaches = invocation[Options.allCaches]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let deadline = maxDuration.map { Instant.now + $0 }
    return try allCaches
      ? context.forEachCache { try vacuum($0, until: deadline) } : vacuum(context, until: deadline)
  }

  private func vacuum(_ context: Context, until deadline: Instant?) throws -> any Report {
    let start = Instant.now
    let store = try context.openExistingStore()
    defer { store.close() }
    let work = try LongWork(
      context, unit: "entries", total: try expected(in: store, context), pace: pace,
      deadline: deadline, guarding: [store],
      change: dryRun
        ? nil
        : { "removed " + counted($0, "expired entry or leftover", plural: "expired entries and leftovers") })
    var options = VacuumOptions()
    options.namespace = namespace
    options.now = context.clock()
    options.batchSize = batchSize
    options.dryRun = dryRun
    options.repair = repair
    options.dropUnreadable = dropUnreadable
    let left = Findings(limit: 100)
    options.whenLeft = { left.add($0, because: $1) }
    options.control = work.control()
    let report = try store.vacuum(options)
    try work.finish()
    context.warnOfClock(of: store)
    // A namespace that held only what was removed does not exist any more.
    let done = report.expired + report.leftovers + report.evicted + report.repaired + report.dropped
    if done == 0 { try context.noteAbsence(of: store, namespace.map { [$0] } ?? []) }
    return VacuumReportText(
      report: report, left: repair ? left : nil, dryRun: dryRun, duration: start.duration(to: .now),
      interrupted: context.interrupt.status, isBrief: context.settings.isQuiet)
  }

  /// Counts the entries to remove. The result is nil if the index is damaged: the vacuum reports that. If the server
  /// does not answer, the command waits for it here and not a second time.
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
  /// The problems that a repair did not repair; nil without `--repair`.
  var left: Findings?
  var dryRun: Bool
  var duration: Duration
  var interrupted: ExitStatus?
  /// A line, and one for each kind of problem that is left.
  var isBrief = false

  var status: ExitStatus {
    if !report.complete { return interrupted ?? .no }
    return report.left > 0 ? .no : .done
  }

  var json: JSONOutput {
    var members: [(String, JSONOutput)] = [
      ("expired", JSONOutput(report.expired)), ("leftovers", JSONOutput(report.leftovers)),
      ("evicted", JSONOutput(report.evicted)), ("repaired", JSONOutput(report.repaired)),
      ("left", JSONOutput(report.left)),
      ("remaining", JSONOutput(report.remaining)),
      ("complete", JSONOutput(report.complete)), ("dry_run", JSONOutput(dryRun)),
      ("duration_seconds", JSONOutput((duration.inSeconds * 1000).rounded() / 1000)),
    ]
    if let left {
      members += [
        ("dropped", JSONOutput(report.dropped)), ("problems", left.json),
      ]
    }
    return .object(members)
  }

  func text(_ style: TerminalStyle) -> String? {
    let expired = counted(report.expired, "expired entry", plural: "expired entries")
    let isAll = report.repaired == 0 && report.left == 0 && report.dropped == 0
    let text = list([
      "\(dryRun ? "would remove" : "removed") \(expired)",
      report.leftovers > 0
        ? counted(report.leftovers, "leftover") + (isAll ? " of Redis's own expiry" : "") : nil,
      report.evicted > 0
        ? "\(dryRun ? "would evict" : "evicted") \(grouped(report.evicted)) above \(report.evicted == 1 ? "a quota" : "quotas")"
        : nil,
      report.repaired > 0 ? "\(dryRun ? "would repair" : "repaired") \(grouped(report.repaired))" : nil,
      report.dropped > 0
        ? "\(dryRun ? "would delete" : "deleted") "
          + counted(report.dropped, "unreadable entry", plural: "unreadable entries") : nil,
      report.left > 0 ? "\(dryRun ? "would leave" : "left") \(grouped(report.left))" : nil,
    ])
    let rest = report.remaining > 0 ? "about \(grouped(report.remaining)) remain" : "not all was looked at"
    let line = "\(text) in \(elapsed(duration))\(report.complete ? "" : "; \(rest)")"
    guard let left else { return line }
    if isBrief { return ([line] + left.brief).joined(separator: "\n") }
    let kinds = filled(repairs, indent: 0, style.width)
    return ([line] + kinds).joined(separator: "\n") + (report.left > 0 ? "\n\n\(left.text(style))" : "")
  }

  /// The number of repaired problems of each kind, as a line; empty if there are none.
  private var repairs: String {
    var kinds = CacheProblem.Kind.allCases.compactMap { kind in
      report.repairs[kind].map { "\(grouped($0)) \(kind.rawValue)" }
    }
    let others = report.repaired - report.repairs.values.reduce(0, +)
    if others > 0, !kinds.isEmpty { kinds.append(counted(others, "index member")) }
    return kinds.isEmpty ? "" : "repairs: \(kinds.joined(separator: ", "))"
  }

  var isConfirmation: Bool { report.complete && !dryRun && report.left == 0 }
}
