import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// `RedisStore.repair`.
@Suite("A repair of the cache") struct RepairTests {
  private func repair(_ store: RedisStore) throws -> [(CacheProblem, RepairOutcome)] {
    var outcomes: [(CacheProblem, RepairOutcome)] = []
    _ = try store.repair(CheckOptions()) { outcomes.append(($0, $1)) }
    return outcomes
  }

  private func expectSound(_ damaged: DamagedCache, sourceLocation: SourceLocation = #_sourceLocation) throws
  {
    #expect(try damaged.store.check() == [], sourceLocation: sourceLocation)
    let dump = try damaged.redis.dump(prefix: damaged.prefix + ":")
    #expect(LayoutAudit(dump, prefix: damaged.prefix).problems == [], sourceLocation: sourceLocation)
    for key in dump.keys {
      #expect(key.expiresAt == nil, "\(key)", sourceLocation: sourceLocation)
    }
  }

  @Test(
    "every kind that can be repaired is repaired without the loss of an answer, and is not found again",
    arguments: CacheProblem.Kind.allCases.filter { $0.reasonToLeave == nil })
  func repaired(kind: CacheProblem.Kind) throws {
    let damaged = try DamagedCache()
    try damaged.damage(kind)
    let outcomes = try repair(damaged.store)
    #expect(outcomes.map(\.0.kind) == [kind] && outcomes.map(\.1) == [.repaired], "\(outcomes)")
    try expectSound(damaged)
    #expect(try repair(damaged.store).isEmpty)
    // Every usable answer is still served, after an application opens the cache again.
    let reader = try RedisStore(url: try RedisServer.shared().url, keyPrefix: damaged.prefix)
    let cache = try SemanticCache(store: reader, embedder: HashedNgramEmbedder())
    let isLost = kind == .damagedEntry || kind == .leftover
    #expect(try cache.get("where is my card")?.response == (isLost ? nil : "In the post."))
    #expect(try cache.get("how do I pay")?.response == "By card.")
    #expect(try cache.get("when do you open", namespace: Namespace("faq"))?.response == "At nine.")
  }

  @Test(
    "other problems are reported with the reason and not changed, and the advice of the check repairs them",
    arguments: CacheProblem.Kind.allCases.filter { $0.reasonToLeave != nil })
  func left(kind: CacheProblem.Kind) throws {
    let damaged = try DamagedCache()
    try damaged.damage(kind)
    let before = try damaged.redis.dump(prefix: damaged.prefix + ":")
    if kind == .wrongMeta {
      // Everything is damaged.
      let store = try RedisStore(url: try RedisServer.shared().url, keyPrefix: damaged.prefix)
      #expect(throws: CorruptCacheError.self) { try repair(store) }
    } else {
      let outcomes = try repair(damaged.store)
      #expect(
        outcomes.map(\.0.kind) == [kind] && outcomes.map(\.1) == [.left(kind.reasonToLeave!)], "\(outcomes)")
    }
    #expect(try damaged.redis.dump(prefix: damaged.prefix + ":") == before)
    switch kind {
    case .wrongMeta: try damaged.redis.send("HSET", damaged.key("meta"), "embedder_dim", "384")
    case .wrongType: try damaged.redis.send("DEL", damaged.key("counters:other"))
    default: try damaged.store.remove(id: #require(try damaged.store.check().first?.id))
    }
    try expectSound(damaged)
  }

  @Test("without meta nothing is repaired, and all problems are reported")
  func noMeta() throws {
    let damaged = try DamagedCache()
    try damaged.redis.send("DEL", damaged.key("meta"))
    try damaged.damage(.wrongLRU)
    let before = try damaged.redis.dump(prefix: damaged.prefix + ":")
    let store = try RedisStore(url: try RedisServer.shared().url, keyPrefix: damaged.prefix)
    let outcomes = try repair(store)
    #expect(Set(outcomes.map(\.0.kind)) == [.wrongMeta, .wrongLRU, .unmarkedCounters], "\(outcomes)")
    #expect(outcomes.allSatisfy { if case .left = $0.1 { true } else { false } }, "\(outcomes)")
    #expect(try damaged.redis.dump(prefix: damaged.prefix + ":") == before)
  }

  @Test("missing indexes are built again from the entries")
  func rebuilt() throws {
    let damaged = try DamagedCache()
    let before = try damaged.redis.dump(prefix: damaged.prefix + ":").without { $0.hasSuffix(":version") }
    try damaged.redis.send(
      "DEL", damaged.key("by_id"), damaged.key("by_ttl"), damaged.key("lru:default"), damaged.key("lru:faq"),
      damaged.key("namespaces"), try damaged.hashKey("where is my card"),
      try damaged.hashKey("when do you open", in: "faq"))
    let outcomes = try repair(damaged.store)
    #expect(!outcomes.isEmpty && outcomes.allSatisfy { $0.1 == .repaired }, "\(outcomes)")
    let after = try damaged.redis.dump(prefix: damaged.prefix + ":").without { $0.hasSuffix(":version") }
    #expect(after == before, "\(after.changes(since: before))")
    try expectSound(damaged)
  }

  @Test("an index of another type is not changed, and everything else is repaired")
  func pastIndex() throws {
    let damaged = try DamagedCache()
    try damaged.damage(.wrongLRU)
    try damaged.redis.send("DEL", damaged.key("by_ttl"))
    try damaged.redis.send("SET", damaged.key("by_ttl"), "text")
    let outcomes = try repair(damaged.store)
    #expect(outcomes.map(\.0.kind) == [.wrongLRU, .wrongType], "\(outcomes)")
    #expect(
      outcomes.map(\.1) == [.repaired, .left(CacheProblem.Kind.wrongType.reasonToLeave!)], "\(outcomes)")
    #expect(try damaged.redis.send("GET", damaged.key("by_ttl")).text == "text")
    #expect(try damaged.store.check().map(\.kind) == [.wrongType])
    try damaged.redis.send("DEL", damaged.key("by_ttl"))
    #expect(try repair(damaged.store).map(\.0.kind) == [.wrongByTTL])
    try expectSound(damaged)
  }

