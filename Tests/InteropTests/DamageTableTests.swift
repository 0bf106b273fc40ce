import Foundation
import TestSupport
import Testing

/// The damage table: every way in which a cache can be damaged, and what each of us says and does about it.
///
/// Each row is one kind of damage to a cache of four entries, of which entry 1 is the victim. The columns are what is
/// expected:
///
///     health     what `mneme health` says of the cache (the worst of its rows)
///     deep       what `mneme health --deep` says, where that is something else
///     check      the problems that `mneme inspect-keys --check` names
///     python     the number of steps after which a Python program opens the cache:
/// 0 immediately, 1 after `vacuum`, 2 after `vacuum --repair`, 3 after `vacuum --repair --drop-unreadable`,
///                4 after what the check advises for a key of another type
///     repair     the exit status of `vacuum --repair`: 1 where it leaves something
///
/// Beside the columns, for every row: where any command fails, health is critical; where Python cannot open the cache,
/// `health --deep` is critical and the check names a problem; and after a repair that left nothing all is well.
@Suite(.needsPythonPeer) struct DamageTableTests {
  struct Row: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// The first word after the command is the rest of the key.
    var commands: [[[UInt8]]]
    var health: String
    var deep: String
    var check: [String]
    var python: Int
    var repair: Int32

    init(
      _ name: String, _ commands: [[String]], _ health: String, deep: String? = nil, _ check: [String],
      python: Int,
      repair: Int32
    ) {
      self.init(
        name, bytes: commands.map { $0.map { Array($0.utf8) } }, health, deep: deep, check, python: python,
        repair: repair)
    }

    init(
      _ name: String, bytes: [[[UInt8]]], _ health: String, deep: String? = nil, _ check: [String],
      python: Int,
      repair: Int32
    ) {
      (testDescription, commands, self.health, self.deep) = (name, bytes, health, deep ?? health)
      (self.check, self.python, self.repair) = (check, python, repair)
    }

