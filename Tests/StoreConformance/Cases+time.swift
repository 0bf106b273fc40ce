import Mneme

extension StoreBattery {
  static let recencyCases = [
    StoreCase("a use sets the time of the last use and is counted") { place in
      let store = try place.store()
      var entry = Sample.entry("q", accessCount: 4)
      entry.id = try store.insert(entry)
      try store.recordAccess(id: entry.id, at: .after(10))
      try store.recordAccess(id: entry.id, at: .after(20))
      entry.lastAccessedAt = .after(20)
      entry.accessCount = 6
      try expectEqual(try store.entry(id: entry.id), entry, "entry")
    },

    StoreCase("a hit is recorded as a use and counted for its layer") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q"))
      let entry = try present(store.entry("q"), "the entry")
      try store.recordHit(entry, counting: .hitsSemantic, at: .after(3))
      try expectEqual(try store.entry("q")?.lastAccessedAt, .after(3), "last use")
      try expectEqual(try store.entry("q")?.accessCount, 1, "uses")
      try expectEqual(try store.counters(in: Sample.here)[.hitsSemantic], 1, "hits")
      try expectEqual(try store.counters(in: Sample.here)[.hitsExact], 0, "exact hits")
    },

    StoreCase("a use of a removed entry does not create anything") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q"))
      let entry = try present(store.entry("q"), "the entry")
      try store.remove(id: entry.id)
      try store.recordAccess(id: entry.id, at: .after(1))
      try store.recordHit(entry, counting: .hitsExact, at: .after(1))
      try store.expectCount(0)
      try expect(try store.entry(id: entry.id) == nil, "found by id")
      try expectEqual(try store.namespaces(), [], "namespaces")
      try expect(try store.integrityCheck(), "the store is not sound")
    },

    StoreCase("the least recently used come first, in a namespace and over all") { place in
      let store = try place.store()
      let here = try ["q1", "q2", "q3"].enumerated().map { index, query in
        try store.insert(Sample.entry(query, at: .after(Int64(index) * 10)))
      }
      let there = try ["q1", "q2"].enumerated().map { index, query in
        try store.insert(Sample.entry(query, in: Sample.there, at: .after(Int64(index) * 10 + 5)))
      }
      try expectEqual(try store.leastRecentlyUsed(9, in: Sample.here), here, "here")
      let all = [here[0], there[0], here[1], there[1], here[2]]
      try expectEqual(try store.leastRecentlyUsed(9, in: nil), all, "all")
      try expectEqual(try store.leastRecentlyUsed(2, in: nil), Array(all.prefix(2)), "two of all")
      try expectEqual(try store.leastRecentlyUsed(0, in: nil), [], "none of all")
      try store.recordAccess(id: here[0], at: .after(100))
      try expectEqual(try store.leastRecentlyUsed(2, in: Sample.here), [here[1], here[2]], "after a use")
      try expectEqual(try store.leastRecentlyUsed(1, in: nil), [there[0]], "all after a use")
    },

    // Fewer than ten, so that a store which orders ids as text agrees.
    StoreCase("entries last used in the same second are in the order of their ids") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(4)) + store.insertAll(["r1", "r2"], in: Sample.there)
      try expectEqual(try store.leastRecentlyUsed(9, in: nil), ids, "all")
      try expectEqual(try store.leastRecentlyUsed(3, in: Sample.here), Array(ids.prefix(3)), "three here")
    },

    StoreCase("the order of use works with times before 1970 and far ahead") { place in
      let store = try place.store()
      let times: [Int64] = [4_000_000_000_000, -5, 0, 4_000_000_000_001, -10]
      let ids = try times.map { try store.insert(Sample.entry("\($0)", usedAt: UnixTime($0))) }
      try expectEqual(
        try store.leastRecentlyUsed(9, in: nil), [ids[4], ids[1], ids[2], ids[0], ids[3]], "order")
      try expectEqual(try store.entry("-10")?.lastAccessedAt, UnixTime(-10), "last use")
    },
  ]

  static let expiryCases = [
    StoreCase("an entry expires at the second of created at plus time to live") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q", ttl: Seconds(100)))
      try expectEqual(try store.removeExpired(at: .after(99), in: nil), 0, "a second before")
      try store.expectCount(1)
      try expectEqual(try store.removeExpired(at: .after(100), in: nil), 1, "in that second")
      try store.expectCount(0)
      try expect(try store.entry(id: id) == nil, "found by id")
      try expect(try store.entry("q") == nil, "found by hash")
    },

    StoreCase("only expired entries are removed, in every namespace or in one") { place in
      let store = try place.store()
      for namespace in [Sample.here, Sample.there] {
        try store.insertAll(["short"], in: namespace, ttl: Seconds(100))
        try store.insertAll(["long"], in: namespace, ttl: Seconds(200))
        try store.insertAll(["forever"], in: namespace)
      }
      try expectEqual(try store.removeExpired(at: .after(150), in: Sample.there), 1, "there")
      try expectEqual(try store.allEntries(in: Sample.there).map(\.query), ["long", "forever"], "there")
      try store.expectCount(3, in: Sample.here)
      try expectEqual(try store.removeExpired(at: .after(250), in: nil), 3, "everywhere")
      try expectEqual(try store.allEntries().map(\.query), ["forever", "forever"], "what stays")
    },

    StoreCase("each expiry is counted for the namespace of the entry") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(70), ttl: Seconds(100))
      try store.insertAll(Sample.queries(2), in: Sample.there, ttl: Seconds(100))
      try store.removeExpired(at: .after(100), in: nil)
      try expectEqual(try store.counters(in: Sample.here)[.expirations], 70, "here")
      try expectEqual(try store.counters(in: Sample.there)[.expirations], 2, "there")
      try expectEqual(try store.counters(in: nil)[.expirations], 72, "all")
      try store.removeExpired(at: .after(100), in: nil)
      try expectEqual(try store.counters(in: nil)[.expirations], 72, "all, after nothing was left")
    },

    StoreCase("an entry that is written again has the new time to live") { place in
      let store = try place.store()
      try store.insert(Sample.entry("forever", ttl: Seconds(100)))
      try store.insert(Sample.entry("forever"))
      try store.insert(Sample.entry("longer", ttl: Seconds(100)))
      try store.insert(Sample.entry("longer", at: .after(50), ttl: Seconds(100)))
      try store.insert(Sample.entry("shorter"))
      try store.insert(Sample.entry("shorter", ttl: Seconds(50)))
      try expectEqual(try store.removeExpired(at: .after(120), in: nil), 1, "expired")
      try expectEqual(try store.allEntries().map(\.query), ["forever", "longer"], "what stays")
    },

    StoreCase("more expired entries than one batch holds are removed") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(300), ttl: Seconds(100))
      try store.insertAll(Sample.queries(100, prefix: "stays"))
      try expectEqual(try store.removeExpired(at: .after(100), in: nil), 300, "expired")
      try store.expectCount(100)
      try expect(try store.integrityCheck(), "the store is not sound")
    },

    StoreCase("a time to live beyond the largest time never ends") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q", ttl: Seconds(.max)))
      try store.insert(Sample.entry("r", ttl: Seconds(4_000_000_000_000)))
      try expectEqual(try store.entry("q")?.ttl, Seconds(.max), "time to live")
      try expectEqual(try store.removeExpired(at: .after(1_000_000_000), in: nil), 0, "expired")
      try store.expectCount(2)
    },
  ]
}
