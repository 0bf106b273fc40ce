import Glibc
import Mneme
import MnemeRedis

/// `stats --watch`: the figures of a cache at intervals, and the changes in each interval.
struct StatsWatch {
  var namespace: Namespace?
  var interval: Duration
  var order: ShowStats.Order

  func run(_ context: Context) throws -> any Report {
    let store = try context.openStore()
    let cache = try context.openCache(store)
    defer { cache.close() }
    context.interrupt.begin()
    var last = try sample(cache, store, context)
    if last.stats.identity == nil || last.stats.namespaces.isEmpty,
      try context.noteAbsence(of: store, namespace.map { [$0] } ?? [])
    {
      return NoReport(status: .no)
    }
    let output = context.output
    while true {
      context.interrupt.pause(for: interval)
      if let status = context.interrupt.status { return NoReport(status: status) }
      let next = try sample(cache, store, context, since: last)
      let change = StatsChange(from: last, to: next, keyPrefix: context.settings.keyPrefix, order: order)
      if context.settings.isJSON {
        try output.print(change.json)
      } else if output.style.outputIsTerminal {
        // Moves to the top left corner and clears the screen.
        try output.print("\u{1B}[H\u{1B}[J" + change.table(output.style))
      } else {
        try output.print(change.line)
      }
      try output.flush()
      last = next
    }
  }

  private func sample(
    _ cache: SemanticCache, _ store: RedisStore, _ context: Context, since last: StatsSample? = nil
  ) throws -> StatsSample {
    let now = try store.time(for: context.clock())
    let stats = try cache.stats(namespace: namespace)
    var sample = StatsSample(at: .now, now: now, stats: stats)
    for (name, counters) in try store.pythonCounters() where namespace == nil || name == namespace {
      sample.late[name] = counters
    }
    if let last, last.now < now {
      // The current second is not over, so it is counted in the next sample.
      sample.uses = try store.uses(in: stats.namespaces.map(\.namespace), from: last.now, before: now)
    }
    return sample
  }
}

/// The figures of a cache at one moment.
struct StatsSample {
  var at: Instant
  var now: UnixTime
  var stats: Stats
  /// The counters that Python programs have added when they closed. `stats` includes them.
  var late: [Namespace: Counters] = [:]
  /// The entries of each namespace that were used since the sample before.
  var uses: [Namespace: Int] = [:]
}

/// The change from one sample to the next.
struct StatsChange {
  private let seconds: Double
  private let last, next: StatsSample
  private let keyPrefix: String
  private let order: ShowStats.Order

  init(from last: StatsSample, to next: StatsSample, keyPrefix: String, order: ShowStats.Order) {
    (self.last, self.next, self.keyPrefix, self.order) = (last, next, keyPrefix, order)
    seconds = max(0.001, last.at.duration(to: next.at).inSeconds)
  }

  /// The changes in a namespace, or in all.
  private struct Figures {
    var entries = 0
    var added = 0
    /// Entries that were used, hits and misses.
    var used = 0
    var hits: Int64 = 0
    var misses: Int64 = 0
    /// Lookups that Python programs have reported.
    var late: Int64 = 0

    var hitRate: Double? { hits + misses > 0 ? Double(hits) / Double(hits + misses) : nil }

    static func + (a: Figures, b: Figures) -> Figures {
      Figures(
        entries: a.entries + b.entries, added: a.added + b.added, used: a.used + b.used,
        hits: a.hits + b.hits, misses: a.misses + b.misses, late: a.late + b.late)
    }
  }

  private var rows: [(namespace: Namespace, figures: Figures)] {
    let before = Dictionary(uniqueKeysWithValues: last.stats.namespaces.map { ($0.namespace, $0) })
    let rows = next.stats.namespaces.map { summary in
      let (name, old) = (summary.namespace, before[summary.namespace])
      func grown(_ counters: [Counter], _ old: Counters?, _ new: Counters?) -> Int64 {
        counters.reduce(0) { $0 + max(0, (new?[$1] ?? 0) - (old?[$1] ?? 0)) }
      }
      /// Returns the counts of the interval, without those that Python programs have added when they closed.
      func live(_ counters: Counter...) -> Int64 {
        max(
          0,
          grown(counters, old?.counters, summary.counters) - grown(counters, last.late[name], next.late[name])
        )
      }
      return (
        namespace: name,
        figures: Figures(
          entries: summary.entries, added: summary.entries - (old?.entries ?? 0),
          used: next.uses[name] ?? 0, hits: live(.hitsExact, .hitsSemantic), misses: live(.misses),
          late: grown([.hitsExact, .hitsSemantic, .misses], last.late[name], next.late[name]))
      )
    }
    func sort(by key: (Figures) -> Double) -> [(namespace: Namespace, figures: Figures)] {
      rows.sorted {
        let (a, b) = (key($0.figures), key($1.figures))
        return a != b ? a > b : $0.namespace < $1.namespace
      }
    }
    return switch order {
    case .entries: sort { Double($0.entries) }
    case .used: sort { Double($0.used) }
    case .hits: sort { Double($0.hits) }
    case .misses: sort { Double($0.misses) }
    case .rate: sort { $0.hitRate ?? -1 }
    case .namespace, .full, .expiring, .oldest, .leftovers, .saved: rows
    }
  }

