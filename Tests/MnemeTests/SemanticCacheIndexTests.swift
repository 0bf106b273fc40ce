import Foundation
import Synchronization
import Testing

@testable import Mneme

/// Which neighbours decide, and who waits for an index.
@Suite("The semantic cache and its indexes")
struct SemanticCacheIndexTests {
  private struct NoEmbedder: Embedder {
    let fingerprint = "test:given:dim2"
    let dimension = 2
    func embed(_ texts: [String]) throws -> [[Float]] {
      throw EmbedderError("no vector is made", remedy: .provideEmbedding)
    }
  }

  private static let now = UnixTime(1_000_000)

  private static func entry(
    _ query: String, _ vector: [Float], response: String = "answer", age: Int64 = 0, ttl: Seconds? = nil,
    in namespace: Namespace = .default
  ) throws -> StoredEntry {
    StoredEntry(
      namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query, response: response,
      embedding: try .normalizing(vector), createdAt: now + Seconds(-age), lastAccessedAt: now, ttl: ttl)
  }

  private static func cache(_ store: any Store) throws -> SemanticCache {
    var options = SemanticCache.Options()
    options.clock = { now }
    return try SemanticCache(store: store, embedder: NoEmbedder(), options: options)
  }

  // MARK: Which neighbours decide

  /// A store with `count` entries that are nearer to the east than the one that may be served, and none is fit.
  private func store(_ count: Int, _ unfit: (Int) throws -> StoredEntry) throws -> MemoryStore {
    let store = MemoryStore()
    try store.open(expecting: CacheIdentity(fingerprint: "test:given:dim2", dimension: 2))
    for number in 0..<count { try store.insert(unfit(number)) }
    try store.insert(Self.entry("good", [0.95, 0.3], response: "good"))
    try store.insert(Self.entry("far", [0, 1]))
    return store
  }

  @Test(
    "neighbours that are expired or refused do not count among those that decide",
    arguments: [0, 2, 3, 40])
  func unfitNeighbours(count: Int) throws {
    let store = try store(count) {
      $0 % 2 == 0
        ? try Self.entry("unfit \($0)", [1, Float($0) / 1000], age: 100, ttl: Seconds(50))
        : try Self.entry("unfit \($0)", [1, Float($0) / 1000], response: "[ERROR] \($0)")
    }
    func lookUp(peek: Bool = true, explain: Int? = nil) throws -> Lookup {
      var get = SemanticCache.GetOptions()
      (get.peek, get.explain) = (peek, explain)
      return try Self.cache(store).lookUp("none", embedding: [1, 0], options: get)
    }
    // The requested number is explained, whatever became of them.
    let explained = try lookUp(explain: count + 2).candidates
    #expect(explained.map(\.verdict).suffix(2) == [.served, .belowThreshold])
    #expect(explained.count == count + 2)
    for peek in [true, false] {
      let lookup = try lookUp(peek: peek)
      #expect(lookup.hit?.response == "good")
      #expect(lookup.candidates.count == count + 1)
      #expect(lookup.candidates.last?.verdict == .served)
      #expect(lookup.candidates.dropLast().allSatisfy { [.expired, .refused].contains($0.verdict) })
      // A lookup that may write has removed the expired ones, and counted them.
      let expired = (count + 1) / 2
      #expect(try store.count(in: nil) == count + 2 - (peek ? 0 : expired))
      #expect(try store.counters(in: nil)[.expirations] == (peek ? 0 : Int64(expired)))
    }
    #expect(try lookUp().candidates.allSatisfy { $0.verdict != .expired })
  }

  @Test("neighbours with too low a confidence count among those that decide, also between others that do not")
  func lowConfidence() throws {
    func store(old count: Int) throws -> MemoryStore {
      try self.store(2 * count) {
        $0 % 2 == 0
          ? try Self.entry("old \($0)", [1, Float($0) / 1000], age: 100_000)
          : try Self.entry("refused \($0)", [1, Float($0) / 1000], response: " ")
      }
    }
    #expect(try Self.cache(store(old: 2)).get("none", embedding: [1, 0])?.response == "good")
    let lookup = try Self.cache(store(old: 3)).lookUp("none", embedding: [1, 0], options: .init())
    #expect(lookup.hit == nil && lookup.missReason == .lowConfidence)
  }

  @Test("a miss distinguishes an empty namespace, no near entry, and no servable near entry")
  func reasons() throws {
    let store = MemoryStore()
    let cache = try Self.cache(store)
    func reason() throws -> MissReason? {
      try cache.lookUp("none", embedding: [1, 0], options: .init()).missReason
    }
    #expect(try reason() == .noMatch)
    try store.insert(Self.entry("far", [0, 1]))
    #expect(try reason() == .belowThreshold)
    let id = try store.insert(Self.entry("refused", [1, 0], response: ""))
    #expect(try reason() == .notServable)
    try store.remove(id: id)
    #expect(try reason() == .belowThreshold)
    try store.insert(Self.entry("expired", [1, 0], age: 10, ttl: Seconds(5)))
    #expect(try reason() == .notServable)
    // That lookup has removed it.
    #expect(try reason() == .belowThreshold)
  }

  // MARK: Explanations

