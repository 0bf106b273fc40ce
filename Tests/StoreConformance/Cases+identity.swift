import Mneme

extension StoreBattery {
  static let identityCases = [
    StoreCase("a place without a cache has nothing for every read") { place in
      let store = try place.store()
      try expectNothing(in: store)
      try expect(try store.identity() == nil, "there is an identity")
      try expectEqual(try store.versionCounter(), 0, "version")
      try expect(try store.integrityCheck(), "nothing is not sound")
    },

    StoreCase("opening, reading and removing nothing do not create a cache") { place in
      let store = try place.store()
      try expectNothing(in: store)
      try store.recordAccess(id: EntryID(1), at: Sample.start)
      try expect(try !store.remove(id: EntryID(1)), "removed an entry that never was")
      try expectEqual(try store.removeExpired(at: .after(1_000_000), in: nil), 0, "expired")
      try expectEqual(try store.removeAll(in: Sample.here), 0, "removed")
      _ = try store.integrityCheck()
      try expect(try store.identity() == nil, "there is an identity")
      try expectEqual(try store.versionCounter(), 0, "version")
    },

    StoreCase("the first write creates the cache with its writer's identity") { place in
      let store = try place.store()
      try store.insert(Sample.entry("q"))
      try expectEqual(try store.identity(), Sample.identity, "identity")
    },

    StoreCase("a store without an embedder cannot create a cache") { place in
      let store = try place.store(expecting: nil)
      try expectThrows(InvalidInputError.self, "insert") { try store.insert(Sample.entry("q")) }
      try expect(try store.identity() == nil, "there is an identity")
      try store.expectCount(0)
    },

    StoreCase("a store without an embedder reads and writes an existing cache") { place in
      let first = try place.store()
      try first.insert(Sample.entry("q1"))
      let second = try place.next(after: first, expecting: nil)
      try expectEqual(try second.identity(), Sample.identity, "identity")
      try expect(try second.entry("q1") != nil, "the entry is missing")
      try second.insert(Sample.entry("q2"))
      try second.expectCount(2)
    },

    StoreCase("a cache of another fingerprint is an EmbedderMismatchError, and nothing is written") { place in
      try expectRefusal(
        EmbedderMismatchError.self, of: CacheIdentity(fingerprint: "other", dimension: 4), at: place)
    },

    StoreCase("a cache of another dimension is an EmbedderDimensionError, and nothing is written") { place in
      let other = CacheIdentity(fingerprint: Sample.identity.fingerprint, dimension: 5)
      try expectRefusal(EmbedderDimensionError.self, of: other, at: place)
    },

    StoreCase("two fingerprints that only look alike are different") { place in
      let first = try place.store(expecting: CacheIdentity(fingerprint: "mod\u{e8}le", dimension: 4))
      try first.insert(Sample.entry("q"))
      try expectThrows(EmbedderMismatchError.self, "open and insert") {
        let lookalike = CacheIdentity(fingerprint: "mode\u{300}le", dimension: 4)
        try place.next(after: first, expecting: lookalike).insert(Sample.entry("r"))
      }
    },

    StoreCase("a query hash that could not be read again is an InvalidInputError, and nothing is written") {
      place in
      let store = try place.store()
      for hash in ["", "q", String(repeating: "A", count: 64), String(repeating: "0", count: 63) + "g"] {
        var entry = Sample.entry("q")
        entry.queryHash = hash
        try expectThrows(InvalidInputError.self, "'\(hash)'") { try store.insert(entry) }
        try expectThrows(InvalidInputError.self, "'\(hash)' in a batch") { try store.insert([entry]) }
      }
      try expect(try store.identity() == nil, "there is an identity")
    },

    StoreCase("an embedding of another length is an EmbedderDimensionError, and nothing is written") {
      place in
      let store = try place.store()
      var short = Sample.entry("short")
      short.embedding = Embedding([1, 0, 0])
      try expectThrows(EmbedderDimensionError.self, "the first insert") { try store.insert(short) }
      try expect(try store.identity() == nil, "there is an identity")

      try store.insert(Sample.entry("q"))
      for numbers: [Float] in [[1, 0, 0], [1, 0, 0, 0, 0], []] {
        short.embedding = Embedding(numbers)
        try expectThrows(EmbedderDimensionError.self, "\(numbers.count) numbers") { try store.insert(short) }
      }
      try store.expectCount(1)
      try expectEqual(try store.versionCounter(), 1, "version")
    },

    StoreCase("a cache without vectors keeps entries without embeddings") { place in
      let store = try place.store(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
      var entry = Sample.entry("q")
      entry.embedding = .empty
      entry.id = try store.insert(entry)
      try expectEqual(try store.entry("q"), entry, "entry")
      try expectThrows(EmbedderDimensionError.self, "an embedding") { try store.insert(Sample.entry("r")) }
    },
  ]

  private static func expectNothing(in store: any CacheStore) throws {
    try expect(try store.entry("q") == nil, "an entry by hash")
    try expect(try store.entry(id: EntryID(1)) == nil, "an entry by id")
    try expectEqual(try store.entries(ids: [EntryID(1)]).count { $0 != nil }, 0, "entries by ids")
    try expectEqual(try store.namespaces(), [], "namespaces")
    for namespace in [nil, Sample.here] {
      try store.expectCount(0, in: namespace)
      try expectEqual(try store.counters(in: namespace), Counters(), "counters")
    }
    try expect(try store.quota(for: Sample.here) == nil, "a quota")
    try store.forEachEmbedding(in: Sample.here) { id, _ in try expect(false, "an embedding \(id)") }
  }

  private static func expectRefusal<Failure: Error>(
    _ type: Failure.Type, of other: CacheIdentity, at place: StorePlace
  ) throws {
    let first = try place.store()
    try first.insert(Sample.entry("q"))
    var entry = Sample.entry("r")
    entry.embedding = Embedding([Float](repeating: 0.5, count: other.dimension))
    try expectThrows(type, "open and insert") { try place.next(after: first, expecting: other).insert(entry) }

    let reader = try place.next(after: first, expecting: Sample.identity)
    try reader.expectCount(1)
    try expectEqual(try reader.versionCounter(), 1, "version")
    try expectEqual(try reader.identity(), Sample.identity, "identity")
  }
}
