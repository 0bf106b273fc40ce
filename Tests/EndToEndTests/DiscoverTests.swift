import TestSupport
import Testing

/// `inspect-keys --discover`.
@Suite struct DiscoverTests {
  @Test("every cache of the server is found by its meta, and nothing else is taken for one")
  func discover() throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let prefixes = ["mneme", "other:cache", "{tag}", "glob*[x]"]
    for (number, prefix) in prefixes.enumerated() {
      let fixture = try CacheFixture(on: server, prefix: prefix)
      for query in 0...number { try fixture.mneme.run("put", "q\(query)", "r") }
    }
    let fixture = try CacheFixture(on: server, prefix: "nothing")
    try fixture.redis.send("HSET", "neighbour:meta", "embedder", "none")
    try fixture.redis.send("SET", "text:meta", "x")
    try fixture.redis.send("HSET", "mneme:meta:more", "embedder_fingerprint", "x")
    let before = try fixture.redis.dump()
    let caches = try #require(
      try fixture.mneme.run("inspect-keys", "--discover", "--json").json()["caches"].array)
    #expect(caches.map { $0["key_prefix"].string } == ["glob*[x]", "mneme", "other:cache", "{tag}"])
    #expect(caches.map { $0["entries"].int } == [4, 1, 2, 3])
    #expect(
      caches.allSatisfy { $0.keys == ["embedder_dim", "embedder_fingerprint", "entries", "key_prefix"] })
    #expect(caches.allSatisfy { $0["embedder_fingerprint"].string == "mneme:hashed-ngrams-v1:dim384" })
    #expect(caches.allSatisfy { $0["embedder_dim"].int == 384 })
    let text = try fixture.mneme.run("inspect-keys", "--discover").outputLines
    #expect(text.count == 5 && text[0].hasPrefix("PREFIX"), "\(text)")
    #expect(try fixture.redis.dump() == before)
  }

  @Test("every cache is found on a server without SCAN TYPE, such as Redis 5")
  func scanWithoutType() throws {
    let server = try RedisServer()
    try Mneme(server, prefix: "one").run("put", "q", "r")
    func discover(_ script: ScriptedProxy.Script) throws -> (caches: [String?], commands: [String]) {
      let proxy = try ScriptedProxy(to: server, script)
      let found = try Mneme(url: proxy.url, prefix: "p").run("inspect-keys", "--discover", "--json").json()
      return (
        found["caches"].array?.map { $0["key_prefix"].string } ?? [], proxy.roundTrips().flatMap(\.commands)
      )
    }
    let place = try #require(try discover(.none).commands.firstIndex(of: "SCAN"))
    let old = try discover(.forge(reply: place, .bytes(Array("-ERR syntax error\r\n".utf8))))
    #expect(old.caches == ["one"])
    #expect(old.commands.filter { $0 == "SCAN" }.count > 1, "\(old.commands)")
  }

  @Test("a server without a cache has none, and keys that an ACL does not permit are left out")
  func nothing() throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture(on: server, prefix: "mneme")
    #expect(
      try fixture.mneme.run("inspect-keys", "--discover", "--json").json()["caches"].array?.isEmpty == true)
    for prefix in ["mneme", "secret"] { try fixture.mneme.with(prefix: prefix).run("put", "q", "r") }
    try fixture.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "%R~mneme:*", "+@read")
    let url = server.url.replacing("unix://", with: "unix://reader:pw@")
    let seen = try Mneme(url: url, prefix: "mneme").run("inspect-keys", "--discover", "--json").json()
    #expect(seen["caches"].array?.map { $0["key_prefix"].string } == ["mneme"])
  }
}
