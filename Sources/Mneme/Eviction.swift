/// The number of entries that are evicted when a limit is passed.
package enum Eviction {
  /// The number of entries to evict: `max(excess, limit / 10, 1)`. That is a tenth of the limit at least, so that
  /// a full cache does not evict on every put.
  /// - Returns: 0 if `count` does not exceed `limit`.
  package static func batch(count: Int, limit: Int) -> Int {
    count > limit ? max(count - limit, limit / 10, 1) : 0
  }

  /// The first `batch` of these. Spared ones are chosen only if there are no others.
  package static func choose(_ batch: Int, of oldest: [EntryID], sparing spared: Set<EntryID>) -> [EntryID] {
    let (others, last) = (oldest.filter { !spared.contains($0) }, oldest.filter { spared.contains($0) })
    return Array((others + last).prefix(batch))
  }
}
