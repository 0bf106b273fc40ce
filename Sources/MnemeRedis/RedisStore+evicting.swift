#if Redis
  import Mneme

  extension RedisStore {
    /// Two round trips to see what goes, then three for each 64 entries.
    public func evict(
      for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>
    ) throws -> Int {
      let seen = try read(
        pipeline {
          appendQuotaQuestion(for: namespace, to: &$0)
          $0.append("ZCARD", layout.lru(namespace))
          $0.append("ZCARD", layout.byID)
        })
      let quota = try quota(in: (seen[0], seen[1]), of: namespace)
      guard let limit = quota ?? maxEntries else { return 0 }
      let batch = Eviction.batch(count: Int(seen[quota == nil ? 3 : 2].integer ?? 0), limit: limit)
      guard batch > 0 else { return 0 }
      let oldest = try leastRecentlyUsed(batch + spared.count, in: quota == nil ? nil : namespace)
      let going = Eviction.choose(batch, of: oldest, sparing: spared)
      let evicted = try inBatches(going) { ids in
        try removeBatch(ids, counting: .all(.evictions, namespace)) { _ in true }
      }
      // Index members whose entry Redis itself has expired count towards the limit and are no entries.
      if evicted.count < going.count {
        try sweepLeftovers(
          Set(going).subtracting(evicted).sorted().map {
            Leftover(id: $0, namespace: quota == nil ? nil : namespace)
          })
      }
      return evicted.count
    }

    /// How many of the least recently used entries are read ahead with every put, so that a put that evicts no more
    /// of them costs no further round trip.
    static let readAhead = 16

    /// What a put of one entry evicts in its own transaction: when the namespace is over its quota with it, by no
    /// more entries than were read ahead. What goes beyond that is left to `evict`.
    /// - Parameters:
    ///   - before: the number of entries of the namespace before the put.
    ///   - oldest: the answer to `ZRANGE lru: 0 readAhead-1`.
    func victims(
      of id: EntryID, isNew: Bool, quota: Int?, before: Int, oldest: Reply
    ) -> [EntryID] {
      guard let quota else { return [] }
      let batch = Eviction.batch(count: before + (isNew ? 1 : 0), limit: quota)
      let ids = oldest.elements.compactMap { EntryID(member: $0.bytes) }.filter { $0 != id }
      return batch > 0 && batch <= ids.count && batch < Self.readAhead ? Array(ids.prefix(batch)) : []
    }
  }
#endif
