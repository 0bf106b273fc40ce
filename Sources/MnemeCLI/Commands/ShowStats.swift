import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme stats`
struct ShowStats: Command {
  /// An order of namespaces.
  enum Order: String, CaseIterable, Sendable {
    case namespace, entries, full, hits, misses, rate, used, expiring, oldest, leftovers, saved

    /// Whether `--watch` has that figure.
    var isWatched: Bool { [.namespace, .entries, .hits, .misses, .rate, .used].contains(self) }
  }

  static let sort = Option(
    "sort", value: .choice(Order.self, "WHAT"), default: .namespace, summary: "the order of the namespaces",
    details: """
      `namespace`: by name. `oldest`: the namespace with the oldest entry first. `full`: the one nearest to its \
      quota first. The others: the largest figure first. {option:watch} has only `namespace`, `entries`, `hits`, \
      `misses`, `rate` and `used`.
      """)
  static let savings = Option(
    "savings", value: .metadataPath, summary: "add up a number in the metadata of each entry times its uses",
    details: """
      Shows what the cache has saved, if the application stores the cost of each answer in the metadata. The value \
      is the name of that member, such as `tokens`, or `usage.cost` for a member of an object. Entries without this \
      number are counted separately. mneme reads the metadata of every entry.
      """)
  static let watch = Option(
    "watch", value: .duration(in: .seconds(1)...(.seconds(86_400))), implied: .seconds(2),
    summary: "show the figures again and again, with rates",
    details: """
      On a terminal the table is drawn in place; elsewhere mneme prints a line for each interval. Entries, writes \
      and used entries are live, and an entry counts as used once in an interval. Hits and misses are those of \
      mneme. A Python program adds its own when it closes, and mneme shows these separately. Ctrl-C ends the \
      command.
      """)
  static let prometheus = Switch(
    "prometheus", summary: "print metrics for Prometheus",
    details: """
      In the text format, for the textfile collector of node_exporter. `mneme_up` is always printed: 1 for a cache \
      that can be read, else 0, also if the server does not answer. `mneme_info`, `mneme_cache_entries`, \
      `mneme_expired_pending` and `mneme_expiring_24h` are figures of the whole cache; the others have a line for \
      each namespace. The Python library's `PrometheusMetricsHook` exports some of the same names without the label \
      `key_prefix`: select `{key_prefix!=""}` to count nothing twice.
      """)

  static let spec = CommandSpec(
    name: "stats", summary: "show totals and a row for each namespace",
    description: """
      Shows entries, hits, misses, evictions and expirations, including those that the Python library has counted. \
      It also shows how many entries were put or used in the last 24 hours, how many expire in the next 24 hours, \
      and the age of the oldest entry. Hits, misses and removals are counted since the cache was created. Columns \
      without a figure are left out. It writes nothing.

      Leftovers of Redis's own expiry are counted separately from entries. To find these and the oldest entry, mneme \
      reads the small fields of each entry if there are at most 100,000.
      """,
    options: [Options.onlyNamespace, sort, savings, watch, prometheus, Options.allCaches],
    rules: [
      .atMostOne(of: watch, prometheus, savings), .atMostOne(of: watch, Options.allCaches),
      .atMostOne(of: prometheus, sort),
    ],
    examples: [
      Example(command: "mneme stats", says: "show the figures of the cache"),
      Example(command: "mneme stats --sort used", says: "list the namespaces most in use first"),
      Example(
        command: "mneme stats --savings usage.tokens", says: "show how many tokens the cache has saved"),
      Example(command: "mneme stats --watch=5s", says: "watch the figures change"),
      Example(command: "mneme stats --prometheus > cache.prom", says: "write metrics for Prometheus"),
    ],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix, or no such namespace"),
      ExitNote(65, "some values are damaged; the others were shown"),
    ])

  let namespace: Namespace?
  let order: Order
  let savings: MetadataPath?
  let watch: Duration?
  let isForPrometheus: Bool
  let allCaches: Bool

  init(_ invocation: Invocation) throws(UsageError) {
    namespace = invocation[Options.onlyNamespace]
    order = invocation[Self.sort]
    savings = invocation[Self.savings]
    watch = invocation[Self.watch]
    isForPrometheus = invocation[Self.prometheus]
    allCaches = invocation[Options.allCaches]
    if isForPrometheus, invocation[Options.json] {
      throw invocation.usageError(
        "--prometheus and --json exclude each other", suggestion: "Leave one of them out.")
    }
    guard watch == nil || order.isWatched else {
      throw invocation.usageError(
        "--watch does not show what --sort \(order.rawValue) needs",
        suggestion: "Sort by namespace, entries, hits, misses, rate or used.")
    }
    if order == .saved, savings == nil {
      throw invocation.usageError(
        "--sort saved needs --savings", suggestion: "Add --savings PATH, as in --savings usage.tokens.")
    }
  }

  func run(_ context: Context) throws -> any Report {
    if isForPrometheus { return try metrics(context) }
    if let watch {
      return try StatsWatch(namespace: namespace, interval: watch, order: order).run(context)
    }
    return try allCaches ? context.forEachCache(report) : report(context)
  }

  private func report(_ context: Context) throws -> any Report {
    var figures = StatsFigures()
    let stats = try readStats(of: namespace, context) { store, stats in
      guard stats.identity != nil else { return }
      figures = try StatsFigures(of: stats, in: namespace, savings: savings, store, context)
    }
    context.warn(of: stats.damaged)
    return StatsReport(
      keyPrefix: context.settings.keyPrefix, stats: stats, figures: figures, savings: savings?.text,
      order: order, isAbsent: context.isAbsent, isOfNamespace: namespace != nil)
  }

  /// Reads all figures from one server. If the connection is lost in between, some may come from another server, so all
  /// are read again.
  /// - Parameters:
  ///   - part: the namespace whose figures are read; nil for all.
  ///   - readMore: reads further figures.
  private func readStats(
    of part: Namespace?, _ context: Context, _ readMore: (RedisStore, Stats) throws -> Void
  ) throws -> Stats {
    let store = try context.openStore()
    let cache = try context.openCache(store)
    defer { cache.close() }
    let stats = try cache.stats(namespace: part)
    let isThere = stats.namespaces.contains { $0.namespace == namespace ?? $0.namespace }
    if stats.identity == nil || !isThere {
      try context.noteAbsence(of: store, namespace.map { [$0] } ?? [])
    }
    try readMore(store, stats)
    guard store.hasLostConnections else { return stats }
    let lossGuard = try LossGuard(store)
    let again = try cache.stats(namespace: part)
    try readMore(store, again)
    try lossGuard.finish()
    return again
  }

  // MARK: Prometheus

  private func metrics(_ context: Context) throws -> PrometheusReport {
    var report = PrometheusReport(namespace: namespace)
    // A cache that cannot be read is `mneme_up 0`. If the server stops answering, so are those that follow.
    report.caches = [.init(keyPrefix: context.settings.keyPrefix)]
    do {
      if allCaches { report.caches = try context.discoverPrefixes().map { .init(keyPrefix: $0) } }
      for index in report.caches.indices {
        var cache = report.caches[index]
        let status = try context.withCache(cache.keyPrefix) { try readMetrics(of: &cache, $0) }
        cache.status = status
        report.caches[index] = cache
      }
    } catch let error as StoreBackendError {
      try report.print(on: context.output)
      throw error
    }
    return report
  }

  /// - Returns: the exit status.
  private func readMetrics(
    of cache: inout PrometheusReport.Cache, _ context: Context
  ) throws -> ExitStatus {
    let day = Seconds(86_400)
    var activity: Activity?
    let stats = try readStats(of: nil, context) { store, stats in
      guard stats.identity != nil else { return }
      let now = try store.time(for: context.clock())
      activity = try store.activity(
        of: stats.namespaces.map(\.namespace), since: now + Seconds(-day.rawValue), now: now,
        until: now + day)
    }
    context.warn(of: stats.damaged)
    (cache.stats, cache.activity) = (stats, activity)
    return stats.identity == nil ? .no : stats.damaged.isEmpty ? .done : .badData
  }
}
