import Foundation
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// A cache of a few entries, and every way to damage it.
struct DamagedCache: @unchecked Sendable {
  let prefix: String
  let redis: RawRedis
  let store: RedisStore
  let cache: SemanticCache

  /// - Parameters:
  ///   - server: the one of all tests of the file unless a test needs its own.
  ///   - prefix: another's, to be damaged again.
  init(on server: RedisServer? = nil, prefix: String? = nil, file: String = #fileID) throws {
    let server = try server ?? RedisServer.shared(for: file)
    self.prefix = prefix ?? uniquePrefix("check")
    redis = try server.connect()
    store = try RedisStore(url: server.url, keyPrefix: self.prefix)
    cache = try SemanticCache(store: store, embedder: HashedNgramEmbedder())
    if prefix == nil { try fill() }
  }

  /// Puts what there is to damage.
  func fill() throws {
    try cache.put("where is my card", "In the post.")  // 1
    try cache.put("how do I pay", "By card.", ttl: Seconds(3600))  // 2
    try cache.put("when do you open", "At nine.", namespace: Namespace("faq"))  // 3
    try cache.setQuota(10, for: .default)
    _ = try cache.get("where is my card")
  }

  func key(_ rest: String) -> String { "\(prefix):\(rest)" }

  /// The id of the damaged entry.
  var id: String {
    get throws { try #require(try redis.send("GET", try hashKey("where is my card")).text) }
  }

  func hashKey(_ query: String, in namespace: String = "default") throws -> String {
    key("hash:\(namespace):\(QueryNormalizer.queryHash(query))")
  }

  /// Gives the entry another vector, as a writer of another program may.
  func store(embedding: [Float]) throws {
    let command = ["HSET", key("entry:\(try id)"), "embedding"].map { Array($0.utf8) }
    try redis.send(command + [Embedding(embedding).bytes])
  }

  /// Makes this kind of problem, and no other.
  func damage(_ kind: CacheProblem.Kind) throws {
    let id = try id
    let entry = key("entry:\(id)")
    let hashKey = try hashKey("where is my card")
    switch kind {
    case .damagedEntry: try redis.send("HDEL", entry, "response")
    case .unreadableUse: try redis.send("HSET", entry, "access_count", "often")
    case .wrongEmbedding: try redis.send("HSET", entry, "embedding", "1234")
    case .incomparableEmbedding: try store(embedding: [Float](repeating: 0, count: 384))
    case .unreadableByPython:
      try redis.send(["HSET", entry, "response"].map { Array($0.utf8) } + [[0xFF, 0x41]])
    case .wrongQueryHash: try redis.send("HSET", entry, "query", "another")
    case .futureEntry: try redis.send("HSET", entry, "created_at", "1800000000000")
    case .earlyExpiry: try redis.send("EXPIRE", entry, "1000")
    case .shadowedEntry:
      // Two writers of one query, of whom neither saw the other.
      let twin = "\(try #require(try redis.send("INCR", key("next_id")).integer))"
      let fields = try redis.send("HGETALL", entry).items.compactMap(\.bytes)
      try redis.send([Array("HSET".utf8), Array(key("entry:\(twin)").utf8)] + fields)
      try redis.send("ZADD", key("by_id"), twin, twin)
      let lastUse = try #require(try redis.send("HGET", entry, "last_accessed_at").text)
      try redis.send("ZADD", key("lru:default"), lastUse, twin)
      try redis.send("SET", hashKey, twin)
    case .missingHashKey: try redis.send("DEL", hashKey)
    case .wrongByID: try redis.send("ZREM", key("by_id"), id)
    case .wrongLRU: try redis.send("ZADD", key("lru:default"), "5", id)
    case .wrongByTTL:
      let mortal = try #require(try redis.send("GET", try self.hashKey("how do I pay")).text)
      try redis.send("ZADD", key("by_ttl"), "9999999999", mortal)
    case .unlistedNamespace: try redis.send("SREM", key("namespaces"), "default")
    case .leftover: try redis.send("DEL", entry, hashKey)
    case .leftoverHashKey:
      try redis.send("SET", key("hash:default:" + String(repeating: "b", count: 64)), "4711")
    case .strayMember: try redis.send("ZADD", key("lru:default"), "5", "no id")
    case .danglingHashKey:
      try redis.send("SET", key("hash:default:" + String(repeating: "a", count: 64)), id)
    case .emptyNamespace: try redis.send("SADD", key("namespaces"), "empty")
    case .wrongNextID: try redis.send("SET", key("next_id"), "2")
    case .wrongVersion: try redis.send("SET", key("version"), "9223372036854775807")
    case .wrongQuota: try redis.send("DEL", key("quota:default"))
    case .overwrittenQuota: try redis.send("SET", key("quota:default"), "20")
    case .wrongCounter: try redis.send("HSET", key("counters:default"), "misses", "many")
    case .unmarkedCounters: try redis.send("HDEL", key("meta"), "counted:default")
    case .wrongMeta: try redis.send("HSET", key("meta"), "embedder_dim", "many")
    case .wrongType: try redis.send("RPUSH", key("counters:other"), "a", "list")
    }
  }
}

/// `RedisStore.check`.
@Suite("A check of the cache") struct CheckTests {
  @Test("every kind of damage is found and reported as one problem", arguments: CacheProblem.Kind.allCases)
  func found(kind: CacheProblem.Kind) throws {
    let damaged = try DamagedCache()
    #expect(try damaged.store.check() == [])
    try damaged.damage(kind)
    let before = try damaged.redis.dump(prefix: damaged.prefix + ":")
    let problems = try damaged.store.check()
    #expect(problems.map(\.kind) == [kind], "\(problems)")
    #expect(try damaged.redis.dump(prefix: damaged.prefix + ":") == before)
    let problem = try #require(problems.first)
    #expect(String(decoding: problem.key, as: UTF8.self).hasPrefix(damaged.prefix + ":"))
    #expect(problem.detail.hasSuffix("."), "\(problem)")
  }

