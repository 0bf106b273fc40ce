import Synchronization
import Testing

@testable import Mneme

/// A cache on a `MemoryStore`, with a clock that the test sets and an embedder whose vectors it chooses.
@Suite("The semantic cache")
struct SemanticCacheTests {
  /// A clock that shows one time until it is set.
  private final class TestClock: Sendable {
    private let seconds = Atomic<Int64>(1_000_000)
    func advance(_ span: Int64) { seconds.wrappingAdd(span, ordering: .relaxed) }
    var now: WallClock { { UnixTime(self.seconds.load(ordering: .relaxed)) } }
  }

  /// Two-dimensional vectors by text, so that similarities are cosines one can name.
  private struct PlaneEmbedder: Embedder {
    let fingerprint = "test:plane:dim2"
    let dimension = 2
    var vectors: [String: [Float]] = [:]
    func embed(_ texts: [String]) throws -> [[Float]] {
      try texts.map { text in
        guard let vector = vectors[text] else {
          throw EmbedderError("no vector for '\(text)'", remedy: .provideEmbedding)
        }
        return vector
      }
    }
  }

  private let clock = TestClock()
  private let store = MemoryStore()

  private func cache(
    _ vectors: [String: [Float]] = [:], _ change: (inout SemanticCache.Options) -> Void = { _ in }
  ) throws -> SemanticCache {
    var options = SemanticCache.Options()
    options.clock = clock.now
    change(&options)
    return try SemanticCache(store: store, embedder: PlaneEmbedder(vectors: vectors), options: options)
  }

  /// cos 0.9 and 0.8 to the first axis.
  private static let vectors: [String: [Float]] = [
    "east": [1, 0], "nearly east": [0.9, 0.4358899], "north east": [0.8, 0.6], "north": [0, 1],
    "also east": [1, 0],
  ]

  // MARK: Layer 1

  @Test("serves the same query regardless of case and white space, and counts an exact hit")
  func exactHit() throws {
    let cache = try cache(Self.vectors)
    try cache.put("East", "answer", metadata: #"{"n":1e400}"#)
    clock.advance(3600)
    let hit = try #require(try cache.get("  EAST\n"))
    #expect(hit.layer == .exact && hit.response == "answer" && hit.query == "East")
    #expect(hit.similarity == 1 && hit.age == Seconds(3600) && hit.metadata == #"{"n":1e400}"#)
    #expect(hit.confidence == Confidence.of(similarity: 1, age: Seconds(3600)))
    #expect(try cache.stats().counters[.hitsExact] == 1)
    #expect(try store.entry(id: hit.id)?.accessCount == 1)
  }

  @Test("serves an exact hit of any age, since confidence is for semantic hits only")
  func oldExactHit() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    clock.advance(30 * 86_400)
    #expect(try cache.get("east")?.layer == .exact)
  }

