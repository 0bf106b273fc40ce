import Foundation
import TestSupport
import Testing

/// Damage that once stopped `inspect-keys --check`, `vacuum` and `vacuum --repair`.
@Suite struct RepairPastDamageTests {
  private func filled(_ name: String) throws -> CacheFixture {
    let fixture = try CacheFixture(name)
    try fixture.fill(from: "past damage", Self.fill)
    return fixture
  }

  private static func fill(_ fixture: CacheFixture) throws {
    try fixture.mneme.run(["import"], input: importLines(1...6, namespace: "faq", ttl: 3600)).expecting(0)
    try fixture.mneme.run(["import"], input: importLines(11...14)).expecting(0)
  }

  private func check(_ fixture: CacheFixture) throws -> JSONValue {
    try fixture.mneme.run(["inspect-keys", "--check", "--json"]).json()
  }

  /// Leaves the two fields that a Python program writes when it uses an entry that is deleted at the same time.
  private func leaveUse(of id: Int, _ fixture: CacheFixture) throws {
    try fixture.redis.send("DEL", fixture.key("entry:\(id)"))
    try fixture.redis.send(
      "HSET", fixture.key("entry:\(id)"), "last_accessed_at", "1700000000", "access_count", "1")
  }

  // MARK: Leftovers

  @Test("leftovers of Redis's own expiry are counted separately, and are not a problem until the next vacuum")
  func leftovers() throws {
    let fixture = try filled("leftovers")
    // The entries alone, as Redis takes them from a cache that Python fills.
    try fixture.redis.send("DEL", fixture.key("entry:1"), fixture.key("entry:2"))
    let text = try fixture.mneme.run("inspect-keys", "--check").outputText
    #expect(text.contains("no problem\n4 leftovers of Redis's own expiry: normal until the next"), "\(text)")
    let health = try fixture.mneme.run("health", "--json").json()
    #expect(health["entries"].int == 8 && health["leftovers"].int == 2, "\(health)")
    let json = try check(fixture)
    #expect(json["leftovers"].int == 4 && json["problems"].array?.isEmpty == true, "\(json)")
    try fixture.mneme.run("vacuum")
    #expect(try check(fixture)["leftovers"].int == 0)
    try fixture.expectSound()
  }

  @Test(
    "a plain vacuum removes a hash of which only a late use is left, in every index",
    arguments: [["by_id", "lru:faq", "by_ttl"], ["by_id", "lru:faq"], ["lru:faq"]])
  func lateUse(listing: [String]) throws {
    let fixture = try filled("late")
    try leaveUse(of: 3, fixture)
    for index in ["by_id", "lru:faq", "by_ttl"] where !listing.contains(index) {
      try fixture.redis.send("ZREM", fixture.key(index), "3")
    }
    let dry = try fixture.mneme.run("vacuum", "--dry-run", "--json").json()
    let report = try fixture.mneme.run("vacuum", "--json").json()
    #expect(report["leftovers"].int == 1 && dry["leftovers"].int == 1, "\(dry) \(report)")
    #expect(try fixture.fields(of: 3).isEmpty)
    try fixture.mneme.run("inspect-keys", "--check")
    try fixture.expectSound()
    // The namespace keeps its quota again.
    try fixture.mneme.run("set-quota", "faq", "3", "--evict")
    #expect(try fixture.redis.send("ZCARD", fixture.key("lru:faq")).integer ?? 99 <= 3)
  }

  // MARK: Indexes of another type