  private var total: Figures { rows.reduce(Figures()) { $0 + $1.figures } }

  /// Entries written or removed; nil if the version is damaged, or went back.
  private var writes: Int64? {
    guard let new = next.stats.version, let old = last.stats.version, new >= old else { return nil }
    return new - old
  }

  private func rate(_ count: some BinaryInteger) -> Double { Double(count) / seconds }
  private func perSecond(_ count: some BinaryInteger) -> String { decimals(rate(count), 1) }
  private func signed(_ number: Int) -> String { (number >= 0 ? "+" : "") + grouped(number) }

  // MARK: JSON

  var json: JSONOutput {
    .object(
      [
        ("key_prefix", JSONOutput(keyPrefix)), ("time", .integer(next.now.rawValue)),
        ("interval_seconds", .number((seconds * 1000).rounded() / 1000)),
        ("version", JSONOutput(next.stats.version)),
        ("writes_per_second", JSONOutput(writes.map { rounded(rate($0)) })),
      ] + members(of: total) + [
        (
          "namespaces",
          .array(rows.map { .object([("namespace", JSONOutput($0.namespace))] + members(of: $0.figures)) })
        )
      ])
  }

  private func rounded(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }

  private func members(of figures: Figures) -> [(String, JSONOutput)] {
    [
      ("entries", JSONOutput(figures.entries)), ("entries_added", JSONOutput(figures.added)),
      ("used_per_second", JSONOutput(rounded(rate(figures.used)))),
      ("hits_per_second", JSONOutput(rounded(rate(figures.hits)))),
      ("misses_per_second", JSONOutput(rounded(rate(figures.misses)))),
      ("hit_rate", JSONOutput(figures.hitRate)), ("late_lookups", JSONOutput(figures.late)),
    ]
  }

  // MARK: Text

  /// The change as a line.
  var line: String {
    let total = total
    return "\(utc(next.now).dropFirst(11))  "
      + [
        "\(entryCount(next.stats.entries)) (\(signed(total.added)))",
        "used \(perSecond(total.used))/s", "hits \(perSecond(total.hits))/s",
        "misses \(perSecond(total.misses))/s", "rate \(percentage(total.hitRate))",
        "writes \(writes.map(perSecond) ?? "-")/s",
        total.late > 0 ? "\(counted(total.late, "lookup")) of Python programs came late" : nil,
      ].compactMap(\.self).joined(separator: "  ")
  }

  /// Returns the change as a screen: totals, a row for each namespace, and a note on which figures are live.
  func table(_ style: TerminalStyle) -> String {
    var table = Table(
      [.init(title: "NAMESPACE", isFlexible: true, isName: true)]
        + ["ENTRIES", "+/-", "USED/S", "HITS/S", "MISSES/S", "RATE"].map { .init(title: $0, isNumeric: true) }
    )
    table.rows = rows.map { name, figures in
      [
        visible(name.name), grouped(figures.entries), figures.added == 0 ? "-" : signed(figures.added),
        perSecond(figures.used), perSecond(figures.hits), perSecond(figures.misses),
        figures.hitRate.map { "\(decimals($0 * 100, 0)) %" } ?? "-",
      ]
    }
    let late = total.late
    return [
      visible(keyPrefix) + "  " + line, "", table.text(style), "",
      filled(
        "Entries, writes and used entries move live. Hits and misses are mneme's own; Python programs add theirs when "
          + "they close" + (late > 0 ? ": \(counted(late, "lookup")) just now." : "."), indent: 0, style.width
      ).joined(separator: "\n"),
    ].joined(separator: "\n")
  }
}
