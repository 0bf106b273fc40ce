import TestSupport
import Testing

/// The traffic with the server: which commands, in which transactions, in how many round trips.
@Suite struct WireTests {
  @Test(
    "no command uses KEYS, a flush or a script, and entries are written only in transactions that increase the version"
  )
  func transactions() throws {
    let server = try RedisServer(tcp: true)
    let mneme = Mneme(url: server.tcpURL, prefix: "tour")
    let monitor = try Monitor(server)
    try expectTourToWork(mneme, other: "copy")
    // One that evicts, and a miss.
    try mneme.run("put", "--max-entries", "1", "q1", "r")
    try mneme.run("put", "--max-entries", "1", "q2", "r")
    try mneme.run("get", "q1", expecting: 1)
    try mneme.run("clear", "--yes", "--all")
    let commands = try monitor.commands()
    #expect(commands.count > 100)

    let forbidden = [
      "KEYS", "FLUSHDB", "FLUSHALL", "EVAL", "EVALSHA", "FCALL", "SCRIPT LOAD", "FUNCTION LOAD", "CONFIG SET",
    ]
    #expect(commands.filter { forbidden.contains($0.name) }.isEmpty)
    for prefix in ["tour", "copy"] { try checkTransactions(commands, prefix: prefix) }

    // Again with entries that have expired by themselves and by the clock.
    let fixture = try CacheFixture(on: server, prefix: "tour")
    let lines = try (1...100).map { try jsonLine(["query": "q\($0)", "response": "r", "ttl": 3600]) }.joined()
    try mneme.run("import", input: lines)
    let ids = try fixture.redis.send("ZRANGE", "tour:by_id", "0", "-1").texts.compactMap { Int($0) }
    try fixture.age(Array(ids.prefix(90)), by: 3600)
    _ = try monitor.commands()
    try mneme.run("get", "q1", expecting: 1)
    try mneme.run("vacuum")
    let sweep = try monitor.commands()
    #expect(sweep.filter { forbidden.contains($0.name) }.isEmpty)
    try checkTransactions(sweep, prefix: "tour")
    #expect(try fixture.entryCount() == 10)
    #expect(sweep.count < 90 * 12, "vacuum goes in batches")
  }

  /// Commands by the client that sent them, cut into transactions.
  private func checkTransactions(_ commands: [Monitor.Command], prefix: String) throws {
    let versionKey = "\(prefix):version"
    for (_, sent) in Dictionary(grouping: commands, by: \.client) {
      var transaction: [Monitor.Command]?
      for command in sent {
        switch command.name {
        case "MULTI": transaction = []
        case "EXEC", "DISCARD":
          let all = try #require(transaction)
          let moves = all.contains { ["INCR", "INCRBY"].contains($0.name) && $0.text(1) == versionKey }
          let writes = all.filter { isEntryWrite($0, prefix: prefix) }
          #expect(writes.isEmpty || moves, "a transaction that does not move the version: \(all)")
          transaction = nil
        default:
          if transaction == nil {
            #expect(!isEntryWrite(command, prefix: prefix), "outside a transaction: \(command)")
          }
          transaction?.append(command)
        }
      }
      #expect(transaction == nil, "a transaction without an end")
    }
  }