  @Test("neighbours after the one that is served are explained, and after an exact hit too")
  func explained() throws {
    let store = MemoryStore()
    let cache = try Self.cache(store)
    try store.insert(Self.entry("asked", [1, 0]))
    try store.insert(Self.entry("near", [1, 0.1], ttl: Seconds(50)))
    try store.insert(Self.entry("refused", [1, 0.2], response: ""))
    try store.insert(Self.entry("expired", [1, 0.3], age: 10, ttl: Seconds(5)))
    try store.insert(Self.entry("old", [1, 0.4], age: 100_000))
    try store.insert(Self.entry("far", [0, 1]))
    var get = SemanticCache.GetOptions()
    (get.explain, get.peek) = (10, true)
    let exact = try cache.lookUp("asked", embedding: [1, 0], options: get)
    #expect(exact.hit?.layer == .exact && exact.missReason == nil)
    #expect(exact.candidates.map(\.query) == ["asked", "near", "refused", "expired", "old", "far"])
    #expect(
      exact.candidates.map(\.verdict) == [
        .served, .notNeeded, .notNeeded, .expired, .tooOld, .belowThreshold,
      ])
    #expect(exact.candidates[1].expiresAt == Self.now + Seconds(50))
    #expect(exact.candidates.allSatisfy { $0.accessCount == 0 })
    // Neighbours are looked for only on request, and only with a vector.
    get.explain = nil
    #expect(try cache.lookUp("asked", embedding: [1, 0], options: get).candidates.isEmpty)
    get.explain = 10
    let failed = try cache.lookUp("asked", options: get)
    #expect(failed.hit?.layer == .exact && failed.candidates.isEmpty && failed.embedderFailure != nil)
    let semantic = try cache.lookUp("none", embedding: [1, 0], options: get)
    #expect(semantic.hit?.query == "asked" && semantic.candidates.map(\.id) == exact.candidates.map(\.id))
    get.minConfidence = 0.99
    get.threshold = 0.9
    let verdicts = try cache.lookUp("none", embedding: [1, 0.3], options: get).candidates.map(\.verdict)
    #expect(verdicts.contains(.lowConfidence))
  }

  // MARK: Waiting

  @Test("exact hits, puts and searches of other namespaces end while an index is built")
  func whileBuilding() throws {
    let large = try Namespace("large")
    let other = try Namespace("other")
    let (isReading, mayContinue) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    // Holds a thread that reads the whole of one namespace.
    let store = ListStore { namespace in
      guard namespace == large else { return }
      isReading.signal()
      mayContinue.wait()
    }
    let cache = try Self.cache(store)
    for number in 0..<300 {
      try store.insert(Self.entry("q\(number)", [1, Float(number) / 300], in: large))
    }
    try store.insert(Self.entry("elsewhere", [1, 0], in: other))

    let built = Mutex<String?>(nil)
    let (builderEnded, othersEnded) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let others = Mutex<[String]>([])
    Thread.detachNewThread {
      let hit = try? cache.get("none", namespace: large, embedding: [1, 0])
      built.withLock { $0 = hit?.query ?? "nothing" }
      builderEnded.signal()
    }
    isReading.wait()
    Thread.detachNewThread {
      let found = [
        try? cache.get("q7", namespace: large)?.query, try? cache.get("elsewhere", namespace: other)?.query,
        try? cache.get("none", namespace: other, embedding: [1, 0])?.query,
        try? cache.put("new", "answer", namespace: large, embedding: [0, 1]).id.description,
        try? cache.get("new", namespace: large)?.query,
      ]
      others.withLock { $0 = found.map { $0 ?? "nothing" } }
      othersEnded.signal()
    }
    // The builder is held, and will be until these have ended: a minute is for a lock that nobody gives back.
    #expect(othersEnded.wait(timeout: .now() + 60) == .success)
    #expect(built.withLock { $0 } == nil)
    #expect(others.withLock { $0 } == ["q7", "elsewhere", "elsewhere", "302", "new"])
    mayContinue.signal()
    builderEnded.wait()
    #expect(built.withLock { $0 } == "q0")
  }

  @Test("the index of a store that does not report changes is read again if its version has changed")
  func plainStore() throws {
    let store = ListStore()
    let cache = try Self.cache(store)
    for number in 0..<100 { try store.insert(Self.entry("q\(number)", [Float(number) / 100, 1])) }
    #expect(try cache.get("none", embedding: [1, 0]) == nil)
    let id = try store.insert(Self.entry("east", [1, 0]))
    #expect(try cache.get("none", embedding: [1, 0])?.query == "east")
    try store.insert(Self.entry("east", [0, 1]))
    #expect(try cache.get("none", embedding: [1, 0]) == nil)
    try store.insert(Self.entry("east", [1, 0]))
    #expect(try cache.get("none", embedding: [1, 0])?.id == id)
    try store.remove(id: id)
    #expect(try cache.get("none", embedding: [1, 0]) == nil)
  }

  @Test("searches in one namespace by several threads, while others write, find every entry")
  func threads() throws {
    let store = MemoryStore()
    let cache = try Self.cache(store)
    for number in 0..<500 { try store.insert(Self.entry("q\(number)", [Float(number) / 500, 1])) }
    try store.insert(Self.entry("east", [1, 0]))
    let wrong = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { worker in
      for round in 0..<100 {
        do {
          if worker == 0 {
            try cache.put("q\(round * 7)", "again", embedding: [Float(round) / 100, 1])
          } else if try cache.get("none", embedding: [1, 0])?.query != "east" {
            wrong.withLock { $0.append("worker \(worker), round \(round)") }
          }
        } catch {
          wrong.withLock { $0.append("\(error)") }
        }
      }
    }
    #expect(wrong.withLock { $0 } == [])
  }
}