  @Test(
    "an index of another type is reported with the command that repairs it, and everything else is repaired",
    arguments: ["by_ttl", "by_id", "namespaces", "lru:faq", "counters:faq", "version"])
  func pastIndex(index: String) throws {
    let fixture = try filled("past")
    try fixture.redis.send("DEL", fixture.key(index))
    try fixture.redis.send("RPUSH", fixture.key(index), "a", "list")
    // An entry without a field, one with wrong index members, and one of which only a late use is left.
    try fixture.redis.send("HDEL", fixture.key("entry:1"), "metadata")
    try fixture.redis.send("ZADD", fixture.key("lru:default"), "5", "7")
    try leaveUse(of: 8, fixture)
    let outcome = try fixture.mneme.run("vacuum", "--repair", expecting: 1)
    let cure = "redis-cli DEL \(fixture.key(index))"
    #expect(outcome.outputText.replacing("\n  ", with: " ").contains(cure), "\(outcome)")
    #expect(try fixture.fields(of: 1).isEmpty && fixture.fields(of: 8).isEmpty)
    #expect(
      try fixture.redis.send("ZSCORE", fixture.key("lru:default"), "7").text
        == fixture.fields(of: 7)["last_accessed_at"])
    let rest = try #require(try check(fixture)["problems"].array)
    #expect(rest.map { $0["problem"].string } == ["wrong-type"], "\(rest)")
    // The advice works.
    try fixture.redis.send("DEL", fixture.key(index))
    try fixture.mneme.run("vacuum", "--repair")
    try fixture.mneme.run("inspect-keys", "--check")
    try fixture.expectSound()
    #expect(try fixture.entryCount() == 8)
  }

  // MARK: Data that Python cannot read

  /// A field of an entry, and a value that no Python program can read.
  static let unreadableFields: [(field: String, value: [UInt8])] = [
    ("query", [0xC3, 0x28]), ("response", [0xFF]),
    ("metadata", Array("{\"a\":\"".utf8) + [0xFF] + Array("\"}".utf8)),
    ("metadata", Array("{\"a\":\(String(repeating: "9", count: 4301))}".utf8)),
    (
      "metadata",
      Array((String(repeating: "{\"a\":", count: 2000) + "1" + String(repeating: "}", count: 2000)).utf8)
    ),
    ("embedding", [1, 2, 3, 4, 5, 6, 7, 8]),
  ]

  @Test(
    "an entry that no Python program can read is a problem; a repair leaves it, and deletes it when asked to",
    arguments: unreadableFields.indices)
  func unreadable(number: Int) throws {
    let (field, value) = Self.unreadableFields[number]
    let fixture = try filled("unreadable")
    try fixture.redis.send(["HSET", fixture.key("entry:2"), field].map { Array($0.utf8) } + [value])
    let problems = try #require(try check(fixture)["problems"].array)
    let name = field == "embedding" ? "wrong-embedding" : "unreadable-by-python"
    #expect(problems.map { $0["problem"].string } == [name], "\(problems)")
    #expect(problems.allSatisfy { $0["repair"].string?.contains("--drop-unreadable") == true })
    try fixture.mneme.run("inspect-keys", "--check", expecting: 1)
    try fixture.mneme.run("vacuum")
    let left = try fixture.mneme.run("-q", "vacuum", "--repair", expecting: 1)
    #expect(left.outputText.contains("Python programs cannot open the cache"), "\(left)")
    let dry = try fixture.mneme.run("vacuum", "--repair", "--drop-unreadable", "--dry-run", "--json").json()
    #expect(dry["dropped"].int == 1 && dry["left"].int == 0, "\(dry)")
    let dropped = try fixture.mneme.run("vacuum", "--repair", "--drop-unreadable")
    #expect(dropped.outputText.contains("deleted 1 unreadable entry"), "\(dropped)")
    try fixture.mneme.run("inspect-keys", "--check")
    #expect(try fixture.entryCount() == 9)
    try fixture.expectSound()
  }

  @Test("--drop-unreadable needs --repair, and it is advised only if it helps")
  func advice() throws {
    let fixture = try filled("advice")
    try fixture.refusal(of: ["vacuum", "--drop-unreadable"], status: 64)
    try fixture.redis.send("HSET", fixture.key("entry:7"), "embedding", "12345678")
    let get = try fixture.mneme.run("get", "--exact", "query 11", expecting: 65)
    #expect(get.errorText.contains("mneme delete --id 7") && !get.errorText.contains("vacuum"), "\(get)")
    try fixture.mneme.run("delete", "--id", "7")
    try fixture.mneme.run("get", "--exact", "query 11", expecting: 1)
  }

  // MARK: The empty namespace

  @Test(
    "entries of the namespace with an empty name, which Python allows, are kept, exported, deleted and expired"
  )
  func emptyNamespace() throws {
    let fixture = try CacheFixture("nameless")
    // Python writes the same keys with an empty name in them.
    try fixture.mneme.run(["import"], input: importLines(1...3, namespace: "x", ttl: 3600)).expecting(0)
    for id in 1...3 {
      let hash = try #require(try fixture.fields(of: id)["query_hash"])
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "namespace", "")
      try fixture.redis.send("RENAME", fixture.key("hash:x:\(hash)"), fixture.key("hash::\(hash)"))
    }
    try fixture.redis.send("RENAME", fixture.key("lru:x"), fixture.key("lru:"))
    try fixture.redis.send("SREM", fixture.key("namespaces"), "x")
    try fixture.redis.send("SADD", fixture.key("namespaces"), "")
    try fixture.expectUnchanged {
      try fixture.mneme.run("inspect-keys", "--check")
      try fixture.mneme.run("vacuum", "--repair")
      let lines = try fixture.mneme.run("export", "--no-settings").jsonLines()
      #expect(lines.count == 3 && lines.allSatisfy { $0["namespace"].string == "" }, "\(lines)")
    }
    try fixture.mneme.run("delete", "--id", "1")
    try fixture.age(2, by: 7200)
    #expect(try fixture.mneme.run("vacuum", "--json").json()["expired"].int == 1)
    #expect(try fixture.mneme.run("clear", "--all", "--yes").outputText.contains("removed 1 entry"))
    let left = try fixture.dump().names.filter { !isLastingKey($0, of: fixture.prefix) }
    #expect(left.isEmpty, "\(left)")
  }

  // MARK: Other caches under the prefix

  @Test(
    "a cache whose prefix begins with this one's is named and not changed, with any names of keys",
    arguments: ["v2", "lru", "hash", "entry", "counters", "quota", "lru:x"])
  func otherCache(suffix: String) throws {
    let outer = try CacheFixture("outer")
    let inner = try outer.again(outer.key(suffix))
    try inner.mneme.run(["import"], input: importLines(1...9, namespace: "a", ttl: 3600)).expecting(0)
    try inner.mneme.run("set-quota", "a", "20")
    // Later its prefix is also that of keys of the outer one.
    let before = try inner.dump()
    let names = Set(before.names)
    let keys = names.count
    try outer.fill(from: "past damage", Self.fill)
    do {
      // Something to remove and to repair in the outer one.
      try outer.redis.send("DEL", outer.key("entry:1"))
      try outer.redis.send("HDEL", outer.key("entry:2"), "response")
      let line = "the cache \(inner.prefix): \(keys) keys"
      #expect(try outer.mneme.run("inspect-keys").outputText.contains(line))
      #expect(try outer.mneme.run("inspect-keys", "--check", expecting: 1).outputText.contains(line))
      let survey = try outer.mneme.run("inspect-keys", "--json").json()
      #expect(survey["foreign"].array?.isEmpty == true, "\(survey)")
      #expect(survey["caches"].array?.first?["keys"].int == keys)
      try outer.mneme.run("vacuum")
      try outer.mneme.run("vacuum", "--repair")
      try outer.mneme.run("clear", "--all", "--yes")
    }
    let changes = try inner.dump().without { !names.contains($0) }.changes(since: before)
    #expect(changes.isEmpty, "\(changes)")
    #expect(try check(inner)["problems"].array?.isEmpty == true)
  }

  // MARK: Quotas

  @Test("a quota that a Python program has set is a note, and is in force")
  func overwrittenQuota() throws {
    let fixture = try filled("quota")
    try fixture.mneme.run("set-quota", "faq", "3")
    try fixture.redis.send("SET", fixture.key("quota:faq"), "5")
    let text = try fixture.mneme.run("inspect-keys", "--check").outputText
    #expect(text.contains("no problem\nnote: quotas says 3 for 'faq', and quota:faq says 5"), "\(text)")
    let json = try check(fixture)
    #expect(json["notes"].array?.map { $0["problem"].string } == ["overwritten-quota"], "\(json)")
    #expect(try fixture.mneme.run("set-quota", "faq").outputText.contains("5"))
  }

  // MARK: During a flush

  @Test("a repair leaves no key in a prefix that is flushed at the same time")
  func flushed() throws {
    let fixture = try CacheFixture("flushed", configuration: [])
    var random = SeededGenerator()
    for _ in 0..<20 {
      try fixture.fill(from: "past damage", Self.fill)
      try fixture.redis.send("DEL", fixture.key("version"))
      try fixture.redis.send("SET", fixture.key("next_id"), "1")
      let repair = try fixture.mneme.start(["-q", "vacuum", "--repair"])
      usleep(.random(in: 0...20_000, using: &random))
      try fixture.redis.send("FLUSHALL")
      _ = try repair.finish()
      #expect(try fixture.dump().names == [])
    }
  }
}
