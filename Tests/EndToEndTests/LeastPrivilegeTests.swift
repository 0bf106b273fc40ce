import Foundation
import TestSupport
import Testing

/// Users with no more rights than mneme-security(7) gives them.
@Suite struct LeastPrivilegeTests {
  /// The users of mneme-security(7) on a server of their own, with a cache to work on.
  private struct Guarded {
    let server: RedisServer
    let fixture: CacheFixture
    let monitor: Monitor

    init() throws {
      server = try RedisServer()
      fixture = try CacheFixture(on: server, prefix: "mneme")
      let line = "redis-cli() { command redis-cli -s '\(server.socketPath)' \"$@\"; }; set -e\n"
      for command in try LeastPrivilegeTests.commands() {
        let outcome = try ChildProcess(["bash", "-c", line + command], environment: Mneme.plainEnvironment)
          .finish()
        guard outcome.outputText == "OK\n" else { throw Unexpected("OK", of: outcome) }
      }
      monitor = try Monitor(server)
      try fill()
    }

    /// Stores entries of two namespaces. Some have expired, one of them in Redis.
    func fill() throws {
      try fixture.fill(from: "least privilege") { fixture in
        let lines = try (1...200).map {
          try jsonLine(["query": "line \($0)", "response": "r", "ttl": 86_400])
        }
        try fixture.mneme.run("import", input: lines.joined())
        try fixture.mneme.run("put", "-n", "faq", "How do I reset my password?", "Use the link.")
        try fixture.mneme.run("get", "line 1")
        try fixture.age(Array(1...8), by: 86_400)
        for id in 6...8 { try fixture.redis.send("DEL", fixture.key("entry:\(id)")) }
      }
      _ = try monitor.commands()
    }

    /// Another cache that the users may work on.
    func messy() throws -> CacheFixture { try CacheFixture(on: server, prefix: "mneme:messy") }

    /// The command as one of the users.
    func mneme(as user: String) -> Mneme {
      Mneme(url: server.url.replacing("unix://", with: "unix://\(user):PASSWORD@"), prefix: "mneme")
    }

    /// Holds the commands that the server was sent since this was last asked, as an ACL names them, against the rights
    /// of the user.
    /// - Parameter rare: what is sent only where other writers come in between, and `config|get`, which `MONITOR` does
    ///   not show. Redis 6.2 does not show `client|setname` either.
    func expect(
      _ user: String, toHaveSent rare: Set<String>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      // Anyone may say these.
      let free: Set = ["hello", "auth"]
      let names = try monitor.commands().map { $0.name.lowercased().replacing(" ", with: "|") }
      let hidden: Set = try LeastPrivilegeTests.isOld() ? ["client|setname"] : []
      let sent = Set(names).union(rare).union(hidden).subtracting(free)
      let granted = try LeastPrivilegeTests.granted(to: user)
      let both =
        "sent and not granted: \(sent.subtracting(granted).sorted()), the other way: \(granted.subtracting(sent).sorted())"
      #expect(sent == granted, "\(both)", sourceLocation: sourceLocation)
    }
  }

  /// The commands of mneme-security(7) that make the users.
  static func commands() throws -> [String] {
    let code = try Documents.blocks(ofManual: "mneme-security.7").joined(separator: "\n")
    let isOld = try isOld()
    return code.matches(of: #/redis-cli ACL SETUSER mneme-(?:\\\n|[^\n])*/#).map {
      isOld ? String($0.output).replacing(" +pexpiretime", with: "") : String($0.output)
    }
  }

  /// Whether the server is older than Redis 7.0: it has no `PEXPIRETIME`, and no rule for it (mneme-servers(7)).
  static func isOld() throws -> Bool {
    try RedisServer.shared().connect().send("COMMAND", "INFO", "PEXPIRETIME").items.first?.items.isEmpty
      ?? true
  }

  /// The commands that mneme-security(7) grants to a user, without the plus.
  static func granted(to user: String) throws -> Set<String> {
    let command = try #require(try commands().first { $0.contains(" \(user) ") })
    let words = command.replacing("'", with: "").split { $0.isWhitespace || $0 == "\\" }
    return Set(words.filter { $0.hasPrefix("+") }.map { String($0.dropFirst()) })
  }

