import Foundation
import Mneme
import MnemeRedis
import StoreConformance
import TestSupport
import Testing

/// Tests of faults of the store that were found and fixed.
@Suite("Faults of the store that were found once")
struct RegressionTests {
  @Test("parallel removals of the last entries of a namespace take it off the list")
  func emptiedTogether() throws {
    let server = try RedisServer.shared()
    let prefix = uniquePrefix("emptied")
    let redis = try server.connect()
    let stores = try (0..<2).map { _ in try RedisStore(url: server.url, keyPrefix: prefix) }
    for store in stores { try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0)) }
    let rounds = Effort.rounds(40, thorough: 100)
    for round in 0..<rounds {
      let ids = try stores.indices.map { index in
        try stores[index].insert(
          StoredEntry(
            namespace: .default, queryHash: String(repeating: "\(index)", count: 64), query: "q\(index)",
            response: "r", embedding: .empty, createdAt: UnixTime(1), lastAccessedAt: UnixTime(1)))
      }
      let failures = Failures()
      DispatchQueue.concurrentPerform(iterations: stores.count) { index in
        failures.keep { try stores[index].remove(id: ids[index]) }
      }
      failures.report()
      try #require(try redis.send("EXISTS", prefix + ":namespaces").integer == 0, "in round \(round)")
    }
    // Two are stored and removed in each round.
    #expect(try redis.send("GET", prefix + ":version").integer == Int64(4 * rounds))
  }

  @Test("a newer schema is a SchemaMigrationError")
  func futureSchema() throws {
    let server = try RedisServer.shared()
    let prefix = uniquePrefix("future")
    let identity = CacheIdentity(fingerprint: "none", dimension: 0)
    try server.connect().send(
      "HSET", prefix + ":meta", "embedder_fingerprint", "none", "embedder_dim", "0", "schema_version", "2")
    let store = try RedisStore(url: server.url, keyPrefix: prefix)
    #expect(throws: SchemaMigrationError.self) {
      try store.open(expecting: identity)
      return try store.identity()
    }
  }

  @Test("a vacuum that has found a leftover also takes a namespace without entries off the list")
  func abandonedNamespace() throws {
    let server = try RedisServer.shared()
    let prefix = uniquePrefix("abandoned")
    let redis = try server.connect()
    let store = try RedisStore(url: server.url, keyPrefix: prefix)
    try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
    try store.insert(
      StoredEntry(
        namespace: .default, queryHash: String(repeating: "a", count: 64), query: "q", response: "r",
        embedding: .empty, createdAt: UnixTime(1), lastAccessedAt: UnixTime(1)))
    try redis.send("SADD", prefix + ":namespaces", "abandoned")
    var options = VacuumOptions()
    options.repair = true
    _ = try store.vacuum(options)
    #expect(try redis.send("SMEMBERS", prefix + ":namespaces").texts == ["default"])
  }

  @Test(
    "a meta with an impossible dimension is damage in every operation",
    arguments: ["9223372036854775807", "4611686018427387904", "16777217", "-1"])
  func impossibleDimension(dimension: String) throws {
    let server = try RedisServer.shared()
    let prefix = uniquePrefix("dimension")
    let redis = try server.connect()
    let store = try RedisStore(url: server.url, keyPrefix: prefix)
    try store.open(expecting: CacheIdentity(fingerprint: "f", dimension: 1))
    let id = try store.insert(
      StoredEntry(
        namespace: .default, queryHash: QueryNormalizer.queryHash("q"), query: "q", response: "r",
        embedding: Embedding([1]), createdAt: UnixTime(1), lastAccessedAt: UnixTime(1)))
    try redis.send("HSET", prefix + ":meta", "embedder_dim", dimension)
    func again() throws -> RedisStore { try RedisStore(url: server.url, keyPrefix: prefix) }
    #expect(throws: CorruptCacheError.self) { try again().entry(id: id) }
    #expect(throws: CorruptCacheError.self) {
      try again().forEachEmbedding(in: .default, whenDamaged: { _ in }) { _, _ in }
    }
    #expect(throws: CorruptCacheError.self) { try again().vacuum(VacuumOptions()) }
    #expect(try again().check().map(\.kind) == [.wrongMeta])
  }
}
