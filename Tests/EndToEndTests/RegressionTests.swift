import Foundation
import TestSupport
import Testing

/// Tests of faults that were found and fixed.
@Suite struct RegressionTests {
  // MARK: Data of other programs

  @Test("a member of by_ttl that names a live entry in another namespace is taken out, once")
  func strayExpiry() throws {
    let fixture = try CacheFixture("stray")
    try fixture.mneme.run("put", "--ttl", "1h", "q", "r")
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "other|1")
    let outcome = try fixture.mneme.run("vacuum", "--json")
    #expect(try outcome.json()["repaired"].int == 1)
    #expect(try fixture.redis.send("ZRANGE", fixture.key("by_ttl"), "0", "-1").texts == ["1"])
  }

  @Test("an entry without the fields that place it can be evicted by a put", arguments: ["2", "40"])
  func damagedEviction(quota: String) throws {
    let fixture = try CacheFixture("damaged")
    try fixture.mneme.run(["import"], input: importLines(1...(try #require(Int(quota))))).expecting(0)
    try fixture.mneme.run("set-quota", "default", quota)
    try fixture.redis.send("ZADD", fixture.key("lru:default"), "1", "1")
    try fixture.redis.send("HDEL", fixture.key("entry:1"), "namespace")
    try fixture.mneme.run("put", "new", "r")
    #expect(try fixture.redis.send("EXISTS", fixture.key("entry:1")).integer == 0)
    try fixture.expectSound()
  }

  @Test("clear removes entries that are damaged too", arguments: ["namespace", "query_hash", "created_at"])
  func damagedClear(field: String) throws {
    let fixture = try CacheFixture("damaged")
    for number in 1...3 { try fixture.mneme.run("put", "--ttl", "1h", "q\(number)", "r") }
    try fixture.redis.send("HDEL", fixture.key("entry:3"), field)
    try fixture.mneme.run("clear", "--yes", "default")
    let left = try fixture.dump().names.filter { !isLastingKey($0, of: fixture.prefix) }
    // Without the hash it is not known which `hash:` key the entry had.
    #expect(left.allSatisfy { field == "query_hash" && $0.hasPrefix(fixture.key("hash:")) }, "\(left)")
  }

  @Test("two fields of a removed entry that a late use has left are removed when they are found")
  func ghost() throws {
    let fixture = try CacheFixture("ghost")
    for number in 1...2 { try fixture.mneme.run("put", "q\(number)", "r") }
    try fixture.redis.send("DEL", fixture.key("entry:1"))
    try fixture.redis.send("HSET", fixture.key("entry:1"), "last_accessed_at", "1", "access_count", "1")
    try fixture.mneme.run("clear", "--yes", "default")
    #expect(try fixture.redis.send("EXISTS", fixture.key("entry:1")).integer == 0)
    #expect(try fixture.redis.send("EXISTS", fixture.key("by_id"), fixture.key("namespaces")).integer == 0)
  }

  @Test("a version that cannot grow prevents a deletion before anything is changed")
  func fullVersion() throws {
    let fixture = try CacheFixture("version")
    try fixture.mneme.run("put", "q", "r")
    try fixture.redis.send("SET", fixture.key("version"), "9223372036854775807")
    try fixture.expectUnchanged {
      try fixture.refusal(of: ["delete", "--id", "1"], status: 65, type: "CorruptCacheError")
    }
  }

  @Test("a counter that is not a number is not changed, and answers are still served")
  func brokenCounter() throws {
    let fixture = try CacheFixture("counter")
    try fixture.mneme.run("put", "q", "r")
    try fixture.redis.send("HSET", fixture.key("counters:default"), "hits_exact", "many")
    let outcome = try fixture.mneme.run("get", "q")
    #expect(outcome.outputText == "r\n" && outcome.errorText.contains("nothing was counted"), "\(outcome)")
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "hits_exact").text == "many")
  }

  @Test("an access count that cannot grow any more stays, and the answer is served")
  func fullAccessCount() throws {
    let fixture = try CacheFixture("count")
    try fixture.mneme.run(
      "import", input: #"{"query":"q","response":"r","access_count":9223372036854775807}"#)
    #expect(try fixture.mneme.run("get", "q").outputText == "r\n")
    #expect(try fixture.fields(of: 1)["access_count"] == "9223372036854775807")
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "hits_exact").integer == 1)
  }

  @Test("a counter of ids below zero allocates no id that nobody can find")
  func negativeID() throws {
    let fixture = try CacheFixture("ids")
    try fixture.mneme.run("put", "q1", "r")
    try fixture.redis.send("SET", fixture.key("next_id"), "-5")
    #expect(try fixture.mneme.run("put", "--json", "q2", "r").json()["id"].int == 2)
    #expect(try fixture.mneme.run("get", "--exact", "q2").outputText == "r\n")
    try fixture.expectSound()
  }

  @Test("the counters of an emptied namespace whose name begins with an accent keep their name")
  func combiningName() throws {
    let fixture = try CacheFixture("accent")
    let name = "\u{301}x"
    try fixture.mneme.run("put", "-n", name, "q", "r")
    try fixture.mneme.run("get", "-n", name, "q")
    try fixture.mneme.run("clear", "--yes", name)
    let row = try fixture.mneme.run("stats", "--json").json()["namespaces"][0]
    #expect(row["namespace"].string.map { Array($0.utf8) } == Array(name.utf8))
    #expect(row["hits_exact"].int == 1)
  }

  // MARK: Input

  @Test(
    "the smallest number is not a time", arguments: ["created_at", "last_accessed_at"])
  func earliestTime(field: String) throws {
    let fixture = try CacheFixture("time")
    let line = #"{"query":"q","response":"r","\#(field)":-9223372036854775808}"#
    try fixture.refusal(of: ["import"], input: Array(line.utf8), status: 65, type: "InvalidInputError")
    #expect(try fixture.dump().isEmpty)
  }

  // MARK: Output

  @Test(
    "with standard output closed, no output is sent to the server",
    arguments: ["export", "export --format csv", "inspect-keys --list"])
  func closedOutput(command: String) throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture("closed", on: server)
    let long = String(repeating: "long ", count: 100)
    let lines = try (1...300).map { try jsonLine(["query": "q\($0)", "response": long]) }.joined()
    try fixture.mneme.run("import", "--embedder", "none", input: lines)
    let before = try fixture.redis.send("INFO", "stats").text?.split(separator: "\r\n").filter(isOfErrors)
    let outcome = try fixture.mneme.shell("mneme \(command) >&-").expecting(74)
    let after = try fixture.redis.send("INFO", "stats").text?.split(separator: "\r\n").filter(isOfErrors)
    #expect(before?.isEmpty == false && before == after, "\(outcome)")
  }

  private func isOfErrors(_ line: Substring) -> Bool { line.hasPrefix("total_error_replies") }

  @Test("export writes to a named pipe, which stays a pipe")
  func namedPipe() throws {
    let fixture = try CacheFixture("pipe")
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let pipe = directory.path("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    // The settings have the time of the export.
    let outcome = try fixture.mneme.shell(
      "cat '\(pipe)' & mneme -q export --no-settings -o '\(pipe)' >/dev/null; wait")
    #expect(outcome.outputText == (try fixture.mneme.run("export", "--no-settings").outputText), "\(outcome)")
    #expect(try fixture.mneme.shell("test -p '\(pipe)'").status == 0)
    #expect(try directory.names() == ["pipe"])
  }

  @Test("export onto a directory is refused before anything is read")
  func directory() throws {
    let fixture = try CacheFixture("directory")
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    try fixture.refusal(of: ["export", "-o", directory.path("")], status: 73)
    #expect(try directory.names().isEmpty)
  }

  // MARK: Errors after a transaction

  @Test("an import and a put whose eviction fails say what was stored")
  func failedEviction() throws {
    let fixture = try CacheFixture("evicting")
    try fixture.mneme.run("put", "-n", "other", "q", "r")
    try fixture.redis.send("DEL", fixture.key("lru:other"))
    try fixture.redis.send("SET", fixture.key("lru:other"), "not a sorted set")
    let outcome = try fixture.mneme.run(["import", "--max-entries", "2"], input: importLines(1...3))
      .expecting(65)
    #expect(outcome.errorText.contains("The lines up to 3 are stored"), "\(outcome)")
    #expect(try fixture.entryCount() == 4)
    let put = try Complaint(text: fixture.mneme.run("put", "--max-entries", "2", "new", "r", expecting: 65))
    #expect(put.message.contains("The entry was stored with the id 5."), "\(put)")
    #expect(try fixture.entryCount() == 5)
    // So does an import that stores the lines before a conflict.
    let conflict = try fixture.mneme.run(
      ["import", "--max-entries", "2", "--on-conflict", "fail"], input: importLines([11, 12, 1])
    ).expecting(65)
    #expect(conflict.errorText.contains("The lines up to 2 are stored"), "\(conflict)")
    #expect(try fixture.entryCount() == 7)
  }

  @Test("an answer is served although an expired neighbour cannot be removed")
  func keptNeighbour() throws {
    let fixture = try CacheFixture("neighbour", configuration: [])
    try fixture.mneme.run("put", "--ttl", "1h", "how do I reset my password", "old")
    try fixture.mneme.run("put", "how can I reset my password", "good")
    try fixture.age(1, by: 7200)
    try fixture.redis.send("ACL", "SETUSER", "user", "on", ">pw", "~*", "+@all", "-unlink")
    let mneme = Mneme(
      url: fixture.mneme.url.replacing("unix://", with: "unix://user:pw@"), prefix: fixture.prefix)
    let words = ["get", "--threshold", "0.1", "--min-confidence", "0", "how do I really reset my password"]
    let outcome = try mneme.run(words).expecting(0)
    #expect(outcome.outputText == "good\n", "\(outcome)")
    #expect(outcome.errorText.contains("not recorded completely"), "\(outcome)")
  }

  // MARK: Large and deep values

  @Test("metadata of any depth is compared without a crash")
  func deepMetadata() throws {
    let fixture = try CacheFixture("deep")
    try fixture.mneme.run("put", "--metadata", #"{"a":1}"#, "q", "r")
    let deep =
      "{\"a\":" + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
    try fixture.mneme.run("put", "deep", "r")
    try fixture.redis.send("HSET", fixture.key("entry:2"), "metadata", deep)
    let found = try fixture.mneme.run("list", "--metadata", "a=1", "--json").jsonLines()
    #expect(found.map { $0["id"].int } == [1])
  }

  @Test("a lookup in a small namespace reads the answers of few entries alone")
  func fewAnswers() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture("few", on: server)
    try fixture.mneme.run(["import"], input: importLines(1...12)).expecting(0)
    let monitor = try Monitor(server)
    try fixture.mneme.run("get", "nothing of the kind", expecting: 1)
    let reads = try monitor.commands().count { $0.name == "HGETALL" }
    #expect(reads <= 5)
  }

  // MARK: Neighbours

  @Test("a vacuum of a namespace leaves the keys of one whose name begins like it")
  func similarNames() throws {
    let fixture = try CacheFixture("similar")
    for number in 1...2 { try fixture.mneme.run("put", "-n", "a", "q\(number)", "r") }
    try fixture.redis.send("DEL", fixture.key("entry:1"))
    let theirs = fixture.key("hash:a:b:" + String(repeating: "0", count: 64))
    try fixture.redis.send("SET", theirs, "99")
    #expect(try fixture.mneme.run("vacuum", "-n", "a", "--json").json()["leftovers"].int == 1)
    #expect(try fixture.redis.send("EXISTS", theirs).integer == 1)
    try fixture.mneme.run("vacuum", "--repair")
    #expect(try fixture.redis.send("EXISTS", theirs).integer == 0)
  }

  @Test("leftovers are removed beside a busy writer, since no index is watched")
  func unwatchedIndexes() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture("busy", on: server)
    for number in 1...3 { try fixture.mneme.run("put", "q\(number)", "r") }
    try fixture.redis.send("DEL", fixture.key("entry:1"))
    let monitor = try Monitor(server)
    #expect(try fixture.mneme.run("vacuum", "--json").json()["leftovers"].int == 1)
    let watched = try monitor.commands().filter { $0.name == "WATCH" }
    #expect(watched.contains { $0.words.contains(Array(fixture.key("entry:1").utf8)) }, "\(watched)")
    #expect(!watched.contains { $0.words.contains(Array(fixture.key("by_id").utf8)) }, "\(watched)")
  }

  @Test("a full server lets go of a whole cache")
  func dropOnFullServer() throws {
    let fixture = try CacheFixture("full", configuration: ["maxmemory-policy noeviction"])
    try fixture.mneme.run("put", "q", "r")
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "1")
    try fixture.mneme.run("drop", "--yes")
    #expect(try fixture.dump().isEmpty)
  }

  // MARK: Rights

  @Test("a user that may only read the prefix can read and export")
  func reader() throws {
    let fixture = try CacheFixture("reader", configuration: [])
    try CommandExample.sampleCache(fixture)
    try fixture.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "%R~\(fixture.prefix):*", "+@read")
    let mneme = Mneme(
      url: fixture.mneme.url.replacing("unix://", with: "unix://reader:pw@"), prefix: fixture.prefix)
    let more = [
      CommandExample(.reads, "delete --dry-run -n faq question_21"),
      CommandExample(.reads, "clear --dry-run faq"),
    ]
    for line in CommandExample.withServer.filter({ $0.use == .reads && $0.command != "health" }) + more {
      // A SQLite cache is written to a file of its own.
      let words = line.words(file: "/dev/null", other: "other")
      guard !words.contains("sqlite") else { continue }
      let outcome = try mneme.run(words).expecting(0)
      #expect(outcome.errors.isEmpty, "\(outcome)")
    }
  }

  @Test("a database that an ACL does not permit is reported as a missing right")
  func databaseNotPermitted() throws {
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let fixture = try CacheFixture("database", on: server)
    try fixture.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read")
    let url = fixture.mneme.url.replacing("unix://", with: "unix://reader:pw@") + "?db=1"
    try Mneme(url: url, prefix: fixture.prefix).run("stats", expecting: 77)
  }
}
