import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme delete`
struct Delete: Command {
  static let queries = Argument(
    repeating: "QUERY", summary: "the queries whose entries are deleted; after {option:id}, ids")

  static let spec = CommandSpec(
    name: "delete", summary: "delete entries by question, id, text, age or use",
    description: """
      Deletes the entry of each {arg:QUERY}, the entries with the given ids, or all that match a selection. With a \
      selection, mneme shows the entries first and asks for confirmation on a terminal; elsewhere {option:yes} is \
      required. An entry that changes while the command runs is checked again before it is deleted.
      """,
    arguments: [queries],
    options: [Options.yes, Options.dryRun, Options.noNormalize, Options.pace] + SelectionRequest.options,
    rules: SelectionRequest.rules + [
      .dependency(of: Options.noNormalize, on: queries),
      .exclusion(of: Options.noNormalize, from: [SelectionRequest.ids]),
    ],
    examples: [
      Example(command: "mneme delete -n faq 'Where is my card?'", says: "delete an entry by its question"),
      Example(command: "mneme delete --id 4711 4712", says: "delete entries by id"),
      Example(
        command: "mneme delete --metadata source=handbook-2023 --dry-run",
        says: "show which entries came from an old document"),
    ],
    exitNotes: [ExitNote(1, "no entry was deleted")])

  let queries: [String]
  let selection: SelectionRequest
  let yes: Bool
  let dryRun: Bool
  let normalizes: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    let words = invocation[Self.queries]
    let isByID = invocation.isGiven(SelectionRequest.ids)
    selection = try SelectionRequest(invocation, moreIDs: isByID ? words : [])
    queries = isByID ? [] : words
    guard selection.isGiven || !queries.isEmpty else {
      throw invocation.usageError(
        "QUERY, --id or a selection is missing",
        suggestion:
          "Name the entries, as with --id 4711 or --older-than 30d; 'mneme clear' empties namespaces.")
    }
    guard queries.isEmpty || selection.isAtMostNamespaces else {
      throw invocation.usageError(
        "a QUERY and a selection exclude each other", suggestion: "--query-contains selects by question.")
    }
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    normalizes = !invocation[Options.noNormalize]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let isChosenBySight = queries.isEmpty && !selection.isAtMostIDs
    if isChosenBySight { try context.settings.checkTerminal() }
    let store = try context.openExistingStore()
    defer { store.close() }
    if isChosenBySight {
      let deletion = SelectedDeletion(asks: !yes, dryRun: dryRun, pace: pace)
      return try deletion.run(selection.selection(store, context), store, context)
    }
    let (ids, missing) = try queries.isEmpty ? (selection.chosenIDs(), 0) : idsOfQueries(store)
    let unique = ids.sorted()
    var report = DeletionReport(missing: missing, dryRun: dryRun, isByQuery: !queries.isEmpty)
    // A few entries are deleted so quickly that a check for data loss is not worth its round trip.
    let guarded = unique.count > 64 && !dryRun ? [store] : []
    let work = try LongWork(
      context, unit: "entries", total: unique.count, pace: pace, guarding: guarded,
      change: dryRun ? nil : { "deleted \(entryCount($0))" })
    let size = RedisStore.removalBatch
    for start in stride(from: 0, to: unique.count, by: size) {
      report.interruption = work.interruption
      if report.interruption != nil { break }
      let batch = Array(unique[start..<min(start + size, unique.count)])
      let deleted = try dryRun ? batch.filter { try store.holdsEntry($0) } : store.remove(ids: batch)
      report.deleted += deleted
      report.missing += batch.count - deleted.count
      work.tell(report.deleted.count)
      work.pause()
    }
    try work.finish()
    if report.deleted.isEmpty {
      try context.noteAbsence(of: store, queries.isEmpty ? [] : selection.namespacesOrDefault)
    }
    return report
  }

  /// Returns the ids of the entries for the queries, and the number of queries without an entry in any of the
  /// namespaces. A query given twice counts once.
  private func idsOfQueries(_ store: RedisStore) throws -> (Set<EntryID>, Int) {
    var missing = Set(queries.map { QueryNormalizer.queryHash($0, normalizing: normalizes) })
    let hashes = missing.sorted()
    var ids: Set<EntryID> = []
    for namespace in selection.namespacesOrDefault {
      for (hash, id) in zip(hashes, try store.ids(namespace: namespace, queryHashes: hashes)) {
        guard let id else { continue }
        ids.insert(id)
        missing.remove(hash)
      }
    }
    return (ids, missing.count)
  }
}

struct DeletionReport: Report {
  var deleted: [EntryID] = []
  var missing: Int
  var dryRun: Bool
  /// Whether queries were given, not ids.
  var isByQuery = false
  /// The status of a run that a signal has ended early.
  var interruption: ExitStatus?

  var status: ExitStatus { interruption ?? (deleted.isEmpty ? .no : .done) }

  var json: JSONOutput {
    [
      "deleted": .array(deleted.map { JSONOutput($0) }), "missing": JSONOutput(missing),
      "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let sought = counted(missing, isByQuery ? "query" : "id", plural: isByQuery ? "queries" : "ids")
    let missing = (missing > 0 ? "; \(sought) not found" : "") + (interruption == nil ? "" : "; interrupted")
    let advice = isByQuery ? "; --contains TEXT selects by a part of the text" : ""
    guard !deleted.isEmpty else { return "nothing deleted" + missing + advice }
    let verb = dryRun ? "would delete" : "deleted"
    // More ids would make a line too long to be read.
    guard deleted.count <= 20 else { return "\(verb) \(entryCount(deleted.count))" + missing }
    let word = deleted.count == 1 ? "entry" : "entries"
    return "\(verb) \(word) " + deleted.map(\.description).joined(separator: ", ") + missing
  }

  var isConfirmation: Bool { !dryRun && interruption == nil }
}