  private static let reading: [[String]] = [
    ["stats"], ["stats", "-n", "faq"], ["stats", "--prometheus"], ["health"], ["get", "--peek", "line 9"],
    ["get", "--peek", "--threshold", "0.5", "-n", "faq", "how can I reset my password"],
    ["get", "--peek", "--threshold", "0.1", "the line 90"], ["audit", "--threshold", "1"],
    ["export"], ["export", "-n", "default"], ["inspect-keys"], ["inspect-keys", "--list", "--sample", "all"],
    ["inspect-keys", "-n", "default", "--top", "3"], ["set-quota", "--evict", "--dry-run", "default", "5"],
    ["vacuum", "--dry-run"], ["delete", "--dry-run", "line 9"], ["delete", "--dry-run", "--id", "9"],
    ["clear", "--dry-run", "--all"], ["drop", "--dry-run"], ["stats", "--savings", "cost"], ["list"],
    ["list", "--expires-within", "2d"], ["list", "--used-within", "1d", "-n", "faq", "--contains", "link"],
    ["list", "--like", "line 9", "--limit", "1"], ["show", "9"], ["export", "--min-uses", "0"],
    ["delete", "--dry-run", "--contains", "line 9"], ["set-ttl", "1h", "--dry-run", "-n", "faq"],
  ]

