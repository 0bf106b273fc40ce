import Mneme

/// `stats` in Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/): each metric's
/// help and type, then a line for each namespace, or one for the cache.
struct PrometheusReport: Report {
  var keyPrefix: String
  var stats: Stats

  private struct Metric: Sendable {
    var name: String
    var type: String
    var help: String
    /// The labels beside prefix and namespace, and the value; none where a namespace has none.
    var samples: @Sendable (NamespaceSummary) -> [(labels: String, value: Int64)]
  }

  private static let metrics = [
    Metric(name: "mneme_entries", type: "gauge", help: "Entries in the cache.") {
      [("", Int64($0.entries))]
    },
    Metric(name: "mneme_quota_entries", type: "gauge", help: "The most entries that the namespace may hold.")
    {
      $0.quota.map { [("", Int64($0))] } ?? []
    },
    Metric(name: "mneme_hits_total", type: "counter", help: "Lookups answered from the cache, by layer.") {
      [(",layer=\"exact\"", $0.counters[.hitsExact]), (",layer=\"semantic\"", $0.counters[.hitsSemantic])]
    },
    Metric(name: "mneme_misses_total", type: "counter", help: "Lookups that found no answer.") {
      [("", $0.counters[.misses])]
    },
    Metric(name: "mneme_evictions_total", type: "counter", help: "Entries removed to keep a limit.") {
      [("", $0.counters[.evictions])]
    },
    Metric(
      name: "mneme_expirations_total", type: "counter", help: "Entries removed after their time to live."
    ) {
      [("", $0.counters[.expirations])]
    },
  ]

  var status: ExitStatus { stats.identity == nil ? .no : stats.damaged.isEmpty ? .done : .badData }

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
    guard stats.identity != nil else { return }
    let prefix = Self.escaped(keyPrefix, style)
    try head("mneme_expired_pending", "gauge", "Expired entries that wait for a vacuum.", body)
    try body("mneme_expired_pending{key_prefix=\"\(prefix)\"} \(stats.expiredPending)")
    for metric in Self.metrics {
      var isFirst = true
      for summary in stats.namespaces {
        for (labels, value) in metric.samples(summary) {
          if isFirst {
            try head(metric.name, metric.type, metric.help, body)
            isFirst = false
          }
          let namespace = Self.escaped(summary.namespace.name, style)
          try body("\(metric.name){key_prefix=\"\(prefix)\",namespace=\"\(namespace)\"\(labels)} \(value)")
        }
      }
    }
  }

  private func head(
    _ name: String, _ type: String, _ help: String, _ body: (String) throws -> Void
  ) rethrows {
    try body("# HELP \(name) \(help)")
    try body("# TYPE \(name) \(type)")
  }

  /// A label's value as the format has it, and harmless where it goes to a terminal.
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
