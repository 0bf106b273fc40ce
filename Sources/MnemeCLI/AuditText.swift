import CommandGrammar
import Mneme

extension AuditReport {
  func text(_ style: TerminalStyle) -> String? {
    guard !audit.namespaces.isEmpty else { return "no entry to compare" }
    var parts = audit.namespaces.map { text(of: $0.namespace, $0.result, style) }
    if audit.interruption != nil { parts.append("interrupted; the figures are those up to then") }
    if let deletion {
      parts.append(
        deletion.deleted == 0 && !deletion.isDeclined ? "no duplicate to delete" : deletion.text(style) ?? "")
    }
    return parts.joined(separator: "\n\n")
  }

  private func text(of namespace: Namespace, _ result: NamespaceAudit, _ style: TerminalStyle) -> String {
    let extent =
      result.compared == result.entries
      ? "" : ", \(grouped(result.compared)) of them compared with all others"
    var parts = [
      style.bold(visible(namespace.name) + ":") + " " + entryCount(result.entries) + extent
    ]
    // A single entry has none to be compared with.
    guard result.entries > 1, result.compared > 0 else { return parts[0] }
    parts.append(conflicts(of: result, style))
    parts.append(duplicates(of: result, style))
    parts.append(table(of: result, style))
    return parts.joined(separator: "\n\n")
  }

  private func conflicts(of result: NamespaceAudit, _ style: TerminalStyle) -> String {
    let count = result.conflictCount
    guard count > 0 else { return "no conflict: \(pairs(0)) with different responses" }
    let heading = "\(counted(count, "conflict")): \(pairs(count)) with different responses"
    return list(result.conflicts, of: count, heading, style) { comparison in
      comparison.differences.isEmpty
        ? "the same words" : comparison.differences.map { $0.text }.joined(separator: ", ")
    }
  }

  private func duplicates(of result: NamespaceAudit, _ style: TerminalStyle) -> String {
    let count = result.duplicateCount
    guard count > 0 else { return "no duplicate: \(pairs(0)) with the same response" }
    let redundant = result.redundant.keepers.count
    let heading =
      "\(counted(count, "duplicate")): \(pairs(count)) with the same response; deleting the younger ones "
      + "(--apply-duplicates) frees \(entryCount(redundant)) and \(size(bytes(of: result.redundant)))"
    return list(result.duplicates, of: count, heading, style) { _ in "" }
  }

  private func pairs(_ count: Int) -> String {
    "\(count == 1 ? "a pair" : count == 0 ? "no pair" : "pairs") of similarity \(decimals(threshold, 2)) or more"
  }

  /// The pairs, with the two queries one below the other.
  private func list(
    _ pairs: [AuditedPair], of count: Int, _ heading: String, _ style: TerminalStyle,
    label: (TextComparison) -> String
  ) -> String {
    var lines = [prose(heading, style)]
    for pair in pairs {
      let (a, b) = (queries[pair.a], queries[pair.b])
      let comparison = TextComparison(a ?? "", b ?? "")
      let what = a == nil || b == nil ? "" : label(comparison)
      lines.append("")
      lines.append(decimals(pair.similarity, 3) + (what.isEmpty ? "" : "  " + what))
      let width = max("\(pair.a)".count, "\(pair.b)".count)
      for (id, query, marked) in [(pair.a, a, comparison.first), (pair.b, b, comparison.second)] {
        lines += side(id, query, marked, idWidth: width, style)
      }
    }
    if pairs.count < count {
      let verb = pairs.isEmpty ? "" : "\nand \(grouped(count - pairs.count)) more; "
      lines.append(verb + "--limit N shows N of them")
    }
    return lines.joined(separator: "\n")
  }

  /// The most characters of a query that are shown.
  private static let longestQuery = 1000

