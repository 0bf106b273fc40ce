import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme audit`
struct Audit: Command {
  static let threshold = Option(
    "threshold", value: .number("F", 0...1), default: 0.85,
    summary: "the similarity from which two entries are a pair",
    details: "{option:like} uses it too.")
  static let sample = Option(
    "sample", value: .count("N", 1...Int.max), default: 20_000,
    summary: "how many entries to compare with all others",
    details: """
      If a namespace has more entries, only this many of them, drawn at random, are compared with all others. Each \
      run draws the same ones. Pairs of which neither entry was drawn are not found, and the interval of the false \
      rate is wider.
      """)
  static let limit = Option(
    "limit", value: .count("N", 0...10_000_000), summary: "show at most this many pairs of each kind",
    details: "If not given, 20, and 10,000 with {option:json}. The counts are of all pairs.")
  static let maxFalse = Option(
    "max-false", value: .number("F", 0...1), default: 0.01, summary: "the share of false answers to allow",
    details:
      "The recommended threshold is the lowest with at most this share of different responses among those served."
  )
  static let applyDuplicates = Switch(
    "apply-duplicates", summary: "delete the younger entry of each duplicate pair",
    details: """
      Shows the entries and asks for confirmation, as {command:delete} does. An entry is deleted only if the older \
      entry of its pair still exists unchanged. An entry that answers in place of a deleted one stays, so every \
      second entry of a chain of duplicates remains.
      """)

  static let spec = CommandSpec(
    name: "audit", summary: "find what the cache could answer wrongly",
    description: """
      Compares the entries of each namespace with one another and reports three things. Conflicts are pairs of \
      entries so similar that each could be served for the query of the other, with different responses. The kind of \
      difference between their queries is named (number, date, negation, opposite, order, name, other), and the \
      words that differ are in bold type. Duplicates are such pairs with the same response. The leave-one-out table \
      asks each query as if its own entry were not in the cache. For each threshold it shows how many queries are \
      answered by another entry with the same response, with a different one, or not at all. Below it mneme \
      recommends the lowest threshold with few false answers.

      It needs neither an embedder nor labels, and changes nothing without {option:apply-duplicates}. It measures \
      only the queries that the cache holds, and ignores age and number of uses. Responses that differ in one letter \
      are different. If an application generates the response to each query separately, pairs whose responses mean \
      the same are reported as conflicts.
      """,
    arguments: [SelectionRequest.moreIDs],
    options: [threshold, sample, limit, maxFalse, applyDuplicates, Options.yes, Options.dryRun, Options.pace]
      + SelectionRequest.choices + EmbedderChoice.options,
    rules: [
      .dependency(of: Options.yes, on: applyDuplicates),
      .dependency(of: Options.dryRun, on: applyDuplicates),
    ] + SelectionRequest.choiceRules,
    examples: [
      Example(
        command: "mneme audit -n faq --threshold 0.95",
        says: "find the pairs that hardly any threshold separates"),
      Example(
        command: "mneme audit --json --limit 0 | jq '.namespaces[].recommended_threshold'",
        says: "print the threshold that each namespace needs"),
      Example(command: "mneme audit --apply-duplicates --dry-run", says: "show the duplicates"),
    ],
    exitNotes: [ExitNote(1, "there is a conflict, no cache or no such namespace, or you did not confirm")])

  let selection: SelectionRequest
  let threshold: Double
  let sample: Int
  let limit: Int
  let maxFalse: Double
  let appliesDuplicates: Bool
  let yes: Bool
  let dryRun: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    selection = try SelectionRequest(invocation, moreIDs: invocation[SelectionRequest.moreIDs])
    threshold = invocation[Self.threshold]
    sample = invocation[Self.sample]
    limit = invocation[Self.limit] ?? (invocation[Options.json] ? 10_000 : 20)
    maxFalse = invocation[Self.maxFalse]
    appliesDuplicates = invocation[Self.applyDuplicates]
    yes = invocation[Options.yes]
    dryRun = invocation[Options.dryRun]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    if appliesDuplicates { try context.settings.checkTerminal("asks before it removes duplicates") }
    let store = try context.openExistingStore()
    defer { store.close() }
    let dimension = try store.identity()?.dimension ?? 0
    let chosen = try selection.selection(store, context)
    var options = AuditOptions()
    (options.threshold, options.sample, options.pairs) = (threshold, sample, limit)
    let audit = try CacheAudit(chosen, options, store, context, pace: pace)
    var report = AuditReport(audit: audit, threshold: threshold, maxFalse: maxFalse, dimension: dimension)
    report.queries = try queries(of: audit, store)
    if audit.namespaces.isEmpty { try context.noteAbsence(of: store, chosen.namespaces) }
    if appliesDuplicates, audit.interruption == nil {
      report.deletion = try delete(audit, chosen, store, context)
    }
    return report
  }

  /// Reads the queries of the pairs to report.
  private func queries(of audit: CacheAudit, _ store: RedisStore) throws -> [EntryID: String] {
    var shown = Selection.everything
    shown.ids = audit.namespaces.reduce(into: []) { ids, audited in
      for pair in audited.result.conflicts + audited.result.duplicates { ids?.formUnion([pair.a, pair.b]) }
    }
    var queries: [EntryID: String] = [:]
    guard shown.ids?.isEmpty == false else { return queries }
    try store.forEachEntry(in: shown, reading: .query, whenCorrupt: { _, _ in }) { queries[$0.id] = $0.query }
    return queries
  }

  private func delete(
    _ audit: CacheAudit, _ chosen: Selection, _ store: RedisStore, _ context: Context
  ) throws -> SelectedDeletionReport {
    var redundant = RedundantEntries()
    for (_, result) in audit.namespaces { redundant.formUnion(result.redundant) }
    guard !redundant.keepers.isEmpty else { return SelectedDeletionReport(dryRun: dryRun) }
    var selection = Selection()
    selection.ids = Set(redundant.keepers.keys)
    selection.expiry = chosen.expiry
    selection.redundant = redundant
    return try SelectedDeletion(asks: !yes, dryRun: dryRun, pace: pace).run(selection, store, context)
  }
}

struct AuditReport: Report {
  var audit: CacheAudit
  var threshold: Double
  var maxFalse: Double
  /// The numbers of each vector.
  var dimension: Int
  /// The queries of the pairs that are shown. An entry that has been removed since has none.
  var queries: [EntryID: String] = [:]
  /// The outcome of `--apply-duplicates`.
  var deletion: SelectedDeletionReport?

  var status: ExitStatus {
    if let status = audit.interruption ?? deletion?.interruption { return status }
    let hasConflict = audit.namespaces.contains { $0.result.conflictCount > 0 }
    return hasConflict || deletion?.isDeclined == true ? .no : .done
  }

  var json: JSONOutput {
    var members: [(String, JSONOutput)] = [
      ("threshold", JSONOutput(threshold)), ("complete", JSONOutput(audit.interruption == nil)),
      ("namespaces", .array(audit.namespaces.map { json(of: $0.namespace, $0.result) })),
    ]
    if case .object(let deleted)? = deletion?.json { members += deleted }
    return .object(members)
  }

  private func json(of namespace: Namespace, _ result: NamespaceAudit) -> JSONOutput {
    let recommended = result.leaveOneOut.recommended(maxFalse: maxFalse)
    return [
      "namespace": JSONOutput(namespace), "entries": JSONOutput(result.entries),
      "compared": JSONOutput(result.compared),
      "conflicts": .array(result.conflicts.map { json(of: $0, differs: true) }),
      "conflict_count": JSONOutput(result.conflictCount),
      "duplicates": .array(result.duplicates.map { json(of: $0, differs: false) }),
      "duplicate_count": JSONOutput(result.duplicateCount),
      "redundant": [
        "entries": JSONOutput(result.redundant.keepers.count),
        "bytes": JSONOutput(bytes(of: result.redundant)),
      ],
      "leave_one_out": .array(
        result.leaveOneOut.rows.map {
          [
            "threshold": JSONOutput($0.threshold), "same": JSONOutput($0.same),
            "different": JSONOutput($0.different), "none": JSONOutput($0.none),
          ]
        }),
      "recommended_threshold": JSONOutput(recommended?.threshold),
      "false_rate": JSONOutput(recommended?.falseRate),
      "interval": recommended?.interval.map { [JSONOutput($0.lowerBound), JSONOutput($0.upperBound)] } ?? nil,
    ]
  }

  private func json(of pair: AuditedPair, differs: Bool) -> JSONOutput {
    func side(_ id: EntryID) -> JSONOutput { ["id": JSONOutput(id), "query": JSONOutput(queries[id])] }
    var members = [
      ("a", side(pair.a)), ("b", side(pair.b)), ("similarity", JSONOutput(min(1, pair.similarity))),
    ]
    if differs, let a = queries[pair.a], let b = queries[pair.b] {
      let differences = TextComparison(a, b).differences
      members.append(("differs", .array(differences.map { JSONOutput($0.rawValue) })))
    }
    return .object(members)
  }

  /// The bytes of texts and vectors.
  func bytes(of redundant: RedundantEntries) -> Int {
    redundant.byteCount + redundant.keepers.count * dimension * 4
  }
}
