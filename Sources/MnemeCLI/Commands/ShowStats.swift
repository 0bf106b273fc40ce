import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme stats`
struct ShowStats: Command {
  static let prometheus = Switch(
    "prometheus", summary: "print metrics for Prometheus",
    details: """
      In the text format, for the textfile collector of node_exporter. `mneme_up` is always printed: 1 for a cache that \
      can be read, else 0, also where the server does not answer. `mneme_info`, `mneme_cache_entries` and \
      `mneme_expired_pending` are of the whole cache; the others have a line for each namespace. The Python library's \
      `PrometheusMetricsHook` exports some of the same names without the label `key_prefix`: select `{key_prefix!=""}` \
      to count nothing twice.
      """)

  static let spec = CommandSpec(
    name: "stats", summary: "show totals and a row for each namespace",
    description: """
      Counts entries, hits, misses, evictions and expirations, those that the Python library counted included. \
      Writes nothing. Ends with status 1 when there is no cache under the prefix.
      """,
    options: [Options.onlyNamespace, prometheus, Options.allCaches],
    examples: [
      Example(command: "mneme stats", says: "show the figures of the cache"),
      Example(command: "mneme stats --prometheus > cache.prom", says: "write them for Prometheus"),
    ],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix"),
      ExitNote(65, "something is damaged; the rest was shown"),
    ])

  let namespace: Namespace?
  let isForPrometheus: Bool
  let allCaches: Bool

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Options.onlyNamespace]
    isForPrometheus = invocation[Self.prometheus]
    allCaches = invocation[Options.allCaches]
    if isForPrometheus, invocation[Options.json] {
      throw invocation.usageError(
        "--prometheus and --json exclude each other", suggestion: "Leave one of them out.")
    }
  }

  func run(_ context: Context) throws -> any Report {
    if isForPrometheus { return try metrics(context) }
    return try allCaches ? context.forEachCache(report) : report(context)
  }

  private func report(_ context: Context) throws -> any Report {
    let stats = try readStats(of: namespace, context)
    context.warn(of: stats.damaged)
    return StatsReport(keyPrefix: context.settings.keyPrefix, stats: stats)
  }

  /// The figures of one server. If the connection was lost in between, half of them may be another server's, so
  /// all are read again.
  private func readStats(of namespace: Namespace?, _ context: Context) throws -> Stats {
    let store = try context.openStore()
    let cache = try context.openCache(store)
    defer { cache.close() }
    let stats = try cache.stats(namespace: namespace)
    if stats.identity == nil || stats.namespaces.isEmpty {
      try context.noteAbsence(of: store, namespace.map { [$0] } ?? [])
    }
    guard store.hasLostConnections else { return stats }
    let lossGuard = try LossGuard(store)
    let again = try cache.stats(namespace: namespace)
    try lossGuard.finish()
    return again
  }

  // MARK: Prometheus

  private func metrics(_ context: Context) throws -> PrometheusReport {
    var report = PrometheusReport(namespace: namespace)
    do {
      for keyPrefix in try allCaches ? context.discoverPrefixes() : [context.settings.keyPrefix] {
        try add(context.another(keyPrefix: keyPrefix), to: &report)
      }
    } catch let error as StoreBackendError {
      // The server does not answer: that is a figure too.
      report.caches = [(context.settings.keyPrefix, nil)]
      try report.print(on: context.output)
      throw error
    }
    return report
  }

  /// A cache that cannot be read does not keep the others from being counted.
  private func add(_ context: Context, to report: inout PrometheusReport) throws {
    do {
      let stats = try readStats(of: nil, context)
      context.warn(of: stats.damaged)
      report.caches.append((context.settings.keyPrefix, stats))
    } catch let damage as CorruptCacheError {
      context.warn(of: [damage])
      report.caches.append((context.settings.keyPrefix, nil))
    }
  }
}

struct StatsReport: Report {
  var keyPrefix: String
  var stats: Stats

  var status: ExitStatus { stats.identity == nil ? .no : stats.damaged.isEmpty ? .done : .badData }

  var json: JSONOutput {
    [
      "key_prefix": JSONOutput(keyPrefix), "entries": JSONOutput(stats.entries),
      "hits_exact": JSONOutput(stats.counters[.hitsExact]),
      "hits_semantic": JSONOutput(stats.counters[.hitsSemantic]),
      "misses": JSONOutput(stats.counters[.misses]), "hit_rate": JSONOutput(stats.counters.hitRate),
      "evictions": JSONOutput(stats.counters[.evictions]),
      "expirations": JSONOutput(stats.counters[.expirations]),
      "expired_pending": JSONOutput(stats.expiredPending),
      "embedder_fingerprint": JSONOutput(stats.identity?.fingerprint),
      "embedder_dim": JSONOutput(stats.identity?.dimension),
      "schema_version": JSONOutput(stats.identity?.schemaVersion), "version": JSONOutput(stats.version),
      "vector_bytes": JSONOutput(stats.vectorBytes),
      "namespaces": .array(stats.namespaces.map { .raw(Self.row($0).text) }),
    ]
  }

  /// The row as text, which takes a fifth of the memory if there are very many.
  private static func row(_ summary: NamespaceSummary) -> JSONOutput {
    [
      "namespace": JSONOutput(summary.namespace), "entries": JSONOutput(summary.entries),
      "quota": JSONOutput(summary.quota), "hits_exact": JSONOutput(summary.counters[.hitsExact]),
      "hits_semantic": JSONOutput(summary.counters[.hitsSemantic]),
      "misses": JSONOutput(summary.counters[.misses]), "hit_rate": JSONOutput(summary.counters.hitRate),
      "evictions": JSONOutput(summary.counters[.evictions]),
      "expirations": JSONOutput(summary.counters[.expirations]),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard stats.identity != nil else { return nil }
    return labelled(summary) + (stats.namespaces.isEmpty ? "" : "\n\n\(table(style).text(style))")
  }

  func print(on output: Output) throws {
    guard stats.identity != nil, !stats.namespaces.isEmpty else {
      if let text = text(output.style) { try output.print(text) }
      return
    }
    try output.print(labelled(summary) + "\n")
    try table(output.style).forEachLine(output.style) { try output.print($0) }
  }

  /// The lines about the whole cache.
  private var summary: [(label: String, text: String)] {
    let counters = stats.counters
    let rate = counters.hitRate.map { percentage($0) } ?? "none yet"
    let hits = "\(grouped(counters[.hitsExact])) exact, \(grouped(counters[.hitsSemantic])) semantic"
    let waiting = stats.expiredPending > 0 ? "\(grouped(stats.expiredPending)) wait for vacuum" : nil
    return [
      ("prefix", visible(keyPrefix)),
      ("embedder", visible(stats.identity?.fingerprint ?? "-")),
      (
        "entries",
        "\(grouped(stats.entries)) in \(counted(stats.namespaces.count, "namespace")), "
          + "\(size(stats.vectorBytes)) of vectors"
      ),
      ("hits", counters.hitRate == nil ? rate : "\(rate), \(hits)"),
      ("misses", grouped(counters[.misses])),
      (
        "removed",
        list([
          "\(grouped(counters[.evictions])) evicted", "\(grouped(counters[.expirations])) expired", waiting,
        ])
      ),
      (
        "version", "\(stats.version.map { grouped($0) } ?? "-"), schema \(stats.identity?.schemaVersion ?? 0)"
      ),
    ]
  }

  /// A row for each namespace: with all that is known of it where the terminal is wide enough, else with both
  /// kinds of hits together and, if need be, rounded numbers.
  private func table(_ style: TerminalStyle) -> Table {
    let tables = [(true, exactly), (false, exactly), (false, abbreviated)].lazy.map { splitsHits, number in
      table(splittingHits: splitsHits, number)
    }
    return tables.first { $0.leastWidth <= style.tableWidth } ?? tables[2]
  }

  private func fullness(_ entries: Int, of quota: Int) -> String {
    entries / 10 >= quota ? ">999 %" : share(entries, of: quota)
  }

  private func exactly(_ number: Int64) -> String { grouped(number) }

  private func table(splittingHits: Bool, _ number: (Int64) -> String) -> Table {
    let hasQuotas = stats.namespaces.contains { $0.quota != nil }
    var columns = [Table.Column(title: "NAMESPACE", isFlexible: true)]
    func add(_ titles: String...) { columns += titles.map { .init(title: $0, isNumeric: true) } }
    add("ENTRIES")
    if hasQuotas { add("QUOTA", "FULL") }
    if splittingHits { add("EXACT", "SEMANTIC") } else { add("HITS") }
    add("MISSES", "RATE", "EVICTED", "EXPIRED")

    var table = Table(columns)
    table.rows = stats.namespaces.map { summary in
      let counters = summary.counters
      var row = [visible(summary.namespace.name), number(Int64(summary.entries))]
      if hasQuotas {
        row.append(summary.quota.map { number(Int64($0)) } ?? "-")
        row.append(summary.quota.map { fullness(summary.entries, of: $0) } ?? "-")
      }
      let (exact, meaning) = (counters[.hitsExact], counters[.hitsSemantic])
      row += splittingHits ? [number(exact), number(meaning)] : [number(exact + meaning)]
      row += [
        number(counters[.misses]), counters.hitRate.map { "\(decimals($0 * 100, 0)) %" } ?? "-",
        number(counters[.evictions]), number(counters[.expirations]),
      ]
      return row
    }
    return table
  }
}
