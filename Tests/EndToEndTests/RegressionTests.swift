import Foundation
import TestSupport
import Testing

/// Faults that were found once, each as it was met.
@Suite struct RegressionTests {
  // MARK: What another program left in the cache

  @Test("a member of by_ttl that names a live entry in another namespace is taken out, once")
  func strayExpiry() throws {
    let stage = try Stage("stray")
    try stage.mneme.run("put", "--ttl", "1h", "q", "r")
    try stage.redis.send("ZADD", stage.key("by_ttl"), "5", "other|1")
    let outcome = try stage.mneme.run(["vacuum", "--json"], within: .seconds(20)).expecting(0)
    #expect(try outcome.json()["repaired"].int == 1)
    #expect(try stage.redis.send("ZRANGE", stage.key("by_ttl"), "0", "-1").texts == ["1"])
  }

  @Test("an entry that does not say where it belongs keeps no put from evicting it", arguments: ["2", "40"])
  func damagedEviction(quota: String) throws {
    let stage = try Stage("damaged")
    for number in 1...Int(quota)! { try stage.mneme.run("put", "q\(number)", "r") }
    try stage.mneme.run("set-quota", "default", quota)
    try stage.redis.send("ZADD", stage.key("lru:default"), "1", "1")
    try stage.redis.send("HDEL", stage.key("entry:1"), "namespace")
    try stage.mneme.run("put", "new", "r")
    #expect(try stage.redis.send("EXISTS", stage.key("entry:1")).integer == 0)
    try expectSound(stage)
  }

  @Test("clear removes entries that are damaged too", arguments: ["namespace", "query_hash", "created_at"])
  func damagedClear(field: String) throws {
    let stage = try Stage("damaged")
    for number in 1...3 { try stage.mneme.run("put", "--ttl", "1h", "q\(number)", "r") }
    try stage.redis.send("HDEL", stage.key("entry:3"), field)
    try stage.mneme.run("clear", "--yes", "default")
    let left = try stage.dump().names.filter { !isLastingKey($0, of: stage.prefix) }
    // Without its hash nothing tells where the exact layer kept it.
    #expect(left.allSatisfy { field == "query_hash" && $0.hasPrefix(stage.key("hash:")) }, "\(left)")
  }

  @Test("two fields that a late touch left of an entry are swept from where they are met")
  func ghost() throws {
    let stage = try Stage("ghost")
    for number in 1...2 { try stage.mneme.run("put", "q\(number)", "r") }
    try stage.redis.send("DEL", stage.key("entry:1"))
    try stage.redis.send("HSET", stage.key("entry:1"), "last_accessed_at", "1", "access_count", "1")
    try stage.mneme.run("clear", "--yes", "default")
    #expect(try stage.redis.send("EXISTS", stage.key("entry:1")).integer == 0)
    #expect(try stage.redis.send("EXISTS", stage.key("by_id"), stage.key("namespaces")).integer == 0)
  }

  @Test("a version that cannot grow stops a deletion before it does anything")
  func fullVersion() throws {
    let stage = try Stage("version")
    try stage.mneme.run("put", "q", "r")
    try stage.redis.send("SET", stage.key("version"), "9223372036854775807")
    try stage.expectUnchanged {
      try stage.refusal(of: ["delete", "--id", "1"], status: 65, type: "CorruptCacheError")
    }
  }

  @Test("a counter that is no number stops a command before it writes anything")
  func brokenCounter() throws {
    let stage = try Stage("counter")
    try stage.mneme.run("put", "q", "r")
    try stage.redis.send("HSET", stage.key("counters:default"), "hits_exact", "many")
    try stage.expectUnchanged {
      try stage.refusal(of: ["get", "q"], status: 65, type: "CorruptCacheError")
    }
    #expect(try stage.mneme.run("get", "--peek", "q").outputText == "r\n")
  }

