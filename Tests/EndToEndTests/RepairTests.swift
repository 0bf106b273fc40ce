import Foundation
import TestSupport
import Testing

/// `vacuum --repair` and `inspect-keys --check`, as an operator meets them.
@Suite struct RepairTests {
  private func messyStage() throws -> CacheFixture {
    let fixture = try CacheFixture("messy")
    try Self.fill(fixture)
    return fixture
  }

  /// Makes a cache with every kind of problem.
  static func fill(_ fixture: CacheFixture) throws {
    for number in 1...12 {
      try fixture.mneme.run("put", "-n", number % 2 == 0 ? "even" : "odd", "--ttl", "1h", "q\(number)", "r")
    }
    func hash(of id: Int) throws -> String {
      let entry = try fixture.fields(of: id)
      return fixture.key("hash:\(entry["namespace"]!):\(entry["query_hash"]!)")
    }
    // Expired: as they should be, in Python's form, in both forms, and where by_ttl does not say so.
    for id in 1...4 { try fixture.age(id, by: 7200) }
    try fixture.redis.send("ZREM", fixture.key("by_ttl"), "2")
    for id in 2...3 {
      let (created, name) = (
        try fixture.fields(of: id)["created_at"]!, try fixture.fields(of: id)["namespace"]!
      )
      try fixture.redis.send("ZADD", fixture.key("by_ttl"), "\(Int(created)! + 3600)", "\(name)|\(id)")
    }
    try fixture.redis.send("ZREM", fixture.key("by_ttl"), "4")
    // An expired one that is also damaged elsewhere: it is removed, and nothing needs a repair.
    try fixture.redis.send("ZADD", fixture.key("lru:odd"), "5", "1")
    // Not due yet, though by_ttl says so, in two forms.
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "5", "6", "odd|5", "7", "other|6")
    // Left by Redis's own expiry, one with its hash key.
    try fixture.redis.send("DEL", fixture.key("entry:7"), fixture.key("entry:8"), try hash(of: 8))
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "7")
    // By hand.
    try fixture.redis.send("DEL", try hash(of: 9))
    try fixture.redis.send("HDEL", fixture.key("entry:10"), "metadata")
    try fixture.redis.send("ZADD", fixture.key("lru:odd"), "5", "11", "6", "12")
    try fixture.redis.send("ZREM", fixture.key("by_id"), "12")
    try fixture.redis.send("HSET", fixture.key("entry:12"), "embedding", "1234")
    try fixture.redis.send("SADD", fixture.key("namespaces"), "empty")
    try fixture.redis.send("SET", fixture.key("hash:odd:" + String(repeating: "b", count: 64)), "no id")
    try fixture.redis.send("SET", fixture.key("next_id"), "3")
  }

  @Test(
    "a dry run reports exactly what a run does",
    arguments: [
      [], ["--repair"], ["--repair", "--drop-unreadable"], ["-n", "odd"], ["-n", "odd", "--repair"],
    ])
  func foreseen(options: [String]) throws {
    let fixture = try messyStage()
    // Entry 12 is left.
    let status: Int32 =
      options.contains("--repair") && !options.contains("--drop-unreadable") && !options.contains("odd")
      ? 1 : 0
    var dry = JSONValue.null
    try fixture.expectUnchanged {
      dry = try fixture.mneme.run(["vacuum", "--dry-run", "--json"] + options).expecting(status).json()
    }
    let real = try fixture.mneme.run(["vacuum", "--json"] + options).expecting(status).json()
    for figure in ["expired", "leftovers", "repaired", "left", "dropped"] {
      #expect(dry[figure].int == real[figure].int, "\(figure): \(dry) and \(real)")
    }
    #expect(dry["problems"].description == real["problems"].description)
    #expect(real["expired"].int ?? 0 > 1)
    // A second repair has nothing to do.
    let again = try fixture.mneme.run(["vacuum", "--json"] + options).expecting(status).json()
    for figure in ["expired", "leftovers", "repaired", "dropped"] {
      #expect(again[figure].int ?? 0 == 0, "\(figure): \(again)")
    }
  }

  @Test("a repair repairs everything that costs no usable answer, and reports the rest with the reason")
  func left() throws {
    let fixture = try messyStage()
    try fixture.mneme.run("inspect-keys", "--check", expecting: 1)
    let outcome = try fixture.mneme.run("vacuum", "--repair", expecting: 1)
    #expect(outcome.outputLines.first?.contains(", left 1 in ") == true, "\(outcome)")
    for line in ["wrong-embedding: 1", "  Left, because", "  Repair: Delete it with 'mneme delete --id 12'"] {
      #expect(outcome.outputText.contains("\n" + line), "\(outcome)")
    }
    #expect(outcome.outputLines.allSatisfy { $0.count <= 80 }, "\(outcome)")
    #expect(outcome.errors.isEmpty)
    // For cron: the problems that are left, with their reasons.
    let quiet = try fixture.mneme.run("-q", "vacuum", "--repair", expecting: 1)
    #expect(quiet.outputLines.count == 2 && quiet.errors.isEmpty, "\(quiet)")
    #expect(quiet.outputLines[1].hasPrefix("wrong-embedding: The vector of entry 12 has 4 bytes"), "\(quiet)")
    #expect(quiet.outputLines[1].contains(". Left, because "), "\(quiet)")

    try fixture.mneme.run("delete", "--id", "12")
    try fixture.mneme.run("inspect-keys", "--check")
    let silent = try fixture.mneme.run("-q", "vacuum", "--repair")
    #expect(silent.output.isEmpty && silent.errors.isEmpty, "\(silent)")
    let problems = LayoutAudit(try fixture.dump(), prefix: fixture.prefix).problems
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test("the check as JSON lists every problem with its key and repair, after the survey")
  func json() throws {
    let fixture = try messyStage()
    let outcome = try fixture.mneme.run("inspect-keys", "--check", "--json", expecting: 1)
    let json = try outcome.json()
    #expect(
      json.keys == [
        "families", "foreign", "key_prefix", "keys", "leftovers", "memory_bytes", "memory_exact", "notes",
        "problems",
      ])
    let problems = try #require(json["problems"].array)
    #expect(problems.count > 8)
    for problem in problems {
      #expect(problem.keys == ["detail", "id", "key", "namespace", "problem", "repair"])
      #expect(problem["key"].string?.hasPrefix(fixture.prefix + ":") == true)
    }
    // Entries 7 and 8, which three indexes list, and a hash key.
    #expect(json["leftovers"].int == 3)
    #expect(!problems.contains { $0["problem"].string == "leftover" })
    let sound = try CacheFixture("sound")
    try sound.mneme.run("put", "q", "r")
    #expect(try sound.mneme.run("inspect-keys", "--check", "--json").json()["problems"].array?.count == 0)
  }

  @Test("the check as text fits 80 columns, groups problems by name, and names the repair")
  func text() throws {
    let fixture = try messyStage()
    for number in 20...40 { try fixture.redis.send("ZADD", fixture.key("lru:even"), "5", "\(number)") }
    let outcome = try fixture.mneme.run("inspect-keys", "--check", expecting: 1)
    #expect(outcome.outputLines.allSatisfy { $0.count <= 80 }, "\(outcome)")
    #expect(
      outcome.outputText.contains(
        "\n24 leftovers of Redis's own expiry: normal until the next 'mneme vacuum'\n"),
      "\(outcome)")
    #expect(outcome.outputText.contains("  Repair: 'mneme vacuum --repair' adds it"), "\(outcome)")
    let sound = try CacheFixture("sound")
    try sound.mneme.run("put", "q", "r")
    #expect(try sound.mneme.run("inspect-keys", "--check").outputText.hasSuffix("keys: no problem\n"))
  }

  @Test("a check without a cache, and of one namespace")
  func scope() throws {
    let nothing = try CacheFixture("nothing")
    let check = try nothing.mneme.run("inspect-keys", "--check", expecting: 1)
    #expect(check.outputText.hasPrefix("no keys"))
    let object = try nothing.mneme.run("inspect-keys", "--check", "--json", expecting: 1).json()
    #expect(object["problems"].array?.count == 0)
    let fixture = try CacheFixture("two")
    for name in ["one", "two"] { try fixture.mneme.run("put", "-n", name, "q", "r") }
    try fixture.redis.send("ZADD", fixture.key("lru:one"), "5", "1")
    try fixture.mneme.run("inspect-keys", "--check", "-n", "one", expecting: 1)
    try fixture.mneme.run("inspect-keys", "--check", "-n", "two")
  }
}
