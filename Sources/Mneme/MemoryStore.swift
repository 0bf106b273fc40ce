import Synchronization

/// A store in the memory of one process: for tests, and for a cache that nothing else shares.
///
/// It is the model for other stores: it passes the battery of tests with the simplest code.
public final class MemoryStore: Store {
  fileprivate struct State {
    var isClosed = false
    var expected: CacheIdentity?
    var identity: CacheIdentity?
    var entries: [EntryID: StoredEntry] = [:]
    var ids: [Namespace: [String: EntryID]] = [:]
    var quotas: [Namespace: Int] = [:]
    var counters: [Namespace: Counters] = [:]
    var lastID: Int64 = 0
    var version: Int64 = 0
    /// The version with which each entry was written.
    var written: [EntryID: Int64] = [:]
  }

  private let lineage = String(UInt64.random(in: 0 ... .max))
  private let state = Mutex(State())

  /// Makes an empty store.
  public init() {}

  private func withState<Result>(_ body: (inout State) throws -> Result) throws -> Result {
    try state.withLock { state in
      guard !state.isClosed else { throw CacheClosedError() }
      return try body(&state)
    }
  }

  // MARK: Opening

  public func open(expecting identity: CacheIdentity?) throws {
    try withState { state in
      if let identity, let stored = state.identity { try identity.check(against: stored) }
      state.expected = identity
    }
  }

  public func identity() throws -> CacheIdentity? { try withState { $0.identity } }

  public func close() { state.withLock { $0.isClosed = true } }

  // MARK: Reading

  public func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry? {
    try withState { state in state.ids[namespace]?[queryHash].flatMap { state.entries[$0] } }
  }

  public func entry(id: EntryID) throws -> StoredEntry? { try withState { $0.entries[id] } }

  public func count(in namespace: Namespace?) throws -> Int {
    try withState { state in
      guard let namespace else { return state.entries.count }
      return state.ids[namespace]?.count ?? 0
    }
  }

  public func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID] {
    try withState { state in
      state.entries(in: namespace)
        .sorted { ($0.lastAccessedAt, $0.id) < ($1.lastAccessedAt, $1.id) }
        .prefix(max(0, limit)).map(\.id)
    }
  }

  public func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws {
    let ids = try withState { state in state.entries(in: namespace).map(\.id).sorted() }
    for next in ids where id.map({ next > $0 }) ?? true {
      if let entry = try entry(id: next) { try body(entry) }
    }
  }

  // MARK: Writing

  @discardableResult
  public func insert(_ entry: StoredEntry) throws -> EntryID {
    try withState { state in
      try state.stamp(for: entry)
      var entry = entry
      if let known = state.ids[entry.namespace]?[entry.queryHash] {
        entry.id = known
      } else {
        state.lastID += 1
        entry.id = EntryID(state.lastID)
      }
      state.entries[entry.id] = entry
      state.ids[entry.namespace, default: [:]][entry.queryHash] = entry.id
      state.version += 1
      state.written[entry.id] = state.version
      return entry.id
    }
  }

  public func recordAccess(id: EntryID, at now: UnixTime) throws {
    try withState { state in
      state.entries[id]?.lastAccessedAt = now
      if let count = state.entries[id]?.accessCount, count < .max {
        state.entries[id]?.accessCount = count + 1
      }
    }
  }

  @discardableResult
  public func remove(id: EntryID) throws -> Bool { try withState { $0.remove(id) } }

  // MARK: Figures

  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try withState { $0.quotas[namespace] = maxEntries }
  }

  public func quota(for namespace: Namespace) throws -> Int? { try withState { $0.quotas[namespace] } }

  public func versionCounter() throws -> Int64 { try withState { $0.version } }

  public func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    try withState { state in
      guard state.identity != nil else { return }
      var added = Counters()
      added[counter] = count
      state.counters[namespace] = (state.counters[namespace] ?? Counters()) + added
    }
  }

  public func summaries() throws -> [NamespaceSummary] {
    try withState { state in
      let known = Set(state.ids.keys).union(state.quotas.keys).union(state.counters.keys)
      return known.sorted().map {
        NamespaceSummary(
          namespace: $0, entries: state.ids[$0]?.count ?? 0, quota: state.quotas[$0],
          counters: state.counters[$0] ?? Counters())
      }
    }
  }
}

extension MemoryStore: CacheStore {
  package func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark? {
    StoreMark(
      lineage: [lineage], version: try versionCounter(), entries: 0, highestID: EntryID(0),
      time: UnixTime(0))
  }

  package func changes(in namespace: Namespace, since mark: StoreMark, atMost limit: Int) throws
    -> NamespaceChanges?
  {
    guard let now = try self.mark(of: namespace, leavingTrace: false), mark.canPrecede(now) else {
      return nil
    }
    guard mark.version < now.version else { return NamespaceChanges(written: [], examined: 0, mark: now) }
    let written = try withState { state in
      state.ids[namespace]?.values.filter { state.written[$0, default: 0] > mark.version } ?? []
    }
    return written.count <= limit
      ? NamespaceChanges(written: written, examined: written.count, mark: now) : nil
  }
}

extension MemoryStore.State {
  /// Sets the identity at the first write, and checks every later write against it.
  mutating func stamp(for entry: StoredEntry) throws {
    try QueryNormalizer.check(hash: entry.queryHash)
    guard let identity = identity ?? expected else { throw CacheIdentity.unknownToWriter }
    try expected?.check(against: identity)
    try identity.check(entry.embedding)
    self.identity = identity
  }

  func entries(in namespace: Namespace?) -> [StoredEntry] {
    guard let namespace else { return Array(entries.values) }
    return ids[namespace]?.values.compactMap { entries[$0] } ?? []
  }

  mutating func remove(_ id: EntryID) -> Bool {
    guard let entry = entries.removeValue(forKey: id) else { return false }
    ids[entry.namespace]?[entry.queryHash] = nil
    if ids[entry.namespace]?.isEmpty == true { ids[entry.namespace] = nil }
    written[id] = nil
    version += 1
    return true
  }
}
