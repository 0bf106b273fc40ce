/// What is counted for each namespace.
public enum Counter: String, Sendable, CaseIterable {
  case hitsExact = "hits_exact"
  case hitsSemantic = "hits_semantic"
  case misses
  case evictions
  case expirations
}

/// The counters of a namespace, or of all together.
public struct Counters: Sendable, Equatable {
  private var counts: [Counter: Int64] = [:]

  public init() {}

  /// 0 for what was never counted. Sums saturate: a blob of another program may hold anything.
  public subscript(counter: Counter) -> Int64 {
    get { counts[counter] ?? 0 }
    set { counts[counter] = newValue == 0 ? nil : newValue }
  }

  public static func + (a: Counters, b: Counters) -> Counters {
    var sum = a
    for (counter, count) in b.counts {
      let (total, overflow) = sum[counter].addingReportingOverflow(count)
      sum[counter] = overflow ? .max : total
    }
    return sum
  }
}

/// What a store knows of one namespace.
public struct NamespaceSummary: Sendable, Equatable {
  public var namespace: Namespace
  public var entries: Int
  /// nil: no quota.
  public var quota: Int?
  public var counters: Counters

  public init(namespace: Namespace, entries: Int, quota: Int?, counters: Counters) {
    self.namespace = namespace
    self.entries = entries
    self.quota = quota
    self.counters = counters
  }
}

/// What `Store.locate(namespace:queryHash:)` found.
public struct Location: Sendable, Equatable {
  /// The entry of the very query, if there is one. It may be expired.
  public var exact: EntryID?
  /// Every entry of the namespace, in id order, where these are so few that they are best read without an index;
  /// else nil.
  public var members: [EntryID]?

  public init(exact: EntryID?, members: [EntryID]?) {
    self.exact = exact
    self.members = members
  }
}

/// What `Store.insert(_:evictingOver:)` did.
public struct Insertion: Sendable, Equatable {
  public var id: EntryID
  /// The namespace already had an entry for this query, whose id was kept.
  public var replaced: Bool
  public var evicted: Int

  public init(id: EntryID, replaced: Bool, evicted: Int) {
    self.id = id
    self.replaced = replaced
    self.evicted = evicted
  }
}

/// Where entries are kept: the capabilities that a cache needs of a backend.
///
/// A store that someone else writes conforms to this and passes the battery `StoreConformance`. The first part
/// is the peer library's protocol; the last part are steps that a cache takes together, which a store over a
/// network may do in fewer round trips; their defaults are made of the first part.
///
/// Every method throws `CacheClosedError` after `close()`, and `StoreBackendError` when the backend fails.
/// Stores are used from several threads.
public protocol Store: AnyObject, Sendable {
  // MARK: Opening

  /// Says who will read and write. A cache that exists is checked against it, now or with the first command;
  /// one that does not is created by the first write and by nothing else.
  ///
  /// nil takes the cache as it is: `identity()` then says what was found.
  /// - Throws: `EmbedderMismatchError`, `EmbedderDimensionError`, `SchemaMigrationError`.
  func open(expecting identity: CacheIdentity?) throws

  /// What the cache's `meta` says; nil where there is no cache yet.
  func identity() throws -> CacheIdentity?

  /// Ends the use of the store. A second call does nothing.
  func close()

  // MARK: Reading

  func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry?
  func entry(id: EntryID) throws -> StoredEntry?

  /// The number of entries of a namespace, or of all.
  func count(in namespace: Namespace?) throws -> Int

  /// The namespaces that have entries, sorted by their bytes.
  func namespaces() throws -> [Namespace]

