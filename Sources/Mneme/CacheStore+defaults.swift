extension CacheStore {
  package func time(for now: UnixTime) throws -> UnixTime { now }

  package func namespaces() throws -> [Namespace] {
    try summaries().filter { $0.entries > 0 }.map(\.namespace)
  }

  package func counters(in namespace: Namespace?) throws -> Counters {
    try summaries().filter { namespace == nil || $0.namespace == namespace }
      .reduce(Counters()) { $0 + $1.counters }
  }

  package func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary] {
    try summaries()
  }

  package func expiredCount(at now: UnixTime) throws -> Int {
    var count = 0
    try forEachEntry(after: nil, in: nil) { if $0.isExpired(at: now) { count += 1 } }
    return count
  }

  package func oldestCreation(progress: (Int) -> Void) throws -> UnixTime? {
    var oldest: UnixTime?
    var seen = 0
    try forEachEntry(after: nil, in: nil) { entry in
      oldest = min(oldest ?? entry.createdAt, entry.createdAt)
      seen += 1
      progress(seen)
    }
    return oldest
  }

  package func entries(
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

  /// Reads the entries with these ids. A damaged one is an error.
  package func entries(ids: [EntryID]) throws -> [StoredEntry?] { try entries(ids: ids) { throw $0 } }

  package func outlines(of ids: [EntryID]) throws -> [EntryOutline?] {
    try entries(ids: ids) { _ in }.map { $0.map(EntryOutline.init) }
  }

  /// Passes every embedding of a namespace to `body`. A damaged entry is an error.
  package func forEachEmbedding(
    in namespace: Namespace, _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try forEachEmbedding(in: namespace, whenDamaged: { throw $0 }, body)
  }

  package func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try forEachEntry(after: nil, in: namespace) { entry in
      try entry.embedding.bytes.withUnsafeBytes { try body(entry.id, $0) }
    }
  }

  package func forEachEmbedding(
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

  package func locate(namespace: Namespace, queryHash: String) throws -> Location {
    Location(exact: try entry(namespace: namespace, queryHash: queryHash)?.id, members: nil)
  }

  package func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry? {
    let entries = try entries(ids: ids, whenDamaged: whenDamaged)
    guard let place = try choose(entries), let entry = entries[place] else { return nil }
    try recordHit(entry, counting: counter, at: now)
    return entry
  }

  package func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws {
    try recordAccess(id: entry.id, at: now)
    try add(1, to: counter, in: entry.namespace)
  }

  @discardableResult
  package func insert(_ entries: [StoredEntry]) throws -> [EntryID] { try entries.map { try insert($0) } }

  package func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
    let replaced = try self.entry(namespace: entry.namespace, queryHash: entry.queryHash) != nil
    let id = try insert(entry)
    return Insertion(
      id: id, replaced: replaced,
      evicted: try evict(for: entry.namespace, maxEntries: maxEntries, sparing: [id]))
  }

  package func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion {
    try insert(make(identity()), evictingOver: maxEntries)
  }

  /// Applies the eviction rule once, sparing nothing. (A default value for `sparing` would make callers of an
  /// `any CacheStore` miss the store's own way of evicting.)
  package func evict(for namespace: Namespace, maxEntries: Int?) throws -> Int {
    try evict(for: namespace, maxEntries: maxEntries, sparing: [])
  }

  package func evict(
    for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>
  ) throws -> Int {
    let scope: Namespace?
    let limit: Int
    if let quota = try quota(for: namespace) {
      (scope, limit) = (namespace, quota)
    } else if let maxEntries {
      (scope, limit) = (nil, maxEntries)
    } else {
      return 0
    }
    let batch = Eviction.batch(count: try count(in: scope), limit: limit)
    let oldest = try leastRecentlyUsed(batch + spared.count, in: scope)
    let evicted = try remove(ids: Eviction.choose(batch, of: oldest, sparing: spared)).count
    if evicted > 0 { try add(Int64(evicted), to: .evictions, in: namespace) }
    return evicted
  }

  @discardableResult
  package func remove(ids: [EntryID]) throws -> [EntryID] { try ids.filter { try remove(id: $0) } }

  @discardableResult
  package func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID] {
    try ids.filter { id in
      guard let entry = try entry(id: id), entry.isExpired(at: now), try remove(id: id) else { return false }
      try add(1, to: .expirations, in: entry.namespace)
      return true
    }
  }

  @discardableResult
  package func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int {
    var count = 0
    try forEachEntry(after: nil, in: namespace) { entry in
      if entry.isExpired(at: now) { count += try removeExpired(ids: [entry.id], at: now).count }
    }
    return count
  }

  @discardableResult
  package func removeAll(in namespace: Namespace) throws -> Int {
    try remove(ids: leastRecentlyUsed(.max, in: namespace)).count
  }

  // MARK: Following

  /// Returns a mark with the version alone, so that an index can be used as long as the version does not change.
  package func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark? {
    StoreMark(
      lineage: nil, version: try versionCounter(), entries: 0, highestID: EntryID(0), time: UnixTime(0))
  }

  package func recentlyUsed(in namespace: Namespace) throws -> [EntryID] { [] }

  package func samples(of ids: [EntryID]) throws -> [EntrySample?] { ids.map { _ in nil } }

  package func changes(
    in namespace: Namespace, since mark: StoreMark, atMost limit: Int
  ) throws -> NamespaceChanges? {
    guard mark.lineage == nil, try versionCounter() == mark.version else { return nil }
    return NamespaceChanges(written: [], examined: 0, mark: mark)
  }

  package func memberIDs(in namespace: Namespace) throws -> Set<EntryID> {
    Set(try leastRecentlyUsed(.max, in: namespace))
  }
}
