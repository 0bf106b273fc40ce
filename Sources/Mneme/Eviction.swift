/// How many entries go when a limit is passed.
public enum Eviction {
  /// `max(excess, limit / 10, 1)`: at least down to the limit, and a tenth of it more at once, so that a full
  /// cache does not evict on every put.
  /// - Returns: 0 when `count` does not exceed `limit`.
  public static func batch(count: Int, limit: Int) -> Int {
    count > limit ? max(count - limit, limit / 10, 1) : 0
  }

  /// The first `batch` of these, those to spare only when there are no others.
  public static func choose(_ batch: Int, of oldest: [EntryID], sparing spared: Set<EntryID>) -> [EntryID] {
    let (others, last) = (oldest.filter { !spared.contains($0) }, oldest.filter { spared.contains($0) })
    return Array((others + last).prefix(batch))
  }
}

extension Store {
  /// The same, sparing nothing. (A default value for `sparing` would make callers of an `any Store` miss the store's own
  /// way of evicting.)
  public func evict(for namespace: Namespace, maxEntries: Int?) throws -> Int {
    try evict(for: namespace, maxEntries: maxEntries, sparing: [])
  }

  public func evict(
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
}
