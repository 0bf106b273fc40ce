/// A wrapper that adds to any `Store` the default implementations of the other methods that a cache uses.
package final class PlainStore<Base: Store>: CacheStore {
  private let store: Base

  private init(_ store: Base) { self.store = store }

  /// The store, for a step that may take a round trip.
  private var base: Base {
    get throws {
      try WorkCancellation.check()
      return store
    }
  }

  /// Returns a store for a cache: the store itself if it has all methods.
  package static func completing(_ store: Base) -> any CacheStore {
    store as? any CacheStore ?? PlainStore(store)
  }

  package func open(expecting identity: CacheIdentity?) throws { try base.open(expecting: identity) }
  package func identity() throws -> CacheIdentity? { try base.identity() }
  package func close() { store.close() }
  package func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry? {
    try base.entry(namespace: namespace, queryHash: queryHash)
  }
  package func entry(id: EntryID) throws -> StoredEntry? { try base.entry(id: id) }
  package func count(in namespace: Namespace?) throws -> Int { try base.count(in: namespace) }
  package func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID] {
    try base.leastRecentlyUsed(limit, in: namespace)
  }
  package func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws { try base.forEachEntry(after: id, in: namespace, body) }
  @discardableResult
  package func insert(_ entry: StoredEntry) throws -> EntryID { try base.insert(entry) }
  package func recordAccess(id: EntryID, at now: UnixTime) throws { try base.recordAccess(id: id, at: now) }
  @discardableResult
  package func remove(id: EntryID) throws -> Bool { try base.remove(id: id) }
  package func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try base.setQuota(maxEntries, for: namespace)
  }
  package func quota(for namespace: Namespace) throws -> Int? { try base.quota(for: namespace) }
  package func versionCounter() throws -> Int64 { try base.versionCounter() }
  package func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    try base.add(count, to: counter, in: namespace)
  }
  package func summaries() throws -> [NamespaceSummary] { try base.summaries() }
  package func integrityCheck() throws -> Bool { try base.integrityCheck() }
  package func snapshot(to path: String) throws { try base.snapshot(to: path) }
  package static func restore(from path: String, to destination: String) throws -> PlainStore {
    PlainStore(try Base.restore(from: path, to: destination))
  }
}

extension Store {
  /// The store as a cache needs it.
  package var completed: any CacheStore { PlainStore<Self>.completing(self) }
}
