import Mneme

/// A model of a store, as simple as possible: one dictionary, no index and no code of the library.
struct CacheModel {
  struct Item {
    var entry: StoredEntry
    /// Whether Redis has expired the entry. Its leftovers are counted until a vacuum.
    var isGhost = false
  }

  private(set) var items: [EntryID: Item] = [:]
  private(set) var quotas: [Namespace: Int] = [:]
  private(set) var counters: [Namespace: Counters] = [:]
  private(set) var version: Int64 = 0
  private var lastID: Int64 = 0
  private var exists = false

  // MARK: Reading

  func entry(_ id: EntryID) -> StoredEntry? { items[id].flatMap { $0.isGhost ? nil : $0.entry } }

  func entry(_ namespace: Namespace, _ queryHash: String) -> StoredEntry? {
    items.values.first {
      !$0.isGhost && $0.entry.namespace == namespace && $0.entry.queryHash == queryHash
    }?.entry
  }

  /// The items of a namespace, including ghosts.
  func listed(_ namespace: Namespace?) -> [Item] {
    items.values.filter { namespace == nil || $0.entry.namespace == namespace }
  }

  func live(_ namespace: Namespace?) -> [StoredEntry] {
    listed(namespace).filter { !$0.isGhost }.map(\.entry).sorted { $0.id < $1.id }
  }

  var namespaces: [Namespace] { Set(items.values.map(\.entry.namespace)).sorted() }

  func leastRecentlyUsed(_ namespace: Namespace?) -> [EntryID] {
    listed(namespace).map(\.entry)
      .sorted { ($0.lastAccessedAt, $0.id) < ($1.lastAccessedAt, $1.id) }.map(\.id)
  }

  func expiredCount(at now: UnixTime) -> Int { listed(nil).count { $0.entry.isExpired(at: now) } }

  var summaries: [NamespaceSummary] {
    Set(namespaces).union(quotas.keys).union(counters.keys).sorted().map {
      NamespaceSummary(
        namespace: $0, entries: listed($0).count, quota: quotas[$0], counters: counters[$0] ?? Counters())
    }
  }

  // MARK: Writing

  mutating func insert(_ entry: StoredEntry, isGhost: Bool) -> EntryID {
    exists = true
    var entry = entry
    if let known = self.entry(entry.namespace, entry.queryHash) {
      entry.id = known.id
    } else {
      lastID += 1
      entry.id = EntryID(lastID)
    }
    items[entry.id] = Item(entry: entry, isGhost: isGhost)
    version += 1
    return entry.id
  }

  mutating func recordAccess(_ id: EntryID, at now: UnixTime) {
    guard entry(id) != nil else { return }
    items[id]?.entry.lastAccessedAt = now
    items[id]?.entry.accessCount += 1
  }

  /// - Returns: whether an entry, and no ghost, was there.
  mutating func remove(_ id: EntryID) -> Bool {
    guard entry(id) != nil else { return false }
    items[id] = nil
    version += 1
    return true
  }

  private mutating func sweep(_ id: EntryID) {
    guard items[id]?.isGhost == true else { return }
    items[id] = nil
    version += 1
  }

  mutating func removeExpired(at now: UnixTime) -> Int {
    var removed = 0
    for item in listed(nil) where item.entry.isExpired(at: now) {
      guard !item.isGhost else {
        sweep(item.entry.id)
        continue
      }
      if remove(item.entry.id) {
        removed += 1
        count(1, .expirations, item.entry.namespace)
      }
    }
    return removed
  }

  mutating func removeAll(_ namespace: Namespace) -> Int {
    let removed = live(namespace).count
    for item in listed(namespace) {
      sweep(item.entry.id)
      _ = remove(item.entry.id)
    }
    return removed
  }

  mutating func setQuota(_ quota: Int?, _ namespace: Namespace) { quotas[namespace] = quota }

  mutating func count(_ number: Int64, _ counter: Counter, _ namespace: Namespace) {
    if exists { counters[namespace, default: Counters()][counter] += number }
  }

  mutating func evict(_ namespace: Namespace, maxEntries: Int?, sparing spared: EntryID? = nil) -> Int {
    guard let limit = quotas[namespace] ?? maxEntries else { return 0 }
    let scope = quotas[namespace] == nil ? nil : namespace
    let excess = listed(scope).count - limit
    guard excess > 0 else { return 0 }
    let oldest = leastRecentlyUsed(scope).prefix(max(excess, limit / 10, 1) + (spared == nil ? 0 : 1))
    let order = oldest.filter { $0 != spared } + oldest.filter { $0 == spared }
    var evicted = 0
    for id in order.prefix(max(excess, limit / 10, 1)) {
      sweep(id)
      if remove(id) { evicted += 1 }
    }
    if evicted > 0 { count(Int64(evicted), .evictions, namespace) }
    return evicted
  }
}