    /// A field of entry 1 that holds these bytes.
    init(
      _ name: String, _ field: String, _ value: [UInt8], _ health: String, deep: String? = nil,
      _ check: [String],
      python: Int, repair: Int32
    ) {
      self.init(
        name, bytes: [["HSET", "entry:1", field].map { Array($0.utf8) } + [value]], health, deep: deep, check,
        python: python, repair: repair)
    }
  }

  static let rows = entries + places + numbers + types

  private static let victim = "hash:default:" + QueryHash.of("victim")
  /// Python 3.11 reads 990 levels, 3.13 some thousand.
  private static let deepJSON =
    String(repeating: "{\"a\":", count: 20_000) + "1" + String(repeating: "}", count: 20_000)

  // MARK: The content of an entry

  private static let entries = [
    Row("nothing is wrong", [], "ok", [], python: 0, repair: 0),
    Row(
      "only a use is left of it",
      [["DEL", "entry:1"], ["HSET", "entry:1", "last_accessed_at", "1700000000", "access_count", "1"]],
      "critical", ["damaged-entry"], python: 1, repair: 0),
    Row(
      "only a use is left of it, in lru alone",
      [
        ["DEL", "entry:1"], ["HSET", "entry:1", "last_accessed_at", "1700000000", "access_count", "1"],
        ["ZREM", "by_id", "1"], ["ZREM", "by_ttl", "1"],
      ], "critical", ["damaged-entry"], python: 0, repair: 0),
    Row(
      "it has no response", [["HDEL", "entry:1", "response"]], "critical", ["damaged-entry"], python: 2,
      repair: 0),
    Row(
      "it has no vector", [["HDEL", "entry:1", "embedding"]], "critical", ["damaged-entry"], python: 2,
      repair: 0),
    Row(
      "when it was put is not a number", "created_at", Array("x".utf8), "critical", ["damaged-entry"],
      python: 2, repair: 0
    ),
    Row(
      "how often it was used is not a number", "access_count", [], "critical", ["unreadable-use"], python: 2,
      repair: 0),
    Row(
      "its metadata is not JSON", "metadata", Array("{".utf8), "critical", ["damaged-entry"], python: 2,
      repair: 0),
    Row(
      "its vector has another length", "embedding", [1, 2, 3, 4, 5, 6, 7, 8], "critical", ["wrong-embedding"],
      python: 3,
      repair: 1),
    Row(
      "its query is not UTF-8", "query", [0xC3, 0x28], "critical", ["unreadable-by-python"], python: 3,
      repair: 1),
    Row(
      "its response is not UTF-8", "response", [0xFF, 0x41], "ok", deep: "critical", ["unreadable-by-python"],
      python: 3,
      repair: 1),
    Row(
      "its metadata is not UTF-8", "metadata", Array("{\"a\":\"".utf8) + [0xFF] + Array("\"}".utf8),
      "critical",
      ["unreadable-by-python"], python: 3, repair: 1),
    Row(
      "its metadata has an integer of 4,301 digits", "metadata",
      Array("{\"a\":\(String(repeating: "7", count: 4301))}".utf8), "critical", ["unreadable-by-python"],
      python: 3,
      repair: 1),
    Row(
      "its metadata nests 20,000 levels deep", "metadata", Array(deepJSON.utf8), "critical",
      ["unreadable-by-python"],
      python: 3, repair: 1),
    Row(
      "its vector is all zeros", "embedding", [UInt8](repeating: 0, count: 1536), "ok", deep: "warning",
      ["incomparable-embedding"], python: 0, repair: 1),
    Row(
      "its query is another one", "query", Array("other".utf8), "ok", ["wrong-query-hash"], python: 0,
      repair: 1),
    Row(
      "it is from the future",
      [["HSET", "entry:1", "created_at", "1800000000000", "ttl", ""], ["ZREM", "by_ttl", "1"]],
      "warning", ["future-entry"], python: 0, repair: 1),
    Row(
      "its key is a list", [["DEL", "entry:1"], ["RPUSH", "entry:1", "a"]], "critical", ["wrong-type"],
      python: 3,
      repair: 1),
    Row("it is gone", [["DEL", "entry:1"]], "ok", [], python: 0, repair: 0),
  ]

  // MARK: The place of an entry

  private static let places = [
    Row("by_id lacks it", [["ZREM", "by_id", "1"]], "warning", ["wrong-by-id"], python: 0, repair: 0),
    Row("lru lacks it", [["ZREM", "lru:default", "1"]], "warning", ["wrong-lru"], python: 0, repair: 0),
    Row("by_ttl lacks it", [["ZREM", "by_ttl", "1"]], "ok", ["wrong-by-ttl"], python: 0, repair: 0),
    Row("it has no hash key", [["DEL", victim]], "warning", ["missing-hash-key"], python: 0, repair: 0),
    Row(
      "its hash key leads nowhere", [["SET", victim, "77"]], "ok", ["missing-hash-key"], python: 0, repair: 0),
    Row(
      "its hash key leads to another entry", [["SET", victim, "2"]], "ok",
      ["dangling-hash-key", "missing-hash-key"],
      python: 0, repair: 0),
    Row(
      "its namespace is not listed", [["SREM", "namespaces", "default"]], "warning", ["unlisted-namespace"],
      python: 0,
      repair: 0),
    Row(
      "by_id lists a name", [["ZADD", "by_id", "1", "x"]], "critical", ["stray-member"], python: 2, repair: 0),
    Row(
      "lru lists a name", [["ZADD", "lru:default", "1", "x"]], "critical", ["stray-member"], python: 0,
      repair: 0),
    Row(
      "by_ttl lists a name", [["ZADD", "by_ttl", "1", "x|y"]], "ok", ["stray-member"], python: 0, repair: 0),
    Row(
      "namespaces lists what is not text", bytes: [["SADD", "namespaces"].map { Array($0.utf8) } + [[0xFF]]],
      "critical",
      ["stray-member"], python: 0, repair: 0),
    Row(
      "an empty namespace is listed", [["SADD", "namespaces", "none"]], "ok", ["empty-namespace"], python: 0,
      repair: 0),
  ]

  // MARK: Numbers

  private static let numbers = [
    Row("next_id is behind", [["SET", "next_id", "2"]], "critical", ["wrong-next-id"], python: 0, repair: 0),
    Row(
      "next_id is not a number", [["SET", "next_id", "x"]], "critical", ["wrong-next-id"], python: 0,
      repair: 0),
    Row(
      "version is not a number", [["SET", "version", "x"]], "critical", ["wrong-version"], python: 0,
      repair: 0),
    Row(
      "version cannot grow", [["SET", "version", "9223372036854775807"]], "critical", ["wrong-version"],
      python: 0,
      repair: 0),
    Row(
      "a counter cannot grow", [["HSET", "counters:default", "hits_exact", "9223372036854775807"]],
      "critical",
      ["wrong-counter"], python: 0, repair: 0),
    Row(
      "a counter is not a number", [["HSET", "counters:default", "misses", "x"]], "critical",
      ["wrong-counter"], python: 0, repair: 0),
    Row(
      "a quota is not a number", [["SET", "quota:default", "x"]], "critical", ["wrong-quota"], python: 0,
      repair: 0),
    Row(
      "a quota was overwritten by Python", [["SET", "quota:default", "9"]], "ok", [], python: 0, repair: 0),
    Row(
      "a namespace is above its quota", [["SET", "quota:default", "1"]], "warning", [], python: 0, repair: 0),
    Row(
      "meta does not say the dimension", [["HSET", "meta", "embedder_dim", "x"]], "critical", ["wrong-meta"],
      python: 9,
      repair: 65),
  ]

  // MARK: Keys of another type

  private static let types = [
    "by_id", "by_ttl", "namespaces", "lru:default", "quotas", "quota:default", "counters:default",
    "version", "next_id", victim,
  ].map { key in
    Row(
      "\(key.prefix(12)) is a list", [["DEL", key], ["RPUSH", key, "a"]], "critical",
      ["wrong-type"], python: key == "by_id" ? 4 : 0, repair: 1)
  }

  // MARK: -

  /// Every command, and whether it writes.
  private static let lines: [(words: [String], input: String)] = [
    (["put", "new", "r"], ""), (["put", "victim", "better"], ""), (["get", "sound"], ""),
    (["get", "--exact", "victim"], ""), (["get", "--peek", "--threshold", "0.2", "victims"], ""),
    (["stats"], ""),
    (["stats", "--prometheus"], ""), (["vacuum"], ""), (["vacuum", "--dry-run"], ""), (["export"], ""),
    (["import"], #"{"query":"new","response":"r"}"# + "\n"), (["set-quota", "default", "50"], ""),
    (["delete", "victim"], ""), (["clear", "--yes", "default"], ""),
  ]

  @Test("health, check, repair and Python agree on the damage", arguments: rows)
  func agree(row: Row) throws {
    let cache = try damaged(by: row)

    // 1. The reports.
    let health = try worst(cache)
    let deep = try worst(cache, "--deep")
    let said = try cache.mneme.run(["health", "--deep"])
    #expect(health == row.health, "health: \(said)")
    #expect(deep == row.deep, "health --deep: \(said)")
    let check = try cache.mneme.run(["inspect-keys", "--check", "--json"])
    let problems = Set(try #require(check.json()["problems"].array).compactMap { $0["problem"].string })
    #expect(problems == Set(row.check), "\(check)")
    #expect(check.status == (problems.isEmpty ? 0 : 1), "\(check)")

    // 2. It is never ok where another command fails.
    let turn = Self.rows.firstIndex { $0.testDescription == row.testDescription } ?? 0
    let lines = Effort.share(of: Self.lines, turn: turn)
    for line in lines {
      let copy = try damaged(by: row)
      let outcome = try copy.mneme.run(line.words, input: Array(line.input.utf8))
      #expect(outcome.status < 64 || health == "critical", "health was \(health), and \(outcome)")
    }
    if !opensInPython(cache) {
      #expect(deep == "critical" && !problems.isEmpty)
    }

    // 3. The command that makes it readable again.
    #expect(try firstReadable(row) == row.python)

    // 4. A repair that leaves nothing leaves a sound cache.
    let repair = try cache.mneme.run(["vacuum", "--repair"])
    #expect(repair.status == row.repair, "\(repair)")
    if repair.status == 0 {
      let said = try cache.mneme.run(["health", "--deep"])
      #expect(try worst(cache, "--deep") == "ok", "\(said)")
      try cache.mneme.run("inspect-keys", "--check")
      #expect(try CacheCheck(cache).problems.isEmpty)
      for line in lines {
        let copy = try damaged(by: row)
        try copy.mneme.run("vacuum", "--repair")
        let outcome = try copy.mneme.run(line.words, input: Array(line.input.utf8))
        #expect(outcome.status < 64, "after a repair: \(outcome)")
      }
    }
  }

  @Test(
    "with a damaged counter answers are still served and stored, and a repair repairs it",
    arguments: ["9223372036854775807", "x"])
  func counter(value: String) throws {
    for line in Self.lines where line.words[0] != "stats" {
      let cache = try damaged(by: Self.rows[0])
      for counter in ["hits_exact", "misses", "expirations", "evictions"] {
        try cache.redis.send("HSET", cache.key("counters:default"), counter, value)
      }
      let outcome = try cache.mneme.run(line.words, input: Array(line.input.utf8))
      #expect([0, 1].contains(outcome.status), "\(outcome)")
      if line.words == ["get", "sound"] {
        #expect(outcome.errorText.contains("nothing was counted"), "\(outcome)")
      }
      try cache.mneme.run("vacuum", "--repair")
      try cache.mneme.run("inspect-keys", "--check")
    }
    let cache = try damaged(by: Self.rows[0])
    try cache.redis.send("HSET", cache.key("counters:default"), "misses", value)
    try cache.mneme.run("get", "--exact", "nothing of the kind", expecting: 1)
  }

  // MARK: Asking

  /// The worst row of `health` about the cache, without those about the server.
  private func worst(_ cache: CacheFixture, _ options: String...) throws -> String {
    let ofCache = ["cache", "indexes", "numbers", "entries", "hash_keys", "figures", "quotas", "times"]
    let rows = try #require(try cache.mneme.run(["health", "--json"] + options).json()["checks"].array)
      .filter { ofCache.contains($0["check"].string ?? "") }.compactMap { $0["status"].string }
    return ["critical", "warning"].first { rows.contains($0) } ?? "ok"
  }

  private func opensInPython(_ cache: CacheFixture) -> Bool {
    (try? cache.python("opened = open_cache(native=False)\nopened.close()")) != nil
  }

  /// The first step after which Python opens the cache; 9 where none helps.
  private func firstReadable(_ row: Row) throws -> Int {
    let steps = [[], ["vacuum"], ["vacuum", "--repair"], ["vacuum", "--repair", "--drop-unreadable"]]
    for (number, words) in steps.enumerated() {
      let cache = try damaged(by: row)
      if !words.isEmpty { _ = try cache.mneme.run(words) }
      if opensInPython(cache) { return number }
    }
    // The advice of the check: the key of another type is deleted by hand.
    let cache = try damaged(by: row)
    for problem in try #require(
      cache.mneme.run(["inspect-keys", "--check", "--json"]).json()["problems"].array)
    {
      guard let key = problem["repair"].string?.firstMatch(of: #/redis-cli DEL '?([^ ',]+)/#)?.1 else {
        continue
      }
      try cache.redis.send("DEL", String(key))
    }
    _ = try cache.mneme.run(["vacuum", "--repair"])
    return opensInPython(cache) ? 4 : 9
  }

  private func damaged(by row: Row) throws -> CacheFixture {
    let cache = try CacheFixture("table")
    try cache.fill(from: "the damage table") { cache in
      try fillForDamage(cache)
    }
    for command in row.commands {
      try cache.redis.send(
        [command[0], Array(cache.prefix.utf8) + [UInt8(ascii: ":")] + command[1]] + command.dropFirst(2))
    }
    return cache
  }
}
