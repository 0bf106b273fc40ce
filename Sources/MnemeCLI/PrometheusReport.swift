import Mneme
import MnemeRedis

/// `stats` in Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/): each metric's
/// help and type once, then a line for each cache, or for each namespace of it.
struct PrometheusReport: Report {
  /// The namespace to which the rows are limited. The figures of whole caches are always printed.
  var namespace: Namespace?
  var caches: [Cache] = []

  struct Cache {
    var keyPrefix: String
    /// The exit status because of this cache.
    var status = ExitStatus.done
    /// nil for a cache that cannot be read.
    var stats: Stats?
    var activity: Activity?
  }

  private typealias Sample = (labels: [(String, String)], value: Int64)

  private enum Samples: Sendable {
    /// The labels in addition to the prefix, and the value; nil leaves the line out.
    case ofCache(@Sendable (Stats?) -> Sample?)
    case ofNamespace(@Sendable (NamespaceSummary) -> [Sample])
    /// A figure of each namespace, or of the whole cache.
    case ofUse(@Sendable (Activity) -> [Namespace: Int])
    case ofWholeUse(@Sendable (Activity) -> Int)
  }

  private struct Metric: Sendable {
    var name: String
    var type: String
    var help: String
    var samples: Samples
  }

  private static let fall =
    " Falls if the cache is removed, or if a Python program with lower counts than others closes."

  private static let metrics = [
    Metric(
      name: "mneme_up", type: "gauge", help: "Whether there is a cache under the prefix that can be read.",
      samples: .ofCache { ([], $0?.identity == nil ? 0 : 1) }),
    Metric(
      name: "mneme_info", type: "gauge", help: "The embedder and the schema of the cache.",
      samples: .ofCache { stats in
        stats?.identity.map {
          ([("embedder", $0.fingerprint), ("schema", String($0.schemaVersion))], 1)
        }
      }),
    Metric(
      name: "mneme_cache_entries", type: "gauge",
      help: "Entries in the cache, including leftovers of Redis's own expiry until a vacuum.",
      samples: .ofCache { stats in stats?.identity.map { _ in ([], Int64(stats?.entries ?? 0)) } }),
    Metric(
      name: "mneme_expired_pending", type: "gauge", help: "Expired entries that wait for a vacuum.",
      samples: .ofCache { stats in stats?.identity.map { _ in ([], Int64(stats?.expiredPending ?? 0)) } }),
    Metric(
      name: "mneme_entries", type: "gauge", help: "Entries in the namespace.",
      samples: .ofNamespace { [([], Int64($0.entries))] }),
    Metric(
      name: "mneme_quota_entries", type: "gauge", help: "The most entries that the namespace may hold.",
      samples: .ofNamespace { $0.quota.map { [([], Int64($0))] } ?? [] }),
    Metric(
      name: "mneme_hits_total", type: "counter", help: "Lookups answered from the cache, by layer." + fall,
      samples: .ofNamespace {
        [
          ([("layer", "exact")], $0.counters[.hitsExact]),
          ([("layer", "semantic")], $0.counters[.hitsSemantic]),
        ]
      }),
    Metric(
      name: "mneme_misses_total", type: "counter", help: "Lookups that found no answer." + fall,
      samples: .ofNamespace { [([], $0.counters[.misses])] }),
    Metric(
      name: "mneme_evictions_total", type: "counter", help: "Entries removed to keep a limit." + fall,
      samples: .ofNamespace { [([], $0.counters[.evictions])] }),
    Metric(
      name: "mneme_expirations_total", type: "counter",
      help: "Entries removed after their time to live." + fall,
      samples: .ofNamespace { [([], $0.counters[.expirations])] }),
    Metric(
      name: "mneme_used_24h", type: "gauge", help: "Entries that were put or served in the last 24 hours.",
      samples: .ofUse(\.used)),
    Metric(
      name: "mneme_expiring_24h", type: "gauge",
      help: "Entries in the cache that expire in the next 24 hours.",
      samples: .ofWholeUse(\.expiring)),
  ]

  var status: ExitStatus {
    caches.map(\.status).max { $0.rawValue < $1.rawValue } ?? .no
  }

  var json: JSONOutput { .null }

  /// Metrics of namespaces without a sample are left out: an empty cache has none.
  func text(_ style: TerminalStyle) -> String? {
    var lines: [String] = []
    forEachLine(style) { lines.append($0) }
    return lines.isEmpty ? nil : lines.joined(separator: "\n")
  }

  func print(on output: Output) throws {
    try forEachLine(output.style) { try output.print($0) }
  }

  private func forEachLine(_ style: TerminalStyle, _ body: (String) throws -> Void) rethrows {
    for metric in Self.metrics {
      var isFirst = true
      for cache in caches {
        for (labels, value) in samples(of: metric, cache) {
          if isFirst {
            try body("# HELP \(metric.name) \(metric.help)")
            try body("# TYPE \(metric.name) \(metric.type)")
            isFirst = false
          }
          let text = ([("key_prefix", cache.keyPrefix)] + labels)
            .map { "\($0)=\"\(Self.escaped($1, style))\"" }.joined(separator: ",")
          try body("\(metric.name){\(text)} \(value)")
        }
      }
    }
  }

  private func samples(of metric: Metric, _ cache: Cache) -> [Sample] {
    switch metric.samples {
    case .ofCache(let sample): return sample(cache.stats).map { [$0] } ?? []
    case .ofNamespace(let samples):
      return (cache.stats?.namespaces ?? []).filter { namespace == nil || $0.namespace == namespace }
        .flatMap { summary in
          samples(summary).map { ([("namespace", summary.namespace.name)] + $0.labels, $0.value) }
        }
    case .ofUse(let samples):
      guard let activity = cache.activity else { return [] }
      var found: [Sample] = []
      for (name, count) in samples(activity).sorted(by: { $0.key < $1.key })
      where namespace == nil || name == namespace {
        found.append(([("namespace", name.name)], Int64(count)))
      }
      return found
    case .ofWholeUse(let sample):
      guard let activity = cache.activity else { return [] }
      return [([], Int64(sample(activity)))]
    }
  }

  /// Escapes a label's value as the format requires, and control characters on a terminal.
  private static func escaped(_ text: String, _ style: TerminalStyle) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return style.outputIsTerminal ? visible(result) : result
  }
}
