import Mneme
import MnemeRedis

/// How lines are stored.
struct ImportOptions {
  var namespace: Namespace?
  var onConflict: ConflictPolicy
  var embedder: EmbedderChoice
  var maxEntries: Int?
  var dryRun: Bool
  /// The entries in one transaction; nil: as the store prefers.
  var batchSize: Int?
  var pace: Duration
  /// Queries are hashed and embedded as the application's are by default.
  var normalizes: Bool
  /// Takes times that are more than a day after now.
  var allowsFuture = false
}

/// Takes lines, gathers them in batches, and stores each batch in one transaction.
///
/// Lines go from `pending`, where a batch is gathered, to `underWay`, where its transaction is, and are in when that is
/// settled.
struct ImportRun {
  private(set) var report: ImportReport
  private let store: RedisStore
  private let options: ImportOptions
  private let context: Context
  private let source: String
  /// The name of a record of the file: line, element or row.
  private let unit: String
  private let limits = Limits()
  private var identity: CacheIdentity?
  private var embedder: (any Embedder)?
  private var pending: [(draft: EntryLine.Draft, line: Int)] = []
  private var pendingBytes = 0
  private var pendingLacksVectors = false
  private let insertion: BatchInsertion
  private var underWay: [Batch] = []
  /// The last line up to which all entries are stored.
  private var storedLine: Int
  /// Lines behind that whose entries are stored all the same, after an error, and those of which that is not known.
  private var (storedBeyond, unknownBeyond): ([String], [String]) = ([], [])
  private let sinceLine: Int
  /// Knows the server that has what was stored so far.
  private let server: LongWork?
  /// Vectors that were taken as they are and cannot be compared.
  private var flawed: (count: Int, firstLine: Int) = (0, 0)

  /// Members that are not read, and the first line that has one.
  private var unknownFields: (names: [String], firstLine: Int) = ([], 0)

  /// Lines that are stored together.
  private struct Batch {
    var lines: [Int]
    /// Of those that have not expired.
    var entries: [StoredEntry] = []
    var entryLines: [Int] = []
  }

  /// How many vectors an embedder is asked for in one go, also where fewer entries share a transaction.
  private static let leastTexts = 64

  /// How many entries are to share the next transaction.
  private var batchSize: Int { options.batchSize ?? RedisStore.preferredBatch.count }

  init(
    _ store: RedisStore, _ options: ImportOptions, _ context: Context, source: String, unit: String,
    sinceLine: Int = 0, server: LongWork? = nil
  ) {
    (self.unit, self.server) = (unit, server)
    self.store = store
    self.options = options
    self.context = context
    self.source = source
    (storedLine, self.sinceLine) = (sinceLine, sinceLine)
    insertion = BatchInsertion(
      store, onConflict: options.onConflict, evictingOver: options.maxEntries)
    report = ImportReport(dryRun: options.dryRun)
  }

  /// What a reader of an error has to know: what is in, and how to continue.
  var state: String { state(after: nil) }

  private func state(after error: (any Error)?) -> String {
    if options.dryRun { return "Nothing would have been stored." }
    // Of what several connections did at the same time, the later may be in and the earlier not.
    let stored = storedBeyond.isEmpty ? "" : "Out of turn, \(unit)s \(list(storedBeyond)) are in. "
    let unknown = unknownBeyond.isEmpty ? "" : "The \(unit)s \(list(unknownBeyond)) may be in. "
    let again =
      "import the whole file again" + (options.onConflict == .fail ? " with --on-conflict skip." : ".")
    let trust = trust(after: error)
    guard storedLine > sinceLine else {
      if !storedBeyond.isEmpty || trust == .broken { return "\(stored)\(unknown)To be sure, \(again)" }
      return error?.isUnsure != true && unknown.isEmpty
        ? "Nothing was stored." : "\(unknown)Nothing is known to be stored."
    }
    let lines = "\(stored)\(unknown)The \(unit)s up to \(storedLine)"
    let mark = server?.mark
    let since = Resumption(line: storedLine, mark: mark).description
    switch trust {
    case .whole: return "\(lines) are in; continue with --since-line \(since)."
    case .checked where mark != nil:
      return
        "\(lines) were acknowledged; continue with --since-line \(since). Where that is refused, \(again)"
    case .checked, .broken: return "\(lines) were acknowledged, and may be lost; \(again)"
    }
  }

  /// Whether the server still has what it said it had stored.
  private enum Trust {
    case whole
    /// It has, if it is the same when the import continues.
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

  /// Ends the connections that the import has made.
  func close() { insertion.close() }