  /// Whether a command changes which entries there are, or the content of one. Recording a use is not such a change.
  private func isEntryWrite(_ command: Monitor.Command, prefix: String) -> Bool {
    let writing: Set = [
      "HSET", "HMSET", "HSETNX", "HDEL", "HINCRBY", "SET", "MSET", "DEL", "UNLINK", "ZADD", "ZREM", "SADD",
      "SREM",
      "ZREMRANGEBYSCORE", "ZREMRANGEBYRANK", "RENAME", "EXPIREAT", "PERSIST", "SETEX", "GETDEL", "COPY",
      "RESTORE",
    ]
    guard writing.contains(command.name) else { return false }
    let families = ["entry:", "hash:", "by_id", "by_ttl", "namespaces"].map { "\(prefix):\($0)" }
    let keys =
      ["DEL", "UNLINK"].contains(command.name)
      ? (1..<command.words.count).map(command.text) : [command.text(1)]
    guard keys.contains(where: { key in families.contains { key.hasPrefix($0) } }) else { return false }
    let isUse: Bool =
      switch command.name {
      case "HINCRBY": command.text(2) == "access_count"
      case "HSET", "HMSET":
        stride(from: 2, to: command.words.count, by: 2).allSatisfy {
          ["last_accessed_at", "access_count"].contains(command.text($0))
        }
      default: false
      }
    return !isUse
  }

  @Test("an exact get costs at most three round trips")
  func getRoundTrips() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...100)).expecting(0)
    let proxy = try ScriptedProxy(to: RedisServer.shared())
    let through = Mneme(url: proxy.url, prefix: fixture.prefix)
    for arguments in [
      ["get", "query 7"], ["get", "--peek", "query 7"], ["get", "--exact", "--json", "query 7"],
    ] {
      try through.run(arguments).expecting(0)
      let trips = proxy.roundTrips()
      #expect((1...3).contains(trips.count), "\(arguments): \(trips)")
    }
    let miss = try through.run(["get", "--exact", "no such question"])
    #expect(miss.status == 1)
    #expect((1...3).contains(proxy.roundTrips().count))
  }

  @Test("a semantic get costs at most three round trips in a small namespace")
  func semanticRoundTrips() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "How do I reset my password?", "Use the link.")
    let proxy = try ScriptedProxy(to: RedisServer.shared())
    let through = Mneme(url: proxy.url, prefix: fixture.prefix)
    try through.run("get", "--threshold", "0.5", "how can I reset my password")
    let trips = proxy.roundTrips()
    #expect((1...3).contains(trips.count), "\(trips)")
  }

  @Test("a put costs at most four round trips: the first, a new one, a replacement, and one that evicts")
  func putRoundTrips() throws {
    let fixture = try CacheFixture()
    let proxy = try ScriptedProxy(to: RedisServer.shared())
    let through = Mneme(url: proxy.url, prefix: fixture.prefix)
    func put(_ what: String, _ arguments: String...) throws {
      try through.run(["put"] + arguments).expecting(0)
      let trips = proxy.roundTrips()
      #expect((1...4).contains(trips.count), "\(what): \(trips)")
    }
    try put("the first", "q1", "r")
    try put("a new one", "q2", "r", "--ttl", "1h")
    try put("a replacement", "q2", "r")
    try through.run("set-quota", "default", "2")
    _ = proxy.roundTrips()
    try put("one that evicts", "q3", "r")
    #expect(try fixture.entryCount() == 2)
  }

  @Test("commands on many entries work in batches")
  func batches() throws {
    // A server of its own: SCAN walks over the keys of all tests that share one.
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    let proxy = try ScriptedProxy(to: server)
    let through = Mneme(url: proxy.url, prefix: fixture.prefix)
    let lines = try (1...1000).map { try jsonLine(["query": "q\($0)", "response": "r", "ttl": 3600]) }
      .joined()
    func expectBatches(_ arguments: String..., input: String = "") throws {
      try through.run(arguments, input: Array(input.utf8)).expecting(0)
      let trips = proxy.roundTrips()
      // A few entries share a round trip; see `RequestSizeTests` for how many at most.
      #expect((1...500).contains(trips.count), "\(arguments): \(trips.count) round trips")
    }
    try expectBatches("import", input: lines)
    try expectBatches("export")
    try expectBatches("inspect-keys")
    try expectBatches("stats")
    try fixture.age(by: 3600)
    try expectBatches("vacuum")
    #expect(try fixture.entryCount() == 0)
    try expectBatches("import", input: lines)
    try expectBatches("clear", "--yes", "--all")
  }
}
