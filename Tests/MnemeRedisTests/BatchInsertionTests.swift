import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

/// Batch after batch over several connections, and each time something happens in the middle.
@Suite("Storing many batches") struct BatchInsertionTests {
  static let count = 8

  /// A cache with one entry, the client under test, and somebody else.
  final class Stage {
    let prefix: String
    let client: RedisClient
    let store: RedisStore
    let other: RedisStore
    let redis: RawRedis
    var outcomes: [BatchInsertion.Outcome] = []
    var beyondError: [(place: Int, outcome: BatchInsertion.Outcome?)] = []

    init(_ what: String, firstEntry: Bool = true) throws {
      let server = try RedisServer.shared()
      prefix = uniquePrefix(what)
      var options = ConnectionOptions()
      options.clientName = prefix
      client = RedisClient(url: try RedisURL(server.url), options: options)
      store = try RedisStore(client: client, keyPrefix: prefix)
      other = try RedisStore(url: server.url, keyPrefix: prefix)
      redis = try server.connect()
      for store in [store, other] {
        try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
      }
      if firstEntry { try other.insert(entry("the first")) }
    }

    deinit { client.close() }

    func key(_ rest: String) -> String { "\(prefix):\(rest)" }

    func entry(_ query: String, response: String? = nil) -> StoredEntry {
      StoredEntry(
        namespace: .default, queryHash: QueryNormalizer.queryHash(query), query: query,
        response: response ?? "to \(query)", embedding: .empty, createdAt: UnixTime(1000),
        lastAccessedAt: UnixTime(1000))
    }

    func batch(_ number: Int) -> [StoredEntry] {
      (0..<count).map { entry("question \(number * count + $0)") }
    }

    /// Inserts batches, and does something before one in the middle.
    func insert(
      _ batches: Int = 12, onConflict policy: ConflictPolicy = .replace, before number: Int = 6,
      settlingFirst: Bool = false, _ meanwhile: () throws -> Void = {}
    ) throws {
      let insertion = BatchInsertion(store, onConflict: policy, evictingOver: nil)
      defer {
        outcomes = insertion.takeSettled()
        beyondError = insertion.takeSettledBeyondError()
        insertion.close()
      }
      for batch in 0..<batches {
        if batch == number {
          if settlingFirst { try insertion.finish() }
          try meanwhile()
        }
        try insertion.insert(self.batch(batch))
      }
      try insertion.finish()
    }

    /// Every entry is there, once, as it was given, and nothing is wrong with the cache.
    func expectAll(of batches: Int = 12, besides others: Int = 1) throws {
      for entry in (0..<batches).flatMap({ batch($0) }) {
        let stored = try other.entry(namespace: entry.namespace, queryHash: entry.queryHash)
        #expect(stored?.query == entry.query)
        #expect(stored?.response == entry.response)
      }
      #expect(try other.count(in: nil) == batches * count + others)
      #expect(try other.check().map(\.kind) == [])
    }

    var inserted: Int { outcomes.flatMap(\.outcomes).count { $0.isInserted } }
  }

  @Test("a batch of new entries takes one round trip once lanes are open, and gets the ids that follow")
  func oneRoundTrip() throws {
    let stage = try Stage("batches-plain")
    let before = stage.client.traffic.roundTrips
    try stage.insert(100)
    // The first four take three each. Starting a lane and allocating ids take a round trip more now and then, and on a busy
    // machine each batch may take two. With three for each there were 300.
    #expect(stage.client.traffic.roundTrips - before <= 250)
    #expect(stage.outcomes.flatMap(\.outcomes).map(\.id.rawValue) == Array(2...Int64(1 + 100 * Self.count)))
    #expect(try stage.other.versionCounter() == Int64(1 + 100 * Self.count))
    // Ids that were allocated and not used are given back.
    #expect(try stage.redis.send("GET", stage.key("next_id")).text == "\(1 + 100 * Self.count)")
    try stage.expectAll(of: 100)
  }

