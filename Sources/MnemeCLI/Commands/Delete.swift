import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme delete`
struct Delete: Command {
  static let queries = Argument(repeating: "QUERY", summary: "the questions whose answers go")
  static let ids = Option(
    repeating: "id", value: .integer("ID", 1...Int.max),
    summary: "an entry by its id, as `get --json` shows it")

  static let spec = CommandSpec(
    name: "delete", summary: "remove answers by question or id",
    description: """
      Removes the entry of each {arg:QUERY}, or those with the ids given. An answer that was served by meaning is \
      retired by its id.
      """,
    arguments: [queries],
    options: [Options.namespace, ids, Options.dryRun, Options.noNormalize],
    rules: [.exactlyOne(of: queries, ids), .atMostOne(of: ids, Options.namespace)],
    examples: [
      Example(command: "mneme delete -n faq 'Where is my card?'", says: "remove an answer by its question"),
      Example(command: "mneme delete --id 4711 --id 4712", says: "remove entries by id"),
    ],
    exitNotes: [ExitNote(1, "nothing was there")])

  let queries: [String]
  let ids: [EntryID]
  let namespace: Namespace
  let dryRun: Bool
  let normalizes: Bool

  init(_ invocation: Invocation) throws(UsageError) {
    queries = invocation[Self.queries]
    ids = invocation[Self.ids].map { EntryID(Int64($0)) }
    namespace = invocation[Options.namespace]
    dryRun = invocation[Options.dryRun]
    normalizes = !invocation[Options.noNormalize]
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let wanted = try ids.isEmpty ? idsOfQueries(store) : ids.map(Optional.some)
    let unique = Set(wanted.compactMap(\.self)).sorted()
    var report = DeletionReport(deleted: [], missing: wanted.count { $0 == nil }, dryRun: dryRun)
    // A few are gone before anything can happen.
    let guarded = unique.count > 64 && !dryRun ? [store] : []
    let work = try LongWork(context, unit: "entries", total: unique.count, guarding: guarded)
    for start in stride(from: 0, to: unique.count, by: 64) {
      report.interruption = work.interruption
      if report.interruption != nil { break }
      let batch = Array(unique[start..<min(start + 64, unique.count)])
      let deleted = try dryRun ? batch.filter { try store.holdsEntry($0) } : store.remove(ids: batch)
      report.deleted += deleted
      report.missing += batch.count - deleted.count
      work.tell(report.deleted.count)
    }
    try work.finish()
    if report.deleted.isEmpty { try context.noteAbsence(of: store) }
    return report
  }

  /// nil for a question that has no entry. One that is asked twice counts once.
  private func idsOfQueries(_ store: RedisStore) throws -> [EntryID?] {
    let hashes = Set(queries.map { QueryNormalizer.queryHash($0, normalizing: normalizes) })
    return try store.ids(namespace: namespace, queryHashes: hashes.sorted())
  }
}

struct DeletionReport: Report {
  var deleted: [EntryID]
  var missing: Int
  var dryRun: Bool
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (deleted.isEmpty ? .no : .done) }

  var json: JSONOutput {
    ["deleted": .array(deleted.map { JSONOutput($0) }), "missing": JSONOutput(missing)]
  }

  func text(_ style: TerminalStyle) -> String? {
    let missing =
      (missing > 0 ? "; \(grouped(missing)) not there" : "") + (interruption == nil ? "" : "; interrupted")
    guard !deleted.isEmpty else { return "nothing to delete" + missing }
    let verb = dryRun ? "would delete" : "deleted"
    let word = deleted.count == 1 ? "entry" : "entries"
    return "\(verb) \(word) " + deleted.map(\.description).joined(separator: ", ") + missing
  }

  var isConfirmation: Bool { !dryRun && interruption == nil }
}
