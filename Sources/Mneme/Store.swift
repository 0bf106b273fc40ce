/// A place where entries are kept: the requirements of a cache for a backend.
///
/// The product `StoreConformance` is a battery of tests for a type that conforms to this; see `StoreBattery`.
///
/// Every method throws `CacheClosedError` after `close()`, and `StoreBackendError` when the backend fails. A cache
/// calls a store from several threads.
public protocol Store: AnyObject, Sendable {
  // MARK: Opening

  /// Sets the embedder of the reader and writer. A cache that exists is checked against it, here or with the first
  /// command. A cache that does not exist is created by the first write and by nothing else.
  /// - Parameter identity: nil accepts any cache. `identity()` then returns the stored one.
  /// - Throws: `EmbedderMismatchError`, `EmbedderDimensionError`, `SchemaMigrationError`.
  func open(expecting identity: CacheIdentity?) throws

  /// Reads the identity of the cache; nil if there is no cache yet.
  func identity() throws -> CacheIdentity?

  /// Ends the use of the store. A second call does nothing.
  func close()

  // MARK: Entries

  /// Reads the entry of a query; nil if there is none. An expired entry is returned too.
  func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry?

  /// Reads an entry by its id; nil if there is none. An expired entry is returned too.
  func entry(id: EntryID) throws -> StoredEntry?

  /// Counts the entries of a namespace; nil: of all.
  func count(in namespace: Namespace?) throws -> Int

  /// Lists the `limit` least recently used entries of a namespace (nil: of all), oldest first, ties by id. A store may
  /// compare ids as text.
  func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID]

  /// Passes every entry with an id above `id` (nil: every entry) of a namespace (nil: of all) to `body`, in the order
  /// of ids, in bounded memory.
  ///
  /// Entries that are written during the call may or may not be passed. An entry that exists during the whole call is
  /// passed once. `body` may call the store.
  func forEachEntry(after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void) throws

  /// Stores an entry. One of the same namespace and query hash is replaced and keeps its id. The version counter grows
  /// by one in the same transaction.
  /// - Parameter entry: its `id` is ignored.
  /// - Returns: the id. Ids grow and are never used twice.
  /// - Throws: `InvalidInputError` if there is no cache and `open(expecting:)` was given no identity;
  ///   and for a `queryHash` that `QueryNormalizer.check(hash:)` refuses; `EmbedderDimensionError` for an embedding of
  ///   another length. Nothing is written then.
  @discardableResult
  func insert(_ entry: StoredEntry) throws -> EntryID

  /// Sets `lastAccessedAt` and adds one to `accessCount`. Does nothing if the entry is gone. The version stays.
  func recordAccess(id: EntryID, at now: UnixTime) throws

  /// Removes an entry. The version counter grows by one in the same transaction.
  /// - Returns: whether there was such an entry.
  @discardableResult
  func remove(id: EntryID) throws -> Bool

  // MARK: Figures

  /// Sets the quota of a namespace. nil removes it. No entry is evicted.
  func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws

  /// Reads the quota of a namespace; nil if it has none.
  func quota(for namespace: Namespace) throws -> Int?

  /// Reads the version counter, which grows by one for each entry that is written or removed; 0 before the first.
  func versionCounter() throws -> Int64

  /// Adds to a counter of a namespace. Does nothing if there is no cache. Counters stay when entries go.
  func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws

  /// Lists every namespace that has entries, a quota or counters, sorted by the bytes of their names.
  func summaries() throws -> [NamespaceSummary]

  // MARK: Health and backup. These have default implementations.

  /// Checks that the indexes of the store agree with its entries. Returns false for any fault, and throws nothing but
  /// `CacheClosedError`. The default reads every entry, and each again by its id and its query hash.
  func integrityCheck() throws -> Bool

  /// Writes the store to a file.
  /// - Throws: `CheckpointError` if the backend keeps its own backups, and by default.
  func snapshot(to path: String) throws

  /// Makes a store from the file that `snapshot(to:)` wrote.
  /// - Throws: `CheckpointError` if the backend keeps its own backups, and by default.
  static func restore(from path: String, to destination: String) throws -> Self
}

extension Store {
  public func integrityCheck() throws -> Bool {
    do {
      var isSound = true
      var seen = 0
      try forEachEntry(after: nil, in: nil) { entry in
        seen += 1
        guard isSound else { return }
        isSound =
          try self.entry(id: entry.id)?.queryHash == entry.queryHash
          && self.entry(namespace: entry.namespace, queryHash: entry.queryHash)?.id == entry.id
      }
      return try isSound && count(in: nil) == seen && leastRecentlyUsed(.max, in: nil).count == seen
    } catch let error as CacheClosedError {
      throw error
    } catch {
      return false
    }
  }

  public func snapshot(to path: String) throws {
    // Throws `CacheClosedError` for a closed store.
    _ = try versionCounter()
    throw CheckpointError.noSnapshots
  }

  public static func restore(from path: String, to destination: String) throws -> Self {
    throw CheckpointError.noSnapshots
  }
}

extension CheckpointError {
  fileprivate static var noSnapshots: CheckpointError {
    CheckpointError("This store keeps no snapshots.", remedy: .exportEntries)
  }
}