  /// The `limit` least recently used entries, oldest first, ties by id, as a number or as a text.
  func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID]

  /// Hands over every entry with an id above `id` (nil: every entry) in id order, in bounded memory.
  /// Entries written meanwhile may or may not be seen; one that is there throughout is seen once.
  func forEachEntry(after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void) throws

  // MARK: Writing

  /// Stores the entry and returns its id. A (namespace, query hash) that exists keeps its id; everything else
  /// of the old entry goes. The version counter grows by one in the same transaction.
  @discardableResult
  func insert(_ entry: StoredEntry) throws -> EntryID

  /// Sets `lastAccessedAt`, adds one to `accessCount`. Nothing where the entry is gone; the version stays.
  func recordAccess(id: EntryID, at now: UnixTime) throws

  /// - Returns: whether there was such an entry.
  @discardableResult
  func remove(id: EntryID) throws -> Bool

  /// Removes the entries whose own fields say that they are expired; counts them as `expirations`.
  @discardableResult
  func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int

  /// Empties a namespace; its quota and counters stay.
  @discardableResult
  func removeAll(in namespace: Namespace) throws -> Int

  // MARK: Quotas, version, meta

  /// nil takes the quota away.
  func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws
  func quota(for namespace: Namespace) throws -> Int?

  /// Grows by one for each entry written or removed; 0 before the first.
  func versionCounter() throws -> Int64

  func meta(_ field: String) throws -> String?
  func setMeta(_ field: String, to value: String) throws

  // MARK: Counters

  /// Nothing where there is no cache.
  func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws
  /// Of one namespace, or the sum over all.
  func counters(in namespace: Namespace?) throws -> Counters

  /// Every namespace that has entries, a quota or counters, sorted.
  func summaries() throws -> [NamespaceSummary]

  /// The same where something that a summary is made of cannot be read: it is left out of it.
  /// - Parameter whenDamaged: told what; throws to end there.
  func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary]

  /// The number of entries that are expired and still there. May be an estimate from an index.
  func expiredCount(at now: UnixTime) throws -> Int

  /// When the oldest entry was put; nil without entries. Looks at every entry; one that does not say is passed over.
  /// - Parameter progress: told how many entries were looked at so far.
  func oldestCreation(progress: (Int) -> Void) throws -> UnixTime?

  // MARK: Health and backup

  /// false for any fault, never an error (but `CacheClosedError`).
  func integrityCheck() throws -> Bool

  /// - Throws: `CheckpointError` where the backend keeps its own backups.
  func snapshot(to path: String) throws
  /// - Throws: `CheckpointError` where the backend keeps its own backups.
  static func restore(from path: String, to destination: String) throws -> Self

  // MARK: Steps taken together

  /// The entries with these ids, in the order asked for; nil for each that is gone or damaged.
  /// - Parameter whenDamaged: told of each entry that cannot be read; what it throws ends the reading.
  func entries(
    ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [StoredEntry?]

  /// Where to look for the answer to a query, and what the namespace is like.
  func locate(namespace: Namespace, queryHash: String) throws -> Location

  /// Reads entries and serves one of them as one step: its access recorded at `now`, a hit counted.
  ///
  /// An entry that changes between the reading and the recording is read and judged again.
  /// - Parameters:
  ///   - ids: what to choose among, entries of the namespace.
  ///   - whenDamaged: told of each entry that cannot be read, once; what it throws ends the step.
  ///   - choose: the place of the entry to serve, or nil for none. Gets the entries in the order of `ids`, nil for each
  ///     that is gone or damaged. May be called more than once.
  /// - Returns: the entry that was chosen.
  func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry?

  /// A hit: the access recorded and the layer counted.
  func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws

  /// Removes those of the entries that are expired, and counts them; an entry refreshed meanwhile stays.
  /// - Returns: those that were removed.
  @discardableResult
  func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID]

  /// Stores entries, the later of two that have one namespace and query hash.
  /// - Returns: the id of each, in their order.
  @discardableResult
  func insert(_ entries: [StoredEntry]) throws -> [EntryID]

  /// `insert`, then `evict`, sparing the entry itself.
  func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion

  /// The same for an entry that is made when the cache's identity is known, nil where there is no cache yet.
  /// - Parameter make: called once, also when the insertion has to be tried again.
  func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion

  /// Applies the eviction rule once: the `Eviction.batch` least recently used entries of the namespace go when
  /// it is over its quota; where it has none, those of the whole store when that is over `maxEntries`.
  /// Counted as `evictions` of `namespace`.
  /// - Parameter spared: entries that were just written: with many accesses in one second they may be as old as any,
  ///   and still go last.
  /// - Returns: how many went.
  func evict(for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>) throws -> Int

  /// Removes the entries with these ids.
  /// - Returns: those that were there.
  @discardableResult
  func remove(ids: [EntryID]) throws -> [EntryID]

  /// Hands over the id and embedding of every entry of a namespace, in id order, in bounded memory.
  /// - Parameter whenDamaged: told of each entry that has none to hand over though it is there; what it throws ends
  ///   the reading. Whether the bytes are a vector of the cache is for the reader to see.
  func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void) throws

  /// Hands over the embedding of each of these entries, in the order asked for; nil for each that is gone or has none.
  /// - Parameter whenDamaged: as above, before the nil that stands for the entry.
  func forEachEmbedding(
    of ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer?) throws -> Void) throws
}

