import TestSupport
import Testing

/// `health`.
@Suite struct HealthTests {
  private static let sound = [
    "maxmemory 100mb", "maxmemory-policy noeviction", "save 3600 1",
  ]

  /// The checks that are not ok.
  private func found(_ outcome: Outcome) throws -> [String] {
    try #require(outcome.json()["checks"].array).filter { $0["status"].string != "ok" }
      .map { "\($0["status"].string ?? "") \($0["check"].string ?? "")" }
  }

  @Test("a valid cache on a well configured server is healthy, and both are described")
  func healthy() throws {
    let server = try RedisServer(configuration: HealthTests.sound)
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "r")
    try fixture.mneme.run("put", "-n", "faq", "q", "r")
    try fixture.age(1, by: 7200)
    try fixture.expectUnchanged {
      let json = try fixture.mneme.run("health", "--json").json()
      #expect(
        json.keys == [
          "checks", "embedder_fingerprint", "entries", "healthy", "integrity_ok", "leftovers", "namespaces",
          "oldest_entry_age_seconds", "schema_version", "server", "status",
        ])
      #expect(json["healthy"].bool == true && json["status"].string == "ok", "\(json)")
      #expect(json["integrity_ok"].bool == true)
      #expect(json["schema_version"].int == 1)
      #expect(json["embedder_fingerprint"].string == "mneme:hashed-ngrams-v1:dim384")
      #expect(json["entries"].int == 2)
      #expect(json["namespaces"].int == 2)
      #expect((7200...7300).contains(json["oldest_entry_age_seconds"].int ?? 0))
      #expect(
        json["checks"].array?.map { $0["check"].string } == [
          "cache", "indexes", "numbers", "entries", "hash_keys", "figures", "quotas", "times", "clock",
          "memory",
          "eviction_policy", "persistence", "saving", "replication",
        ])
      let server = json["server"]
      #expect(server["version"].string?.split(separator: ".").count == 3)
      #expect(["Redis", "Valkey"].contains(server["program"].string))
      #expect(server["maxmemory_bytes"].int == 100 << 20)
      #expect(server["maxmemory_policy"].string == "noeviction")
      #expect(server["save"].string == "3600 1")
      #expect(server["appendonly"].bool == false)
      #expect(abs(server["clock_lead_seconds"].int ?? 99) < 5)
    }
    let text = try fixture.mneme.run("health").outputText
    for shown in ["health    ok\n", "\nok        entries          2 entries in 2 namespaces, the oldest 2h"] {
      #expect(text.contains(shown), "\(text)")
    }
    #expect(try fixture.mneme.run("-q", "health").output.isEmpty)
    #expect(try !fixture.mneme.run("health", "--deep").outputText.contains("not read"))
  }

  @Test("no cache under the prefix is critical, and nothing is created")
  func nothing() throws {
    let server = try RedisServer(configuration: HealthTests.sound)
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server)
    let outcome = try fixture.mneme.run("health", "--json", expecting: 1)
    #expect(try found(outcome) == ["critical cache"])
    #expect(try outcome.json()["embedder_fingerprint"].isNull)
    #expect(try outcome.json()["oldest_entry_age_seconds"].isNull)
    #expect(
      try fixture.mneme.run("health", expecting: 1).outputText.contains("there is no cache under the prefix"))
    #expect(try fixture.dump().isEmpty)
  }

  @Test("settings of the server that endanger the cache are each explained in a line")
  func settings() throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "r")
    // The default configuration of Redis, but for the snapshots that the tests turn off.
    #expect(try found(fixture.mneme.run("health", "--json")) == ["warning memory", "warning persistence"])
    #expect(
      try found(fixture.mneme.run("health", "--json", "--expect-backups", expecting: 1))
        == ["warning memory", "critical persistence"])
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "100mb")
    try fixture.redis.send("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try fixture.redis.send("CONFIG", "SET", "save", "60 1")
    let outcome = try fixture.mneme.run("health", expecting: 1)
    #expect(outcome.outputText.contains("health    critical"))
    #expect(
      outcome.outputLines.contains {
        $0.hasPrefix("critical  eviction_policy  with the policy allkeys-lru Redis may evict index keys")
      },
      "\(outcome)")
    try fixture.redis.send("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    #expect(try found(fixture.mneme.run("health", "--json")) == ["warning eviction_policy"])
    // Every put is refused.
    try fixture.redis.send("CONFIG", "SET", "min-replicas-to-write", "1")
    try fixture.mneme.run("put", "q2", "r", expecting: 75)
    #expect(
      try found(fixture.mneme.run("health", "--json", expecting: 1)).contains("critical replication"))
  }

  @Test("a replica that has lost its primary is critical")
  func lostPrimary() throws {
    let replica = try RedisServer()
    defer { withExtendedLifetime(replica) {} }
    let fixture = try CacheFixture(on: replica)
    try fixture.mneme.run("put", "q", "r")
    // There is no server at this address.
    try fixture.redis.send("REPLICAOF", "127.0.0.1", "1")
    let outcome = try fixture.mneme.run("health", "--json", expecting: 1)
    #expect(try found(outcome).contains("critical replication"), "\(outcome)")
  }

  @Test("a namespace over its quota is a warning, and vacuum evicts the excess")
  func overQuota() throws {
    let fixture = try CacheFixture("over")
    try fixture.mneme.run(["import"], input: importLines(1...12, namespace: "a")).expecting(0)
    // No client that respects the quota has put an entry since.
    try fixture.mneme.run("set-quota", "a", "5")
    let warned = try fixture.mneme.run("health", "--json")
    #expect(try found(warned).contains("warning quotas"), "\(warned)")
    let dry = try fixture.mneme.run("vacuum", "--dry-run", "--json").json()
    let report = try fixture.mneme.run("vacuum", "--json").json()
    #expect(dry["evicted"].int == 7 && report["evicted"].int == 7, "\(dry) \(report)")
    #expect(try !found(fixture.mneme.run("health", "--json")).contains("warning quotas"))
    try fixture.expectSound()
  }

  @Test("times in the future are a warning, and a problem that a repair does not change")
  func future() throws {
    let fixture = try CacheFixture("future")
    try fixture.mneme.run("put", "how do I reset my password", "r", "--ttl", "60s")
    try fixture.redis.send("HSET", fixture.key("entry:1"), "created_at", "1700000000000")
    #expect(try found(fixture.mneme.run("health", "--json")).contains("warning times"))
    let check = try fixture.mneme.run("inspect-keys", "--check", "--json", expecting: 1).json()
    #expect(check["problems"].array?.contains { $0["problem"].string == "future-entry" } == true, "\(check)")
    let before = try fixture.fields(of: 1)
    try fixture.mneme.run("vacuum", "--repair", expecting: 1)
    #expect(try fixture.fields(of: 1) == before)
  }

  @Test("an unreachable server is an error and not a status")
  func unreachable() throws {
    try refusal(status: 69) { try Mneme(url: "unix:///nonexistent", prefix: "p").run(["health"] + $0) }
  }
}
