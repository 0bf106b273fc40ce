import Mneme

/// Stores batch after batch of entries, for callers with many.
public struct BatchInsertion {
  /// What has become of a batch.
  public typealias Outcome = (outcomes: [InsertOutcome], evicted: Int)

  private let store: RedisStore
  private let policy: ConflictPolicy
  private let maxEntries: Int?
  private var settled: [Outcome] = []

  /// - Parameters:
  ///   - policy: what becomes of an entry whose query is there.
  ///   - maxEntries: of the whole cache, where a namespace has no quota.
  public init(_ store: RedisStore, onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?) {
    (self.store, self.policy, self.maxEntries) = (store, policy, maxEntries)
  }

  public mutating func insert(_ entries: [StoredEntry]) throws {
    settled.append(try store.insert(entries, onConflict: policy, evictingOver: maxEntries))
  }

  public mutating func finish() throws {}

  public mutating func takeSettled() -> [Outcome] {
    defer { settled = [] }
    return settled
  }
}