  @Test("a repair and a vacuum work with numbers that cannot grow")
  func numbersFirst() throws {
    let damaged = try DamagedCache()
    for kind in [.wrongVersion, .wrongCounter, .wrongLRU, .missingHashKey] as [CacheProblem.Kind] {
      try damaged.damage(kind)
    }
    let expired = try #require(try damaged.redis.send("GET", try damaged.hashKey("how do I pay")).text)
    try damaged.redis.send("HSET", damaged.key("entry:\(expired)"), "created_at", "5")
    try damaged.redis.send("ZADD", damaged.key("by_ttl"), "3605", expired)
    var options = VacuumOptions()
    options.repair = true
    let report = try damaged.store.vacuum(options)
    #expect(report.expired == 1 && report.repaired == 4 && report.left == 0 && report.complete, "\(report)")
    try expectSound(damaged)
  }

  @Test("an entry with wrong index members that Redis will expire too early is repaired in both")
  func placeAndExpiry() throws {
    let damaged = try DamagedCache()
    for kind in [.wrongByID, .wrongLRU, .earlyExpiry] as [CacheProblem.Kind] { try damaged.damage(kind) }
    #expect(try repair(damaged.store).map(\.1) == [.repaired, .repaired, .repaired])
    try expectSound(damaged)
  }

  @Test("two entries of a query without a hash key become one")
  func twins() throws {
    let damaged = try DamagedCache()
    try damaged.damage(.shadowedEntry)
    try damaged.redis.send("DEL", try damaged.hashKey("where is my card"))
    #expect(try repair(damaged.store).map(\.1) == [.repaired, .repaired])
    try expectSound(damaged)
    #expect(try damaged.store.count(in: .default) == 2)
  }

  @Test("applications that write while a cache is repaired lose nothing, and all of it is repaired")
  func underTraffic() throws {
    let damaged = try DamagedCache()
    let mendable = CacheProblem.Kind.allCases.filter {
      $0.reasonToLeave == nil && ![.wrongVersion, .wrongCounter].contains($0)
    }
    let isOver = Atomic(false)
    let url = try RedisServer.shared().url
    inParallel([
      {
        let store = try RedisStore(url: url, keyPrefix: damaged.prefix)
        let cache = try SemanticCache(store: store, embedder: HashedNgramEmbedder())
        var number = 0
        while !isOver.load(ordering: .relaxed) {
          number += 1
          let (query, namespace) = ("traffic \(number % 30)", try Namespace("traffic"))
          try cache.put(
            query, "answer \(number)", namespace: namespace, ttl: number % 3 == 0 ? Seconds(1) : nil)
          let hit = try cache.get(query, namespace: namespace)
          guard hit.map({ $0.response == "answer \(number)" }) ?? (number % 3 == 0) else {
            throw Discrepancy("\(query) has \(hit?.response ?? "no answer"), not answer \(number)")
          }
        }
      },
      {
        defer { isOver.store(true, ordering: .relaxed) }
        let repaired = try DamagedCache(prefix: damaged.prefix)
        var random = SeededGenerator()
        for kind in mendable.shuffled(using: &random) + mendable.shuffled(using: &random) {
          try repaired.fill()
          try repaired.damage(kind)
          _ = try repaired.store.repair(CheckOptions()) { problem, outcome in
            if case .left(let reason) = outcome { throw Discrepancy("\(problem): \(reason)") }
          }
          let left = try repaired.store.check()
          guard left == [] else { throw Discrepancy("after \(kind): \(left)") }
        }
      },
    ])
  }
}
