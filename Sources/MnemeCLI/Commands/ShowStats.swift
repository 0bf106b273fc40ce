import CommandGrammar
import Mneme

/// `mneme stats`
struct ShowStats: Command {
  static let spec = CommandSpec(
    name: "stats", summary: "show totals and a row for each namespace",
    description: """
      Counts entries, hits, misses, evictions and expirations, those that the Python library counted included. \
      Writes nothing. Ends with status 1 when there is no cache under the prefix.
      """,
    options: [Options.onlyNamespace],
    examples: [Example(command: "mneme stats", says: "show the figures of the cache")],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix"),
      ExitNote(65, "something is damaged; the rest was shown"),
    ])

  let namespace: Namespace?

  init(_ invocation: Invocation) throws(UsageError) { namespace = invocation[Options.onlyNamespace] }

  func run(_ context: Context) throws -> any Report {
    let cache = try context.openCache(try context.openStore(), embedder: nil)
    defer { cache.close() }
    let stats = try cache.stats(namespace: namespace)
    context.warn(of: stats.damaged)
    return StatsReport(keyPrefix: context.settings.keyPrefix, stats: stats)
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
      "vector_bytes": JSONOutput(stats.vectorBytes), "namespaces": .array(stats.namespaces.map(Self.row)),
    ]
  }

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
    guard let identity = stats.identity else { return "no cache under the prefix '\(visible(keyPrefix))'" }
    var lines = [
      "prefix      \(visible(keyPrefix))",
      "embedder    \(visible(identity.fingerprint)), \(identity.dimension) dimensions",
      "entries     \(grouped(stats.entries)), \(size(stats.vectorBytes)) of vectors",
      "hit rate    \(percentage(stats.counters.hitRate))",
      "expired     \(grouped(stats.expiredPending)) waiting for vacuum",
      "version     \(stats.version.map(String.init) ?? "-"), schema \(identity.schemaVersion)",
    ]
    guard !stats.namespaces.isEmpty else { return lines.joined(separator: "\n") }
    var table = Table([
      .init(title: "NAMESPACE", isFlexible: true), .init(title: "ENTRIES", isNumeric: true),
      .init(title: "QUOTA", isNumeric: true), .init(title: "EXACT", isNumeric: true),
      .init(title: "MEANING", isNumeric: true), .init(title: "MISSES", isNumeric: true),
      .init(title: "HITS", isNumeric: true), .init(title: "EVICTED", isNumeric: true),
      .init(title: "EXPIRED", isNumeric: true),
    ])
    for summary in stats.namespaces {
      table.rows.append(
        [
          visible(summary.namespace.name), grouped(summary.entries), summary.quota.map { grouped($0) } ?? "-",
          grouped(summary.counters[.hitsExact]), grouped(summary.counters[.hitsSemantic]),
          grouped(summary.counters[.misses]), percentage(summary.counters.hitRate),
          grouped(summary.counters[.evictions]), grouped(summary.counters[.expirations]),
        ])
    }
    lines += ["", table.text(style)]
    return lines.joined(separator: "\n")
  }
}
