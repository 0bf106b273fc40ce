import Mneme
import MnemeRedis

/// Collects lines in batches, and stores each batch in one transaction.
///
/// A line is first in `pending`, where a batch is collected, then in `underWay` while the batch's transaction runs. It
/// is stored when the transaction is confirmed.
struct ImportRun {
  var report: ImportReport
  let store: RedisStore
  let options: ImportOptions
  let context: Context
  private let source: String
  /// The name of a record of the file: line, element or row.
  private let unit: String
  private let limits = Limits()
  var identity: CacheIdentity?
  var embedder: (any Embedder)?
  private var pending: [(draft: EntryLine.Draft, line: Int)] = []
  private var pendingBytes = 0
  private var pendingLacksVectors = false
  private let insertion: BatchInsertion
  private var underWay: [Batch] = []
  /// The last line up to which all entries are stored.
  private var storedLine: Int
  /// After an error, the later lines whose entries are stored nevertheless, and those for which that is not known.
  private var (storedBeyond, unknownBeyond): ([String], [String]) = ([], [])
  private let sinceLine: Int
  /// The work that knows which server holds the entries stored so far.
  private let server: LongWork?
  private(set) var notes: ImportNotes
  var settings: ExportSettings?
  /// Whether this run creates the cache.
  var isNewCache = false
  /// The namespaces whose counters were restored.
  var restored: Set<Namespace> = []
  /// Digests of namespace and query of the lines that a dry run has compared.
  var compared: Set<Int> = []

  /// Lines that are stored together.
  private struct Batch {
    var lines: [Int]
    /// The entries of the batch that have not expired.
    var entries: [StoredEntry] = []
    var entryLines: [Int] = []
  }

  /// The number of texts in a request to an embedder, also if fewer entries share a transaction.
  private static let leastTexts = 64

  /// The number of entries that the next transaction stores.
  private var batchSize: Int {
    options.batchSize ?? (options.dryRun ? Self.leastTexts : RedisStore.preferredBatch.count)
  }

  init(
    _ store: RedisStore, _ options: ImportOptions, _ context: Context, source: String, unit: String,
    sinceLine: Int = 0, server: LongWork? = nil
  ) {
    (self.unit, self.server, notes) = (unit, server, ImportNotes(unit: unit))
    self.store = store
    self.options = options
    self.context = context
    self.source = source
    (storedLine, self.sinceLine) = (sinceLine, sinceLine)
    insertion = BatchInsertion(
      store, onConflict: options.onConflict, evictingOver: options.maxEntries)
    report = ImportReport(dryRun: options.dryRun)
  }

  /// The part of an error message about the lines that are stored and how to continue.
  var state: String { state(after: nil) }

  private func state(after error: (any Error)?) -> String {
    if options.dryRun { return "Nothing would have been stored." }
    let trust = trust(after: error)
    // Several connections write at the same time, so a later batch may be stored while an earlier one is not.
    let state = trust == .whole ? "are stored too" : "were acknowledged too"
    let stored = storedBeyond.isEmpty ? "" : "The later \(unit)s \(list(storedBeyond)) \(state). "
    let unknown = unknownBeyond.isEmpty ? "" : "The \(unit)s \(list(unknownBeyond)) may be stored. "
    let again =
      "import the whole file again" + (options.onConflict == .fail ? " with --on-conflict skip." : ".")
    guard storedLine > sinceLine else {
      if !storedBeyond.isEmpty || trust == .broken { return "\(stored)\(unknown)To be sure, \(again)" }
      return error?.isUnsure != true && unknown.isEmpty
        ? "Nothing was stored." : "\(unknown)It is not known whether any is stored."
    }
    let lines = "\(stored)\(unknown)The \(unit)s up to \(storedLine)"
    let mark = server?.mark
    let since = Resumption(line: storedLine, mark: mark).description
    switch trust {
    case .whole: return "\(lines) are stored; continue with --since-line \(since)."
    case .checked where mark != nil:
      return
        "\(lines) were acknowledged; continue with --since-line \(since). If that is refused, \(again)"
    case .checked, .broken: return "\(lines) were acknowledged, and may be lost; \(again)"
    }
  }

