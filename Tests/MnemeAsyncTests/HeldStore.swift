import Dispatch
import Mneme
import Synchronization

/// A store whose reads of entries by hash, and removals, wait for a signal where a test wants that. It has nothing but
/// what `Store` requires.
final class HeldStore: Store {
  let memory = MemoryStore()
  /// Which queries are held, by their hash.
  private let held: Set<String>
  let isHeld = DispatchSemaphore(value: 0)
  let mayContinue = DispatchSemaphore(value: 0)
  private let walks = Atomic(0)
  private let removals = Atomic(0)

  /// - Parameter holdsFirstRemoval: waits in the first removal as well.
  init(holding queries: [String] = [], holdsFirstRemoval: Bool = false) {
    held = Set(queries.map { QueryNormalizer.queryHash($0) })
    removals.store(holdsFirstRemoval ? 0 : 1, ordering: .relaxed)
  }

  /// The number of walks over the entries.
  var walkCount: Int { walks.load(ordering: .relaxed) }

  private func hold() {
    isHeld.signal()
    mayContinue.wait()
  }

  func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry? {
    if held.contains(queryHash) { hold() }
    return try memory.entry(namespace: namespace, queryHash: queryHash)
  }

  @discardableResult
  func remove(id: EntryID) throws -> Bool {
    if removals.add(1, ordering: .relaxed).oldValue == 0 { hold() }
    return try memory.remove(id: id)
  }

  func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws {
    walks.add(1, ordering: .relaxed)
    try memory.forEachEntry(after: id, in: namespace, body)
  }

  func open(expecting identity: CacheIdentity?) throws { try memory.open(expecting: identity) }
  func identity() throws -> CacheIdentity? { try memory.identity() }
  func close() { memory.close() }
  func entry(id: EntryID) throws -> StoredEntry? { try memory.entry(id: id) }
  func count(in namespace: Namespace?) throws -> Int { try memory.count(in: namespace) }
  func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID] {
    try memory.leastRecentlyUsed(limit, in: namespace)
  }
  @discardableResult
  func insert(_ entry: StoredEntry) throws -> EntryID { try memory.insert(entry) }
  func recordAccess(id: EntryID, at now: UnixTime) throws { try memory.recordAccess(id: id, at: now) }
  func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try memory.setQuota(maxEntries, for: namespace)
  }
  func quota(for namespace: Namespace) throws -> Int? { try memory.quota(for: namespace) }
  func versionCounter() throws -> Int64 { try memory.versionCounter() }
  func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    try memory.add(count, to: counter, in: namespace)
  }
  func summaries() throws -> [NamespaceSummary] { try memory.summaries() }
}
