import CommandGrammar
import Mneme
import MnemeRedis

extension InspectKeys {
  /// The check, as text.
  func check(_ store: RedisStore, _ work: LongWork, _ context: Context) throws -> any Report {
    let findings = Findings()
    let summary = try check(store, work, context) { findings.add($0) }
    try work.check()
    return CheckReport(keyPrefix: context.settings.keyPrefix, summary: summary, findings: findings)
  }

  /// The check, as JSON: the survey first, then the problems as they are found, of which there may be any number.
  func check(
    _ store: RedisStore, _ work: LongWork, _ context: Context, after survey: KeySurveyReport
  ) throws -> any Report {
    let output = context.output
    let head = JSONOutput.object(survey.members + [("problems", [])]).text
    try output.write(head.utf8.dropLast(2))
    var separator = ""
    let summary = try check(store, work, context) { problem in
      let text = separator + problem.json.text
      try output.write(output.style.outputIsTerminal ? JSONOutput.harmless(text).utf8 : text.utf8)
      separator = ","
    }
    try output.print("]}")
    try work.check()
    return Silence(status: summary.problemCount > 0 ? .no : .done)
  }

  private func check(
    _ store: RedisStore, _ work: LongWork, _ context: Context, report: (CacheProblem) throws -> Void
  ) throws -> CheckSummary {
    let progress = Progress(context, unit: "entries")
    var check = CheckOptions()
    check.namespace = options.namespace
    check.shouldStop = { work.shouldStop }
    check.progress = { share, entries in
      progress.update(entries, share: share)
      work.batchDone()
    }
    return try store.check(check, report: report)
  }
}

/// The first problems of each kind.
final class Findings {
  static let shown = 5
  private(set) var first: [CacheProblem.Kind: [CacheProblem]] = [:]

  func add(_ problem: CacheProblem) {
    if first[problem.kind, default: []].count < Findings.shown { first[problem.kind]?.append(problem) }
  }

  /// A paragraph for each kind that there is: how many, the first of them, and what mends them.
  func text(_ counts: [CacheProblem.Kind: Int], _ style: TerminalStyle) -> String {
    CacheProblem.Kind.allCases.compactMap { kind in
      guard let count = counts[kind], let first = first[kind] else { return nil }
      var lines = [style.bold("\(kind.rawValue): \(grouped(count))")]
      for problem in first { lines += filled(visible(problem.detail), indent: 2, style.width) }
      if count > first.count { lines.append("  … and \(grouped(count - first.count)) more") }
      lines += filled("Repair: " + (first.first?.repair ?? ""), indent: 2, style.width)
      return lines.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }
}

/// A paragraph in lines of so many columns.
private func filled(_ text: String, indent: Int, _ columns: Int) -> [String] {
  let words = text.split(separator: " ").map { StyledWord(text: String($0), width: displayWidth(String($0))) }
  let margin = String(repeating: " ", count: indent)
  return wrap(words, width: columns - 1 - indent).map { margin + $0 }
}

extension CacheProblem {
  var json: JSONOutput {
    [
      "problem": JSONOutput(kind.rawValue), "key": JSONOutput(String(decoding: key, as: UTF8.self)),
      "namespace": JSONOutput(namespace?.name), "id": JSONOutput(id?.rawValue), "detail": JSONOutput(detail),
      "repair": JSONOutput(repair),
    ]
  }
}

struct CheckReport: Report {
  var keyPrefix: String
  var summary: CheckSummary
  var findings: Findings

  var status: ExitStatus { summary.problemCount > 0 ? .no : .done }
  var json: JSONOutput { .null }

  func text(_ style: TerminalStyle) -> String? {
    guard summary.keys > 0 else { return "no keys under the prefix '\(visible(keyPrefix))'" }
    let seen = "checked \(entryCount(summary.entries)) and \(counted(summary.keys, "key"))"
    guard summary.problemCount > 0 else { return "\(seen): no problem" }
    return "\(seen): \(counted(summary.problemCount, "problem"))\n\n\(findings.text(summary.problems, style))"
  }
}
