import TestSupport
import Testing

/// `vacuum` and `inspect-keys`.
@Suite struct VacuumAndInspectTests {
  @Test("vacuum removes expired entries completely")
  func vacuum() throws {
    let fixture = try CacheFixture()
    for number in 1...5 { try fixture.mneme.run("put", "q\(number)", "r", "--ttl", "1h") }
    try fixture.mneme.run("put", "stays", "r")
    try fixture.mneme.run("put", "-n", "faq", "q", "r", "--ttl", "1h")
    for id in [1, 2, 3, 4, 7] { try fixture.age(id, by: 3600) }

    let dry = try fixture.mneme.run("vacuum", "--dry-run", "--json").json()
    #expect(dry["expired"].int == 5)
    #expect(dry["dry_run"].bool == true)
    #expect(try fixture.entryCount() == 7)

    let one = try fixture.mneme.run("vacuum", "-n", "faq", "--json").json()
    #expect(one["expired"].int == 1)
    #expect(try fixture.redis.send("SMEMBERS", fixture.key("namespaces")).texts == ["default"])

    let json = try fixture.mneme.run("vacuum", "--json").json()
    #expect(
      json.keys == [
        "complete", "dry_run", "duration_seconds", "evicted", "expired", "left", "leftovers", "remaining",
        "repaired",
      ])
    #expect(json["expired"].int == 4)
    #expect(json["complete"].bool == true)
    #expect(json["dry_run"].bool == false)
    #expect(try fixture.entryCount() == 2)
    #expect(try fixture.redis.send("ZCARD", fixture.key("by_ttl")).integer == 1)
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "expirations").text == "4")
    #expect(try fixture.version() == 7 + 5)
    try fixture.expectUnchanged { try fixture.mneme.run("vacuum") }
  }

  @Test("vacuum removes leftovers of native expiry")
  func leftovers() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "stays", "r")
    for number in 1...3 { try fixture.mneme.run("put", "q\(number)", "r", "--ttl", "1h") }
    // The effect that Redis has in time on keys with an EXPIREAT.
    let hashes = try (2...4).map { try #require(try fixture.fields(of: $0)["query_hash"]) }
    try fixture.redis.send("DEL", fixture.key("entry:2"), fixture.key("hash:default:\(hashes[0])"))
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "2")
    // Makes the leftovers of Python: the hash key without expiry, and its own form of the by_ttl member.
    try fixture.redis.send("DEL", fixture.key("entry:3"))
    try fixture.redis.send("ZREM", fixture.key("by_ttl"), "3")
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "default|3")
    let json = try fixture.mneme.run("vacuum", "--json").json()
    #expect(try #require(json["leftovers"].int) > 0)
    let left = try fixture.dump()
    #expect(try fixture.redis.send("ZRANGE", fixture.key("by_id"), "0", "-1").texts == ["1", "4"])
    #expect(try fixture.redis.send("ZRANGE", fixture.key("lru:default"), "0", "-1").texts == ["1", "4"])
    #expect(try fixture.redis.send("ZRANGE", fixture.key("by_ttl"), "0", "-1").texts == ["4"])
    #expect(!left.names.contains(fixture.key("hash:default:\(hashes[1])")), "\(left)")
  }

  @Test("a vacuum of a namespace that held only leftovers ends with 0, and the next one finds no namespace")
  func onlyLeftovers() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "-n", "faq", "q", "r")
    try fixture.redis.send("DEL", fixture.key("entry:1"))
    let outcome = try fixture.mneme.run("vacuum", "-n", "faq")
    #expect(outcome.errors.isEmpty, "\(outcome)")
    try fixture.mneme.run("vacuum", "-n", "faq", expecting: 1)
  }

  @Test("a check of a namespace does not count the whole cache, and notes once that it does not exist")
  func checkOfNamespace() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "-n", "faq", "q", "r")
    let words = ["inspect-keys", "--check", "-n"]
    let found = try fixture.mneme.run(words + ["faq"]).expecting(0)
    #expect(found.outputText == "checked the namespace 'faq': no problem\n")
    let absent = try fixture.mneme.run(words + ["nothing"]).expecting(1)
    #expect(absent.outputText.hasPrefix("no keys of the namespace 'nothing' under "), "\(absent)")
    let json = try fixture.mneme.run(words + ["nothing", "--json"]).expecting(1)
    #expect(json.errorLines.count == 1, "\(json)")
  }

  @Test("the entry's own fields override by_ttl")
  func staleScore() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r", "--ttl", "1h")
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "1")
    #expect(try fixture.mneme.run("vacuum", "--json").json()["expired"].int == 0)
    #expect(try fixture.mneme.run("get", "q").outputText == "r\n")
  }

  @Test("vacuum without a cache does nothing, with status 1")
  func nothing() throws {
    let fixture = try CacheFixture()
    #expect(try fixture.mneme.run("vacuum", "--json", expecting: 1).json()["expired"].int == 0)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("inspect-keys shows each family with its type and number, and foreign keys")
  func inspect() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q1", "r", "--ttl", "1h", "--native-ttl")
    try fixture.mneme.run("put", "-n", "faq", "q1", "r")
    try fixture.mneme.run("get", "q1")
    try fixture.mneme.run("set-quota", "faq", "5")
    try fixture.redis.send("SET", fixture.key("stranger"), "x")
    try fixture.expectUnchanged {
      let json = try fixture.mneme.run("inspect-keys", "--json", "--sample", "all").json()
      #expect(
        json.keys == [
          "families", "foreign", "key_prefix", "keys", "memory_bytes", "memory_exact", "problems",
        ])
      #expect(json["key_prefix"].string == fixture.prefix)
      #expect(json["keys"].int == (try fixture.dump().keys.count))
      #expect(json["memory_exact"].bool == true)
      let families = try #require(json["families"].array)
      func keys(_ family: String) -> Int? { families.first { $0["family"].string == family }?["keys"].int }
      #expect(keys("entry") == 2)
      #expect(keys("hash") == 2)
      #expect(keys("lru") == 2)
      #expect(keys("meta") == 1)
      #expect(keys("by_ttl") == 1)
      #expect(families.first { $0["family"].string == "entry" }?["with_ttl"].int == 1)
      #expect(families.first { $0["family"].string == "entry" }?["type"].string == "hash")
      #expect("\(json["foreign"])".contains("stranger"))

      let list = try fixture.mneme.run("inspect-keys", "--list", "--json").jsonLines()
      #expect(Set(list.compactMap { $0["key"].string }) == Set(try fixture.dump().names))
      #expect(list[0].keys == ["family", "key", "memory_bytes", "namespace", "ttl", "type"])
      let some = try fixture.mneme.run("inspect-keys", "--list", "--family", "entry", "--limit", "1")
      #expect(some.outputLines.count == 1)
      #expect(try fixture.mneme.run("inspect-keys").outputText.contains("entry"))
    }
  }

  @Test("sizes of a sample are scaled up and marked, those of all are exact, and the largest keys are named")
  func sample() throws {
    let fixture = try CacheFixture("sample")
    let lines = try (1...300).map { try jsonLine(["query": "q\($0)", "response": "r"]) }.joined()
    try fixture.mneme.run("import", "--embedder", "none", input: lines)
    func memory(_ sample: String) throws -> (bytes: Int, isExact: Bool?) {
      let json = try fixture.mneme.run("inspect-keys", "--json", "--sample", sample).json()
      return (try #require(json["memory_bytes"].int), json["memory_exact"].bool)
    }
    let (all, some) = (try memory("all"), try memory("10"))
    #expect(all.isExact == true && some.isExact == false)
    #expect((all.bytes / 2...all.bytes * 2).contains(some.bytes), "\(some) and \(all)")
    #expect(try fixture.mneme.run("inspect-keys", "--sample", "10").outputText.contains("~"))
    #expect(!(try fixture.mneme.run("inspect-keys", "--sample", "all").outputText.contains("~")))
    try fixture.mneme.run("put", "--embedder", "none", "large", String(repeating: "x", count: 100_000))
    let top = try fixture.mneme.run("inspect-keys", "--json", "--sample", "all", "--top", "3").json()[
      "largest"]
    #expect(top.array?.count == 3 && top.array?[0]["key"].string == fixture.key("entry:301"), "\(top)")
    let sizes = (top.array ?? []).compactMap { $0["memory_bytes"].int }
    #expect(sizes == sizes.sorted(by: >) && sizes[0] > 100_000, "\(sizes)")
  }

  @Test("inspect-keys without a cache creates nothing, with status 1")
  func inspectNothing() throws {
    let fixture = try CacheFixture()
    #expect(try fixture.mneme.run("inspect-keys", "--json", expecting: 1).json()["keys"].int == 0)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("every reading command works for a user who may only read the prefix, and changes nothing")
  func leastPrivilege() throws {
    let server = try RedisServer(configuration: [
      "user reader on >secret ~reader:* +@read +@connection -@dangerous +info"
    ])
    let writer = try CacheFixture(on: server, prefix: "reader")
    try writer.mneme.run("put", "q", "r")
    let reader = Mneme(url: "unix://reader:secret@\(server.socketPath)", prefix: "reader")
    try writer.expectUnchanged {
      try reader.run("get", "--peek", "q")
      try reader.run("stats")
      try reader.run("inspect-keys")
      try reader.run("export")
    }
    try refusal(status: 77, type: "StoreBackendError") { try reader.run(["put", "other", "r"] + $0) }
  }
}
