import Synchronization

/// The figures of a cache or of one namespace.
public struct Stats: Sendable {
  /// Of the whole store, or of the namespace asked for.
  public var entries: Int
  public var counters: Counters
  /// Entries that are expired and not yet swept; of the whole store.
  public var expiredPending: Int
  /// nil where there is no cache.
  public var identity: CacheIdentity?
  /// The version counter; nil where it is damaged.
  public var version: Int64?
  /// Sorted; those with entries, a quota or counters.
  public var namespaces: [NamespaceSummary]
  /// What could not be read, and is missing above.
  public var damaged: [CorruptCacheError] = []

  /// The bytes of all stored vectors.
  public var vectorBytes: Int { entries * (identity?.dimension ?? 0) * 4 }
}

extension Counters {
  /// The share of lookups that were answered; nil before the first.
  public var hitRate: Double? {
    let hits = Double(self[.hitsExact]) + Double(self[.hitsSemantic])
    let lookups = hits + Double(self[.misses])
    return lookups > 0 ? hits / lookups : nil
  }
}

/// How a cache fares.
public struct Health: Sendable, Equatable {
  public var isHealthy: Bool { integrityOK && identity != nil }
  /// What `Store.integrityCheck` says.
  public var integrityOK: Bool
  /// nil where there is no cache.
  public var identity: CacheIdentity?
  public var entries: Int
  public var namespaces: Int
  /// nil for an empty cache.
  public var oldestEntryAge: Seconds?
}

extension SemanticCache {
  /// Removes the entry of a query.
  /// - Returns: its id, or nil when there was none.
  @discardableResult
  public func delete(_ query: String, namespace: Namespace = .default) throws -> EntryID? {
    try checkOpen()
    guard let entry = try store.entry(namespace: namespace, queryHash: queryHash(query)),
      try store.remove(id: entry.id)
    else { return nil }
    return entry.id
  }

  /// Removes what is expired.
  /// - Returns: how many entries.
  @discardableResult
  public func vacuum(namespace: Namespace? = nil) throws -> Int {
    try checkOpen()
    return try store.removeExpired(at: options.clock(), in: namespace)
  }

  /// The totals and a summary of each namespace, or of the one asked for.
  public func stats(namespace: Namespace? = nil) throws -> Stats {
    try checkOpen()
    var damaged: [CorruptCacheError] = []
    var summaries = try store.summaries { damaged.append($0) }
    if let namespace { summaries.removeAll { $0.namespace != namespace } }
    var version: Int64?
    do {
      version = try store.versionCounter()
    } catch let error as CorruptCacheError {
      damaged.append(error)
    }
    return Stats(
      entries: try store.count(in: namespace),
      counters: summaries.reduce(Counters()) { $0 + $1.counters },
      expiredPending: try store.expiredCount(at: options.clock()), identity: try store.identity(),
      version: version, namespaces: summaries, damaged: damaged)
  }

  /// Looks at the store and at the age of every entry.
  public func health() throws -> Health {
    try checkOpen()
    var oldest: UnixTime?
    try store.forEachEntry(after: nil, in: nil) { entry in
      oldest = min(oldest ?? entry.createdAt, entry.createdAt)
    }
    let now = options.clock()
    return Health(
      integrityOK: try store.integrityCheck(), identity: try store.identity(),
      entries: try store.count(in: nil),
      namespaces: try store.namespaces().count, oldestEntryAge: oldest.map { max(Seconds(0), now - $0) })
  }

  public func namespaces() throws -> [Namespace] {
    try checkOpen()
    return try store.namespaces()
  }

  /// Empties a namespace. Its quota and its counters stay.
  /// - Returns: how many entries went.
  @discardableResult
  public func clear(namespace: Namespace) throws -> Int {
    try checkOpen()
    state.withLock { $0.indexes[namespace] = nil }
    return try store.removeAll(in: namespace)
  }

  /// Empties every namespace.
  @discardableResult
  public func clear() throws -> Int {
    try namespaces().reduce(0) { try $0 + clear(namespace: $1) }
  }

  /// Caps a namespace; nil takes the cap away. Entries above it go with the next put.
  /// - Throws: `InvalidInputError` below 1 and above `largestQuota`.
  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try checkOpen()
    if let maxEntries, !(1...Self.largestQuota).contains(maxEntries) {
      throw InvalidInputError(
        "A quota of \(maxEntries) entries is not possible.",
        remediation: "Give 1 to \(Self.largestQuota), or take the quota away.")
    }
    try store.setQuota(maxEntries, for: namespace)
  }

  /// Writes a copy of the store to a file.
  /// - Throws: `CheckpointError` where the backend keeps its own backups, as Redis does.
  public func dumps(to path: String) throws {
    try checkOpen()
    try store.snapshot(to: path)
  }

  /// Puts the contents of a file that `dumps` wrote into a new store.
  /// - Throws: `CheckpointError` where the backend keeps its own backups, as Redis does.
  public static func loads<Backend: Store>(
    from path: String, to destination: String, as backend: Backend.Type
  ) throws -> Backend {
    try Backend.restore(from: path, to: destination)
  }
}
