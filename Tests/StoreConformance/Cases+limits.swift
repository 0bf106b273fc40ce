import Mneme

extension StoreBattery {
  static let evictionCases = [
    StoreCase("without a quota or a limit nothing is evicted") { place in
      let store = try place.store()
      for query in Sample.queries(30) {
        let insertion = try store.insert(Sample.entry(query), evictingOver: nil)
        try expectEqual(insertion.evicted, 0, "evicted")
        try expect(!insertion.replaced, "a new query replaced something")
      }
      try store.expectCount(30)
    },

    StoreCase("an insert reports whether it replaced an entry, and the id") { place in
      let store = try place.store()
      let first = try store.insert(Sample.entry("q"), evictingOver: 10)
      try expect(!first.replaced, "the first replaced something")
      let second = try store.insert(Sample.entry("q"), evictingOver: 10)
      try expectEqual(second, Insertion(id: first.id, replaced: true, evicted: 0), "insertion")
      try expectEqual(try store.entry("q")?.id, first.id, "id")
    },

    StoreCase("a namespace over its quota loses its least recently used entries") { place in
      let store = try place.store()
      try store.setQuotaAfterFirstWrite(3)
      try store.insertUnderLimit(Sample.queries(3))
      try store.recordAccess(id: try present(store.entry("q1"), "q1").id, at: .after(100))
      let insertion = try store.insert(Sample.entry("q4", at: .after(50)), evictingOver: nil)
      try expectEqual(insertion.evicted, 1, "evicted")
      try expectEqual(try store.allEntries().map(\.query), ["q1", "q3", "q4"], "what stays")
    },

    StoreCase("a tenth of the quota is evicted together") { place in
      let store = try place.store()
      try store.setQuotaAfterFirstWrite(20)
      try store.insertUnderLimit(Sample.queries(20))
      try expectEqual(
        try store.insert(Sample.entry("q21", at: .after(21)), evictingOver: nil).evicted, 2, "evicted")
      try store.expectCount(19)
      try expect(try store.entry("q1") == nil && store.entry("q2") == nil, "the oldest are still there")
    },

    StoreCase("a quota that was lowered takes effect with the next insert") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(100))
      try store.setQuota(10, for: Sample.here)
      try store.expectCount(100)
      try expectEqual(
        try store.insert(Sample.entry("new", at: .after(1)), evictingOver: nil).evicted, 91, "evicted")
      try store.expectCount(10)
      try expect(try store.entry("new") != nil, "the new entry is gone")
    },

    StoreCase("a replacement in a full namespace evicts nothing") { place in
      let store = try place.store()
      try store.setQuotaAfterFirstWrite(3)
      try store.insertUnderLimit(Sample.queries(3))
      let insertion = try store.insert(Sample.entry("q2", response: "new", at: .after(9)), evictingOver: nil)
      try expectEqual(insertion.evicted, 0, "evicted")
      try store.expectCount(3)
    },

    StoreCase("a quota applies to its own namespace only") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(10), in: Sample.there)
      try store.setQuota(1, for: Sample.here)
      try expectEqual(
        try store.insert(Sample.entry("q1", in: Sample.there, at: .after(9)), evictingOver: nil).evicted, 0,
        "evicted there")
      try expectEqual(try store.insert(Sample.entry("a"), evictingOver: nil).evicted, 0, "first here")
      try expectEqual(
        try store.insert(Sample.entry("b", at: .after(1)), evictingOver: nil).evicted, 1, "second here")
      try store.expectCount(10, in: Sample.there)
      try expectEqual(try store.allEntries(in: Sample.here).map(\.query), ["b"], "what stays")
    },

    StoreCase("the limit of the whole store takes the oldest of all namespaces") { place in
      let store = try place.store()
      try store.insert(Sample.entry("oldest", at: .after(1)))
      try store.insert(Sample.entry("older", in: Sample.there, at: .after(2)))
      try store.insert(Sample.entry("old", at: .after(3)))
      let insertion = try store.insert(Sample.entry("new", in: Sample.there, at: .after(4)), evictingOver: 2)
      try expectEqual(insertion.evicted, 2, "evicted")
      try expectEqual(try store.allEntries().map(\.query), ["old", "new"], "what stays")
      try expectEqual(try store.counters(in: Sample.there)[.evictions], 2, "counted where the put was")
      try expectEqual(try store.counters(in: Sample.here)[.evictions], 0, "counted elsewhere")
    },

    StoreCase("a quota of the namespace overrides the limit of the whole store") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(10), in: Sample.there)
      try store.setQuota(5, for: Sample.here)
      for query in Sample.queries(5) {
        try expectEqual(try store.insert(Sample.entry(query), evictingOver: 3).evicted, 0, "evicted")
      }
      try store.expectCount(15)
      try expectEqual(
        try store.insert(Sample.entry("six", at: .after(1)), evictingOver: 3).evicted, 1,
        "evicted by the quota")
      try store.expectCount(10, in: Sample.there)
    },

    StoreCase("evictions are counted") { place in
      let store = try place.store()
      try store.setQuotaAfterFirstWrite(10)
      try store.insertUnderLimit(Sample.queries(14))
      try expectEqual(try store.counters(in: Sample.here)[.evictions], 4, "evictions")
      try expectEqual(try store.versionCounter(), 2 + 14 + 4, "version")
      try store.expectCount(10)
    },
  ]

  static let quotaCases = [
    StoreCase("a quota is set, changed, kept for its namespace, and removed") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q"))
      try store.setQuota(5, for: Sample.here)
      try store.setQuota(6, for: Sample.there)
      try store.setQuota(7, for: Sample.here)
      try expectEqual(try store.quota(for: Sample.here), 7, "here")
      try expectEqual(try store.quota(for: Sample.there), 6, "there")
      try expectEqual(try store.namespaces(), [Sample.here], "namespaces")
      try store.setQuota(nil, for: Sample.here)
      try store.setQuota(nil, for: Sample.here)
      try expect(try store.quota(for: Sample.here) == nil, "a quota is left")
      try expectEqual(try store.quota(for: Sample.there), 6, "there")
    },

    StoreCase("a quota evicts nothing by itself") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(9))
      try store.setQuota(2, for: Sample.here)
      try store.expectCount(9)
      try store.insert(Sample.entry("ten"))
      try store.expectCount(10)
    },
  ]

  static let counterCases = [
    StoreCase("counters are kept for each namespace and summed over all") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q"))
      for (index, counter) in Counter.allCases.enumerated() {
        try store.add(Int64(index + 1), to: counter, in: Sample.here)
        try store.add(10, to: counter, in: Sample.there)
        try store.add(0, to: counter, in: Sample.there)
        try expectEqual(try store.counters(in: Sample.here)[counter], Int64(index + 1), counter.rawValue)
        try expectEqual(try store.counters(in: Sample.there)[counter], 10, counter.rawValue)
        try expectEqual(try store.counters(in: nil)[counter], Int64(index + 11), counter.rawValue)
      }
      try expectEqual(try store.counters(in: Namespace("elsewhere")), Counters(), "elsewhere")
      try expectEqual(try store.namespaces(), [Sample.here], "namespaces")
    },

    StoreCase("nothing is counted if there is no cache") { place in
      let store = try place.store()
      try store.add(5, to: .misses, in: Sample.here)
      try expect(try store.identity() == nil, "there is an identity")
      try store.insert(Sample.entry("q"))
      try expectEqual(try store.counters(in: nil), Counters(), "counters")
    },

    StoreCase("counters outlive the entries") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q"))
      try store.add(2, to: .hitsExact, in: Sample.here)
      try store.remove(id: id)
      try expectEqual(try store.counters(in: Sample.here)[.hitsExact], 2, "hits of the namespace")
      try expectEqual(try store.counters(in: nil)[.hitsExact], 2, "hits of all")
    },
  ]
}

extension CacheStore {
  /// Sets the quota of the default namespace in a cache that exists: whether a quota creates one is not said.
  fileprivate func setQuotaAfterFirstWrite(_ quota: Int) throws {
    try insert(Sample.entry("founder", in: Sample.there))
    try removeAll(in: Sample.there)
    try setQuota(quota, for: Sample.here)
  }

  /// Inserts with eviction, a second apart each, so that the order of use is theirs.
  fileprivate func insertUnderLimit(_ queries: [String]) throws {
    for (second, query) in queries.enumerated() {
      _ = try insert(Sample.entry(query, at: .after(Int64(second))), evictingOver: nil)
    }
  }
}
