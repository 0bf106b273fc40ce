import TestSupport
import Testing

/// `health`.
@Suite struct HealthTests {
  private static let sound = [
    "maxmemory 100mb", "maxmemory-policy noeviction", "save 3600 1",
  ]

  private func problems(_ outcome: Outcome) throws -> [String?] {
    try #require(outcome.json()["problems"].array).map { $0["problem"].string }
  }

  @Test("a sound cache on a sound server is healthy, and all is told of both")
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
          "embedder_fingerprint", "entries", "healthy", "integrity_ok", "namespaces",
          "oldest_entry_age_seconds", "problems", "schema_version", "server",
        ])
      #expect(json["healthy"].bool == true)
      #expect(json["integrity_ok"].bool == true)
      #expect(json["schema_version"].int == 1)
      #expect(json["embedder_fingerprint"].string == "mneme:hashed-ngrams-v1:dim384")
      #expect(json["entries"].int == 2)
      #expect(json["namespaces"].int == 2)
      #expect((7200...7300).contains(json["oldest_entry_age_seconds"].int ?? 0))
      #expect(json["problems"].array?.isEmpty == true)
      let server = json["server"]
      #expect(server["version"].string?.split(separator: ".").count == 3)
      #expect(server["maxmemory_bytes"].int == 100 << 20)
      #expect(server["maxmemory_policy"].string == "noeviction")
      #expect(server["save"].string == "3600 1")
      #expect(server["appendonly"].bool == false)
    }
    let text = try fixture.mneme.run("health").outputText
    for shown in ["health    good", "2 in 2 namespaces, the oldest 2h", "maxmemory 100.0 MiB", "save 3600 1"]
    {
      #expect(text.contains(shown), "\(text)")
    }
    #expect(try fixture.mneme.run("-q", "health").output.isEmpty)
  }

  @Test("no cache under the prefix is not healthy, and nothing is created")
  func nothing() throws {
    let server = try RedisServer(configuration: HealthTests.sound)
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server)
    let outcome = try fixture.mneme.run("health", "--json", expecting: 1)
    #expect(try problems(outcome) == ["no_cache"])
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
    // As Redis comes, but for the snapshots that the tests turn off: noted, and healthy.
    #expect(try problems(fixture.mneme.run("health", "--json")) == ["no_maxmemory", "no_persistence"])
    #expect(
      try problems(fixture.mneme.run("health", "--json", "--expect-backups", expecting: 1))
        == ["no_persistence", "no_maxmemory"])
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "100mb")
    try fixture.redis.send("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try fixture.redis.send("CONFIG", "SET", "save", "60 1")
    let outcome = try fixture.mneme.run("health", expecting: 1)
    #expect(outcome.outputText.contains("health    not good"))
    #expect(
      outcome.outputLines.contains {
        $0.hasPrefix("danger: the policy allkeys-lru may drop the keys of indexes")
      },
      "\(outcome)")
    try fixture.redis.send("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    #expect(try problems(fixture.mneme.run("health", "--json")) == ["eviction_policy"])
  }

  @Test("a damaged cache is not healthy, and the key is named")
  func damaged() throws {
    let server = try RedisServer(configuration: HealthTests.sound)
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "r")
    for (key, value) in [("version", "many"), ("by_id", "x"), ("namespaces", "x"), ("meta", "x")] {
      let before = try fixture.redis.send("DUMP", fixture.key(key)).bytes ?? []
      try fixture.redis.send("SET", fixture.key(key), value)
      let outcome = try fixture.mneme.run("health", "--json", expecting: 1)
      #expect(try problems(outcome).first == "damaged", "\(outcome)")
      #expect(try outcome.json()["integrity_ok"].bool == false)
      #expect(outcome.outputText.contains(fixture.key(key)), "\(outcome)")
      let restore = ["RESTORE", fixture.key(key), "0"].map { Array($0.utf8) }
      try fixture.redis.send(restore + [before, Array("REPLACE".utf8)])
    }
    #expect(try fixture.mneme.run("health", "--json").json()["healthy"].bool == true)
  }

  @Test("a server that cannot be asked is no answer but an error")
  func unreachable() throws {
    try refusal(status: 69) { try Mneme(url: "unix:///nonexistent", prefix: "p").run(["health"] + $0) }
  }
}
