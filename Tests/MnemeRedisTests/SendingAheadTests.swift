import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// What is sent before the answers to the last are there rests on guesses. Here each of them is wrong once.
@Suite("Work sent ahead") struct SendingAheadTests {
  static let count = 16

  /// A cache with one entry, the client under test, and somebody else.
  final class Stage {
    let prefix: String
    let client: RedisClient
    let store: RedisStore
    let other: RedisStore
    let redis: RawRedis
    var outcomes: [BatchInsertion.Outcome] = []

    init(_ what: String) throws {
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
      try other.insert(entry("the first"))
    }

    deinit { client.close() }

    func key(_ rest: String) -> String { "\(prefix):\(rest)" }

    func entry(_ query: String, in namespace: Namespace = .default, ttl: Seconds? = nil) -> StoredEntry {
      StoredEntry(
        namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query,
        response: "to \(query)", embedding: .empty, createdAt: UnixTime(1000), lastAccessedAt: UnixTime(1000),
        ttl: ttl)
    }

    func batch(_ number: Int) -> [StoredEntry] {
      (0..<SendingAheadTests.count).map { entry("question \(number * SendingAheadTests.count + $0)") }
    }

    /// Inserts twelve batches, and does something before one in the middle.
    func insert(
      onConflict policy: ConflictPolicy = .replace, before number: Int = 6,
      _ meanwhile: () throws -> Void = {}
    ) throws {
      var insertion = BatchInsertion(store, onConflict: policy, evictingOver: nil)
      defer { outcomes = insertion.takeSettled() }
      for batch in 0..<12 {
        if batch == number { try meanwhile() }
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
      #expect(try other.count(in: nil) == batches * SendingAheadTests.count + others)
      #expect(try other.check().map(\.kind) == [])
    }

    var inserted: Int {
      outcomes.flatMap(\.outcomes).count { if case .inserted = $0 { true } else { false } }
    }
  }

  @Test("a batch of new entries takes one round trip, and gets the ids that follow")
  func oneRoundTrip() throws {
    let stage = try Stage("ahead-plain")
    var before = 0
    try stage.insert(before: 2) { before = stage.client.traffic.roundTrips }
    // Ten batches, each with its look at the next; the last transaction; and the one that began it all.
    #expect(stage.client.traffic.roundTrips - before <= 12)
    #expect(stage.outcomes.flatMap(\.outcomes).map(\.id.rawValue) == Array(2...Int64(1 + 12 * Self.count)))
    #expect(try stage.other.versionCounter() == Int64(1 + 12 * Self.count))
    try stage.expectAll()
  }

