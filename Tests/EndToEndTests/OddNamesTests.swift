import Foundation
import TestSupport
import Testing

/// Names with every character that a key, a pattern, a shell or a terminal takes for something else.
@Suite struct OddNamesTests {
  @Test("each line of keys stands for one key: a tab differs from the two characters that represent one")
  func escapedKeys() throws {
    let server = try RedisServer.shared()
    let names = ["t\tx", #"t\tx"#].map { uniquePrefix() + $0 }
    let lines = try names.map { name in
      let mneme = Mneme(server, prefix: name)
      try mneme.run("put", "-n", "ns", "q", "r")
      let listed = try mneme.run("inspect-keys", "--list", "--json").jsonLines()
      let entry = listed.first { $0["family"].string == "entry" }
      #expect(entry?["namespace"].string == "ns", "\(listed)")
      return try mneme.run("inspect-keys", "--list").outputLines.filter { $0.hasSuffix("x:meta") }
    }
    #expect(lines[0].first?.hasSuffix(#"t\tx:meta"#) == true, "\(lines)")
    #expect(lines[1].first?.hasSuffix(#"t\\tx:meta"#) == true, "\(lines)")
  }

  static let names = [
    "*", "?", "[ab]", "[", "\\", "\\*", ":", "|", " ", "a:b", "a|b", "a b ", "\n", "line\nline\n", "\t",
    "{a}", "%2a",
    "'\"`$(x)", "-n", "--json", "caf\u{e9}", "cafe\u{301}", "\u{1F9E0}", "\u{202E}x", "\u{1B}[31mred",
    "\u{FEFF}", "*?[]\\:| ",
  ]

  @Test("a namespace, a query and a prefix of any text work in every command", arguments: names)
  func everywhere(name: String) throws {
    let plain = uniquePrefix("odd")
    let fixture = try CacheFixture(prefix: plain + name)
    // A careless pattern or comparison would take the keys of this cache for ours.
    let neighbour = try CacheFixture(prefix: plain + "neighbour")
    try neighbour.mneme.run("put", "-n", "x", "--allow-empty", "--", name, "neighbour")
    let before = try neighbour.dump()

    let here = "--namespace=\(name)"
    try fixture.mneme.run("put", here, "--ttl", "1h", "--allow-empty", "--", name, name + "!")
    try fixture.mneme.run("put", "-n", "other", "--allow-empty", "--", name, "other")
    #expect(try fixture.mneme.run("get", "--exact", here, "--", name).outputText == name + "!\n")
    let hit = try fixture.mneme.run("get", "--json", here, "--", name).json()
    #expect(hit["query"].string == name)
    #expect(hit["namespace"].string == name)

    try fixture.mneme.run("set-quota", "--", name, "5")
    #expect(try fixture.mneme.run("set-quota", "--json", "--", name).json()["quota"].int == 5)
    let stats = try fixture.mneme.run("stats", "--json").json()
    #expect(stats["entries"].int == 2)
    #expect(stats["key_prefix"].string == fixture.prefix)
    #expect(
      Set(stats["namespaces"].array?.compactMap { $0["namespace"].string.map { Array($0.utf8) } } ?? []) == [
        Array(name.utf8), Array("other".utf8),
      ])
    #expect(stats["namespaces"].array?.compactMap { $0["quota"].int } == [5])

    let listed = try fixture.mneme.run("inspect-keys", "--list", "--json").jsonLines().compactMap {
      $0["key"].string
    }
    #expect(Set(listed) == Set(try fixture.dump().names))
    #expect(try fixture.mneme.run("inspect-keys", "--json").json()["foreign"].array?.isEmpty == true)

    let lines = try fixture.mneme.run("export", here).output
    let copy = try CacheFixture(prefix: plain + "copy" + name)
    try copy.mneme.run(["import"], input: lines).expecting(0)
    #expect(try copy.mneme.run("get", "--exact", here, "--", name).outputText == name + "!\n")

    try fixture.age(1, by: 3600)
    #expect(try fixture.mneme.run("vacuum", here, "--json").json()["expired"].int == 1)
    #expect(try fixture.entryCount() == 1)
    try fixture.mneme.run("delete", "-n", "other", "--", name)
    #expect(try fixture.dump().names.allSatisfy { isLastingKey($0, of: fixture.prefix) })
    try copy.mneme.run("clear", "--yes", "--all")
    #expect(try copy.dump().names.allSatisfy { isLastingKey($0, of: copy.prefix) })
    #expect(try neighbour.dump() == before)
  }

  @Test("a prefix that is a pattern for another sees and clears only its own")
  func patterns() throws {
    let plain = uniquePrefix("pattern")
    let victims = try ["abc", "a", "a:entry", "ab"].map { try CacheFixture(prefix: plain + $0) }
    for victim in victims { try victim.mneme.run("put", "q", "r") }
    let before = try victims.map { try $0.dump() }
    for pattern in ["a*", "a?c", "[a-z]bc", "*", "a\\bc"] {
      let fixture = try CacheFixture(prefix: plain + pattern)
      try fixture.mneme.run("stats", expecting: 1)
      #expect(try fixture.mneme.run("inspect-keys", "--json", expecting: 1).json()["keys"].int == 0)
      try fixture.mneme.run("put", "q", "r")
      #expect(try fixture.mneme.run("stats", "--json").json()["entries"].int == 1)
      try fixture.mneme.run("vacuum")
      try fixture.mneme.run("clear", "--yes", "--all")
    }
    #expect(try victims.map { try $0.dump() } == before)
  }

  @Test("two names that look alike are different")
  func lookalikes() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "-n", "caf\u{e9}", "q", "composed")
    try fixture.mneme.run("put", "-n", "cafe\u{301}", "q", "decomposed")
    #expect(try fixture.mneme.run("get", "-n", "caf\u{e9}", "q").outputText == "composed\n")
    #expect(try fixture.mneme.run("get", "-n", "cafe\u{301}", "q").outputText == "decomposed\n")
    try fixture.mneme.run("put", "caf\u{e9}", "composed")
    try fixture.mneme.run("put", "cafe\u{301}", "decomposed")
    #expect(try fixture.mneme.run("get", "--exact", "caf\u{e9}").outputText == "composed\n")
    #expect(try fixture.entryCount() == 4)
  }

  @Test("an error shows control characters made visible")
  func visibleErrors() throws {
    let fixture = try CacheFixture()
    let outcome = try fixture.mneme.run(["get", "q", "--color", "\u{1B}[31mred\u{7}\nmneme: done"])
    #expect(outcome.status == 64)
    #expect(!outcome.errors.contains(0x1B) && !outcome.errors.contains(0x07), "\(outcome)")
    #expect(!outcome.errorLines.contains("mneme: done"), "\(outcome)")
  }
}
