import TestSupport
import Testing

/// `stats` and `set-quota`.
@Suite struct StatsAndQuotaTests {
  @Test("stats and health count the same namespaces: those that have entries")
  func countedNamespaces() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.mneme.run("put", "-n", "emptied", "q", "r")
    try fixture.mneme.run("get", "-n", "emptied", "q")
    try fixture.mneme.run("delete", "-n", "emptied", "q")
    #expect(try fixture.mneme.run("stats").outputText.contains("1 in 1 namespace,"))
    #expect(try fixture.mneme.run(["health"]).outputText.contains("1 entry in 1 namespace,"))
  }

  @Test("stats counts entries, hits, misses and the rest, in total and for each namespace")
  func stats() throws {
    let fixture = try CacheFixture()
    for query in ["a", "b", "c"] { try fixture.mneme.run("put", query, "r") }
    try fixture.mneme.run("put", "-n", "faq", "a", "r", "--ttl", "10")
    try fixture.mneme.run("set-quota", "faq", "10k")
    try fixture.mneme.run("get", "a")
    try fixture.mneme.run("get", "--exact", "nothing", expecting: 1)
    try fixture.age(4, by: 10)

    let json = try fixture.mneme.run("stats", "--json").json()
    #expect(
      json.keys == [
        "embedder_dim", "embedder_fingerprint", "entries", "evictions", "expirations", "expired_pending",
        "expiring_24h", "hit_rate", "hits_exact", "hits_semantic", "key_prefix", "leftovers", "misses",
        "namespaces", "oldest_created_at", "schema_version", "used_24h", "vector_bytes", "version",
      ])
    #expect(json["key_prefix"].string == fixture.prefix)
    #expect(json["entries"].int == 4)
    #expect(json["hits_exact"].int == 1)
    #expect(json["hits_semantic"].int == 0)
    #expect(json["misses"].int == 1)
    #expect(json["hit_rate"].double == 0.5)
    #expect(json["expired_pending"].int == 1)
    #expect(json["embedder_fingerprint"].string == "mneme:hashed-ngrams-v1:dim384")
    #expect(json["embedder_dim"].int == 384)
    #expect(json["schema_version"].int == 1)
    #expect(json["version"].int == 4)
    #expect(json["vector_bytes"].int == 4 * 384 * 4)
    let rows = try #require(json["namespaces"].array)
    #expect(rows.map { $0["namespace"].string } == ["default", "faq"])
    #expect(rows.map { $0["entries"].int } == [3, 1])
    #expect(rows.map { $0["quota"].int } == [nil, 10_000])
    #expect(rows[0]["quota"].isNull)
    #expect(
      rows[0].keys == [
        "entries", "evictions", "expirations", "expiring_24h", "hit_rate", "hits_exact", "hits_semantic",
        "leftovers", "misses", "namespace", "oldest_created_at", "quota", "used_24h",
      ])

    let text = try fixture.mneme.run("stats").outputText
    for shown in ["default", "faq", "mneme:hashed-ngrams-v1:dim384"] { #expect(text.contains(shown)) }
    let one = try fixture.mneme.run("stats", "-n", "faq", "--json").json()
    #expect(one["namespaces"].array?.map { $0["namespace"].string } == ["faq"])
  }

  @Test("stats without a cache is status 1")
  func nothing() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("stats", expecting: 1)
    try fixture.mneme.run("stats", "--json", expecting: 1)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("the hit rate of a cache without lookups is null")
  func neverAsked() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let rate = try fixture.mneme.run("stats", "--json").json()["hit_rate"]
    #expect(rate.isNull || rate.double == 0, "\(rate)")
  }

  @Test("a quota is set in both places, printed, and removed from both")
  func quota() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let set = try fixture.mneme.run("set-quota", "--json", "faq", "1_000").json()
    #expect(set.keys == ["dry_run", "entries", "evicted", "namespace", "previous", "quota"])
    #expect(set["quota"].int == 1000)
    #expect(set["previous"].isNull)
    #expect(try fixture.redis.send("HGET", fixture.key("quotas"), "faq").text == "1000")
    #expect(try fixture.redis.send("GET", fixture.key("quota:faq")).text == "1000")
    #expect(try fixture.mneme.run("set-quota", "faq").outputText.contains("1"))
    #expect(try fixture.mneme.run("set-quota", "--json", "faq").json()["quota"].int == 1000)
    #expect(try fixture.mneme.run("set-quota", "--json", "faq", "7").json()["previous"].int == 1000)
    try fixture.mneme.run("set-quota", "faq", "--remove")
    try fixture.mneme.run("set-quota", "faq", expecting: 1)
    #expect(try fixture.redis.send("EXISTS", fixture.key("quotas"), fixture.key("quota:faq")).integer == 0)
    #expect(try fixture.version() == 1, "quotas do not move the version")
  }

  @Test("a put into a full namespace evicts its least recently used entries and no others")
  func eviction() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "-n", "other", "q1", "r")
    try fixture.mneme.run("set-quota", "default", "3")
    for number in 1...3 {
      let id = try #require(try fixture.mneme.run("put", "--json", "q\(number)", "r").json()["id"].int)
      // Makes each entry seem to be put long ago, one after the other.
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "last_accessed_at", "\(number)")
      try fixture.redis.send("ZADD", fixture.key("lru:default"), "\(number)", "\(id)")
    }
    try fixture.mneme.run("get", "--exact", "q1")
    #expect(try fixture.mneme.run("put", "--json", "q4", "r").json()["evicted"].int == 1)
    try fixture.mneme.run("get", "--exact", "q1")
    try fixture.mneme.run("get", "--exact", "q2", expecting: 1)
    try fixture.mneme.run("get", "--exact", "-n", "other", "q1")
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "evictions").text == "1")
    #expect(try fixture.version() == 6)
  }

  @Test("--evict brings a namespace under its quota immediately")
  func evictNow() throws {
    let fixture = try CacheFixture()
    for number in 1...6 { try fixture.mneme.run("put", "q\(number)", "r") }
    let json = try fixture.mneme.run("set-quota", "--json", "--evict", "default", "2").json()
    #expect(json["evicted"].int == 4)
    #expect(json["entries"].int == 2)
    #expect(try fixture.entryCount() == 2)
  }

  @Test("a dry run reports what a quota would evict, and changes nothing")
  func trial() throws {
    let fixture = try CacheFixture()
    for number in 1...6 { try fixture.mneme.run("put", "q\(number)", "r") }
    try fixture.expectUnchanged {
      let json = try fixture.mneme.run("set-quota", "--json", "--evict", "--dry-run", "default", "2").json()
      #expect(json["evicted"].int == 4 && json["entries"].int == 6 && json["dry_run"].bool == true)
      let text = try fixture.mneme.run("-q", "set-quota", "--evict", "--dry-run", "default", "2").outputText
      #expect(text == "'default': would get the quota 2 (was none), holds 6 (300 %), would evict 4\n")
    }
    try fixture.mneme.run("set-quota", "default", "2")
    try fixture.expectUnchanged {
      let text = try fixture.mneme.run("set-quota", "--remove", "--dry-run", "default").outputText
      #expect(text == "'default' would have no quota any more (it was 2)\n")
    }
  }

  @Test("a quota far below the number of entries evicts all others, in batches")
  func farBelow() throws {
    let fixture = try CacheFixture()
    let lines = try (1...3000).map { number in
      try jsonLine(
        ["query": "query \(number)", "response": "r", "last_accessed_at": 1_700_000_000 + number])
    }.joined()
    try fixture.mneme.run("import", input: lines)
    #expect(
      try fixture.mneme.run("set-quota", "--json", "--evict", "default", "7").json()["evicted"].int == 2993)
    #expect(
      try fixture.mneme.run("export", "--no-settings").jsonLines().map { $0["id"].int } == Array(2994...3000))
  }

  @Test("a quota that Python alone has set is in force")
  func pythonQuota() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.mneme.run("set-quota", "default", "5")
    try fixture.redis.send("SET", fixture.key("quota:default"), "9")
    #expect(try fixture.mneme.run("set-quota", "--json", "default").json()["quota"].int == 9)
  }

  @Test("--max-entries limits the whole cache")
  func maxEntries() throws {
    let fixture = try CacheFixture()
    for number in 1...3 { try fixture.mneme.run("put", "-n", "ns\(number)", "q", "r") }
    let put = try fixture.mneme.run("put", "--json", "--max-entries", "2", "q", "r").json()
    #expect(put["evicted"].int == 2)
    #expect(try fixture.entryCount() == 2)
  }
}
