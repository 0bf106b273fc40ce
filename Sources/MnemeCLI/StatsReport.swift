import Mneme
import MnemeRedis

struct StatsReport: Report {
  var keyPrefix: String
  var stats: Stats
  var figures = StatsFigures()
  /// The path whose numbers were added up.
  var savings: String?
  var order = ShowStats.Order.namespace
  /// Whether there is no cache, or no such namespace.
  var isAbsent = false
  /// Whether the figures are those of one namespace.
  var isOfNamespace = false

  var status: ExitStatus { stats.identity == nil ? .no : stats.damaged.isEmpty ? .done : .badData }

  private func figures(of summary: NamespaceSummary) -> EntryFigures {
    figures.namespaces[summary.namespace] ?? .init()
  }

  /// Returns the number of entries, without leftovers if those were counted.
  private func entries(_ summary: NamespaceSummary) -> Int {
    summary.entries - (figures(of: summary).leftovers ?? 0)
  }

  private var entries: Int { max(0, stats.entries - (figures.total.leftovers ?? 0)) }
  /// Expired entries that still exist; nil if they were not counted. The index of expiry times is one for all
  /// namespaces, so those of one namespace are counted one by one.
  private var expiredPending: Int? { isOfNamespace ? figures.expired : stats.expiredPending }
  private var vectorBytes: Int { entries * (stats.identity?.dimension ?? 0) * 4 }

  var json: JSONOutput {
    .object(
      [
        ("key_prefix", JSONOutput(keyPrefix)), ("entries", JSONOutput(entries)),
        ("hits_exact", JSONOutput(stats.counters[.hitsExact])),
        ("hits_semantic", JSONOutput(stats.counters[.hitsSemantic])),
        ("misses", JSONOutput(stats.counters[.misses])), ("hit_rate", JSONOutput(stats.counters.hitRate)),
        ("evictions", JSONOutput(stats.counters[.evictions])),
        ("expirations", JSONOutput(stats.counters[.expirations])),
        ("expired_pending", JSONOutput(expiredPending)),
        ("embedder_fingerprint", JSONOutput(stats.identity?.fingerprint)),
        ("embedder_dim", JSONOutput(stats.identity?.dimension)),
        ("schema_version", JSONOutput(stats.identity?.schemaVersion)), ("version", JSONOutput(stats.version)),
        ("vector_bytes", JSONOutput(vectorBytes)),
      ] + figures.total.json + [("namespaces", .array(sorted.map { .raw(row($0).text) }))])
  }

  /// Returns the row as JSON text, which needs a fifth of the memory of a tree of values.
  private func row(_ summary: NamespaceSummary) -> JSONOutput {
    .object(
      [
        ("namespace", JSONOutput(summary.namespace)), ("entries", JSONOutput(entries(summary))),
        ("quota", JSONOutput(summary.quota)), ("hits_exact", JSONOutput(summary.counters[.hitsExact])),
        ("hits_semantic", JSONOutput(summary.counters[.hitsSemantic])),
        ("misses", JSONOutput(summary.counters[.misses])),
        ("hit_rate", JSONOutput(summary.counters.hitRate)),
        ("evictions", JSONOutput(summary.counters[.evictions])),
        ("expirations", JSONOutput(summary.counters[.expirations])),
      ] + figures(of: summary).json)
  }

  // MARK: Order

  private var sorted: [NamespaceSummary] {
    guard order != .namespace else { return stats.namespaces }
    return stats.namespaces.map { (key: key(of: $0), summary: $0) }
      .sorted { $0.key != $1.key ? $0.key > $1.key : $0.summary.namespace < $1.summary.namespace }
      .map(\.summary)
  }

  /// The number by which a namespace is sorted, highest first.
  private func key(of summary: NamespaceSummary) -> Double {
    let (counters, figures) = (summary.counters, figures(of: summary))
    return switch order {
    case .namespace: 0
    case .entries: Double(entries(summary))
    case .full: summary.quota.map { Double(entries(summary)) / Double($0) } ?? -1
    case .hits: Double(counters[.hitsExact]) + Double(counters[.hitsSemantic])
    case .misses: Double(counters[.misses])
    case .rate: counters.hitRate ?? -1
    case .used: Double(figures.used ?? 0)
    case .expiring: Double(figures.expiring ?? 0)
    case .oldest: figures.oldest.map { -Double($0.rawValue) } ?? -.infinity
    case .leftovers: Double(figures.leftovers ?? 0)
    case .saved: figures.saved ?? -.infinity
    }
  }

  // MARK: Text

  func text(_ style: TerminalStyle) -> String? {
    guard !isAbsent, stats.identity != nil else { return nil }
    return labelled(summary) + (stats.namespaces.isEmpty ? "" : "\n\n\(table(style).text(style))")
  }

