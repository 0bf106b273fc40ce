/// A store as a cache uses it: the methods of `Store`, and steps for which a store over a network needs fewer round
/// trips. The default implementations of these steps use the methods of `Store`.
///
/// `PlainStore` makes one of any `Store`.
package protocol CacheStore: Store {
  // MARK: Reading

  /// Lists the namespaces that have entries, sorted by their bytes.
  func namespaces() throws -> [Namespace]

  /// Reads the counters of a namespace; nil: the sums over all.
  func counters(in namespace: Namespace?) throws -> Counters

  /// Lists namespaces as `summaries()` does. Anything that cannot be read is left out.
  /// - Parameter whenDamaged: called with each such fault. An error that it throws ends the reading.
  func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary]

  /// Counts the expired entries that still exist. May be an estimate from an index.
  func expiredCount(at now: UnixTime) throws -> Int

  /// Finds the creation time of the oldest entry; nil without entries. It reads every entry, and skips entries without
  /// a valid time.
  /// - Parameter progress: called with the number of entries read so far.
  func oldestCreation(progress: (Int) -> Void) throws -> UnixTime?

  /// Reads the entries with these ids, in the order asked for; nil for each that is gone or damaged.
  /// - Parameter whenDamaged: called with each entry that cannot be read. An error that it throws ends the reading.
  func entries(
    ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [StoredEntry?]

  /// Reads entries without their responses and vectors, in the order asked for; nil for each that is gone or damaged.
  func outlines(of ids: [EntryID]) throws -> [EntryOutline?]

  /// Passes the id and embedding of every entry of a namespace to `body`, in the order of ids, in bounded memory. The
  /// bytes are not checked.
  /// - Parameter whenDamaged: called with each entry whose key has another type. An error that it throws ends the
  ///   reading. An entry without an embedding is passed over.
  func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void) throws

  /// Passes the embedding of each of these entries to `body`, in the given order; nil for an entry that is gone or has
  /// none.
  /// - Parameter whenDamaged: called before the nil of a damaged entry; an error that it throws ends the reading.
  func forEachEmbedding(
    of ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer?) throws -> Void) throws

  // MARK: Serving

  /// The moment by which entries expire: `now`, or the time of a clock that all clients of the store share, if this
  /// machine's is far from it. `locate` compares them.
  func time(for now: UnixTime) throws -> UnixTime

  /// Finds where to look for the answer to a query.
  func locate(namespace: Namespace, queryHash: String) throws -> Location

  /// Reads entries and serves one of them as one step: its access recorded at `now`, a hit counted.
  ///
  /// If an entry changes between the read and the record, it is read and judged again.
  /// - Parameters:
  ///   - ids: the entries of the namespace to choose from.
  ///   - whenDamaged: called once with each entry that cannot be read. An error that it throws ends the step.
  ///   - choose: returns the position of the entry to serve, or nil for none. It gets the entries in the order of
  ///     `ids`, nil for each that is gone or damaged. It may be called more than once.
  /// - Returns: the entry that was chosen.
  func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry?

  /// Records a hit: the access, and the counter of the layer.
  func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws

  // MARK: Writing

  /// Stores entries, the later of two that have one namespace and query hash.
  /// - Returns: the id of each, in their order.
  @discardableResult
  func insert(_ entries: [StoredEntry]) throws -> [EntryID]

  /// Stores an entry, then evicts, sparing the entry itself.
  func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion

  /// Stores an entry that is made when the cache's identity is known (nil if there is no cache yet), then evicts.
  /// - Parameter make: called once, even if the insertion is repeated.
  func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion

  /// Applies the eviction rule once. If the namespace is over its quota, its `Eviction.batch` least recently used
  /// entries are evicted. If it has no quota and the whole store is over `maxEntries`, those of the whole store are.
  /// They are counted as `evictions` of `namespace`.
  /// - Parameter spared: entries that were just written. With many accesses in one second they may be as old as any
  ///   other, but are evicted last.
  /// - Returns: the number of evicted entries.
  func evict(for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>) throws -> Int

  /// Removes the entries with these ids.
  /// - Returns: the ids that existed.
  @discardableResult
  func remove(ids: [EntryID]) throws -> [EntryID]

  /// Removes the expired ones among these entries, and counts them. An entry that is refreshed at the same time stays.
  /// - Parameter now: by `time(for:)`.
  /// - Returns: the ids of the removed entries.
  @discardableResult
  func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID]

  /// Removes the entries of a namespace (nil: of all) that are expired by their own fields, and counts them as
  /// `expirations`.
  /// - Returns: the number of entries.
  @discardableResult
  func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int

  /// Empties a namespace. Its quota and counters stay.
  /// - Returns: the number of entries.
  @discardableResult
  func removeAll(in namespace: Namespace) throws -> Int

  // MARK: Following, so that an index of vectors costs what has changed

  /// Describes the current state of the store, without samples; nil if the store cannot.
  /// - Parameter leavingTrace: allows the store to write a value by which it is recognized later.
  func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark?

  /// Lists the entries that were most recently accessed in a namespace, 8 at most.
  func recentlyUsed(in namespace: Namespace) throws -> [EntryID]

  /// Takes samples of entries, in the given order; nil for each that is gone or cannot be sampled.
  func samples(of ids: [EntryID]) throws -> [EntrySample?]

  /// Finds the changes in a namespace since a mark.
  ///
  /// Removed entries are not reported, because a search reads its candidates from the store and notices that.
  /// - Returns: nil if the mark is not of this store, or if more than `limit` entries would have to be read.
  func changes(in namespace: Namespace, since mark: StoreMark, atMost limit: Int) throws -> NamespaceChanges?

  /// Lists the ids of all entries of a namespace.
  func memberIDs(in namespace: Namespace) throws -> Set<EntryID>
}

/// The place of the answer to a query.
package struct Location: Sendable, Equatable {
  /// The entry of the query itself, if there is one. It may be expired.
  package var exact: EntryID?
  /// Every entry of the namespace, in the order of ids, if there are so few that no index is needed; else nil.
  package var members: [EntryID]?

  package init(exact: EntryID?, members: [EntryID]?) {
    self.exact = exact
    self.members = members
  }
}

/// The outcome of storing an entry.
public struct Insertion: Sendable, Equatable {
  /// The id of the entry.
  public var id: EntryID
  /// Whether the namespace already had an entry for this query. Its id was kept.
  public var replaced: Bool
  /// The number of entries that were evicted.
  public var evicted: Int

  package init(id: EntryID, replaced: Bool, evicted: Int) {
    self.id = id
    self.replaced = replaced
    self.evicted = evicted
  }
}
