import Mneme
import Synchronization

/// A store with nothing but what `Store` requires, as another package would write it. `Tests/package` copies this file into
/// such a package.
public final class ListStore: Store {
  private struct State {
    var isClosed = false
    var identity: CacheIdentity?
    var expected: CacheIdentity?
    /// In the order of ids.
    var entries: [StoredEntry] = []
    var lastID: Int64 = 0
    var version: Int64 = 0
    var quotas: [Namespace: Int] = [:]
    var counters: [Namespace: Counters] = [:]
  }

  private let state = Mutex(State())
  private let beforeWalk: @Sendable (Namespace?) -> Void

  /// - Parameter beforeWalk: is called before the entries of a namespace are passed on.
  public init(beforeWalk: @escaping @Sendable (Namespace?) -> Void = { _ in }) {
    self.beforeWalk = beforeWalk
  }

  private func withState<Result>(_ body: (inout State) throws -> Result) throws -> Result {
    try state.withLock { state in
      guard !state.isClosed else { throw CacheClosedError("The store is closed.", remedy: .reopen) }
      return try body(&state)
    }
  }

  public func open(expecting identity: CacheIdentity?) throws {
    try withState { state in
      if let identity, let stored = state.identity { try identity.check(against: stored) }
      state.expected = identity
    }
  }

  public func identity() throws -> CacheIdentity? { try withState { $0.identity } }
  public func close() { state.withLock { $0.isClosed = true } }

  public func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry? {
    try withState { $0.entries.first { $0.namespace == namespace && $0.queryHash == queryHash } }
  }

  public func entry(id: EntryID) throws -> StoredEntry? {
    try withState { $0.entries.first { $0.id == id } }
  }

  public func count(in namespace: Namespace?) throws -> Int {
    try withState { $0.entries.count { namespace == nil || $0.namespace == namespace } }
  }

  public func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID] {
    try withState { state in
      state.entries.filter { namespace == nil || $0.namespace == namespace }
        .sorted { ($0.lastAccessedAt, $0.id) < ($1.lastAccessedAt, $1.id) }.prefix(limit).map(\.id)
    }
  }

  public func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws {
    beforeWalk(namespace)
    let ids = try withState { state in
      state.entries.filter { entry in
        (namespace == nil || entry.namespace == namespace) && id.map { entry.id > $0 } ?? true
      }.map(\.id)
    }
    for id in ids { if let entry = try entry(id: id) { try body(entry) } }
  }

  @discardableResult
  public func insert(_ entry: StoredEntry) throws -> EntryID {
    try withState { state in
      try QueryNormalizer.check(hash: entry.queryHash)
      guard let identity = state.identity ?? state.expected else { throw CacheIdentity.unknownToWriter }
      try state.expected?.check(against: identity)
      try identity.check(entry.embedding)
      state.identity = identity
      state.version += 1
      var entry = entry
      if let place = state.entries.firstIndex(where: {
        $0.namespace == entry.namespace && $0.queryHash == entry.queryHash
      }) {
        entry.id = state.entries[place].id
        state.entries[place] = entry
      } else {
        state.lastID += 1
        entry.id = EntryID(state.lastID)
        state.entries.append(entry)
      }
      return entry.id
    }
  }

  public func recordAccess(id: EntryID, at now: UnixTime) throws {
    try withState { state in
      guard let place = state.entries.firstIndex(where: { $0.id == id }) else { return }
      state.entries[place].lastAccessedAt = now
      state.entries[place].accessCount += 1
    }
  }

  @discardableResult
  public func remove(id: EntryID) throws -> Bool {
    try withState { state in
      guard let place = state.entries.firstIndex(where: { $0.id == id }) else { return false }
      state.entries.remove(at: place)
      state.version += 1
      return true
    }
  }

  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try withState { $0.quotas[namespace] = maxEntries }
  }

  public func quota(for namespace: Namespace) throws -> Int? { try withState { $0.quotas[namespace] } }
  public func versionCounter() throws -> Int64 { try withState { $0.version } }

  public func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    try withState { state in
      guard state.identity != nil else { return }
      state.counters[namespace, default: Counters()][counter] += count
    }
  }

  public func summaries() throws -> [NamespaceSummary] {
    try withState { state in
      Set(state.entries.map(\.namespace)).union(state.quotas.keys).union(state.counters.keys).sorted().map {
        namespace in
        NamespaceSummary(
          namespace: namespace, entries: state.entries.count { $0.namespace == namespace },
          quota: state.quotas[namespace], counters: state.counters[namespace] ?? Counters())
      }
    }
  }
}
