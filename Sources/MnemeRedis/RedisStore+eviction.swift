import Mneme

extension RedisStore {
  /// The number of entries chosen at a time. It is constant: with another number, other entries of the same second
  /// would be the first over all namespaces.
  private static let evictionPage = 200

  /// The most entries that a put evicts in its own transaction. The look before it reads as many of the least recently
  /// used.
  static let evictedAlong = 15

  /// Evicts entries over a limit. Two round trips to choose the first, then one for each 200 entries and three for each
  /// transaction.
  package func evict(
    for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>
  ) throws -> Int {
    try evict(for: namespace, maxEntries: maxEntries, sparing: spared, WorkControl())
  }

  /// Evicts with a control, since a lowered quota may evict a million entries.
  /// - Parameter limit: replaces the stored quota, which a full server may have refused.
  package func evict(
    for namespace: Namespace, quota limit: Int? = nil, maxEntries: Int?, sparing spared: Set<EntryID>,
    _ control: WorkControl
  ) throws -> Int {
    var request = Pipeline()
    let quota = appendQuotaQuestion(for: namespace, to: &request)
    let count = request.append("ZCARD", layout.lru(namespace))
    let total = request.append("ZCARD", layout.byID)
    let seen = try read(request)
    let fill = Fill(
      namespace: namespace, quota: try limit ?? seen[quota], count: seen[count].size ?? 0,
      total: seen[total].size ?? 0)
    let scope = fill.quota == nil ? nil : namespace
    // Entries to keep, and entries that cannot be removed, are chosen only if there are no others.
    var passedOver = spared
    var (left, evicted) = (fill.excess(over: maxEntries), 0)
    while left > 0, !control.shouldStop() {
      let wanted = min(left, Self.evictionPage)
      var oldest = try leastRecentlyUsed(wanted, in: scope)
      // More are requested only now. A larger first request would change which entries of one second are the first
      // over all namespaces.
      if !passedOver.isDisjoint(with: oldest) {
        oldest = try leastRecentlyUsed(wanted + passedOver.count, in: scope)
      }
      let going = Eviction.choose(wanted, of: oldest, sparing: passedOver)
      guard !going.isEmpty else { break }
      left -= going.count
      for slice in going.slices(of: Batch.removed) where !control.shouldStop() {
        let gone = try removeWhatever(Array(slice), from: scope, counting: .all(.evictions, namespace))
        // Leftovers count towards the limit, but are not counted as evicted.
        let lost = Set(slice).subtracting(gone)
        try sweepLeftovers(lost.sorted().map { Leftover(id: $0, namespace: scope) })
        passedOver.formUnion(lost)
        evicted += gone.count
        control.progress(WorkProgress(done: evicted))
      }
    }
    return evicted
  }

  /// Returns the namespaces that are over their quota. A quota that may not be read or is not a number is skipped. One
  /// round trip for each 64.
  func namespacesOverQuota(in namespace: Namespace?) throws -> [(
    namespace: Namespace, quota: Int, count: Int
  )] {
    let names = try namespace.map { [$0] } ?? namespaces()
    return try names.filter { isSound(layout.lru($0)) }.slices(of: Batch.keys).flatMap { slice in
      try read(tolerating: true) { pipeline in
        let asked = slice.map {
          (
            namespace: $0, count: pipeline.append("ZCARD", layout.lru($0)),
            field: pipeline.append("HMGET", layout.quotas, $0.name),
            string: pipeline.append("GET", layout.quota($0))
          )
        }
        return Question<[(namespace: Namespace, quota: Int, count: Int)]> { replies in
          asked.compactMap { seen -> (namespace: Namespace, quota: Int, count: Int)? in
            let string = replies[seen.string]
            guard string.kind != .error, replies[seen.field].kind != .error,
              let quota = (string.isNull ? replies[seen.field][0] : string).integer, quota > 0,
              let count = replies[seen.count].size, Int64(count) > quota
            else { return nil }
            return (seen.namespace, Int(quota), count)
          }
        }
      }
    }
  }

  /// Chooses the entries that a put evicts in its own transaction. There are some if the new entry takes the namespace
  /// over its quota, by no more entries than the look has read. All other cases are left to `evict`.
  func victims(of seen: InsertionLook, in namespace: Namespace) -> [EntryID] {
    guard let quota = seen.quotas[namespace] else { return [] }
    let replaced = seen.indexed[0]
    let count = seen.evictable.count + (replaced == nil ? 1 : 0)
    let batch = Eviction.batch(count: count, limit: quota)
    let oldest = seen.evictable.oldest.filter { $0 != replaced }
    return batch <= Self.evictedAlong && batch <= oldest.count ? Array(oldest.prefix(batch)) : []
  }
}
