import Mneme

/// The result of an import or of its dry run.
struct ImportReport: Report {
  /// The number of entries stored for new queries. In a dry run, it is the number that would be stored.
  var added = 0
  /// The number of entries that replaced others. In a dry run, only those that differ are counted.
  var replaced = 0
  /// In a dry run, the replaced entries that differ only in the time and number of their uses.
  var differInUses = 0
  /// In a dry run, the entries that are stored already and do not differ.
  var same = 0
  var skipped = 0
  /// The skipped entries that have expired since they were exported.
  var expired = 0
  /// Lines that were left out because they cannot be stored.
  var invalid = 0
  var evicted = 0
  /// The number of quotas that were set.
  var quotas = 0
  /// The number of namespaces that got the counters of the export.
  var counters = 0
  var dryRun = false
  /// In a dry run, the first lines whose entries are new or differ in more than their uses.
  var changes: [Change] = []

  /// A line in the report of a dry run.
  struct Change {
    var line: Int
    var namespace: Namespace
    var query: String
    var isNew: Bool
  }

  /// Adds a line to those that are shown.
  mutating func note(_ change: Change) {
    if changes.count < SelectionPreview.shown { changes.append(change) }
  }

  /// Whether the file had no entry.
  var isEmpty: Bool { added + replaced + same + skipped + invalid == 0 }

  /// `.badData` if no line of the file can be stored: it is probably the wrong file.
  var status: ExitStatus { invalid > 0 && added + replaced + same + skipped == 0 ? .badData : .done }

  var json: JSONOutput {
    if dryRun {
      return [
        "new": JSONOutput(added), "changed": JSONOutput(replaced), "changed_uses": JSONOutput(differInUses),
        "same": JSONOutput(same), "skipped": JSONOutput(skipped), "invalid": JSONOutput(invalid),
        "dry_run": true,
      ]
    }
    return [
      "imported": JSONOutput(added + replaced), "replaced": JSONOutput(replaced),
      "skipped": JSONOutput(skipped), "invalid": JSONOutput(invalid), "evicted": JSONOutput(evicted),
      "quotas": JSONOutput(quotas), "dry_run": false,
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    func part(_ number: Int, _ text: String) -> String? { number > 0 ? text : nil }
    let entries = [
      part(expired, "left out \(grouped(expired)) that have expired"),
      part(skipped - expired, "skipped \(grouped(skipped - expired))"),
      part(invalid, "left out \(grouped(invalid)) that cannot be stored"),
    ]
    if dryRun {
      let uses = part(differInUses, " (\(grouped(differInUses)) of them only in their uses)") ?? ""
      return changesText(style) + "dry run: "
        + list(
          [
            "\(grouped(added)) new", "\(grouped(replaced)) changed\(uses)", "\(grouped(same)) the same",
          ] + entries)
    }
    return list(
      [
        "imported \(entryCount(added + replaced))",
        part(replaced, "\(grouped(replaced)) of them replacing older ones"),
      ] + entries + [
        part(evicted, "evicted \(grouped(evicted))"), part(quotas, "set \(counted(quotas, "quota"))"),
        part(counters, "restored the counters of \(counted(counters, "namespace"))"),
      ])
  }

  /// The table of the changes, and how many are not in it.
  private func changesText(_ style: TerminalStyle) -> String {
    guard !changes.isEmpty else { return "" }
    var table = Table([
      .init(title: "LINE", isNumeric: true), .init(title: "CHANGE"), .init(title: "NAMESPACE"),
      .init(title: "QUERY", isFlexible: true),
    ])
    table.rows = changes.map {
      [
        "\($0.line)", $0.isNew ? "new" : "changed",
        fitted(visible($0.namespace.name), to: 24, keepsEnd: true),
        EntryRow.beginning(of: $0.query),
      ]
    }
    let more = added + replaced - differInUses - changes.count
    return table.text(style) + (more > 0 ? "\nand \(grouped(more)) more" : "") + "\n"
  }

  var isConfirmation: Bool { !dryRun }
}