  @Test("an access count that cannot grow any more stays, and the answer is served")
  func fullAccessCount() throws {
    let stage = try Stage("count")
    try stage.mneme.run("import", input: #"{"query":"q","response":"r","access_count":9223372036854775807}"#)
    #expect(try stage.mneme.run("get", "q").outputText == "r\n")
    #expect(try stage.fields(of: 1)["access_count"] == "9223372036854775807")
    #expect(try stage.redis.send("HGET", stage.key("counters:default"), "hits_exact").integer == 1)
  }

  @Test("a counter of ids below zero hands out no id that nobody can find")
  func negativeID() throws {
    let stage = try Stage("ids")
    try stage.mneme.run("put", "q1", "r")
    try stage.redis.send("SET", stage.key("next_id"), "-5")
    #expect(try stage.mneme.run("put", "--json", "q2", "r").json()["id"].int == 2)
    #expect(try stage.mneme.run("get", "--exact", "q2").outputText == "r\n")
    try expectSound(stage)
  }

  @Test("the counters of an emptied namespace whose name begins with an accent keep their name")
  func combiningName() throws {
    let stage = try Stage("accent")
    let name = "\u{301}x"
    try stage.mneme.run("put", "-n", name, "q", "r")
    try stage.mneme.run("get", "-n", name, "q")
    try stage.mneme.run("clear", "--yes", name)
    let row = try stage.mneme.run("stats", "--json").json()["namespaces"][0]
    #expect(row["namespace"].string.map { Array($0.utf8) } == Array(name.utf8))
    #expect(row["hits_exact"].int == 1)
  }

  // MARK: Input

  @Test("the earliest time that a number can hold is no time", arguments: ["created_at", "last_accessed_at"])
  func earliestTime(field: String) throws {
    let stage = try Stage("time")
    let line = #"{"query":"q","response":"r","\#(field)":-9223372036854775808}"#
    try stage.refusal(of: ["import"], input: Array(line.utf8), status: 65, type: "InvalidInputError")
    #expect(try stage.dump().isEmpty)
  }

  // MARK: Output

  @Test(
    "with standard output closed nothing of it reaches the server",
    arguments: ["export", "export --format csv", "inspect-keys --list"])
  func closedOutput(command: String) throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let stage = try Stage("closed", on: server)
    let long = String(repeating: "long ", count: 100)
    let lines = try (1...300).map { try jsonLine(["query": "q\($0)", "response": long]) }.joined()
    try stage.mneme.run("import", "--embedder", "none", input: lines)
    let before = try stage.redis.send("INFO", "stats").text?.split(separator: "\r\n").filter(isOfErrors)
    let outcome = try stage.mneme.shell("mneme \(command) >&-").expecting(74)
    let after = try stage.redis.send("INFO", "stats").text?.split(separator: "\r\n").filter(isOfErrors)
    #expect(before?.isEmpty == false && before == after, "\(outcome)")
  }

  private func isOfErrors(_ line: Substring) -> Bool { line.hasPrefix("total_error_replies") }

  @Test("export writes into a pipe that has a name, and leaves it one")
  func namedPipe() throws {
    let stage = try Stage("pipe")
    try stage.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let pipe = directory.path("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    let outcome = try stage.mneme.shell("cat '\(pipe)' & mneme -q export -o '\(pipe)' >/dev/null; wait")
    #expect(outcome.outputText == (try stage.mneme.run("export").outputText), "\(outcome)")
    #expect(try stage.mneme.shell("test -p '\(pipe)'").status == 0)
    #expect(try directory.names() == ["pipe"])
  }

  @Test("export onto a directory is refused before anything is read")
  func directory() throws {
    let stage = try Stage("directory")
    try stage.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    try stage.refusal(of: ["export", "-o", directory.path("")], status: 73)
    #expect(try directory.names().isEmpty)
  }

  // MARK: Rights

  @Test(
    "a user that may only read the prefix can look and export",
    arguments: [
      ["stats"], ["inspect-keys"], ["inspect-keys", "--sample", "all"], ["export"], ["export", "-n", "faq"],
      ["get", "--peek", "-n", "faq", "q"], ["vacuum", "--dry-run"], ["set-quota", "faq"],
      ["delete", "--dry-run", "-n", "faq", "q"], ["clear", "--dry-run", "faq"],
    ])
  func reader(command: [String]) throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let stage = try Stage("reader", on: server)
    try stage.mneme.run("put", "-n", "faq", "q", "r")
    try stage.mneme.run("set-quota", "faq", "10")
    try stage.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "%R~\(stage.prefix):*", "+@read")
    let url = stage.mneme.url.replacing("unix://", with: "unix://reader:pw@")
    let outcome = try Mneme(url: url, prefix: stage.prefix).run(command).expecting(0)
    #expect(outcome.errors.isEmpty, "\(outcome)")
  }

  @Test("a database that an ACL withholds is a matter of rights")
  func withheldDatabase() throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let stage = try Stage("database", on: server)
    try stage.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read")
    let url = stage.mneme.url.replacing("unix://", with: "unix://reader:pw@") + "?db=1"
    try Mneme(url: url, prefix: stage.prefix).run("stats", expecting: 77)
  }

  private func expectSound(_ stage: Stage, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let problems = LayoutAudit(try stage.dump(), prefix: stage.prefix).problems
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))", sourceLocation: sourceLocation)
  }
}