  @Test("a query that comes again in a later batch gets the response of the later one")
  func laterWins() throws {
    let stage = try Stage("batches-later")
    let insertion = BatchInsertion(stage.store, onConflict: .replace, evictingOver: nil)
    defer { insertion.close() }
    for number in 0..<60 {
      try insertion.insert([
        stage.entry("the same", response: "answer \(number)"), stage.entry("question \(number)"),
      ])
    }
    try insertion.finish()
    let hash = QueryNormalizer.queryHash("the same")
    #expect(try stage.other.entry(namespace: .default, queryHash: hash)?.response == "answer 59")
    #expect(try stage.other.count(in: nil) == 62)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("a query that comes twice in one batch is stored once", arguments: ConflictPolicy.allCases)
  func twiceInOne(policy: ConflictPolicy) throws {
    let stage = try Stage("batches-twice")
    let batch = [
      stage.entry("a", response: "first"), stage.entry("b"), stage.entry("a", response: "second"),
    ]
    guard policy != .fail else {
      #expect(throws: ConflictError.self) {
        try stage.store.insert(batch, onConflict: policy, evictingOver: nil)
      }
      return #expect(try stage.other.count(in: nil) == 1)
    }
    let outcomes = try stage.store.insert(batch, onConflict: policy, evictingOver: nil).outcomes
    #expect(outcomes[0].isInserted && outcomes[1].isInserted && !outcomes[2].isInserted)
    #expect(outcomes[0].id == outcomes[2].id)
    #expect(try stage.other.count(in: nil) == 3)
    #expect(try stage.other.versionCounter() == 3)
    #expect(
      try stage.other.entry(id: outcomes[0].id)?.response == (policy == .skip ? "first" : "second"))
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("ids that another writer takes are not used twice")
  func takenIDs() throws {
    let stage = try Stage("batches-ids")
    try stage.insert {
      try stage.other.insert(stage.entry("in between"))
      try stage.other.insert(stage.entry("and another"))
    }
    #expect(stage.inserted == 12 * Self.count)
    #expect(Set(stage.outcomes.flatMap(\.outcomes).map(\.id)).count == 12 * Self.count)
    try stage.expectAll(besides: 3)
  }

  @Test("an existing entry with the next id is not overwritten")
  func occupiedIDs() throws {
    let stage = try Stage("batches-occupied")
    try stage.insert(before: 2) {
      // The state after `next_id` was set back: ids above it are in use.
      let next = try #require(try stage.redis.send("GET", stage.key("next_id")).integer)
      for id in [next + 5, next + Int64(3 * Self.count)] {
        try stage.redis.send("HSET", stage.key("entry:\(id)"), "namespace", "somebody's")
        try stage.redis.send("ZADD", stage.key("by_id"), "\(id)", "\(id)")
      }
    }
    #expect(stage.inserted == 12 * Self.count)
    let members = try stage.redis.send("ZRANGE", stage.key("by_id"), "0", "-1").texts
    let strangers = try members.filter {
      try stage.redis.send("HLEN", stage.key("entry:\($0)")).integer == 1
    }
    #expect(strangers.count == 2)
  }

  @Test(
    "a stored query is replaced, and so is one that another client stores at the same time")
  func replaced() throws {
    let stage = try Stage("batches-replaced")
    let theirs = stage.batch(6)[3]
    try stage.insert { try stage.other.insert(theirs) }
    #expect(stage.outcomes.map(\.outcomes.count) == Array(repeating: Self.count, count: 12))
    #expect(!stage.outcomes[6].outcomes[3].isInserted)
    try stage.expectAll()
    stage.outcomes = []
    try stage.insert()
    #expect(stage.inserted == 0)
    try stage.expectAll()
  }