  @Test(
    "a vector that cannot be compared is found, and one that was kept in 16 bits is valid",
    arguments: [
      (.zero, "is all zeros"), (.nan, "not a finite number"), (.infinity, "not a finite number"),
      (3, "has the length 3.0, not 1"), (0.98, "has the length 0.98, not 1"), (-1, nil), (1.004, nil),
    ] as [(Float, String?)])
  func vectors(number: Float, told: String?) throws {
    let damaged = try DamagedCache()
    try damaged.store(embedding: [number] + [Float](repeating: 0, count: 383))
    let problems = try damaged.store.check()
    #expect(problems.map(\.kind) == (told == nil ? [] : [.incomparableEmbedding]), "\(problems)")
    #expect(problems.allSatisfy { $0.detail.contains(told ?? "") }, "\(problems)")
  }

  @Test("if SCAN is not permitted, the error names the right to grant")
  func withoutScan() throws {
    let damaged = try DamagedCache()
    try damaged.redis.send("ACL", "SETUSER", "without-scan", "on", ">pw", "~*", "+@read", "-scan")
    let url = try RedisServer.shared().url.replacing("unix://", with: "unix://without-scan:pw@")
    let store = try RedisStore(url: url, keyPrefix: damaged.prefix)
    let error = try #require(throws: StoreBackendError.self) { try store.check() }
    #expect(error.reason == .accessDenied)
    #expect(error.remedy == .grantRight)
    #expect(error.object == .right(command: "scan", user: "without-scan", keys: nil))
    // The right is enough.
    try damaged.redis.send("ACL", "SETUSER", "without-scan", "+scan")
    #expect(try store.check() == [])
  }