  /// Whether the server still has the entries that it has confirmed.
  private enum Trust {
    case whole
    /// It has them if it is the same server when the import continues.
    case checked
    case broken
  }

  private func trust(after error: (any Error)?) -> Trust {
    switch (error as? StoreBackendError).map({ ($0.reason, $0.remedy) }) {
    case (.lostWrites, _)?, (.readOnly, .usePrimary)?: return .broken
    case (.connectionLost, _)?, (.timedOut, _)?, (.protocolViolation, _)?, (.unreachable, _)?,
      (.notReady, _)?:
      return .checked
    default: break
    }
    guard error?.isUnsure != true else { return .checked }
    do {
      try server?.confirm()
      return .whole
    } catch {
      return (error as? StoreBackendError)?.reason == .lostWrites ? .broken : .checked
    }
  }

  /// Whether the file had no entry, quota or counter.
  var hasFoundNothing: Bool {
    report.isEmpty && settings.map { $0.quotas.isEmpty && $0.counters.isEmpty } ?? true
  }

  /// Ends the connections that the import has made.
  func close() { insertion.close() }

  /// Adds the next line.
  /// - Returns: whether a batch was sent.
  mutating func take(_ line: DraftReader.Line) throws -> Bool {
    do {
      switch try line.record.get() {
      case .settings(let settings):
        try take(settings)
        return false
      case .entry(let draft): return try take(draft, line)
      }
    } catch let error as UnreadableEntry {
      report.invalid += 1
      notes.leaveOut(unreadable: line.number, error)
      return false
    } catch let error where options.onInvalid == .skip && isOfLine(error) {
      report.invalid += 1
      notes.leaveOut(line.number, error)
      return false
    } catch {
      // The lines before this one are stored first, even if this line is wrong.
      guard !(error is LineError) else { throw error }
      try finish()
      throw LineError(line: line.number, unit: unit, source: source, underlying: error, state: state)
    }
  }

  private mutating func take(_ draft: EntryLine.Draft, _ line: DraftReader.Line) throws -> Bool {
    var draft = draft
    if let namespace = options.namespace { draft.namespace = namespace }
    let isRefusedByPut = try check(draft)
    if identity == nil { try settleIdentity(by: draft, line: line.number) }
    try checkEmbedder(of: draft)
    try checkVector(of: draft)
    notes.take(draft, isRefusedByPut: isRefusedByPut, line: line.number)
    draft.queryHash =
      draft.queryHash ?? QueryNormalizer.queryHash(draft.query, normalizing: options.normalizes)
    let isFull =
      pending.count >= (pendingLacksVectors ? max(Self.leastTexts, batchSize) : batchSize)
      || pendingBytes >= RedisStore.preferredBatch.bytes
    if isFull { try storePending() }
    pendingLacksVectors = pendingLacksVectors || draft.embedding == nil
    pending.append((draft, line.number))
    pendingBytes += line.byteCount
    return isFull
  }

  /// Makes the checks of `put`.
  /// - Returns: whether `put` would refuse the entry, which is kept because it was exported.
  /// - Throws: `InputError` for an entry that comes from elsewhere.
  private func check(_ draft: EntryLine.Draft) throws -> Bool {
    // The library writes no namespace without a name; Python does.
    guard draft.namespace?.name.isEmpty != true else {
      throw InputError(
        "the namespace has no name.",
        remediation: "Import with -n NAME, or with --on-invalid skip to leave such entries out.")
    }
    do {
      try limits.check(
        query: draft.query, response: draft.response, metadata: draft.metadata, allowsNaN: true)
      guard defaultValidator(draft.response) else {
        throw InputError(
          "the response is empty, blank, or an error message, and would never be served.",
          remediation: "Correct or remove the \(unit).")
      }
      if !options.allowsFuture { try checkTimes(of: draft) }
      return false
    } catch let error where isOfLine(error) {
      guard draft.isExported else { throw error }
      return true
    }
  }