  @Test("after a conflict the batches before it are stored, and none after it")
  func conflict() throws {
    let stage = try Stage("batches-conflict")
    let theirs = stage.batch(9)[3]
    let error = #expect(throws: ConflictError.self) {
      try stage.insert(onConflict: .fail, before: 4) { try stage.other.insert(theirs) }
    }
    #expect(error?.index == 3)
    #expect(stage.outcomes.count == 9)
    #expect(stage.beyondError.isEmpty)
    try stage.expectAll(of: 9, besides: 2)
  }

  @Test("evictions are counted, and the limit holds after each batch")
  func evicting() throws {
    let stage = try Stage("batches-evicting")
    try stage.insert { try stage.other.setQuota(5 * Self.count, for: .default) }
    #expect(stage.inserted == 12 * Self.count)
    let evicted = stage.outcomes.reduce(0) { $0 + $1.evicted }
    #expect(try stage.other.count(in: .default) + evicted == 12 * Self.count + 1)
    #expect(try stage.other.count(in: .default) <= 5 * Self.count)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("connections that are lost between batches cost nothing")
  func lostConnections() throws {
    let stage = try Stage("batches-lost")
    try stage.insert(settlingFirst: true) {
      let clients = try stage.redis.send("CLIENT", "LIST", "TYPE", "normal").text ?? ""
      let ours = clients.split(separator: "\n").filter { $0.contains(" name=\(stage.prefix) ") }
      // The store's own, and that of a lane at least: one lane may have made all of the changes.
      #expect(ours.count >= 2)
      for id in ours.compactMap({ $0.split(separator: " ").first?.dropFirst(3) }) {
        try stage.redis.send("CLIENT", "KILL", "ID", String(id))
      }
    }
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll()
  }

  @Test("other use of the same client in between does not confuse the replies")
  func sharedClient() throws {
    let stage = try Stage("batches-shared")
    try stage.insert {
      #expect(try stage.store.count(in: nil) >= Self.count)
      _ = try stage.store.insert(stage.entry("on the same connection"))
    }
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll(besides: 2)
  }

  @Test(
    "an id counter that cannot grow ends it, and the batches before are stored", arguments: [20, 0, -999_984])
  func largestID(room: Int64) throws {
    let stage = try Stage("batches-largest")
    let largest = Int64.max - 1_000_000 - room
    try stage.redis.send("SET", stage.key("next_id"), "\(largest)")
    // If the server seems far, lanes open after one batch and take ids for all of them together.
    try eventually("a short round trip") {
      _ = try stage.store.count(in: nil)
      return stage.client.shortestRoundTrip.map { $0 <= .milliseconds(20) } ?? false
    }
    let error = #expect(throws: CorruptCacheError.self) { try stage.insert() }
    #expect(error?.message.contains("cannot grow any more") == true)
    #expect(try stage.other.count(in: nil) == 1 + stage.inserted)
    #expect(stage.inserted == (room < 0 ? 0 : room == 0 ? Self.count : 3 * Self.count))
  }

  @Test("from the smallest number, the id counter is raised above every entry")
  func smallestID() throws {
    let stage = try Stage("batches-smallest")
    try stage.redis.send("SET", stage.key("next_id"), "\(Int64.min)")
    try stage.redis.send("ZADD", stage.key("by_id"), "4000000000000000", "4000000000000000")
    try stage.redis.send("HSET", stage.key("entry:4000000000000000"), "namespace", "somebody's")
    try stage.insert()
    #expect(stage.outcomes.flatMap(\.outcomes).allSatisfy { $0.id.rawValue > 4_000_000_000_000_000 })
  }

  @Test("if a key that a batch depends on changes, the batch starts again")
  func changedIdentity() throws {
    let stage = try Stage("batches-meta")
    try stage.insert { try stage.redis.send("HSET", stage.key("meta"), "a stranger's", "field") }
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll()
  }

  @Test("if another cache replaces this one, it ends, and nothing is written to that cache")
  func otherCache() throws {
    let stage = try Stage("batches-other")
    #expect(throws: EmbedderMismatchError.self) {
      try stage.insert { try stage.redis.send("HSET", stage.key("meta"), "embedder_fingerprint", "other") }
    }
    let stored = stage.inserted + stage.beyondError.reduce(0) { $0 + ($1.outcome?.outcomes.count ?? 0) }
    #expect(try stage.redis.send("ZCARD", stage.key("by_id")).integer == Int64(1 + stored))
    #expect(stored < 7 * Self.count)
  }

  @Test("if the cache is removed, it ends, and leaves no id counter behind")
  func removedCache() throws {
    let stage = try Stage("batches-removed")
    let insertion = BatchInsertion(stage.store, onConflict: .replace, evictingOver: nil)
    for number in 0..<12 { try insertion.insert(stage.batch(number)) }
    try insertion.finish()
    try empty(stage)
    // More than were allocated before, so that ids are allocated where there is no cache.
    #expect(throws: StoreBackendError.self) {
      for number in 0..<4 {
        try insertion.insert((0..<1000).map { stage.entry("later \(number * 1000 + $0)") })
      }
      try insertion.finish()
    }
    insertion.close()
    #expect(try stage.redis.send("KEYS", "\(stage.prefix):*").texts == [])
  }

  @Test("an index of another type is an error, and no entry is lost")
  func wrongType() throws {
    let stage = try Stage("batches-type")
    #expect(throws: CorruptCacheError.self) {
      try stage.insert(settlingFirst: true) {
        try stage.redis.send("DEL", stage.key("by_ttl"))
        try stage.redis.send("SET", stage.key("by_ttl"), "not a sorted set")
      }
    }
    #expect(try stage.redis.send("ZCARD", stage.key("by_id")).integer == Int64(1 + stage.inserted))
    #expect(try stage.redis.send("DEL", stage.key("by_ttl")).integer == 1)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  // MARK: A flush between the allocation of an id and the transaction

  private func highestID(_ stage: Stage) throws -> Int64 {
    try stage.redis.send("ZREVRANGE", stage.key("by_id"), "0", "0").texts.first.flatMap { Int64($0) } ?? 0
  }

  private func empty(_ stage: Stage) throws {
    let keys = try stage.redis.send("KEYS", "\(stage.prefix):*").texts
    for key in keys { try stage.redis.send("DEL", key) }
  }

  @Test("after a flush in between no entry has an id above next_id", arguments: [true, false])
  func flush(ofExistingCache exists: Bool) throws {
    let stage = try Stage("batches-flush", firstEntry: exists)
    for number in 0..<20 where exists { try stage.other.insert(stage.entry("earlier \(number)")) }
    var wasFlushed = false
    var request = RedisStore.InsertRequest(
      [stage.entry("a").queryKey, stage.entry("b").queryKey], evicts: false
    ) { _ in
      if !wasFlushed {
        wasFlushed = true
        try self.empty(stage)
      }
      return [stage.entry("a"), stage.entry("b")]
    }
    request.ids = AllocatedIDs(try stage.store.allocateRun(of: 2))
    let batch = try stage.client.perform(
      stage.store.insertion(request), looked: nil, upcoming: { nil }
    ).result
    #expect(batch.outcomes.count == 2)
    #expect(try highestID(stage) == 2)
    #expect(try stage.redis.send("GET", stage.key("next_id")).integer == 2)
    #expect(try stage.other.check().map(\.kind) == [])
  }
}
