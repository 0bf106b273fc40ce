import TestSupport
import Testing

/// `stats` and `set-quota`.
@Suite struct StatsAndQuotaTests {
  @Test("stats counts entries, hits, misses and the rest, in total and for each namespace")
  func stats() throws {
    let stage = try Stage()
    for query in ["a", "b", "c"] { try stage.mneme.run("put", query, "r") }
    try stage.mneme.run("put", "-n", "faq", "a", "r", "--ttl", "10")
    try stage.mneme.run("set-quota", "faq", "10k")
    try stage.mneme.run("get", "a")
    try stage.mneme.run("get", "--exact", "nothing", expecting: 1)
    try stage.age(4, by: 10)

    let json = try stage.mneme.run("stats", "--json").json()
    #expect(
      json.keys == [
        "embedder_dim", "embedder_fingerprint", "entries", "evictions", "expirations", "expired_pending",
        "hit_rate",
        "hits_exact", "hits_semantic", "key_prefix", "misses", "namespaces", "schema_version", "vector_bytes",
        "version",
      ])
    #expect(json["key_prefix"].string == stage.prefix)
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
        "entries", "evictions", "expirations", "hit_rate", "hits_exact", "hits_semantic", "misses",
        "namespace",
        "quota",
      ])

    let text = try stage.mneme.run("stats").outputText
    for shown in ["default", "faq", "mneme:hashed-ngrams-v1:dim384"] { #expect(text.contains(shown)) }
    let one = try stage.mneme.run("stats", "-n", "faq", "--json").json()
    #expect(one["namespaces"].array?.map { $0["namespace"].string } == ["faq"])
  }

  @Test("stats of nothing is status 1")
  func nothing() throws {
    let stage = try Stage()
    try stage.mneme.run("stats", expecting: 1)
    try stage.mneme.run("stats", "--json", expecting: 1)
    #expect(try stage.dump().isEmpty)
  }

  @Test("the hit rate of a cache that was never asked is null")
  func neverAsked() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    let rate = try stage.mneme.run("stats", "--json").json()["hit_rate"]
    #expect(rate.isNull || rate.double == 0, "\(rate)")
  }

  @Test("a quota is set in both places, printed, and taken from both")
  func quota() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    let set = try stage.mneme.run("set-quota", "--json", "faq", "1_000").json()
    #expect(set.keys == ["entries", "evicted", "namespace", "previous", "quota"])
    #expect(set["quota"].int == 1000)
    #expect(set["previous"].isNull)
    #expect(try stage.redis.send("HGET", stage.key("quotas"), "faq").text == "1000")
    #expect(try stage.redis.send("GET", stage.key("quota:faq")).text == "1000")
    #expect(try stage.mneme.run("set-quota", "faq").outputText.contains("1"))
    #expect(try stage.mneme.run("set-quota", "--json", "faq").json()["quota"].int == 1000)
    #expect(try stage.mneme.run("set-quota", "--json", "faq", "7").json()["previous"].int == 1000)
    try stage.mneme.run("set-quota", "faq", "--remove")
    try stage.mneme.run("set-quota", "faq", expecting: 1)
    #expect(try stage.redis.send("EXISTS", stage.key("quotas"), stage.key("quota:faq")).integer == 0)
    #expect(try stage.version() == 1, "quotas do not move the version")
  }

  @Test("a put into a full namespace evicts its least recently used entries and no others")
  func eviction() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "-n", "other", "q1", "r")
    try stage.mneme.run("set-quota", "default", "3")
    for number in 1...3 {
      let id = try #require(try stage.mneme.run("put", "--json", "q\(number)", "r").json()["id"].int)
      // As if each had been put long ago, one after the other.
      try stage.redis.send("HSET", stage.key("entry:\(id)"), "last_accessed_at", "\(number)")
      try stage.redis.send("ZADD", stage.key("lru:default"), "\(number)", "\(id)")
    }
    try stage.mneme.run("get", "--exact", "q1")
    #expect(try stage.mneme.run("put", "--json", "q4", "r").json()["evicted"].int == 1)
    try stage.mneme.run("get", "--exact", "q1")
    try stage.mneme.run("get", "--exact", "q2", expecting: 1)
    try stage.mneme.run("get", "--exact", "-n", "other", "q1")
    #expect(try stage.redis.send("HGET", stage.key("counters:default"), "evictions").text == "1")
    #expect(try stage.version() == 6)
  }

  @Test("--evict brings a namespace under its quota at once")
  func evictNow() throws {
    let stage = try Stage()
    for number in 1...6 { try stage.mneme.run("put", "q\(number)", "r") }
    let json = try stage.mneme.run("set-quota", "--json", "--evict", "default", "2").json()
    #expect(json["evicted"].int == 4)
    #expect(json["entries"].int == 2)
    #expect(try stage.entryCount() == 2)
  }

  @Test("a trial says what a quota would send away, and changes nothing")
  func trial() throws {
    let stage = try Stage()
    for number in 1...6 { try stage.mneme.run("put", "q\(number)", "r") }
    try stage.expectUnchanged {
      let json = try stage.mneme.run("set-quota", "--json", "--evict", "--dry-run", "default", "2").json()
      #expect(json["evicted"].int == 4 && json["entries"].int == 6)
      let text = try stage.mneme.run("-q", "set-quota", "--evict", "--dry-run", "default", "2").outputText
      #expect(text == "'default': would get the quota 2 (was none), holds 6 (300 %), would evict 4\n")
    }
    try stage.mneme.run("set-quota", "default", "2")
    try stage.expectUnchanged {
      let text = try stage.mneme.run("set-quota", "--remove", "--dry-run", "default").outputText
      #expect(text == "'default' would have no quota any more (it was 2)\n")
    }
  }

  @Test("a quota far below what is there sends all of it away, in batches")
  func farBelow() throws {
    let stage = try Stage()
    let lines = try (1...3000).map { number in
      try jsonLine(
        ["query": "query \(number)", "response": "r", "last_accessed_at": 1_700_000_000 + number])
    }.joined()
    try stage.mneme.run("import", input: lines)
    #expect(
      try stage.mneme.run("set-quota", "--json", "--evict", "default", "7").json()["evicted"].int == 2993)
    #expect(try stage.mneme.run("export").jsonLines().map { $0["id"].int } == Array(2994...3000))
  }

  @Test("a quota that Python has set alone is the one that holds")
  func pythonQuota() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    try stage.mneme.run("set-quota", "default", "5")
    try stage.redis.send("SET", stage.key("quota:default"), "9")
    #expect(try stage.mneme.run("set-quota", "--json", "default").json()["quota"].int == 9)
  }

  @Test("--max-entries holds the whole cache to a number")
  func maxEntries() throws {
    let stage = try Stage()
    for number in 1...3 { try stage.mneme.run("put", "-n", "ns\(number)", "q", "r") }
    let put = try stage.mneme.run("put", "--json", "--max-entries", "2", "q", "r").json()
    #expect(put["evicted"].int == 2)
    #expect(try stage.entryCount() == 2)
  }
}
