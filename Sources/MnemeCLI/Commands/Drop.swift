import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme drop`
struct Drop: Command {
  static let spec = CommandSpec(
    name: "drop", summary: "remove a whole cache",
    description: """
      Removes the whole cache under the prefix: its entries, quotas, counters and settings. Foreign keys stay, and \
      so do other caches whose prefix begins with this one. On a terminal, mneme asks you to type the prefix; \
      elsewhere {option:yes} is required. To remove only the entries, use {command:clear}.

      Stop the programs that use the cache first. What they write during the removal is removed too. What they write \
      afterwards begins a new cache, which a Python program finds only after it has opened the cache again.

      The user needs the right to run `SCAN`.
      """,
    options: [Options.yes, Options.dryRun, Options.pace],
    examples: [
      Example(command: "mneme drop -p staging --dry-run", says: "show what would be removed"),
      Example(command: "mneme drop -p staging --yes", says: "remove a cache without being asked"),
    ],
    exitNotes: [
      ExitNote(
        1, "there is no cache under the prefix, another program has created it again, or you did not confirm")
    ],
    seeAlso: ["mneme-clear(1)"], isMinor: true)

  let yes: Bool
  let dryRun: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    try context.settings.checkTerminal("asks for the prefix")
    let store = try context.openExistingStore()
    defer { store.close() }
    var report = DropReport(keyPrefix: context.settings.keyPrefix, dryRun: dryRun)
    if try context.noteAbsence(of: store) { return report }
    let work = try LongWork(
      context, unit: "entries", total: try? store.count(in: nil), pace: pace,
      change: { "removed \(entryCount($0))" })
    var options = KeySurveyOptions()
    options.sample = .count(0)
    options.control = WorkControl(shouldStop: { work.shouldStop })
    report.survey = try store.surveyKeys(options)
    try work.check()
    if dryRun { return report }
    if !yes, try !confirm(report, context) {
      report.isDeclined = true
      return report
    }
    let (entries, isComplete) = try store.drop(work.control())
    report.removed = entries
    report.interruption = isComplete ? nil : work.interruption
    if isComplete, try store.isThere() {
      context.warn(
        "the cache exists again: another program has put entries, or the server has lost the removal")
      report.isThereAgain = true
    }
    return report
  }

  private func confirm(_ report: DropReport, _ context: Context) throws -> Bool {
    let prefix = context.settings.keyPrefix
    let question =
      "This removes the cache '\(visible(prefix))' at \(visible(try context.serverAddress())): \(report.extent).\n"
      + "Type its prefix to remove it: "
    return try answer(to: question)?.utf8.elementsEqual(prefix.utf8) ?? false
  }
}

struct DropReport: Report {
  var keyPrefix: String
  var dryRun: Bool
  /// The contents of the prefix; nil if there is no cache.
  var survey: KeySurvey?
  /// The number of entries removed. It may differ from the survey if others have written since.
  var removed: Int?
  var isDeclined = false
  var isThereAgain = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  private func keys(_ isCounted: (KeyFamily?) -> Bool) -> Int {
    survey?.families.reduce(0) { $0 + (isCounted($1.family) ? $1.keys : 0) } ?? 0
  }
  private var entries: Int { removed ?? keys { $0 == .entry } }

  /// A description of what would be removed.
  var extent: String { "\(entryCount(entries)), \(counted(keys { $0 != nil }, "key"))" }

  var status: ExitStatus { interruption ?? (survey == nil || isThereAgain || isDeclined ? .no : .done) }

  var json: JSONOutput {
    [
      "key_prefix": JSONOutput(keyPrefix), "entries": JSONOutput(isDeclined ? 0 : entries),
      "keys": JSONOutput(isDeclined || interruption != nil ? 0 : keys { $0 != nil }),
      "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard survey != nil else { return nil }
    if isDeclined { return "nothing removed" }
    if interruption != nil {
      return "removed \(entryCount(entries)); interrupted: the cache still has the rest"
    }
    let name = "the cache '\(visible(keyPrefix))'"
    return ([dryRun ? "would remove \(name): \(extent)" : "removed \(name): \(extent)"] + left(style))
      .joined(separator: "\n")
  }

  /// Describes the keys under the prefix that do not belong to the cache and stay.
  private func left(_ style: TerminalStyle) -> [String] {
    guard let survey else { return [] }
    let foreign = keys { $0 == nil }
    let others = survey.otherCaches.map { "kept: \($0.line)" }
    guard foreign > 0 else { return others }
    let names = survey.foreign.prefix(5).map { visible(String(decoding: $0, as: UTF8.self)) }
    let more = foreign > names.count ? ", \(style.ellipsis)" : ""
    return ["kept: \(counted(foreign, "foreign key")): " + names.joined(separator: ", ") + more]
      + others
  }

  var isConfirmation: Bool { !dryRun && status == .done && !isDeclined }
}
