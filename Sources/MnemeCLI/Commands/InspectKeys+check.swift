import CommandGrammar
import Mneme
import MnemeRedis

extension InspectKeys {
  /// Runs the check for the text output.
  func check(_ store: RedisStore, _ context: Context) throws -> any Report {
    let findings = Findings()
    let work = try LongWork(context, unit: "entries", pace: pace, guarding: [store])
    let summary = try check(store, work, context) { findings.add($0) }
    try work.finish()
    try work.check()
    return CheckReport(
      keyPrefix: context.settings.keyPrefix, namespace: options.namespace, isAbsent: context.isAbsent,
      summary: summary, findings: findings)
  }

  /// Runs the check for JSON: the survey first, then any number of problems as they are found.
  func check(
    _ store: RedisStore, _ context: Context, after survey: KeySurveyReport
  ) throws -> any Report {
    let output = context.output
    let head = JSONOutput.object(survey.members + [("problems", [])]).text
    try output.write(head.utf8.dropLast(2))
    var separator = ""
    var notes: [JSONOutput] = []
    let work = try LongWork(context, unit: "entries", pace: pace, guarding: [store])
    let summary = try check(store, work, context) { problem in
      guard !problem.kind.isNote else {
        if !problem.isLeftover, notes.count < Self.notesInJSON { notes.append(problem.json()) }
        return
      }
      let text = separator + problem.json().text
      try output.write(output.style.outputIsTerminal ? JSONOutput.harmless(text).utf8 : text.utf8)
      separator = ","
    }
    try output.print(
      "],\"leftovers\":\(summary.leftovers),\"notes\":" + JSONOutput.array(notes).text + "}")
    try work.finish()
    try work.check()
    return NoReport(status: summary.problemCount > 0 ? .no : .done)
  }

  /// The most notes that are kept until the problems are written.
  private static let notesInJSON = 1000

  private func check(
    _ store: RedisStore, _ work: LongWork, _ context: Context, report: (CacheProblem) throws -> Void
  ) throws -> CheckSummary {
    var check = CheckOptions()
    check.namespace = options.namespace
    check.now = try store.time(for: context.clock())
    check.control = work.control()
    let summary = try store.check(check, report: report)
    if summary.keys == 0 || options.namespace != nil { try noteAbsence(of: store, context) }
    return summary
  }
}

/// The number of problems of each kind, and the first ones. Used on one thread.
final class Findings: @unchecked Sendable {
  private struct Finding {
    var problem: CacheProblem
    /// The reason why a repair left the problem.
    var reason: String?
  }

  /// The number of problems of each kind that the text output shows.
  private static let shown = 5
  private let limit: Int
  private var first: [CacheProblem.Kind: [Finding]] = [:]
  private var counts: [CacheProblem.Kind: Int] = [:]

  /// - Parameter limit: the number of problems of each kind to keep.
  init(limit: Int = Findings.shown) { self.limit = limit }

  func add(_ problem: CacheProblem, because reason: String? = nil) {
    counts[problem.kind, default: 0] += 1
    // Keeps the problems with the lowest ids, since a walk over the keys has no order.
    var findings = first[problem.kind] ?? []
    let place = findings.firstIndex { order(of: problem) < order(of: $0.problem) } ?? findings.count
    if place < limit {
      findings.insert(Finding(problem: problem, reason: reason), at: place)
      first[problem.kind] = Array(findings.prefix(limit))
    }
  }

  private func order(of problem: CacheProblem) -> Int64 { problem.id?.rawValue ?? .max }

  private var kinds: [CacheProblem.Kind] {
    CacheProblem.Kind.allCases.filter { counts[$0] != nil && !$0.isNote }
  }

  /// Notes, one on each line, about normal states that an operator should know.
  var notes: [String] {
    CacheProblem.Kind.allCases.filter { $0.isNote && $0 != .leftover && $0 != .leftoverHashKey }
      .flatMap { kind in
        let findings = (first[kind] ?? []).prefix(Findings.shown).map { "note: \($0.problem.detail)" }
        let rest = (counts[kind] ?? 0) - findings.count
        return findings + (rest > 0 ? ["note: and \(grouped(rest)) more"] : [])
      }
  }