  private func side(
    _ id: EntryID, _ query: String?, _ marked: [Range<String.Index>], idWidth: Int, _ style: TerminalStyle
  ) -> [String] {
    let number = "\(id)"
    let label = "  " + String(repeating: " ", count: idWidth - number.count) + number + "  "
    guard let query else { return [label + "(gone)"] }
    let width = style.tableWidth == .max ? Int.max : max(16, style.tableWidth - label.count)
    let lines = wrap(words(of: query, marking: marked, style), width: width)
    let indent = String(repeating: " ", count: label.count)
    return lines.enumerated().map { ($0 == 0 ? label : indent) + $1 }
  }

  /// The words of a query, those parts in bold type that are marked.
  private func words(
    of query: String, marking ranges: [Range<String.Index>], _ style: TerminalStyle
  ) -> [StyledWord] {
    var words: [StyledWord] = []
    var joins = false
    func add(_ text: Substring, isBold: Bool) {
      for (number, piece) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isWhitespace)
        .enumerated()
      {
        if number > 0 { joins = false }
        guard !piece.isEmpty else { continue }
        let shown = visible(String(piece))
        let word = StyledWord(text: isBold ? style.bold(shown) : shown, width: displayWidth(shown))
        if joins, !words.isEmpty {
          words[words.count - 1].text += word.text
          words[words.count - 1].width += word.width
        } else {
          words.append(word)
        }
        joins = true
      }
    }
    let end = query.index(query.startIndex, offsetBy: Self.longestQuery, limitedBy: query.endIndex)
    var place = query.startIndex
    for range in ranges where range.lowerBound >= place && range.upperBound <= end ?? query.endIndex {
      add(query[place..<range.lowerBound], isBold: false)
      add(query[range], isBold: true)
      place = range.upperBound
    }
    add(query[place..<(end ?? query.endIndex)], isBold: false)
    if let end, end < query.endIndex { add(Substring(style.ellipsis), isBold: false) }
    return words
  }

  // MARK: The leave-one-out table

  private static let shownThresholds = [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99]

  private func table(of result: NamespaceAudit, _ style: TerminalStyle) -> String {
    guard result.leaveOneOut.rows.contains(where: { $0.falseRate != nil }) else {
      return "no entry would be answered by another one at a threshold of 0.70 or more"
    }
    let recommended = result.leaveOneOut.recommended(maxFalse: maxFalse)
    var table = Table(
      ["THRESHOLD", "SAME", "DIFFERENT", "NONE", "FALSE", "95 % INTERVAL"].map {
        .init(title: $0, isNumeric: true)
      })
    for row in result.leaveOneOut.rows
    where Self.shownThresholds.contains(row.threshold) || row == recommended || row.threshold == threshold {
      table.rows.append([
        decimals(row.threshold, 2), grouped(row.same), grouped(row.different), grouped(row.none),
        percentage(row.falseRate), row.interval.map(interval) ?? "-",
      ])
    }
    let verdict =
      recommended.map {
        "threshold \(decimals($0.threshold, 2)) is the lowest with at most \(percentage(maxFalse)) of false answers: "
          + "\(percentage($0.falseRate)), and with 95 % confidence \($0.interval.map(interval) ?? "-")"
      } ?? "no threshold has at most \(percentage(maxFalse)) of false answers"
    let heading =
      "Each query was asked as if its own entry were not in the cache: the nearest other one answers with the same response, "
      + "with a different one, or not at all."
    return """
      \(prose(heading, style))
      \(table.text(style))
      \(prose(verdict, style))
      """
  }

  private func prose(_ text: String, _ style: TerminalStyle) -> String {
    let words = text.split(separator: " ").map { StyledWord(text: String($0), width: displayWidth($0)) }
    return wrap(words, width: style.width).joined(separator: "\n")
  }

  private func interval(_ range: ClosedRange<Double>) -> String {
    "\(decimals(range.lowerBound * 100, 1)) to \(percentage(range.upperBound))"
  }
}

extension TextDifference {
  /// The difference between two queries, for the text output.
  var text: String {
    switch self {
    case .number: "a number"
    case .date: "a date or time"
    case .negation: "a negation"
    case .opposite: "an opposite"
    case .order: "the order of words"
    case .name: "a name or code"
    case .other: "other words"
    }
  }
}