  @Test("a reader's rights are exactly those that the reading commands need")
  func reader() throws {
    let guarded = try Guarded()
    let mneme = guarded.mneme(as: "mneme-reader")
    try RepairTests.fill(guarded.messy())
    let before = try guarded.fixture.dump()
    _ = try guarded.monitor.commands()
    for words in LeastPrivilegeTests.reading {
      let outcome = try mneme.run(words).expecting(0)
      #expect(!outcome.errorText.contains("Error"), "\(outcome)")
    }
    try mneme.run(["import", "--dry-run"], input: mneme.run("export").output).expecting(0)
    // It finds what Redis's own expiry has left.
    #expect(try mneme.run("inspect-keys", "--check").outputText.contains("leftovers of Redis"))
    #expect(try mneme.run("inspect-keys", "--discover").outputText.contains("\nmneme "))
    #expect(try mneme.run("vacuum", "--repair", "--dry-run", "--json").json()["left"].int == 0)
    // The other kinds of problems.
    let messy = mneme.with(prefix: "mneme:messy")
    #expect(try messy.run("inspect-keys", "--check", expecting: 1).errors.isEmpty)
    #expect(try messy.run("vacuum", "--repair", "--dry-run", expecting: 1).errors.isEmpty)
    try guarded.expect("mneme-reader", toHaveSent: ["config|get"])
    #expect(try mneme.run("health", "--json").json()["server"]["save"].string == "")
    #expect(try guarded.fixture.dump() == before)
    #expect(try guarded.fixture.redis.send("ACL", "LOG").items.isEmpty, "something was refused")
    // Commands that write are refused before anything is written.
    for words in [
      ["put", "q", "r"], ["vacuum"], ["delete", "line 9"], ["clear", "--yes", "--all"], ["drop", "--yes"],
      ["set-ttl", "1h", "--yes", "-n", "faq"],
    ] {
      #expect(try mneme.run(words).expecting(77).errorText.contains("StoreBackendError"))
    }
    #expect(try guarded.fixture.dump() == before)
    // A cache that the reader may not read is left out with a warning.
    try guarded.fixture.mneme.with(prefix: "other").run("put", "q", "r")
    let found = try mneme.run("inspect-keys", "--discover", "--json")
    #expect(
      try found.json()["caches"].array?.compactMap { $0["key_prefix"].string } == ["mneme", "mneme:messy"])
    #expect(
      found.errorText == "mneme: warning: this user may not read a key 'other:meta', and what may be a cache "
        + "there is left out\n")
  }

  @Test("the rights of mneme-vacuum are those that vacuum needs, and no others")
  func sweeper() throws {
    let guarded = try Guarded()
    let mneme = guarded.mneme(as: "mneme-vacuum")
    // The last entry of a namespace, and one that by_ttl has at a wrong time.
    let last = try guarded.fixture.mneme.run("put", "--json", "-n", "short", "--ttl", "1h", "q", "r").json()
    try guarded.fixture.age(try #require(last["id"].int), by: 3600)
    try guarded.fixture.redis.send("ZADD", "mneme:by_ttl", "5", "20")
    // And a namespace above a quota that its writer does not keep.
    for query in ["q", "q2"] { try guarded.fixture.mneme.run("put", "-n", "over", query, "r") }
    try guarded.fixture.redis.send("SET", "mneme:quota:over", "1")
    _ = try guarded.monitor.commands()
    let report = try mneme.run("vacuum", "--json").json()
    #expect(report["expired"].int == 6 && report["leftovers"].int == 3, "\(report)")
    #expect(report["evicted"].int == 1, "\(report)")
    #expect(report["repaired"].int == 1, "\(report)")
    try mneme.run("vacuum", "--dry-run")
    // Entries that are refreshed while it looks at them would make it send UNWATCH.
    try guarded.expect("mneme-vacuum", toHaveSent: ["info", "unwatch"])
    #expect(try guarded.fixture.redis.send("ACL", "LOG").items.isEmpty, "something was refused")
    try mneme.run("put", "q", "r", expecting: 77)
    // The line of the systemd unit.
    let start = try #require(try Documents.line(ofManual: "mneme-scheduling.7", containing: "ExecStart="))
    let line = start.replacing("ExecStart=/usr/local/bin/", with: "")
    let directory = try TemporaryDirectory()
    try Data("PASSWORD\n".utf8).write(to: URL(fileURLWithPath: directory.path("password")))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: directory.path("password"))
    let service = Mneme(
      url: guarded.server.url.replacing("unix://", with: "unix://mneme-vacuum@"), prefix: "mneme")
    let outcome = try service.shell(line.replacing("%d", with: directory.path))
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
  }

  @Test("an operator's rights are exactly those that all commands together need")
  func operators() throws {
    let guarded = try Guarded()
    let mneme = guarded.mneme(as: "mneme-operator")
    try makeMess(guarded)
    for words in LeastPrivilegeTests.reading { try mneme.run(words).expecting(0) }
    let exported = try mneme.run("export").output
    try mneme.run("put", "a", "r", "--ttl", "1h", "--native-ttl")
    try mneme.run("get", "a")
    try mneme.run("get", "nothing of the kind", expecting: 1)
    try mneme.run("get", "-n", "faq", "--threshold", "0.5", "how can I reset my password")
    try mneme.run("vacuum")
    try guarded.fixture.redis.send("ZADD", "mneme:lru:default", "5", "20")
    #expect(try mneme.run("vacuum", "--repair", "--json").json()["repaired"].int == 1)
    try mneme.run("inspect-keys", "--check")
    try mneme.run("set-quota", "default", "50")
    try mneme.run("put", "b", "evicts")
    try mneme.run("set-quota", "--evict", "default", "40")
    try mneme.run("set-quota", "--remove", "default")
    try mneme.run(["import"], input: exported).expecting(0)
    try mneme.run(["import", "--on-conflict", "skip"], input: exported).expecting(0)
    try mneme.run("delete", "line 9")
    try mneme.run("delete", "--yes", "--query-contains", "line 12")
    try mneme.run("set-ttl", "1h", "--yes", "--native-ttl", "-n", "default")
    try mneme.run("set-ttl", "never", "--yes", "--query-contains", "line 13")
    try mneme.run("clear", "--yes", "faq")
    try mneme.with(prefix: "mneme:2").run(["import"], input: exported).expecting(0)
    try mneme.run("reembed", "mneme:3")
    try mneme.with(prefix: "mneme:3").run("drop", "--yes")
    try mneme.run("clear", "--yes", "--all")
    let messy = mneme.with(prefix: "mneme:messy")
    let repaired = try messy.run("vacuum", "--repair", "--json", expecting: 1).json()
    #expect((repaired["repaired"].int ?? 0) > 15, "\(repaired)")
    let left = try #require(repaired["problems"].array).map { $0["problem"].string }
    #expect(Set(left) == ["wrong-embedding", "wrong-query-hash"], "\(repaired)")
    try guarded.expect("mneme-operator", toHaveSent: ["config|get"])
    #expect(try guarded.fixture.redis.send("ACL", "LOG").items.isEmpty, "something was refused")
    // Other prefixes are not permitted.
    try mneme.with(prefix: "mneme2").run("put", "q", "r", expecting: 77)
    try mneme.with(prefix: "mneme2").run("stats", expecting: 77)
  }

  /// Damage that `RepairTests` does not have.
  private func makeMess(_ guarded: Guarded) throws {
    let fixture = try guarded.messy()
    try RepairTests.fill(fixture)
    try fixture.redis.send("SET", fixture.key("version"), "9223372036854775807")
    for id in 20...23 {
      let fields = [
        "namespace", "twins", "query_hash", String(repeating: "\(id % 4)", count: 64), "query", "q\(id)",
        "response",
        "r", "embedding", "", "metadata", "{}", "created_at", "5", "last_accessed_at", "5", "ttl", "",
        "access_count", id == 20 ? "often" : "0",
      ]
      try fixture.redis.send((["HSET", fixture.key("entry:\(id)")] + fields).map { Array($0.utf8) })
    }
    for id in [9, 21] { try fixture.redis.send("EXPIRE", fixture.key("entry:\(id)"), "1000") }
    try fixture.redis.send("SET", fixture.key("quota:odd"), "100")
    try fixture.redis.send("HSET", fixture.key("counters:odd"), "misses", "many")
    try fixture.redis.send("HSET", fixture.key("counters:gone"), "misses", "7")
    _ = try guarded.monitor.commands()
  }

  @Test(
    "if SCAN is not permitted, commands that walk over the keys end with 77, and the right that they name is enough",
    arguments: [[], ["--list"], ["--check"], ["--check", "--json"], ["--discover"]])
  func withoutScan(options: [String]) throws {
    let guarded = try Guarded()
    try guarded.fixture.mneme.run("vacuum")
    try guarded.fixture.redis.send("ACL", "SETUSER", "mneme-reader", "-scan")
    let mneme = guarded.mneme(as: "mneme-reader")
    let refused = try mneme.run(["inspect-keys"] + options).expecting(77)
    let advice = try #require(
      refused.errorText.firstMatch(of: #/redis-cli (ACL SETUSER mneme-reader \+scan)/#))
    try guarded.fixture.redis.send(advice.1.split(separator: " ").map { Array($0.utf8) })
    #expect(try mneme.run(["inspect-keys"] + options).expecting(0).errors.isEmpty)
  }

  @Test("if the server does not support SCAN, inspect-keys and reembed end with 77 and that reason")
  func renamedScan() throws {
    let server = try RedisServer(configuration: ["rename-command SCAN \"\""])
    let fixture = try CacheFixture(on: server, prefix: "mneme")
    try fixture.mneme.run("put", "q", "r")
    let walks = [[], ["--check"], ["--discover"]].map { ["inspect-keys"] + $0 }
    for words in walks + [["reembed", "other"]] {
      let refused = try fixture.mneme.run(words).expecting(77)
      #expect(refused.errorText.contains("the server does not offer SCAN"), "\(refused)")
    }
  }

  @Test("commands work on a server that does not permit MEMORY, INFO and CONFIG")
  func notPermitted() throws {
    let guarded = try Guarded()
    try guarded.fixture.mneme.run("vacuum")
    let user = ["plain", "on", ">PASSWORD", "~mneme:*", "+@all", "-memory", "-info", "-config"]
    try guarded.fixture.redis.send((["ACL", "SETUSER"] + user).map { Array($0.utf8) })
    let mneme = guarded.mneme(as: "plain")
    for words in LeastPrivilegeTests.reading + [["inspect-keys", "--check"]] {
      let outcome = try mneme.run(words).expecting(0)
      #expect(!outcome.errorText.contains("Error"), "\(outcome)")
    }
    let exported = try mneme.run("export").output
    try mneme.run(["import"], input: exported).expecting(0)
    for words in [["put", "q", "r"], ["get", "q"], ["set-quota", "faq", "5"], ["delete", "q"]] {
      try mneme.run(words).expecting(0)
    }
    try mneme.run("clear", "--yes", "--all")
  }

  @Test("without the right to SCAN, vacuum does all but the hash keys and names the right to grant")
  func scanNotPermitted() throws {
    let guarded = try Guarded()
    try guarded.fixture.redis.send("ACL", "SETUSER", "mneme-vacuum", "-scan")
    let mneme = guarded.mneme(as: "mneme-vacuum")
    let refused = try mneme.run("vacuum", "--json", expecting: 77)
    #expect(refused.output.isEmpty && refused.errorText.contains("+scan"), "\(refused)")
    // All other work is done, and without leftovers the right is not needed.
    let report = try mneme.run("vacuum", "--json").json()
    #expect(report["expired"].int == 0 && report["leftovers"].int == 0 && report["complete"].bool == true)
  }

  @Test("if MEMORY is not permitted, inspect-keys leaves sizes out with a warning")
  func memoryNotPermitted() throws {
    let guarded = try Guarded()
    try guarded.fixture.redis.send("ACL", "SETUSER", "mneme-reader", "-memory")
    let mneme = guarded.mneme(as: "mneme-reader")
    let warning = "mneme: warning: the server does not permit MEMORY, so sizes are left out\n"
    for words in [[], ["--sample", "all", "--top", "3"]] {
      let outcome = try mneme.run(["inspect-keys", "--json"] + words).expecting(0)
      #expect(outcome.errorText == warning)
      let json = try outcome.json()
      #expect(json["memory_bytes"].isNull && json["memory_exact"].bool == false)
      #expect(try json["keys"].int == guarded.fixture.dump().names.count)
    }
    let list = try mneme.run(["inspect-keys", "--list", "--sample", "all", "--json"]).expecting(0)
    #expect(list.errorText == warning)
    #expect(try list.jsonLines().allSatisfy { $0["memory_bytes"].isNull })
    // No sizes were requested.
    #expect(try mneme.run("inspect-keys", "--sample", "0").errors.isEmpty)
  }

  @Test("if INFO and CONFIG are not permitted, health warns and reports the rest")
  func settingsNotPermitted() throws {
    let guarded = try Guarded()
    let user = ["ACL", "SETUSER", "plain", "on", ">PASSWORD", "~mneme:*", "+@all", "-info", "-config"]
    try guarded.fixture.redis.send(user.map { Array($0.utf8) })
    let mneme = guarded.mneme(as: "plain")
    let json = try mneme.run("health", "--json").json()
    #expect(json["healthy"].bool == true)
    #expect(json["entries"].int == 198 && json["leftovers"].int == 3)
    #expect(json["server"]["maxmemory_policy"].isNull && json["server"]["save"].isNull)
    #expect(json["server"]["version"].string != nil)
    let said = json["checks"].array?.filter { $0["status"].string == "warning" }.map { $0["check"].string }
    #expect(said == ["memory", "persistence"])
    let text = try mneme.run("health").outputText
    #expect(text.contains("the server does not report maxmemory"))
    // One of them is enough to know of the memory.
    try guarded.fixture.redis.send("ACL", "SETUSER", "plain", "+config|get")
    #expect(try mneme.run("health", "--json").json()["server"]["maxmemory_policy"].string == "noeviction")
    try guarded.fixture.redis.send("ACL", "SETUSER", "plain", "-config", "+info")
    let informed = try mneme.run("health", "--json").json()
    #expect(informed["server"]["maxmemory_policy"].string == "noeviction")
    #expect(informed["server"]["save"].isNull)
  }
}