  /// A line for each kind of problem: the first one, and the reason why it was left.
  var brief: [String] {
    kinds.compactMap { kind in
      guard let finding = first[kind]?.first else { return nil }
      let rest = (counts[kind] ?? 1) - 1
      let more = rest > 0 ? " And \(grouped(rest)) more." : ""
      let reason = finding.reason.map { " Left, because \($0)." } ?? ""
      return visible("\(kind.rawValue): \(finding.problem.detail)\(more)\(reason) \(finding.problem.repair)")
    }
  }

  var json: JSONOutput {
    .array(kinds.flatMap { first[$0] ?? [] }.map { $0.problem.json(because: $0.reason) })
  }

  /// Returns a paragraph for each kind of problem: the number, the first ones, and the repair.
  func text(_ style: TerminalStyle) -> String {
    kinds.compactMap { kind in
      guard let count = counts[kind], let findings = first[kind]?.prefix(Findings.shown) else { return nil }
      var lines = [style.bold("\(kind.rawValue): \(grouped(count))")]
      for finding in findings { lines += filled(visible(finding.problem.detail), indent: 2, style.width) }
      if count > findings.count {
        lines.append("  and \(grouped(count - findings.count)) more (see --json)")
      }
      if let reason = findings.first?.reason {
        lines += filled("Left, because \(visible(reason)).", indent: 2, style.width)
      }
      lines += filled(visible("Repair: " + (findings.first?.problem.repair ?? "")), indent: 2, style.width)
      return lines.joined(separator: "\n")
    }.joined(separator: "\n\n")
  }
}

extension CacheProblem {
  /// - Parameter reason: the reason why a repair left the problem.
  func json(because reason: String? = nil) -> JSONOutput {
    let members: [(String, JSONOutput)] = [
      ("problem", JSONOutput(kind.rawValue)), ("key", JSONOutput(String(decoding: key, as: UTF8.self))),
      ("namespace", JSONOutput(namespace?.name)), ("id", JSONOutput(id?.rawValue)),
      ("detail", JSONOutput(detail)), ("repair", JSONOutput(repair)),
    ]
    return .object(members + (reason.map { [("reason", JSONOutput($0))] } ?? []))
  }
}

/// - Parameter namespace: the namespace to which the command was limited.
func noKeys(of namespace: Namespace?, under keyPrefix: String) -> String {
  "no keys \(namespace.map { "of the namespace '\(visible($0.name))' " } ?? "")under the prefix '\(visible(keyPrefix))'"
}

struct CheckReport: Report {
  var keyPrefix: String
  /// The namespace to which the command was limited.
  var namespace: Namespace?
  /// Whether there is no cache, or no such namespace.
  var isAbsent: Bool
  var summary: CheckSummary
  var findings: Findings

  var status: ExitStatus { summary.problemCount > 0 ? .no : .done }
  var json: JSONOutput { .null }

  func text(_ style: TerminalStyle) -> String? {
    let isEmpty = namespace == nil ? summary.keys == 0 && summary.entries == 0 : isAbsent
    guard !isEmpty || summary.problemCount > 0 else { return noKeys(of: namespace, under: keyPrefix) }
    // The check of a namespace reads the whole cache, so its counts are not those of the namespace.
    let seen =
      namespace.map { "checked the namespace '\(visible($0.name))'" }
      ?? "checked \(entryCount(summary.entries)) and \(counted(summary.keys, "key"))"
    let notes = self.notes.map { "\n" + filled($0, indent: 0, style.width).joined(separator: "\n") }.joined()
    guard summary.problemCount > 0 else { return "\(seen): no problem\(notes)" }
    return "\(seen): \(counted(summary.problemCount, "problem"))\(notes)\n\n\(findings.text(style))"
  }

  private var notes: [String] {
    let leftovers =
      summary.leftovers > 0
      ? [
        "\(counted(summary.leftovers, "leftover")) of Redis's own expiry: normal until the next 'mneme vacuum'"
      ]
      : []
    return leftovers + findings.notes.map { visible($0) }
      + summary.otherCaches.map { $0.line + ", not checked" }
  }
}