  @Test("a large batch is settled at once, so that there are never three of them in memory")
  func largeBatches() throws {
    let stage = try Stage("ahead-large")
    var insertion = BatchInsertion(stage.store, onConflict: .replace, evictingOver: nil)
    for number in 0..<4 {
      var batch = stage.batch(number)
      if number > 1 { batch[3].response = String(repeating: "x", count: 2 << 20) }
      try insertion.insert(batch)
      stage.outcomes += insertion.takeSettled()
      #expect(stage.outcomes.count == [1, 1, 3, 4][number])
    }
    #expect(stage.inserted == 4 * Self.count)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("ids that another writer takes are not used twice")
  func takenIDs() throws {
    let stage = try Stage("ahead-ids")
    try stage.insert {
      try stage.other.insert(stage.entry("in between"))
      try stage.other.insert(stage.entry("and another"))
    }
    #expect(stage.inserted == 12 * Self.count)
    #expect(Set(stage.outcomes.flatMap(\.outcomes).map(\.id)).count == 12 * Self.count)
    try stage.expectAll(besides: 3)
  }

  @Test("an entry that stands where the next id leads to is not overwritten")
  func occupiedIDs() throws {
    let stage = try Stage("ahead-occupied")
    try stage.insert {
      // As a `next_id` that was set back: ids above it are in use.
      let next = try #require(try stage.redis.send("GET", stage.key("next_id")).integer)
      for id in [next + 5, next + Int64(2 * Self.count)] {
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

  @Test("a question that a batch before has stored is replaced, and one that somebody else stored meanwhile")
  func replaced() throws {
    let stage = try Stage("ahead-replaced")
    let theirs = stage.batch(6)[3]
    try stage.insert { try stage.other.insert(theirs) }
    #expect(stage.outcomes.map(\.outcomes.count) == Array(repeating: Self.count, count: 12))
    // Whichever of the two came first, the other has taken its place.
    let wasReplaced = if case .replaced = stage.outcomes[6].outcomes[3] { true } else { false }
    #expect(wasReplaced)
    try stage.expectAll()
    stage.outcomes = []
    try stage.insert()
    #expect(stage.inserted == 0)
    try stage.expectAll()
  }

  @Test("a conflict ends it with the batches before it stored, and none after it")
  func conflict() throws {
    let stage = try Stage("ahead-conflict")
    let theirs = stage.batch(9)[3]
    let error = #expect(throws: ConflictError.self) {
      try stage.insert(onConflict: .fail, before: 4) { try stage.other.insert(theirs) }
    }
    #expect(error?.index == 3)
    #expect(stage.outcomes.count == 9)
    try stage.expectAll(of: 9, besides: 2)
  }

  @Test("what evicts is counted, and a limit holds after each batch")
  func evicting() throws {
    let stage = try Stage("ahead-evicting")
    try stage.insert { try stage.other.setQuota(5 * Self.count, for: .default) }
    #expect(stage.inserted == 12 * Self.count)
    let evicted = stage.outcomes.reduce(0) { $0 + $1.evicted }
    #expect(try stage.other.count(in: .default) + evicted == 12 * Self.count + 1)
    #expect(try stage.other.count(in: .default) <= 5 * Self.count)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("a connection that is lost before a transaction is sent costs nothing")
  func lostConnection() throws {
    let stage = try Stage("ahead-lost")
    try stage.insert {
      let clients = try stage.redis.send("CLIENT", "LIST", "TYPE", "normal").text ?? ""
      let ours = clients.split(separator: "\n").filter { $0.contains(" name=\(stage.prefix) ") }
      let id = try #require(ours.first?.split(separator: " ").first?.dropFirst(3))
      try stage.redis.send("CLIENT", "KILL", "ID", String(id))
    }
    #expect(stage.client.traffic.connections == 2)
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll()
  }

  @Test("other use of the same client in between does not mix up the answers")
  func sharedClient() throws {
    let stage = try Stage("ahead-shared")
    try stage.insert {
      #expect(try stage.store.count(in: nil) > Self.count)
      _ = try stage.store.insert(stage.entry("on the same connection"))
    }
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll(besides: 2)
  }

  @Test("several who insert by turns through one client get their own answers, and no one's who has left")
  func turns() throws {
    let stage = try Stage("ahead-turns")
    func insertion() -> BatchInsertion { BatchInsertion(stage.store, onConflict: .fail, evictingOver: nil) }
    var insertions = (0..<3).map { _ in insertion() }
    /// What each has been given and has not said what became of.
    var given: [[[StoredEntry]]] = [[], [], []]
    func settle(_ who: Int) throws {
      for outcome in insertions[who].takeSettled() {
        let batch = given[who].removeFirst()
        #expect(outcome.outcomes.count == batch.count)
        for (outcome, entry) in zip(outcome.outcomes, batch) {
          #expect(try stage.other.entry(id: outcome.id)?.query == entry.query)
        }
        stage.outcomes.append(outcome)
      }
    }
    var random = SystemRandomNumberGenerator()
    let turns = (0..<48).map { _ in Int(random.next() % 3) }
    for (number, who) in turns.enumerated() {
      try insertions[who].insert(stage.batch(number))
      given[who].append(stage.batch(number))
      try settle(who)
      guard number == 23 else { continue }
      // Of what it has sent, all or nothing may have been done.
      insertions[who] = insertion()
      given[who] = []
    }
    for who in 0..<3 {
      try insertions[who].finish()
      try settle(who)
      #expect(given[who].isEmpty, "\(turns)")
    }
    let ids = stage.outcomes.flatMap(\.outcomes).map(\.id)
    #expect(Set(ids).count == ids.count, "\(turns)")
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test(
    "a counter of ids that cannot grow ends it, with what came before stored", arguments: [20, 0, -999_984])
  func largestID(room: Int64) throws {
    let stage = try Stage("ahead-largest")
    let largest = Int64.max - 1_000_000 - room
    try stage.redis.send("SET", stage.key("next_id"), "\(largest)")
    let error = #expect(throws: CorruptCacheError.self) { try stage.insert() }
    #expect(error?.message.contains("cannot grow any more") == true)
    #expect(try stage.other.count(in: nil) == 1 + stage.inserted)
    #expect(stage.inserted == (room >= 0 ? Self.count : 0))
  }

  @Test("from the smallest number of all, the counter of ids gets above every entry")
  func smallestID() throws {
    let stage = try Stage("ahead-smallest")
    try stage.redis.send("SET", stage.key("next_id"), "\(Int64.min)")
    try stage.redis.send("ZADD", stage.key("by_id"), "4000000000000000", "4000000000000000")
    try stage.redis.send("HSET", stage.key("entry:4000000000000000"), "namespace", "somebody's")
    try stage.insert()
    #expect(stage.outcomes.flatMap(\.outcomes).allSatisfy { $0.id.rawValue > 4_000_000_000_000_000 })
  }

  @Test("a change of what a batch rests on has it looked at again")
  func changedIdentity() throws {
    let stage = try Stage("ahead-meta")
    try stage.insert { try stage.redis.send("HSET", stage.key("meta"), "a stranger's", "field") }
    #expect(stage.inserted == 12 * Self.count)
    try stage.expectAll()
  }

  @Test("another cache in its place ends it, and nothing of ours gets into that one")
  func otherCache() throws {
    let stage = try Stage("ahead-other")
    #expect(throws: EmbedderMismatchError.self) {
      try stage.insert { try stage.redis.send("HSET", stage.key("meta"), "embedder_fingerprint", "other") }
    }
    // The transaction under way watched `meta` and was not run.
    #expect(try stage.redis.send("ZCARD", stage.key("by_id")).integer == Int64(1 + stage.inserted))
    #expect(stage.inserted < 7 * Self.count)
  }

  @Test("an index of another type is said, and nothing is lost of what stands")
  func wrongType() throws {
    let stage = try Stage("ahead-type")
    #expect(throws: CorruptCacheError.self) {
      try stage.insert {
        try stage.redis.send("DEL", stage.key("by_ttl"))
        try stage.redis.send("SET", stage.key("by_ttl"), "no sorted set")
      }
    }
    // The type may be changed between the look and the transaction, which then does all but what it cannot.
    let count = try stage.redis.send("ZCARD", stage.key("by_id")).integer ?? 0
    #expect([0, Self.count].contains(Int(count) - 1 - stage.inserted))
    #expect(try stage.redis.send("DEL", stage.key("by_ttl")).integer == 1)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  // MARK: Sweeping

  @Test("a page of expired entries takes two round trips")
  func sweep() throws {
    let stage = try Stage("ahead-sweep")
    let entries = (0..<640).map {
      stage.entry("due \($0)", in: Namespace(unchecked: "n\($0 % 3)"), ttl: Seconds(10))
    }
    var insertion = BatchInsertion(stage.store, onConflict: .replace, evictingOver: nil)
    for start in stride(from: 0, to: entries.count, by: 64) {
      try insertion.insert(Array(entries[start..<start + 64]))
    }
    try insertion.finish()
    let before = stage.client.traffic.roundTrips
    var options = VacuumOptions()
    options.batchSize = 64
    let report = try stage.store.vacuum(options)
    #expect(report.expired == 640)
    #expect(report.complete)
    // The last page empties the namespaces, and so takes its time.
    #expect(stage.client.traffic.roundTrips - before <= 2 * 10 + 14)
    #expect(try stage.other.count(in: nil) == 1)
    #expect(try stage.other.check().map(\.kind) == [])
    #expect(try stage.other.versionCounter() == 1 + 2 * 640)
  }

  @Test("an entry that is put again while its page is swept stays")
  func refreshed() throws {
    let stage = try Stage("ahead-refreshed")
    let entries = (0..<256).map { stage.entry("due \($0)", ttl: Seconds(10)) }
    for start in stride(from: 0, to: 256, by: 64) {
      _ = try stage.store.insert(
        Array(entries[start..<start + 64]), onConflict: .replace, evictingOver: nil)
    }
    var options = VacuumOptions()
    let asked = Counter()
    options.shouldStop = { [other = stage.other] in
      // In the midst of it, each time about another entry that is looked at now or next.
      let number = asked.next()
      guard number < 100 else { return false }
      var entry = entries[(number * 37) % 256]
      entry.ttl = nil
      entry.response = "put again"
      _ = try? other.insert(entry)
      return false
    }
    let report = try stage.store.vacuum(options)
    let left = try (0..<256).compactMap {
      try stage.other.entry(namespace: .default, queryHash: entries[$0].queryHash)
    }
    #expect(left.allSatisfy { $0.response == "put again" })
    #expect(!left.isEmpty)
    #expect(report.expired >= 256 - left.count)
    #expect(try stage.other.check().map(\.kind) == [])
  }

  @Test("the next page of entries is asked for while one is handled")
  func readAhead() throws {
    let stage = try Stage("ahead-read")
    try stage.insert()
    var handled = 0
    try stage.store.forEachEntry(after: nil, in: nil) { _ in
      handled += 1
      guard handled == 1 else { return }
      let before = stage.client.traffic.roundTrips
      let deadline = ContinuousClock.now + .seconds(20)
      while stage.client.traffic.roundTrips == before, ContinuousClock.now < deadline { usleep(1000) }
      #expect(stage.client.traffic.roundTrips > before)
    }
    #expect(handled == 1 + 12 * SendingAheadTests.count)
  }
}

/// Counts calls from whichever thread.
private final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var value = 0

  func next() -> Int {
    lock.withLock {
      defer { value += 1 }
      return value
    }
  }
}