  @Test(
    "an index of another type is one problem, and all others are still found",
    arguments: ["by_id", "by_ttl", "lru:default", "namespaces", "quotas"])
  func wrongType(index: String) throws {
    let damaged = try DamagedCache()
    try damaged.redis.send("DEL", damaged.key(index))
    try damaged.redis.send("RPUSH", damaged.key(index), "a", "list")
    // An entry of another namespace than the index's, a key, and an entry that no index lists.
    let hashKey = try damaged.hashKey("when do you open", in: "faq")
    let faq = try #require(try damaged.redis.send("GET", hashKey).text)
    try damaged.redis.send("HSET", damaged.key("entry:\(faq)"), "embedding", "1234")
    try damaged.redis.send("SET", damaged.key("hash:faq:" + String(repeating: "a", count: 64)), "no id")
    try damaged.redis.send("HSET", damaged.key("entry:3000"), "query", "alone")
    let problems = try damaged.store.check()
    let wrong = problems.filter { $0.kind == .wrongType }
    #expect(wrong.map { String(decoding: $0.key, as: UTF8.self) } == [damaged.key(index)], "\(problems)")
    for kind in [.wrongEmbedding, .danglingHashKey, .damagedEntry, .wrongNextID] as [CacheProblem.Kind] {
      #expect(problems.contains { $0.kind == kind }, "\(kind) in \(problems)")
    }
  }

  @Test("a leftover that several indexes list is one problem, of the namespace that has it")
  func leftover() throws {
    let damaged = try DamagedCache()
    let id = try #require(try damaged.redis.send("GET", try damaged.hashKey("how do I pay")).text)
    try damaged.redis.send("DEL", damaged.key("entry:\(id)"), try damaged.hashKey("how do I pay"))
    let problems = try damaged.store.check()
    #expect(problems.map(\.kind) == [.leftover] && problems[0].namespace == .default, "\(problems)")
  }

  @Test("members of by_id with one score are distinct, and each entry is still examined")
  func sharedScore() throws {
    let damaged = try DamagedCache()
    let members = (1...3000).flatMap { ["1", "no id \($0)"] }
    try damaged.redis.send((["ZADD", damaged.key("by_id")] + members).map { Array($0.utf8) })
    try damaged.store(embedding: [Float](repeating: 0, count: 384))
    let problems = try damaged.store.check()
    #expect(problems.count { $0.kind == .strayMember } == 3000)
    #expect(problems.count { $0.kind == .incomparableEmbedding } == 1 && problems.count == 3001)
  }

  @Test("a cache that is written, read, vacuumed and emptied all the time has no problem")
  func traffic() throws {
    let server = try RedisServer.shared()
    let prefix = uniquePrefix("traffic")
    let identity = CacheIdentity(fingerprint: "none", dimension: 0)
    let isOver = Atomic(false)
    inParallel(
      (1...3).map { writer in
        {
          let store = try RedisStore(url: server.url, keyPrefix: prefix)
          try store.open(expecting: identity)
          var random = SeededGenerator(stream: UInt64(writer))
          while !isOver.load(ordering: .relaxed) {
            try work(on: store, Namespace("\(writer % 2)"), using: &random)
          }
        }
      } + [
        {
          defer { isOver.store(true, ordering: .relaxed) }
          let store = try RedisStore(url: server.url, keyPrefix: prefix)
          try eventually("the first entry") { try store.count(in: nil) > 0 }
          var options = CheckOptions()
          // A writer on a busy machine needs long between the steps in which a namespace ends.
          options.secondLook = .milliseconds(500)
          var entries = 0
          for _ in 0..<15 {
            var problems: [CacheProblem] = []
            entries += try store.check(options) { problems.append($0) }.entries
            guard problems.isEmpty else { throw Discrepancy("\(problems)") }
          }
          guard entries > 0 else { throw Discrepancy("no entry was seen") }
        }
      ])
  }