  @Test("serves an entry up to the second before its time to live ends, and then removes and counts it")
  func expiry() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer", ttl: Seconds(10))
    clock.advance(9)
    #expect(try cache.get("east") != nil)
    clock.advance(1)
    #expect(try cache.get("east") == nil)
    #expect(try store.count(in: nil) == 0)
    let counters = try cache.stats().counters
    #expect(counters[.expirations] == 1 && counters[.misses] == 1)
  }

  @Test("keeps namespaces separate for exact and semantic hits")
  func namespaces() throws {
    let cache = try cache(Self.vectors)
    let other = try Namespace("other")
    try cache.put("east", "here")
    #expect(try cache.get("east", namespace: other) == nil)
    #expect(try cache.get("also east", namespace: other) == nil)
    #expect(try cache.get("also east")?.response == "here")
  }

  // MARK: Layer 2

  @Test("serves the nearest question at or above the threshold, with its similarity and confidence")
  func semanticHit() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    let hit = try #require(try cache.get("nearly east"))
    #expect(hit.layer == .semantic && hit.response == "answer")
    #expect(abs(hit.similarity - 0.9) < 1e-6 && hit.confidence == hit.similarity)
    #expect(try cache.stats().counters[.hitsSemantic] == 1)
    #expect(try cache.lookUp("north east", options: .init()).missReason == .belowThreshold)
    #expect(try cache.lookUp("north", options: .init()).missReason == .belowThreshold)
    cache.threshold = 0.75
    #expect(try cache.get("north east")?.layer == .semantic)
  }

  @Test("skips entries that are too old, with confidence as the reason")
  func lowConfidence() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    // 0.9 × 0.5 ^ (age / 24 h) falls under 0.7 after 8 h 42 min.
    clock.advance(8 * 3600)
    #expect(try cache.get("nearly east") != nil)
    clock.advance(3600)
    #expect(try cache.lookUp("nearly east", options: .init()).missReason == .lowConfidence)
    var get = SemanticCache.GetOptions()
    get.minConfidence = 0.5
    #expect(try cache.lookUp("nearly east", options: get).hit != nil)
  }

  @Test("continues with the next neighbour if the nearest is expired or not servable")
  func nextNeighbour() throws {
    let cache = try cache(Self.vectors) { $0.threshold = 0.5 }
    try cache.put("east", "expires", ttl: Seconds(5))
    try cache.put("nearly east", "answer")
    clock.advance(5)
    #expect(try cache.get("also east")?.response == "answer")
    try store.insert(
      StoredEntry(
        namespace: .default, queryHash: QueryNormalizer.queryHash("east"), query: "east",
        response: "[ERROR] upstream", embedding: Embedding([1, 0]), createdAt: clock.now(),
        lastAccessedAt: clock.now()))
    #expect(try cache.get("also east")?.response == "answer")
  }

  @Test("breaks ties by id")
  func ties() throws {
    let cache = try cache(Self.vectors)
    try cache.put("also east", "first")
    try cache.put("east", "second")
    #expect(try cache.get("somewhere", embedding: [2, 0])?.response == "first")
  }

  @Test("finds the same neighbours with few entries, without an index, as with many")
  func manyEntries() throws {
    var vectors = Self.vectors
    for number in 1...200 { vectors["north \(number)"] = [Float(number) / 1000, 1] }
    let cache = try cache(vectors)
    for number in 1...200 { try cache.put("north \(number)", "n\(number)") }
    try cache.put("east", "answer")
    #expect(try cache.get("nearly east")?.response == "answer")
    // The index follows what is removed and what is new.
    try cache.delete("east")
    #expect(try cache.get("nearly east") == nil)
    try cache.put("also east", "back")
    #expect(try cache.get("nearly east")?.response == "back")
    #expect(try cache.clear(namespace: .default) == 201)
    #expect(try cache.lookUp("nearly east", options: .init()).missReason == .noMatch)
  }

  @Test("an embedder that fails is a miss on get and an error on put, which stores nothing")
  func embedderFailure() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    let lookup = try cache.lookUp("unknown text", options: .init())
    #expect(lookup.missReason == .embedderFailure && lookup.embedderFailure is EmbedderError)
    #expect(throws: EmbedderError.self) { try cache.put("unknown text", "answer") }
    #expect(try store.count(in: nil) == 1)
  }

  @Test("a cache without its embedder serves exact hits and reports what it lacks")
  func absentEmbedder() throws {
    try cache(Self.vectors).put("east", "answer")
    var options = SemanticCache.Options()
    options.clock = clock.now
    let cache = try SemanticCache(store: store, options: options) { identity in
      AbsentEmbedder(fingerprint: identity?.fingerprint ?? "none", dimension: identity?.dimension ?? 0)
    }
    #expect(try cache.get("east")?.layer == .exact)
    #expect(try cache.lookUp("nearly east", options: .init()).missReason == .noEmbedder)
    #expect(try cache.get("nearly east", embedding: [0.9, 0.4358899])?.layer == .semantic)
    #expect(throws: EmbedderError.self) { try cache.put("new", "answer") }
    try cache.put("new", "answer", embedding: [0, 5])
    #expect(try store.count(in: nil) == 2)
  }

  // MARK: Options of get

  @Test("a peek changes nothing: no access, no count, no removal")
  func peek() throws {
    let cache = try cache(Self.vectors)
    let id = try cache.put("east", "answer", ttl: Seconds(5)).id
    let before = try store.entry(id: id)
    var get = SemanticCache.GetOptions()
    get.peek = true
    #expect(try cache.lookUp("east", options: get).hit?.layer == .exact)
    #expect(try cache.lookUp("nearly east", options: get).hit?.layer == .semantic)
    #expect(try cache.lookUp("north", options: get).hit == nil)
    clock.advance(5)
    #expect(try cache.lookUp("east", options: get).hit == nil)
    #expect(try store.entry(id: id) == before)
    #expect(try cache.stats().counters == Counters())
  }

  @Test("exact means only exact hits, bypass means a counted miss")
  func layers() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    var get = SemanticCache.GetOptions()
    get.exactOnly = true
    #expect(try cache.lookUp("nearly east", options: get).missReason == .noMatch)
    #expect(try cache.get("east", bypass: true) == nil)
    #expect(try cache.stats().counters[.misses] == 2)
  }

  @Test("explains each weighed neighbour")
  func explains() throws {
    let cache = try cache(Self.vectors)
    try cache.put("east", "answer")
    try cache.put("also east", "other")
    try cache.put("north east", "far")
    var get = SemanticCache.GetOptions()
    get.explain = 5
    let candidates = try cache.lookUp("nearly east", options: get).candidates
    // 0.8 × 0.9 + 0.6 × 0.436 = 0.98: nearer than east itself.
    #expect(candidates.map(\.query) == ["north east", "east", "also east"])
    #expect(candidates.map(\.verdict) == [.served, .notNeeded, .notNeeded])
  }

  // MARK: Put

  @Test("a put of the same query replaces the entry, keeps its id and resets its times")
  func replaces() throws {
    let cache = try cache(Self.vectors)
    let first = try cache.put("east", "old", metadata: #"{"a":1}"#, ttl: Seconds(10))
    _ = try cache.get("east")
    clock.advance(8)
    let second = try cache.put("EAST ", "new")
    #expect(second == Insertion(id: first.id, replaced: true, evicted: 0))
    clock.advance(100)
    let entry = try #require(try store.entry(id: first.id))
    #expect(entry.response == "new" && entry.metadata == "{}" && entry.ttl == nil && entry.accessCount == 0)
    #expect(entry.query == "EAST ")
  }

  @Test(
    "sizes at a limit are accepted, and one byte more is refused",
    arguments: [("query", 32_768), ("response", 4 * 1_048_576), ("metadata", 65_536)])
  func limits(part: String, limit: Int) throws {
    func put(_ count: Int) throws {
      let text = String(repeating: "x", count: count)
      let metadata = #"{"k":""# + String(repeating: "x", count: max(0, count - 8)) + #""}"#
      try cache().put(
        part == "query" ? text : "east", part == "response" ? text : "answer",
        metadata: part == "metadata" ? metadata : "{}", embedding: [1, 0])
    }
    try put(limit)
    #expect(throws: InvalidInputError.self) { try put(limit + 1) }
    #expect(try store.count(in: nil) == 1)
  }

  @Test(
    "refuses responses that are never served, metadata that is not an object, and impossible times to live",
    arguments: [
      ("", "{}", nil), (" \n\u{3000}", "{}", nil), ("[ERROR] x", "{}", nil), ("[LLM Error] x", "{}", nil),
      ("a", "[1]", nil), ("a", "{", nil), ("a", "{}", 0), ("a", "{}", -1), ("a", "{}", 100 * 31_557_600 + 1),
    ] as [(String, String, Int64?)])
  func refuses(response: String, metadata: String, ttl: Int64?) throws {
    let cache = try cache(Self.vectors)
    #expect(throws: InvalidInputError.self) {
      try cache.put("east", response, metadata: metadata, ttl: ttl.map { Seconds($0) })
    }
    #expect(try store.count(in: nil) == 0)
    #expect(try store.identity() == nil)
  }

  @Test("refuses vectors of another length, of zeros, and with NaN")
  func refusesVectors() throws {
    let cache = try cache(Self.vectors)
    #expect(throws: InvalidInputError.self) { try cache.put("q", "a", embedding: [1, 2, 3]) }
    #expect(throws: QuantizationError.self) { try cache.put("q", "a", embedding: [0, 0]) }
    #expect(throws: QuantizationError.self) { try cache.put("q", "a", embedding: [.nan, 1]) }
    #expect(throws: QuantizationError.self) { try cache.put("q", "a", embedding: [.infinity, 1]) }
  }

  @Test("evicts the excess, at least a tenth of the limit, and at least one")
  func evictionRule() {
    #expect(Eviction.batch(count: 100, limit: 100) == 0)
    #expect(Eviction.batch(count: 120, limit: 100) == 20)
    #expect(Eviction.batch(count: 1050, limit: 1000) == 100)
    #expect(Eviction.batch(count: 3, limit: 2) == 1)
    #expect(
      Eviction.choose(2, of: [1, 2, 3].map { EntryID($0) }, sparing: [EntryID(1)]).map(\.rawValue) == [2, 3])
    #expect(
      Eviction.choose(3, of: [1, 2, 3].map { EntryID($0) }, sparing: [EntryID(1)]).map(\.rawValue) == [
        2, 3, 1,
      ])
  }

  @Test("a quota of the namespace overrides the limit of the whole cache")
  func quotaFirst() throws {
    let cache = try cache(Self.vectors) { $0.maxEntries = 2 }
    let capped = try Namespace("capped")
    try cache.setQuota(5, for: capped)
    for query in Self.vectors.keys.sorted() { try cache.put(query, "a", namespace: capped) }
    #expect(try store.count(in: capped) == 5)
    try cache.put("east", "a")
    #expect(try store.count(in: nil) <= 2)
    #expect(throws: InvalidInputError.self) { try cache.setQuota(0, for: capped) }
  }

  // MARK: The rest

  @Test("another embedder's cache is refused, and nothing is written")
  func mismatch() throws {
    try cache(Self.vectors).put("east", "answer")
    #expect(throws: EmbedderMismatchError.self) {
      let other = try SemanticCache(store: store, embedder: HashedNgramEmbedder())
      try other.put("east", "other")
    }
    #expect(try store.versionCounter() == 1)
  }

  @Test("dumps and loads are left to the backend")
  func checkpoints() throws {
    let cache = try cache()
    #expect(throws: CheckpointError.self) { try cache.dumps(to: "file") }
    #expect(throws: CheckpointError.self) {
      try SemanticCache.loads(from: "file", to: "place", as: MemoryStore.self)
    }
  }

  @Test("every method of a closed cache throws CacheClosedError")
  func closed() throws {
    let cache = try cache(Self.vectors)
    cache.close()
    cache.close()
    #expect(throws: CacheClosedError.self) { try cache.get("east") }
    #expect(throws: CacheClosedError.self) { try cache.put("east", "a") }
    #expect(throws: CacheClosedError.self) { try cache.delete("east") }
    #expect(throws: CacheClosedError.self) { try cache.vacuum() }
    #expect(throws: CacheClosedError.self) { try cache.stats() }
    #expect(throws: CacheClosedError.self) { try cache.health() }
    #expect(throws: CacheClosedError.self) { try cache.namespaces() }
    #expect(throws: CacheClosedError.self) { try cache.clear() }
    #expect(throws: CacheClosedError.self) { try cache.setQuota(1, for: .default) }
    #expect(throws: CacheClosedError.self) { try cache.dumps(to: "file") }
  }

  @Test("health and stats report the contents")
  func figures() throws {
    let cache = try cache(Self.vectors)
    #expect(try cache.health().isHealthy == false)
    try cache.put("east", "a")
    clock.advance(60)
    try cache.put("north", "b", namespace: Namespace("n"), ttl: Seconds(1))
    clock.advance(40)
    let health = try cache.health()
    #expect(health.isHealthy && health.entries == 2 && health.namespaces == 2)
    #expect(health.oldestEntryAge == Seconds(100))
    let stats = try cache.stats()
    #expect(stats.expiredPending == 1 && stats.vectorBytes == 2 * 2 * 4 && stats.version == 2)
    #expect(stats.counters.hitRate == nil)
    #expect(try cache.vacuum() == 1)
    #expect(try cache.stats(namespace: Namespace("n")).counters[.expirations] == 1)
  }

  @Test("threads that put and get in parallel get complete answers")
  func threads() async throws {
    let cache = try cache(Self.vectors)
    await withTaskGroup(of: Int.self) { group in
      for worker in 0..<4 {
        group.addTask {
          var wrong = 0
          for round in 0..<200 {
            _ = try? cache.put("east", "answer \(worker) \(round)")
            if let hit = try? cache.get("nearly east"), !hit.response.hasPrefix("answer ") { wrong += 1 }
          }
          return wrong
        }
      }
      for await wrong in group { #expect(wrong == 0) }
    }
    #expect(try store.versionCounter() == 800)
  }
}