extension Store {
  public func entries(
    ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [StoredEntry?] {
    try ids.map { id in
      do {
        return try entry(id: id)
      } catch let error as CorruptCacheError {
        try whenDamaged(error)
        return nil
      }
    }
  }

  /// The same for who wants them all: a damaged one is an error.
  public func entries(ids: [EntryID]) throws -> [StoredEntry?] { try entries(ids: ids) { throw $0 } }

  public func locate(namespace: Namespace, queryHash: String) throws -> Location {
    Location(exact: try entry(namespace: namespace, queryHash: queryHash)?.id, members: nil)
  }

  public func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry? {
    let entries = try entries(ids: ids, whenDamaged: whenDamaged)
    guard let place = try choose(entries), let entry = entries[place] else { return nil }
    try recordHit(entry, counting: counter, at: now)
    return entry
  }

  public func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary] {
    try summaries()
  }

  public func oldestCreation(progress: (Int) -> Void) throws -> UnixTime? {
    var oldest: UnixTime?
    var seen = 0
    try forEachEntry(after: nil, in: nil) { entry in
      oldest = min(oldest ?? entry.createdAt, entry.createdAt)
      seen += 1
      progress(seen)
    }
    return oldest
  }

  public func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws {
    try recordAccess(id: entry.id, at: now)
    try add(1, to: counter, in: entry.namespace)
  }

  @discardableResult
  public func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID] {
    try ids.filter { id in
      guard let entry = try entry(id: id), entry.isExpired(at: now), try remove(id: id) else { return false }
      try add(1, to: .expirations, in: entry.namespace)
      return true
    }
  }

  @discardableResult
  public func remove(ids: [EntryID]) throws -> [EntryID] { try ids.filter { try remove(id: $0) } }

  @discardableResult
  public func insert(_ entries: [StoredEntry]) throws -> [EntryID] { try entries.map { try insert($0) } }

  public func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
    let replaced = try self.entry(namespace: entry.namespace, queryHash: entry.queryHash) != nil
    let id = try insert(entry)
    return Insertion(
      id: id, replaced: replaced,
      evicted: try evict(for: entry.namespace, maxEntries: maxEntries, sparing: [id]))
  }

  public func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion {
    try insert(make(identity()), evictingOver: maxEntries)
  }

  /// The same for who wants them all: a damaged one is an error.
  public func forEachEmbedding(
    in namespace: Namespace, _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try forEachEmbedding(in: namespace, whenDamaged: { throw $0 }, body)
  }

  public func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try forEachEntry(after: nil, in: namespace) { entry in
      try entry.embedding.bytes.withUnsafeBytes { try body(entry.id, $0) }
    }
  }

  public func forEachEmbedding(
    of ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer?) throws -> Void
  ) throws {
    for (id, entry) in zip(ids, try entries(ids: ids, whenDamaged: whenDamaged)) {
      guard let entry else {
        try body(id, nil)
        continue
      }
      try entry.embedding.bytes.withUnsafeBytes { try body(id, $0) }
    }
  }
}
