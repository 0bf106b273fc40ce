/// Everything that a cache asks of a store: what a `Store` must have, and steps that a store over a network takes in fewer
/// round trips. Their defaults are made of the former.
///
/// `PlainStore` makes one of any `Store`.
package protocol CacheStore: Store {
  // MARK: Reading

  /// Lists the namespaces that have entries, sorted by their bytes.
  func namespaces() throws -> [Namespace]

  /// Reads the counters of a namespace; nil: the sums over all.
  func counters(in namespace: Namespace?) throws -> Counters

  /// Lists namespaces as `summaries()` does. Anything that cannot be read is left out.
  /// - Parameter whenDamaged: is called with each such fault; what it throws ends the reading.
  func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary]

  /// Counts the entries that are expired and still there. May be an estimate from an index.
  func expiredCount(at now: UnixTime) throws -> Int

  /// Finds out when the oldest entry was put; nil without entries. Looks at every entry; one that does not say is passed
  /// over.
  /// - Parameter progress: gets the number of entries that were looked at so far.
  func oldestCreation(progress: (Int) -> Void) throws -> UnixTime?

  /// Reads the entries with these ids, in the order asked for; nil for each that is gone or damaged.
  /// - Parameter whenDamaged: is called with each entry that cannot be read; what it throws ends the reading.
  func entries(
    ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [StoredEntry?]

  /// Reads entries without their responses and vectors, in the order asked for; nil for each that is gone or damaged.
  func outlines(of ids: [EntryID]) throws -> [EntryOutline?]

  /// Passes on the id and embedding of every entry of a namespace, in the order of ids, in bounded memory.
  /// - Parameter whenDamaged: is called with each entry that has none although it is there; what it throws ends the
  ///   reading. Whether the bytes are a vector of the cache is for the reader to check.
  func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void) throws

  /// Passes on the embedding of each of these entries, in the order asked for; nil for each that is gone or has none.
  /// - Parameter whenDamaged: called before the nil of a damaged entry; an error that it throws ends the reading.
  func forEachEmbedding(
    of ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer?) throws -> Void) throws

  // MARK: Serving

  /// Finds where to look for the answer to a query.
  func locate(namespace: Namespace, queryHash: String) throws -> Location

  /// Reads entries and serves one of them as one step: its access recorded at `now`, a hit counted.
  ///
  /// An entry that changes between the reading and the recording is read and judged again.
  /// - Parameters:
  ///   - ids: the entries of the namespace to choose from.
  ///   - whenDamaged: is called with each entry that cannot be read, once; what it throws ends the step.
  ///   - choose: the place of the entry to serve, or nil for none. Gets the entries in the order of `ids`, nil for each
  ///     that is gone or damaged. May be called more than once.
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

  /// Stores an entry that is made when the cache's identity is known (nil where there is no cache yet), then evicts.
  /// - Parameter make: is called once, also when the insertion has to be tried again.
  func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion

  /// Applies the eviction rule once: the `Eviction.batch` least recently used entries of the namespace go when it is over
  /// its quota. Where it has none, those of the whole store go when that is over `maxEntries`. They are counted as
  /// `evictions` of `namespace`.
  /// - Parameter spared: entries that were just written: with many accesses in one second they may be as old as any,
  ///   and still go last.
  /// - Returns: the number of entries that went.
  func evict(for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>) throws -> Int

  /// Removes the entries with these ids.
  /// - Returns: those that were there.
  @discardableResult
  func remove(ids: [EntryID]) throws -> [EntryID]

  /// Removes those of the entries that are expired, and counts them; an entry that is refreshed in the meantime stays.
  /// - Returns: those that were removed.
  @discardableResult
  func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID]

  /// Removes the entries of a namespace (nil: of all) whose own fields say that they are expired, and counts them as
  /// `expirations`.
  /// - Returns: the number of entries.
  @discardableResult
  func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int

  /// Empties a namespace. Its quota and counters stay.
  /// - Returns: the number of entries.
  @discardableResult
  func removeAll(in namespace: Namespace) throws -> Int

  // MARK: Following, so that an index of vectors costs what has changed

  /// Describes the store as it is now, without samples; nil if the store does not say.
  /// - Parameter leavingTrace: something may be left in the store that makes it known again.
  func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark?

  /// Lists the entries that were most recently accessed in a namespace, 8 at most.
  func recentlyUsed(in namespace: Namespace) throws -> [EntryID]

  /// Takes samples of entries, in the order asked for; nil for each that is gone or cannot be sampled.
  func samples(of ids: [EntryID]) throws -> [EntrySample?]

  /// Finds the changes in a namespace since a mark.
  ///
  /// Entries that are gone are not reported: a search asks the store for its candidates, and finds that out.
  /// - Returns: nil where the mark is not of this store, or more than `limit` entries would have to be looked at.
  func changes(in namespace: Namespace, since mark: StoreMark, atMost limit: Int) throws -> NamespaceChanges?
}

/// The place of the answer to a query.
package struct Location: Sendable, Equatable {
  /// The entry of the query itself, if there is one. It may be expired.
  package var exact: EntryID?
  /// Every entry of the namespace, in the order of ids, where these are so few that they are best read without an index;
  /// else nil.
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
  /// True where the namespace already had an entry for this query, whose id was kept.
  public var replaced: Bool
  /// The number of entries that were evicted.
  public var evicted: Int

  package init(id: EntryID, replaced: Bool, evicted: Int) {
    self.id = id
    self.replaced = replaced
    self.evicted = evicted
  }
}