  /// Takes the next line.
  /// - Returns: whether a batch was sent.
  mutating func take(_ line: DraftReader.Line) throws -> Bool {
    do {
      var draft = try line.draft.get()
      if let namespace = options.namespace { draft.namespace = namespace }
      try limits.check(
        query: draft.query, response: draft.response, metadata: draft.metadata, allowsNaN: true)
      guard defaultValidator(draft.response) else {
        throw InputError(
          "the response is empty, blank, or an error message, and would never be served.",
          remediation: "Correct or remove the \(unit).")
      }
      if !options.allowsFuture { try checkTimes(of: draft) }
      try settleIdentity(by: draft)
      note(draft.unknownFields, line.number)
      draft.queryHash =
        draft.queryHash ?? QueryNormalizer.queryHash(draft.query, normalizing: options.normalizes)
      let isFull =
        pending.count >= (pendingLacksVectors ? max(Self.leastTexts, batchSize) : batchSize)
        || pendingBytes >= RedisStore.preferredBatch.bytes
      if isFull { try storePending() }
      if draft.flaw != nil {
        flawed = (flawed.count + 1, flawed.count == 0 ? line.number : flawed.firstLine)
      }
      pendingLacksVectors = pendingLacksVectors || draft.embedding == nil
      pending.append((draft, line.number))
      pendingBytes += line.byteCount
      return isFull
    } catch {
      // What came before this line is in, whatever this line holds.
      guard !(error is LineError) else { throw error }
      try finish()
      throw LineError(line: line.number, unit: unit, source: source, underlying: error, state: state)
    }
  }

  /// - Throws: `InputError` for a time that is more than a day after now.
  private func checkTimes(of draft: EntryLine.Draft) throws {
    for (field, time) in [("created_at", draft.createdAt), ("last_accessed_at", draft.lastAccessedAt)] {
      guard let time, time > context.clock() + Seconds(86_400) else { continue }
      // Perhaps this machine's clock is behind.
      guard try time > store.time(for: context.clock()) + Seconds(86_400) else { continue }
      throw InputError(
        "the field '\(field)' is \(time.rawValue), more than a day after now. In milliseconds?",
        remediation: "Write Unix seconds, or take the time as it is with --allow-future.")
    }
  }

  /// Stores what is left.
  mutating func finish() throws {
    try storePending()
    try settleAll()
  }

  /// Sees the batches in that are under way, for whom does not know when the next line comes.
  mutating func settleAll() throws { try storing { insertion in try insertion.finish() } }

  /// Says which vectors were taken that nothing can be compared with.
  func warnOfVectors() {
    guard flawed.count > 0 else { return }
    let vectors = flawed.count == 1 ? "the vector" : "\(grouped(flawed.count)) vectors, first that"
    context.warn(
      "\(vectors) of line \(flawed.firstLine) cannot be compared: not of length 1, all zeros, or not finite; kept as "
        + "exported, and 'mneme inspect-keys --check' names what is stored")
  }

  private mutating func note(_ names: [String], _ line: Int) {
    guard !names.isEmpty else { return }
    if unknownFields.names.isEmpty { unknownFields.firstLine = line }
    for name in names where unknownFields.names.count < 8 && !unknownFields.names.contains(name) {
      unknownFields.names.append(name)
    }
  }

  /// Names members that were not read: one may be a known one misspelled.
  func noteUnknownFields() {
    guard !unknownFields.names.isEmpty else { return }
    context.note(
      "fields that are not known were not read, first on \(unit) \(unknownFields.firstLine): "
        + "\(list(unknownFields.names))")
  }

  // MARK: The embedder

  /// Finds out which embedder the entries are for, and holds the line against it.
  private mutating func settleIdentity(by draft: EntryLine.Draft) throws {
    if identity == nil {
      try store.open(expecting: nil)
      let stored = try store.identity()
      var cache = stored
      if stored == nil, options.embedder.spec == nil, let fingerprint = draft.fingerprint,
        let dimension = draft.embedding?.dimension
      {
        // A new prefix takes over fingerprint and dimension, whatever the fingerprint looks like.
        cache = CacheIdentity(fingerprint: fingerprint, dimension: dimension)
      }
      let chosen = try options.embedder.embedder(
        for: cache, orElse: draft.fingerprint, context.environment)
      let wanted = CacheIdentity(fingerprint: chosen.fingerprint, dimension: chosen.dimension)
      try store.open(expecting: wanted)
      (identity, embedder) = (wanted, chosen)
    }
    guard let identity else { return }
    // A line that says of which embedder it is means it; with --embedder and no vector it is embedded anew.
    if draft.embedding != nil || options.embedder.spec == nil, let fingerprint = draft.fingerprint,
      !fingerprint.utf8.elementsEqual(identity.fingerprint.utf8)
    {
      throw EmbedderMismatchError(
        "the line is of the embedder '\(fingerprint)', the cache of '\(identity.fingerprint)'.",
        about: .embedder(identity.fingerprint), remedy: .embedAgain)
    }
    if let embedding = draft.embedding, embedding.dimension != identity.dimension {
      throw InputError(
        "the vector has \(embedding.dimension) numbers, the cache's have \(identity.dimension).",
        remediation: "Export with --embeddings none, so that new vectors are made.")
    }
  }