  func print(on output: Output) throws {
    guard !isAbsent, stats.identity != nil, !stats.namespaces.isEmpty else {
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
    let waiting = expiredPending.flatMap { $0 > 0 ? "\(grouped($0)) wait for vacuum" : nil }
    return [
      ("prefix", visible(keyPrefix)),
      ("embedder", visible(stats.identity?.fingerprint ?? "-")),
      (
        "entries",
        list([
          "\(grouped(entries)) in \(counted(stats.namespaces.count { $0.entries > 0 }, "namespace"))",
          "\(size(vectorBytes)) of vectors", figures.total.oldest.map { "the oldest \(age($0)) old" },
        ])
      ),
      use,
      ("hits", counters.hitRate == nil ? rate : "\(rate), \(hits)"),
      ("misses", grouped(counters[.misses])), saved,
      (
        "removed",
        list([
          "\(grouped(counters[.evictions])) evicted", "\(grouped(counters[.expirations])) expired", waiting,
        ])
      ),
      leftovers,
      (
        "schema",
        "\(stats.identity?.schemaVersion ?? 0), version counter \(stats.version.map { grouped($0) } ?? "-")"
      ),
    ].compactMap(\.self)
  }

  private var use: (label: String, text: String)? {
    guard let used = figures.total.used, stats.entries > 0 else { return nil }
    return (
      "24 hours",
      list([
        "\(grouped(used)) put or used", figures.total.expiring.map { "\(grouped($0)) will expire" },
      ])
    )
  }

  private var saved: (label: String, text: String)? {
    guard let savings, let unpriced = figures.total.unpriced else { return nil }
    let rest = unpriced > 0 ? "\(entryCount(unpriced)) without it" : nil
    return ("saved", list(["\(Self.amount(figures.total.saved ?? 0)) of '\(visible(savings))'", rest]))
  }

  private var leftovers: (label: String, text: String)? {
    if figures.isPartial {
      return (
        "leftovers",
        "not counted among more than \(grouped(StatsFigures.largestWalk)) entries; 'mneme health' counts them"
      )
    }
    guard let leftovers = figures.total.leftovers, leftovers > 0 else { return nil }
    return ("leftovers", "\(grouped(leftovers)) of Redis's own expiry, until the next vacuum")
  }

  private func age(_ time: UnixTime) -> String { span(max(0, (figures.now - time).rawValue)) }

  /// Formats a sum: without decimals if it is a whole number, else with two.
  private static func amount(_ number: Double) -> String {
    guard number.magnitude < 1e15 else { return "\(number)" }
    return number == number.rounded() ? grouped(Int64(number)) : decimals(number, 2)
  }

  // MARK: Table

  private struct Column {
    var title: String
    /// The order in which columns are left out, lowest first; nil for columns that always stay.
    var rank: Int?
    var cell: (NamespaceSummary, EntryFigures) -> String
  }

  /// A row for each namespace. On a narrow terminal both kinds of hits are added up, then numbers are rounded, then
  /// columns that totals or other columns cover are left out. So are columns without a figure.
  private func table(_ style: TerminalStyle) -> Table {
    var candidates: [() -> Table] = [
      { table(columns(splittingHits: true, exactly)) }, { table(columns(splittingHits: false, exactly)) },
    ]
    let least = columns(splittingHits: false, abbreviated)
    candidates.append { table(least) }
    for rank in least.compactMap(\.rank).sorted() {
      candidates.append { table(least.filter { $0.rank.map { $0 > rank } ?? true }) }
    }
    var last = Table([])
    for candidate in candidates {
      last = candidate()
      if last.leastWidth <= style.tableWidth { break }
    }
    return last
  }

  private func fullness(_ entries: Int, of quota: Int) -> String {
    entries / 10 >= quota ? ">999 %" : share(entries, of: quota)
  }

  private func exactly(_ number: Int64) -> String { grouped(number) }

  private func columns(splittingHits: Bool, _ number: @escaping (Int64) -> String) -> [Column] {
    func count(_ value: Int?) -> String { value.map { number(Int64($0)) } ?? "-" }
    func counter(_ title: String, rank: Int? = nil, _ counters: Counter...) -> Column {
      Column(title: title, rank: rank) { summary, _ in
        number(counters.reduce(0) { $0 + summary.counters[$1] })
      }
    }
    let columns =
      [
        Column(title: "ENTRIES") { summary, _ in number(Int64(entries(summary))) },
        Column(title: "LEFTOVERS", rank: 5) { count($1.leftovers) },
        Column(title: "QUOTA", rank: 3) { summary, _ in count(summary.quota) },
        Column(title: "FULL") { summary, _ in
          summary.quota.map { fullness(entries(summary), of: $0) } ?? "-"
        },
      ]
      + (splittingHits
        ? [counter("EXACT", .hitsExact), counter("SEMANTIC", .hitsSemantic)]
        : [counter("HITS", .hitsExact, .hitsSemantic)])
      + [
        counter("MISSES", rank: 4, .misses),
        Column(title: "RATE") { summary, _ in
          summary.counters.hitRate.map { "\(decimals($0 * 100, 0)) %" } ?? "-"
        },
        Column(title: "USED 24H") { count($1.used) },
        Column(title: "EXPIRE 24H") { count($1.expiring) },
        Column(title: "OLDEST") {
          $1.oldest.map { shortSpan(max(0, (figures.now - $0).rawValue)) } ?? "-"
        },
        Column(title: "SAVED") { $1.saved.map(Self.amount) ?? "-" },
        Column(title: "WITHOUT", rank: 6) { count($1.unpriced) },
        counter("EVICTED", rank: 1, .evictions), counter("EXPIRED", rank: 2, .expirations),
      ]
    return columns.filter { column in
      column.title == "ENTRIES"
        || stats.namespaces.contains { !["-", "0"].contains(column.cell($0, figures(of: $0))) }
    }
  }

  /// Says of what `FULL` is a share, if the column beside it is left out.
  private func title(of column: Column, among columns: [Column]) -> String {
    column.title == "FULL" && !columns.contains { $0.title == "QUOTA" } ? "OF QUOTA" : column.title
  }

  private func table(_ columns: [Column]) -> Table {
    var table = Table(
      [.init(title: "NAMESPACE", isFlexible: true, isName: true)]
        + columns.map { .init(title: title(of: $0, among: columns), isNumeric: true) })
    table.rows = sorted.map { summary in
      let figures = figures(of: summary)
      return [visible(summary.namespace.name)] + columns.map { $0.cell(summary, figures) }
    }
    return table
  }
}
