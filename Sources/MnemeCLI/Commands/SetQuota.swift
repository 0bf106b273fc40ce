import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme set-quota`
struct SetQuota: Command {
  static let namespace = Argument("NAMESPACE", value: .namespace, summary: "the namespace")
  static let maxEntries = Argument(
    optional: "MAX_ENTRIES", value: .count("MAX_ENTRIES", 1...SemanticCache.largestQuota),
    summary: "the most entries; if not given, the quota is printed")
  static let remove = Switch("remove", summary: "remove the quota")
  static let evict = Switch(
    "evict", summary: "evict entries over the quota now",
    details: "Otherwise the next put evicts them.")

  static let spec = CommandSpec(
    name: "set-quota", summary: "set, show or remove the quota of a namespace",
    description: """
      Sets the most entries that {arg:NAMESPACE} may have. Each put of mneme then evicts the least recently used \
      entries over it. A Python program respects only the quotas of its own configuration, and overwrites this one \
      each time it starts. {command:vacuum} evicts the entries that it has stored over the quota.
      """,
    arguments: [namespace, maxEntries], options: [remove, evict, Options.dryRun, Options.pace],
    rules: [.atMostOne(of: maxEntries, remove), .atMostOne(of: remove, evict)],
    examples: [
      Example(command: "mneme set-quota faq 10k", says: "keep a namespace at 10,000 entries"),
      Example(command: "mneme set-quota faq", says: "print the quota"),
    ],
    exitNotes: [ExitNote(1, "the namespace has no quota to print")])

  let namespace: Namespace
  let change: Change
  let evicts: Bool
  let dryRun: Bool
  let pace: Duration

  enum Change {
    case print, remove
    case set(Int)
  }

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Self.namespace]
    evicts = invocation[Self.evict]
    dryRun = invocation[Options.dryRun]
    pace = invocation[Options.pace]
    change = invocation[Self.maxEntries].map { .set($0) } ?? (invocation[Self.remove] ? .remove : .print)
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let previous = try previousQuota(store)
    // Counts first, so that a damaged index is found before anything is written.
    var report = QuotaReport(
      namespace: namespace, quota: previous, previous: previous, entries: try store.count(in: namespace),
      evicted: 0, isPrinting: false, dryRun: dryRun)
    switch change {
    case .print: report.isPrinting = true
    case .remove:
      if !dryRun { try store.setQuota(nil, for: namespace) }
      report.quota = nil
    case .set(let limit):
      report.quota = limit
      if !dryRun { try setQuota(limit, store, &report, context) }
    }
    if evicts, report.evicted == 0 { try evict(store, &report, context) }
    if report.entries == 0 {
      // A quota may be set before the first entry is put.
      try context.noteAbsence(
        of: store, report.isPrinting ? [namespace] : [], isFailure: report.isPrinting)
    }
    return report
  }
}

extension SetQuota {
  /// Sets the quota. If the server has no memory for it, entries are evicted first.
  private func setQuota(
    _ limit: Int, _ store: RedisStore, _ report: inout QuotaReport, _ context: Context
  ) throws {
    do {
      try store.setQuota(limit, for: namespace)
    } catch let error as StoreBackendError where error.reason == .outOfMemory && evicts {
      try evict(store, &report, context)
      guard report.evicted > 0 else { throw error }
      try store.setQuota(limit, for: namespace)
    }
  }

  private func evict(_ store: RedisStore, _ report: inout QuotaReport, _ context: Context) throws {
    guard !dryRun else {
      report.evicted = report.quota.map { Eviction.batch(count: report.entries, limit: $0) } ?? 0
      return
    }
    let work = try LongWork(
      context, unit: "entries", total: report.quota.map { max(0, report.entries - $0) }, pace: pace,
      guarding: [store], change: { "evicted \(entryCount($0))" })
    report.evicted = try store.evict(
      for: namespace, quota: report.quota, maxEntries: nil, sparing: [], work.control())
    try work.finish()
    report.entries = try store.count(in: namespace)
    report.interruption = work.interruption
  }

  /// The quota before. A value that cannot be read does not prevent setting another.
  private func previousQuota(_ store: RedisStore) throws -> Int? {
    do {
      return try store.quota(for: namespace)
    } catch let error as CorruptCacheError {
      if case .print = change { throw error }
      return nil
    }
  }
}

struct QuotaReport: Report {
  var namespace: Namespace
  var quota: Int?
  var previous: Int?
  var entries: Int
  var evicted: Int
  var isPrinting: Bool
  var dryRun = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (isPrinting && quota == nil ? .no : .done) }

  var json: JSONOutput {
    [
      "namespace": JSONOutput(namespace), "quota": JSONOutput(quota), "previous": JSONOutput(previous),
      "entries": JSONOutput(entries), "evicted": JSONOutput(evicted), "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let name = "'\(visible(namespace.name))'"
    guard let quota else {
      let former = previous.map { " any more (it was \(grouped($0)))" } ?? ""
      return dryRun && previous != nil
        ? "\(name) would have no quota\(former)" : "\(name) has no quota\(former)"
    }
    let former = previous == quota || isPrinting ? nil : "was \(previous.map { grouped($0) } ?? "none")"
    let excess = entries - quota
    return "\(name): "
      + list([
        (dryRun && !isPrinting ? "would get the quota " : "quota ") + grouped(quota)
          + (former.map { " (\($0))" } ?? ""),
        "holds \(grouped(entries)) (\(share(entries, of: quota)))",
        evicted > 0 ? "\(dryRun ? "would evict" : "evicted") \(grouped(evicted))" : nil,
        interruption != nil ? "interrupted" : nil,
        excess > 0 && (evicted == 0 || interruption != nil)
          ? "\(grouped(excess)) over it: the next put evicts, and --evict does it now" : nil,
      ])
  }

  var isConfirmation: Bool { !isPrinting && !dryRun && interruption == nil }
}