  /// The work of an application in a moment, on few queries, so that conflicts are frequent.
  private func work(
    on store: RedisStore, _ namespace: Namespace, using random: inout SeededGenerator
  ) throws {
    for _ in 0..<50 {
      let query = "query \(Int.random(in: 1...40, using: &random))"
      let hash = QueryNormalizer.queryHash(query)
      let now = systemClock()
      switch Int.random(in: 0..<12, using: &random) {
      case 0..<5:
        try store.insert(
          StoredEntry(
            namespace: namespace, queryHash: hash, query: query, response: "r", embedding: .empty,
            createdAt: now, lastAccessedAt: now,
            ttl: [nil, Seconds(1), Seconds(100)].randomElement(using: &random)!))
      case 5..<9:
        if let entry = try store.entry(namespace: namespace, queryHash: hash) {
          try store.recordHit(entry, counting: .hitsExact, at: now)
        }
      case 9: try store.removeExpired(at: now, in: nil)
      case 10:
        if let entry = try store.entry(namespace: namespace, queryHash: hash) {
          try store.remove(id: entry.id)
        }
      default:
        try store.setQuota([nil, 10, 20].randomElement(using: &random)!, for: namespace)
        if Int.random(in: 0..<10, using: &random) == 0 { try store.removeAll(in: namespace) }
      }
    }
  }

  @Test("it needs only the right to read the prefix, and works on a replica")
  func rights() throws {
    let primary = try RedisServer(tcp: true, configuration: ["repl-diskless-sync-delay 0"])
    let replica = try RedisServer(configuration: ["replicaof 127.0.0.1 \(primary.port!)"])
    let damaged = try DamagedCache(on: primary)
    try damaged.damage(.wrongLRU)
    let connection = try replica.connect()
    for redis in [damaged.redis, connection] {
      try redis.send("ACL", "SETUSER", "reader", "on", ">pw", "%R~\(damaged.prefix):*", "+@read")
    }
    // It answers with errors while it loads the data.
    try eventually("the replica has the data") {
      (try? connection.send("GET", damaged.key("version")).text) == "3"
    }
    for server in [primary, replica] {
      let url = server.url.replacing("unix://", with: "unix://reader:pw@")
      #expect(try RedisStore(url: url, keyPrefix: damaged.prefix).check().map(\.kind) == [.wrongLRU])
    }
  }

  @Test("with a namespace, only its problems are reported")
  func oneNamespace() throws {
    let damaged = try DamagedCache()
    try damaged.damage(.wrongLRU)
    try damaged.damage(.wrongVersion)
    func kinds(_ namespace: String) throws -> [CacheProblem.Kind] {
      var options = CheckOptions()
      options.namespace = try Namespace(namespace)
      var kinds: [CacheProblem.Kind] = []
      _ = try damaged.store.check(options) { kinds.append($0.kind) }
      return kinds
    }
    #expect(try kinds("default") == [.wrongLRU])
    #expect(try kinds("faq") == [])
  }

  @Test("without any index each entry is still found, with each missing index member")
  func noIndexes() throws {
    let damaged = try DamagedCache()
    try damaged.redis.send("DEL", damaged.key("by_id"), damaged.key("by_ttl"), damaged.key("lru:default"))
    let kinds = try damaged.store.check().map(\.kind)
    #expect(kinds.count { $0 == .wrongByID } == 3)
    #expect(kinds.count { $0 == .wrongLRU } == 2)
    #expect(kinds.count { $0 == .wrongByTTL } == 1)
    // The list says that there is something in it.
    #expect(kinds.count == 7 && kinds.contains(.emptyNamespace), "\(kinds)")
  }

  @Test("of thousands of problems each is reported once, and nothing else")
  func thousands() throws {
    let damaged = try DamagedCache()
    let hashKeys = (0..<700).map { number in
      let digits = String(number, radix: 16)
      return [
        "SET", damaged.key("hash:faq:" + String(repeating: "0", count: 64 - digits.count) + digits), "4711",
      ]
    }
    let names = (0..<3000).map { ["SADD", damaged.key("namespaces"), "crowd \($0)"] }
    _ = try damaged.redis.pipeline((hashKeys + names).map { words in words.map { Array($0.utf8) } })
    let problems = try damaged.store.check()
    #expect(problems.count { $0.kind == .leftoverHashKey } == 700)
    #expect(problems.count { $0.kind == .emptyNamespace } == 3000)
    #expect(Set(problems.compactMap(\.namespace?.name)).count == 3001)
    #expect(problems.count == 3700)
  }
}
