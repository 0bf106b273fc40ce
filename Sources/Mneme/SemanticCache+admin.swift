import Synchronization

/// The figures of a cache or of one namespace.
public struct Stats: Sendable {
  /// The entries of the whole store, or of the requested namespace.
  public var entries: Int
  /// The counters of all namespaces together, or of the requested one.
  public var counters: Counters
  /// The expired entries of the whole store that still exist. May be an estimate from an index, which includes
  /// leftovers of Redis's own expiry.
  public var expiredPending: Int
  /// The identity; nil if there is no cache.
  public var identity: CacheIdentity?
  /// The version counter; nil if it is damaged.
  public var version: Int64?
  /// The namespaces that have entries, a quota or counters, sorted.
  public var namespaces: [NamespaceSummary]
  /// The errors of values that could not be read and are missing above.
  public var damaged: [CorruptCacheError] = []

  /// The bytes of all stored vectors.
  public var vectorBytes: Int { entries * (identity?.dimension ?? 0) * 4 }
}

/// The condition of a cache, in short.
public struct Health: Sendable {
  /// Whether there is a cache and all of its values can be read.
  public var isHealthy: Bool { integrityOK && identity != nil }
  /// The result of `Store.integrityCheck`, and whether all of these values could be read.
  public var integrityOK: Bool
  /// The identity; nil if there is no cache.
  public var identity: CacheIdentity?
  /// The number of entries, expired ones too.
  public var entries: Int
  /// The number of namespaces that have entries.
  public var namespaces: Int
  /// The age of the oldest entry; nil for an empty cache.
  public var oldestEntryAge: Seconds?
  /// The errors of values that could not be read and are missing above.
  public var damaged: [CorruptCacheError] = []

  package init(
    integrityOK: Bool, identity: CacheIdentity? = nil, entries: Int = 0, namespaces: Int = 0,
    oldestEntryAge: Seconds? = nil, damaged: [CorruptCacheError] = []
  ) {
    self.integrityOK = integrityOK
    self.identity = identity
    self.entries = entries
    self.namespaces = namespaces
    self.oldestEntryAge = oldestEntryAge
    self.damaged = damaged
  }
}

extension SemanticCache {
  /// Removes the entry of a query. On Redis five round trips, six if the namespace is empty
  /// then, or one if there is none.
  /// - Returns: its id, or nil if there was none.
  @discardableResult
  public func delete(_ query: String, namespace: Namespace = .default) throws -> EntryID? {
    try checkOpen()
    guard let entry = try store.entry(namespace: namespace, queryHash: queryHash(query)),
      try store.remove(id: entry.id)
    else { return nil }
    return entry.id
  }

  /// Removes expired entries. On Redis one round trip for each 200 entries read, and three for each 16 removed.
  /// - Parameter namespace: nil for every namespace.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func vacuum(namespace: Namespace? = nil) throws -> Int {
    try checkOpen()
    return try store.removeExpired(at: options.clock(), in: namespace)
  }

  /// Reads the totals and a summary of each namespace, or of the requested one. The cost does not grow with the number
  /// of entries. On Redis some seven round trips, and one for each 64 namespaces.
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
      expiredPending: try store.expiredCount(at: store.time(for: options.clock())),
      identity: try store.identity(),
      version: version, namespaces: summaries, damaged: damaged)
  }

  /// Checks the store, and reads the age of every entry. On Redis some five round trips, and one for each 200 entries.
  /// - Parameter progress: called with the number of entries read so far.
  public func health(progress: (Int) -> Void = { _ in }) throws -> Health {
    try checkOpen()
    var damaged: [CorruptCacheError] = []
    func reading<Value>(_ body: () throws -> Value?) throws -> Value? {
      do {
        return try body()
      } catch let error as CorruptCacheError {
        damaged.append(error)
        return nil
      }
    }
    let identity = try reading { try store.identity() }
    _ = try reading { try store.versionCounter() }
    let entries = try reading { try store.count(in: nil) }
    let namespaces = try reading { try store.namespaces().count }
    let oldest = try reading { try store.oldestCreation(progress: progress) }
    return Health(
      integrityOK: try damaged.isEmpty && store.integrityCheck(), identity: identity, entries: entries ?? 0,
      namespaces: namespaces ?? 0,
      oldestEntryAge: try oldest.map { max(Seconds(0), try store.time(for: options.clock()) - $0) },
      damaged: damaged)
  }

  /// Lists the namespaces that have entries, sorted by their bytes. On Redis one round trip for each 200.
  public func namespaces() throws -> [Namespace] {
    try checkOpen()
    return try store.namespaces()
  }

  /// Empties a namespace. Its quota and its counters stay. On Redis three round trips for each 16 entries, over several
  /// connections that take turns.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func clear(namespace: Namespace) throws -> Int {
    try checkOpen()
    shared.state.withLock { $0.indexes[namespace] = nil }
    return try store.removeAll(in: namespace)
  }

  /// Empties every namespace, one after the other.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func clear() throws -> Int {
    try namespaces().reduce(0) { try $0 + clear(namespace: $1) }
  }

  /// Sets the quota of a namespace; nil removes it. The next put evicts entries above it. On Redis two round trips.
  /// - Throws: `InvalidInputError` below 1 and above `largestQuota`.
  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try checkOpen()
    if let maxEntries, !(1...Self.largestQuota).contains(maxEntries) {
      throw InvalidInputError(
        "A quota of \(maxEntries) entries is not between 1 and \(Self.largestQuota).",
        about: .namespace(namespace), remedy: .setQuotaInRange)
    }
    try store.setQuota(maxEntries, for: namespace)
  }

  /// Reads the quota of a namespace; nil if it has none. On Redis one round trip.
  public func quota(for namespace: Namespace) throws -> Int? {
    try checkOpen()
    return try store.quota(for: namespace)
  }

  /// Writes a copy of the store to a file.
  /// - Throws: `CheckpointError` if the backend keeps its own backups, as Redis does.
  public func dumps(to path: String) throws {
    try checkOpen()
    try store.snapshot(to: path)
  }

  /// Makes a store from a file that `dumps` wrote.
  /// - Throws: `CheckpointError` if the backend keeps its own backups, as Redis does.
  public static func loads<Backend: Store>(
    from path: String, to destination: String, as backend: Backend.Type
  ) throws -> Backend {
    try Backend.restore(from: path, to: destination)
  }
}