  // MARK: Storing

  private mutating func storePending() throws {
    guard !pending.isEmpty else { return }
    let drafts = pending
    pending = []
    pendingBytes = 0
    pendingLacksVectors = false
    let now = try store.time(for: context.clock())
    let entries: [StoredEntry]
    do {
      entries = try self.entries(of: drafts.map(\.draft), at: now)
    } catch {
      // Where the embedder says which text it was, what stands before that goes in first.
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
    if options.dryRun {
      if let conflict = try foresee(batch.entries) { throw conflictError(conflict, in: batch) }
      settle()
    } else {
      try storing { insertion in try insertion.insert(batch.entries) }
    }
  }

  /// Has the insertion do something, and takes note of what is in by then, also where it throws.
  private mutating func storing(_ body: (BatchInsertion) throws -> Void) throws {
    let result = Result { try body(insertion) }
    for outcome in insertion.takeSettled() {
      take(outcome)
      settle()
    }
    guard case .failure(let error) = result else { return }
    // It is of the first batch that is not in.
    guard let batch = underWay.first else { throw error }
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
    let first = try storeEntries(before: conflict, of: batch)
    throw conflictError(first, in: batch)
  }

  /// Stores what is before a conflict in its batch.
  /// - Returns: the first conflict of the batch. That may be an earlier one: an entry that is there, after two of one query.
  private mutating func storeEntries(before conflict: ConflictError, of batch: Batch) throws -> ConflictError
  {
    var before = Batch(lines: batch.lines.filter { $0 < batch.entryLines[conflict.index] })
    before.entries = Array(batch.entries[..<conflict.index])
    guard !before.lines.isEmpty else { return conflict }
    do {
      take(
        try store.insert(
          before.entries, onConflict: options.onConflict, evictingOver: options.maxEntries))
    } catch let earlier as ConflictError {
      return try storeEntries(before: earlier, of: batch)
    }
    underWay = [before]
    settle()
    return conflict
  }

  private mutating func take(_ outcome: BatchInsertion.Outcome) {
    report.evicted += outcome.evicted
    outcome.outcomes.forEach { count($0) }
  }

  /// The first of the batches is in.
  private mutating func settle() {
    let batch = underWay.removeFirst()
    let expired = batch.lines.count - batch.entries.count
    report.skipped += expired
    report.expired += expired
    if !options.dryRun, let last = batch.lines.last { storedLine = last }
  }

  /// An error of the server that came between two lines.
  func failure(_ error: any Error) -> LineError { lineError(storedLine + 1, error) }

  private func lineError(_ line: Int, _ error: any Error) -> LineError {
    return LineError(line: line, unit: unit, source: source, underlying: error, state: state(after: error))
  }

  private func conflictError(_ conflict: ConflictError, in batch: Batch) -> LineError {
    lineError(
      batch.entryLines[conflict.index],
      InputError(
        conflict.id.map { "the query is there already, as entry \($0)." }
          ?? "the query is there already, on an earlier line.",
        remediation: "Import with --on-conflict replace or skip."))
  }

  /// Says what storing would do, by what is there now.
  private mutating func foresee(_ entries: [StoredEntry]) throws -> ConflictError? {
    var first: ConflictError?
    for (namespace, group) in Dictionary(grouping: entries.enumerated(), by: \.element.namespace) {
      let ids = try store.ids(namespace: namespace, queryHashes: group.map(\.element.queryHash))
      for (id, entry) in zip(ids, group) {
        guard let id else {
          report.imported += 1
          continue
        }
        guard options.onConflict != .fail else {
          if entry.offset < first?.index ?? entries.count {
            first = ConflictError(index: entry.offset, id: id)
          }
          break
        }
        count(options.onConflict == .replace ? .replaced(id) : .skipped(id))
      }
    }
    return first
  }

  private mutating func count(_ outcome: InsertOutcome) {
    switch outcome {
    case .inserted: report.imported += 1
    case .replaced: report.replaced += 1
    case .skipped: report.skipped += 1
    }
  }

  /// Entries of drafts, with the vectors that are missing made in one go; in a dry run none is made, since texts
  /// would leave the machine for nothing.
  private func entries(of drafts: [EntryLine.Draft], at now: UnixTime) throws -> [StoredEntry] {
    let bare =
      options.dryRun
      ? []
      : drafts.filter { $0.embedding == nil }
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