  /// Whether an error is about the content of a line.
  private func isOfLine(_ error: any Error) -> Bool {
    error is InputError || error is InvalidInputError || error is QuantizationError
  }

  private func checkVector(of draft: EntryLine.Draft) throws {
    guard let identity, let embedding = draft.embedding, embedding.dimension != identity.dimension else {
      return
    }
    throw InputError(
      "the vector has \(embedding.dimension) numbers, the cache's have \(identity.dimension).",
      remediation: "Export with --embeddings none: the import then makes the vectors again.")
  }

  /// - Throws: `InputError` for a time that is more than a day after now.
  private func checkTimes(of draft: EntryLine.Draft) throws {
    for (field, time) in [("created_at", draft.createdAt), ("last_accessed_at", draft.lastAccessedAt)] {
      guard let time, time > context.clock() + Seconds(86_400) else { continue }
      // The server's clock is used too, since this machine's may be behind.
      guard try time > store.time(for: context.clock()) + Seconds(86_400) else { continue }
      throw InputError(
        "the field '\(field)' is \(time.rawValue), more than a day in the future. Is it in milliseconds?",
        remediation: "Write Unix seconds, or store this time with --allow-future.")
    }
  }

  /// Stores the lines that are left.
  mutating func finish() throws {
    try storePending()
    try settleAll()
  }

  /// Waits until all batches are stored. It is called when the next line may take long to arrive.
  mutating func settleAll() throws { try storing { insertion in try insertion.finish() } }

  // MARK: Storing

  private mutating func storePending() throws {
    guard !pending.isEmpty else { return }
    let drafts = pending
    pending = []
    pendingBytes = 0
    pendingLacksVectors = false
    let now = try store.time(for: context.clock())
    if options.dryRun { return try compare(drafts[...], at: now) }
    let entries: [StoredEntry]
    do {
      entries = try self.entries(of: drafts.map(\.draft), at: now)
    } catch {
      // If the embedder names the text that it could not embed, the entries before that one are stored first.
      var faulty = 0
      if let place = (error as? EmbedderError)?.textIndex {
        let bare = drafts.indices.filter { drafts[$0].draft.embedding == nil }
        if bare.indices.contains(place) { faulty = bare[place] }
      }
      pending = Array(drafts[..<faulty])
      try finish()
      throw lineError(drafts[faulty].line, error)
    }
    var (start, end) = (0, 0)
    while start < drafts.count {
      defer { start = end }
      end = min(start + batchSize, drafts.count)
      try storeTogether(entries[start..<end], ofLines: drafts[start..<end].map(\.line), at: now)
    }
  }

  /// Stores entries in one transaction.
  private mutating func storeTogether(
    _ entries: ArraySlice<StoredEntry>, ofLines lines: [Int], at now: UnixTime
  ) throws {
    var batch = Batch(lines: lines)
    for (entry, line) in zip(entries, lines) where !entry.isExpired(at: now) {
      batch.entries.append(entry)
      batch.entryLines.append(line)
    }
    underWay.append(batch)
    try storing { insertion in try insertion.insert(batch.entries) }
  }

  /// Calls `body` with the insertion, and records which batches are stored afterwards, even if it throws.
  private mutating func storing(_ body: (BatchInsertion) throws -> Void) throws {
    let result = Result { try body(insertion) }
    for outcome in insertion.takeSettled() {
      take(outcome)
      settle()
    }
    guard case .failure(let error) = result else { return }
    // The error belongs to the first batch that is not stored, or to the eviction after the last.
    guard let batch = underWay.first else { throw lineError(nil, error) }
    for (place, outcome) in insertion.takeSettledBeyondError() where underWay.indices.contains(place) {
      let lines = "\(underWay[place].lines[0]) to \(underWay[place].lines.last ?? 0)"
      if let outcome {
        take(outcome)
        storedBeyond.append(lines)
      } else {
        unknownBeyond.append(lines)
      }
    }
    underWay = []
    guard let conflict = error as? ConflictError else { throw lineError(batch.lines[0], error) }
    let first: ConflictError
    do {
      first = try storeEntries(before: conflict, of: batch)
    } catch {
      throw lineError(batch.lines[0], error)
    }
    throw conflictError(first, in: batch)
  }

