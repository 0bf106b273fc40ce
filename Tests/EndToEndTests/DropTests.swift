import Foundation
import TestSupport
import Testing

/// `drop`.
@Suite struct DropTests {
  @Test("the whole cache is removed, while foreign keys and other caches stay")
  func whole() throws {
    let fixture = try CacheFixture(on: RedisServer(), prefix: "cache")
    try CommandExample.sampleCache(fixture)
    try fixture.mneme.run("get", "nothing of the kind", expecting: 1)
    // Leftovers, a damaged entry, and keys that no entry leads to.
    try fixture.redis.send("DEL", fixture.key("entry:3"))
    try fixture.redis.send("HDEL", fixture.key("entry:4"), "namespace")
    try fixture.redis.send("SET", fixture.key("hash:gone:" + String(repeating: "a", count: 64)), "77")
    try fixture.redis.send("SET", fixture.key("lru:odd"), "another type")
    let foreign = ["cache:session:1", "cache:entry:x", "caches", "other:meta"]
    for key in foreign { try fixture.redis.send("SET", key, "x") }
    let beneath = try ["cache:lru", "cache:v2"].map { try fixture.again($0) }
    for other in beneath { try other.mneme.run("put", "-n", "by_id", "q", "r") }
    /// The keys of the other caches, of which one has the name of a family.
    func others() throws -> [KeyspaceDump] {
      let own = ["default", "faq", "odd"].map { fixture.key("lru:\($0)") }
      return try beneath.map { try $0.dump().without(own.contains) }
    }
    let before = try others()

    try fixture.expectUnchanged {
      let dry = try fixture.mneme.run("drop", "--dry-run").outputText
      #expect(dry.contains("would remove the cache 'cache': 39 entries"), "\(dry)")
      #expect(dry.contains("2 foreign keys: cache:") && dry.contains("the cache cache:v2: "), "\(dry)")
      try fixture.refusal(of: ["drop"], status: 64)
    }
    let json = try fixture.mneme.run("drop", "--yes", "--json").json()
    #expect(json.keys == ["dry_run", "entries", "key_prefix", "keys"])
    #expect(json["entries"].int == 39 && json["key_prefix"].string == "cache", "\(json)")
    let left = Set(try fixture.redis.names().map { String(decoding: $0, as: UTF8.self) })
    let expected = Set(foreign).union(before.flatMap(\.names))
    #expect(left == expected)
    #expect(try others() == before)
    try fixture.mneme.run("drop", "--yes", expecting: 1)
    // The prefix takes another cache, with another embedder.
    try fixture.mneme.run("put", "--embedder", "none", "q", "r")
  }

  @Test("a cache with an index of another type can be dropped")
  func damaged() throws {
    for key in ["by_id", "by_ttl", "namespaces", "version", "next_id", "quotas", "lru:faq"] {
      let fixture = try CacheFixture("dropped")
      try CommandExample.sampleCache(fixture)
      try fixture.redis.send("DEL", fixture.key(key))
      try fixture.redis.send("RPUSH", fixture.key(key), "x")
      try fixture.mneme.run("drop", "--yes")
      #expect(try fixture.dump().isEmpty, "\(key)")
    }
  }

  @Test("writes of other programs are removed too, or are a valid new cache")
  func writer() throws {
    let fixture = try CacheFixture("written")
    // The writer's early lines are more than it stores together, so that it is at work when the drop begins.
    let (old, early, late) = Effort.isThorough ? (2000, 400, 600) : (200, 130, 200)
    for _ in 0..<Effort.rounds(4, thorough: 8) {
      try fixture.mneme.run(["import"], input: importLines(0..<old)).expecting(0)
      let writer = try fixture.mneme.start(["import"])
      try writer.write(importLines(old..<old + early))
      let drop = try fixture.mneme.start(["drop", "--yes", "-q"])
      let written = try writer.finish(input: importLines(old + early..<old + early + late))
      let dropped = try drop.finish()
      // The import may find that its entries are gone. The drop may find that there is a cache again.
      #expect([0, 69].contains(written.status), "\(written)")
      #expect([0, 1].contains(dropped.status), "\(dropped)")
      let names = try fixture.dump().names
      guard !names.isEmpty else { continue }
      #expect(names.contains(fixture.key("meta")))
      try fixture.expectSound()
      try fixture.mneme.run("inspect-keys", "--check")
      let export = try fixture.mneme.run("export", "--no-settings", "--embeddings", "none").jsonLines()
      let numbers = export.map { $0["query"].string.flatMap { Int($0.dropFirst("query ".count)) } ?? -1 }
      #expect(numbers.allSatisfy { $0 >= old }, "an old entry is back: \(numbers)")
      try fixture.mneme.run("drop", "--yes")
    }
  }
}
