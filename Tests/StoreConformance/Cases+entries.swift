import Mneme

extension StoreBattery {
  static let entryCases = [
    StoreCase("an entry is found by its hash and by its id, with every field") { place in
      let store = try place.store()
      var entry = Sample.entry(
        "how are you?", metadata: #"{"lang":"en"}"#, at: .after(-5), usedAt: .after(-3), ttl: Seconds(3600),
        accessCount: 7)
      entry.id = try store.insert(entry)
      try expectEqual(try store.entry("how are you?"), entry, "by hash")
      try expectEqual(try store.entry(id: entry.id), entry, "by id")
      try expectEqual(try store.allEntries(), [entry], "walked through")
      try expect(try store.entry("how is she?") == nil, "another query has an entry")
      try expect(try store.entry(id: EntryID(entry.id.rawValue + 1)) == nil, "another id has an entry")
    },

    StoreCase("if a query comes twice in a batch, the later is stored, once") { place in
      let store = try place.store()
      let batch = [
        Sample.entry("a", response: "first"), Sample.entry("b"), Sample.entry("a", response: "second"),
      ]
      let ids = try store.insert(batch)
      try expect(ids.count == 3 && ids[0] == ids[2] && ids[0] != ids[1], "the ids are \(ids)")
      try expectEqual(try store.entry("a")?.response, "second", "the answer that is found")
      try expectEqual(try store.entry(id: ids[0])?.response, "second", "the answer under its id")
      try store.expectCount(2)
      try expectEqual(try store.allEntries().map(\.id), [ids[0], ids[1]].sorted(), "walked through")
      try expectEqual(try store.insert([]), [], "nothing")
    },

    StoreCase("texts are kept byte for byte") { place in
      let store = try place.store()
      let texts = [
        "", " ", "\n", "line\r\nline\n", "\0", "a\0b", "\u{FEFF}bom", "caf\u{e9}", "cafe\u{301}",
        "\u{1F469}\u{200D}\u{1F680}",
        "\u{202E}right to left", "\u{1B}[31mred", "%s %00 $1 {0}", "*3\r\n$3\r\nSET\r\n", "\u{10FFFF}",
        "'\"\\`",
      ]
      for (index, text) in texts.enumerated() {
        var entry = Sample.entry("\(index)", response: text)
        entry.query = text
        entry.id = try store.insert(entry)
        try expectEqual(try store.entry(id: entry.id), entry, "entry with \(text.debugDescription)")
      }
      try store.expectCount(texts.count)
    },

    StoreCase("metadata is kept as the same text") { place in
      let store = try place.store()
      let texts = [
        #"{"b": 1e400, "a" : 0.10,"n":12345678901234567890, "z":-0.0}"#, "{}", "{ }",
        #"{"same":1,"same":2}"#, #"{"\u00e9":"\ud83e\udde0","é":[[],{},null,true]}"#,
      ]
      for (index, text) in texts.enumerated() {
        try store.insert(Sample.entry("\(index)", metadata: text))
        let found = try present(store.entry("\(index)"), "the entry").metadata
        try expect(found.utf8.elementsEqual(text.utf8), "\(found), not \(text)")
      }
    },

    StoreCase("embeddings are kept bit for bit") { place in
      let store = try place.store()
      let vectors: [[Float]] = [
        [-0.0, 0, .leastNonzeroMagnitude, -.leastNormalMagnitude],
        [Float(1).nextDown, Float(bitPattern: 0x0D0A_0D0A), Float(bitPattern: 0x3F00_0001), 1],
        [0.1, 0.2, 0.3, -0.9273618],
      ]
      for (index, vector) in vectors.enumerated() {
        var entry = Sample.entry("\(index)")
        entry.embedding = Embedding(vector)
        let id = try store.insert(entry)
        try expectEqual(try store.entry(id: id)?.embedding.bytes, entry.embedding.bytes, "\(vector)")
      }
    },

    StoreCase("the largest entry that a cache allows is kept") { place in
      let store = try place.store()
      let limits = Limits()
      var entry = Sample.entry(
        String(repeating: "q", count: limits.queryBytes),
        response: String(repeating: "a\n\u{1F9E0} ", count: limits.responseBytes / 7),
        metadata: "{\"k\":\"" + String(repeating: "v", count: limits.metadataBytes - 8) + "\"}")
      entry.id = try store.insert(entry)
      try expect(try store.entry(id: entry.id) == entry, "the entry came back changed")
    },

    StoreCase("an entry that is replaced keeps its id and nothing else") { place in
      let store = try place.store()
      try store.insertAll(["before", "q", "after"])
      let id = try present(store.entry("q"), "the entry").id
      try store.recordAccess(id: id, at: .after(10))
      var second = Sample.entry("q", response: "new", metadata: #"{"new":1}"#, at: .after(20), accessCount: 0)
      second.query = "  Q "
      second.embedding = Embedding([0, 0, 0, 1])
      try expectEqual(try store.insert(second), id, "id")
      second.id = id
      try expectEqual(try store.entry("q"), second, "by hash")
      try expectEqual(try store.entry(id: id), second, "by id")
      try store.expectCount(3)
    },

    StoreCase("a time to live is removed with its entry") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q", ttl: Seconds(3600)))
      try store.insert(Sample.entry("q"))
      try expectEqual(try store.entry("q").map { $0.ttl == nil }, true, "no time to live")
      try store.insert(Sample.entry("q", ttl: Seconds(60)))
      try expectEqual(try store.entry("q")?.ttl, Seconds(60), "time to live")
    },

    StoreCase("ids are chosen by the store, grow, and are never used twice") { place in
      let store = try place.store()
      var entry = Sample.entry("q1")
      entry.id = EntryID(4711)
      let first = try store.insert(entry)
      try expect(first != EntryID(4711), "the id of the caller was used")
      let second = try store.insert(Sample.entry("q2"))
      try expect(first < second, "\(second) after \(first)")
      try store.remove(id: second)
      let third = try store.insert(Sample.entry("q2"))
      try expect(second < third, "\(third) after \(second) was removed")
    },

    StoreCase("entries by ids come in the requested order, with nil for those that are gone") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(4))
      try store.remove(id: ids[2])
      let asked = [ids[3], ids[2], ids[0], ids[3], EntryID(999_999)]
      try expectEqual(
        try store.entries(ids: asked).map { $0?.query }, ["q4", nil, "q1", "q4", nil], "entries")
      try expectEqual(try store.entries(ids: []).count, 0, "entries of no ids")
      let many = try store.insertAll(Sample.queries(300, prefix: "many"))
      try expectEqual(try store.entries(ids: many.reversed()).map { $0?.id }, many.reversed(), "many")
    },

    StoreCase("a removed entry is gone for every method, and counted once") { place in
      let store = try place.store()
      let ids = try store.insertAll(["q1", "q2"], ttl: Seconds(3600))
      try expect(try store.remove(id: ids[0]), "it was not removed")
      try expect(try !store.remove(id: ids[0]), "it was removed twice")
      try expect(try store.entry("q1") == nil, "found by hash")
      try expect(try store.entry(id: ids[0]) == nil, "found by id")
      try expectEqual(try store.leastRecentlyUsed(9, in: Sample.here), [ids[1]], "order of use")
      try store.expectCount(1, in: Sample.here)
      try expectEqual(try store.removeExpired(at: .after(3600), in: nil), 1, "expired")
    },

    StoreCase("a namespace is gone with its last entry") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q"))
      try store.insert(Sample.entry("q", in: Sample.there))
      try expectEqual(try store.namespaces(), [Sample.here, Sample.there], "namespaces")
      try store.remove(id: id)
      try expectEqual(try store.namespaces(), [Sample.there], "namespaces")
      try expectEqual(try store.removeAll(in: Sample.there), 1, "removed")
      try expectEqual(try store.namespaces(), [], "namespaces")
      try store.insert(Sample.entry("q"))
      try expectEqual(try store.namespaces(), [Sample.here], "namespaces")
    },

    StoreCase("emptying a namespace removes its entries and no others") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(200))
      try store.insertAll(Sample.queries(3), in: Sample.there)
      try store.setQuota(1000, for: Sample.here)
      try store.add(5, to: .misses, in: Sample.here)
      try expectEqual(try store.removeAll(in: Sample.here), 200, "removed")
      try store.expectCount(0, in: Sample.here)
      try store.expectCount(3, in: Sample.there)
      try expect(try store.entry("q1") == nil, "found by hash")
      try expectEqual(try store.quota(for: Sample.here), 1000, "quota")
      try expectEqual(try store.counters(in: Sample.here)[.misses], 5, "misses")
      try expectEqual(try store.removeAll(in: Sample.here), 0, "removed again")
    },
  ]

  static let versionCases = [
    StoreCase("the version grows by one for each entry written or removed") { place in
      let store = try place.store()
      var expected: Int64 = 0
      func expectGrowth(_ growth: Int64, _ what: String) throws {
        expected += growth
        try expectEqual(try store.versionCounter(), expected, "version after \(what)")
      }
      let id = try store.insert(Sample.entry("q1", ttl: Seconds(10)))
      try expectGrowth(1, "an insert")
      try store.insert(Sample.entry("q1"))
      try expectGrowth(1, "a replacement")
      try store.remove(id: id)
      try expectGrowth(1, "a removal")
      try store.insertAll(Sample.queries(150), ttl: Seconds(10))
      try expectGrowth(150, "150 inserts")
      try store.removeExpired(at: .after(10), in: nil)
      try expectGrowth(150, "150 expirations")
      try store.insertAll(Sample.queries(130), in: Sample.there)
      try expectGrowth(130, "130 inserts")
      try store.removeAll(in: Sample.there)
      try expectGrowth(130, "emptying a namespace of 130")
      try store.setQuota(10, for: Sample.here)
      for query in Sample.queries(10) { _ = try store.insert(Sample.entry(query), evictingOver: nil) }
      try expectGrowth(10, "10 inserts under a quota")
      let last = try store.insert(Sample.entry("q11"), evictingOver: nil)
      try expectGrowth(1 + Int64(last.evicted), "an insert that evicted \(last.evicted)")
    },

    StoreCase("uses, counters and quotas do not change the version") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q"))
      let entry = try present(store.entry(id: id), "the entry")
      try store.recordAccess(id: id, at: .after(5))
      try store.recordHit(entry, counting: .hitsExact, at: .after(6))
      try store.add(3, to: .misses, in: Sample.here)
      try store.setQuota(7, for: Sample.here)
      try store.setQuota(nil, for: Sample.here)
      try expectEqual(try store.versionCounter(), 1, "version")
    },

    StoreCase("a removal of nothing does not change the version") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q", ttl: Seconds(100)))
      try store.remove(id: EntryID(id.rawValue + 1))
      try store.removeExpired(at: .after(99), in: nil)
      try store.removeAll(in: Sample.there)
      try store.recordAccess(id: EntryID(id.rawValue + 1), at: .after(1))
      try expectEqual(try store.versionCounter(), 1, "version")
      try store.expectCount(1)
    },
  ]
}