  /// Stores the entries before a conflict in its batch.
  /// - Returns: the first conflict of the batch. It may be an earlier one: two lines may have one query, and a line
  ///   before them may conflict with a stored entry.
  private mutating func storeEntries(before conflict: ConflictError, of batch: Batch) throws -> ConflictError
  {
    var before = Batch(lines: batch.lines.filter { $0 < batch.entryLines[conflict.index] })
    before.entries = Array(batch.entries[..<conflict.index])
    guard !before.lines.isEmpty else { return conflict }
    let insertion = BatchInsertion(
      store, onConflict: options.onConflict, evictingOver: options.maxEntries)
    defer { insertion.close() }
    let result = Result { try insertion.insert(before.entries) }
    // They are stored even if the eviction after them fails.
    for outcome in insertion.takeSettled() {
      take(outcome)
      underWay = [before]
      settle()
    }
    do {
      try result.get()
    } catch let earlier as ConflictError {
      return try storeEntries(before: earlier, of: batch)
    }
    return conflict
  }

  private mutating func take(_ outcome: BatchInsertion.Outcome) {
    report.evicted += outcome.evicted
    outcome.outcomes.forEach { count($0) }
  }

  /// Records that the first of the batches is stored.
  private mutating func settle() {
    let batch = underWay.removeFirst()
    let expired = batch.lines.count - batch.entries.count
    report.skipped += expired
    report.expired += expired
    if let last = batch.lines.last { storedLine = last }
  }

  /// The error of the server between two lines or after the last. Waits for the batches under way, so that the state names
  /// them too. If one of these fails, its error is the result; but a loss that was found before concerns more lines.
  mutating func serverError(_ error: StoreBackendError) -> LineError {
    do {
      try settleAll()
    } catch let later as LineError where error.reason != .lostWrites && !(later.underlying is WaitStopped) {
      return later
    } catch {}
    return lineError(nil, error)
  }

  /// - Parameter line: nil for an error of the server between two lines or after the last.
  func lineError(_ line: Int?, _ error: any Error) -> LineError {
    LineError(line: line, unit: unit, source: source, underlying: error, state: state(after: error))
  }

  private func conflictError(_ conflict: ConflictError, in batch: Batch) -> LineError {
    conflictError(on: batch.entryLines[conflict.index], with: conflict.id)
  }

  func conflictError(on line: Int, with id: EntryID?) -> LineError {
    lineError(
      line,
      InputError(
        id.map { "the query already has an entry, with the id \($0)." }
          ?? "the query is already on an earlier line.",
        remediation: "Import with --on-conflict replace or skip."))
  }

  private mutating func count(_ outcome: InsertOutcome) {
    switch outcome {
    case .inserted: report.added += 1
    case .replaced: report.replaced += 1
    case .skipped: report.skipped += 1
    }
  }

  /// Makes entries of drafts. Missing vectors are computed together.
  private func entries(of drafts: [EntryLine.Draft], at now: UnixTime) throws -> [StoredEntry] {
    let bare = drafts.filter { $0.embedding == nil }
      .map { options.normalizes ? QueryNormalizer.normalize($0.query) : $0.query }
    var made = try (bare.isEmpty ? [] : embedder?.embed(bare) ?? []).makeIterator()
    return try drafts.map { draft in
      var entry = StoredEntry(
        namespace: draft.namespace ?? .default, queryHash: draft.queryHash ?? "", query: draft.query,
        response: draft.response, embedding: try draft.embedding ?? .normalizing(made.next() ?? []),
        metadata: draft.metadata, createdAt: draft.createdAt ?? now,
        lastAccessedAt: draft.lastAccessedAt ?? draft.createdAt ?? now, ttl: draft.ttl,
        accessCount: draft.accessCount)
      entry.raw = draft.raw
      return entry
    }
  }
}
