import Foundation
import TestSupport
import Testing

/// Tests of machines whose clock differs from the server's: they neither remove the entries of others nor lose their
/// own.
@Suite(.needs(program: "faketime")) struct ClockTests {
  private func filled(_ what: String) throws -> CacheFixture {
    let fixture = try CacheFixture(what)
    try fixture.mneme.run(["import"], input: importLines(1...5, ttl: 43_200)).expecting(0)
    return fixture
  }

  /// Runs mneme with a clock that is ahead (`+1d`) or behind (`-3h`).
  private func run(_ fixture: CacheFixture, _ lead: String, _ words: String..., input: [UInt8] = []) throws
    -> Outcome
  {
    let line = ([Mneme.binary] + words).map { "'\($0)'" }.joined(separator: " ")
    if input.isEmpty { return try fixture.mneme.shell("faketime -f '\(lead)' \(line)") }
    let directory = try TemporaryDirectory()
    try Data(input).write(to: URL(filePath: directory.path("input")))
    return try fixture.mneme.shell("faketime -f '\(lead)' \(line) < '\(directory.path("input"))'")
  }

  @Test("a vacuum on a machine whose clock is a day ahead removes no valid entry, and warns")
  func vacuum() throws {
    let fixture = try filled("ahead")
    let outcome = try run(fixture, "+1d", "vacuum", "--json").expecting(0)
    #expect(try outcome.json()["expired"].int == 0, "\(outcome)")
    #expect(outcome.errorText.contains("this machine's clock is 1d ahead of the server's"), "\(outcome)")
    #expect(try fixture.entryCount() == 5)
    // On a machine that is behind, expired entries are removed too.
    try fixture.age(1, by: 43_200)
    #expect(try run(fixture, "-1d", "vacuum", "--json").json()["expired"].int == 1)
    // A difference of a few seconds is not worth a warning.
    #expect(try run(fixture, "+20s", "vacuum").errors.isEmpty)
  }

  @Test(
    "a get on a machine whose clock is a day ahead serves the answer and does not remove it",
    arguments: [[], ["--exact"], ["--peek"]])
  func get(options: [String]) throws {
    let fixture = try filled("ahead")
    let outcome = try fixture.mneme.shell(
      "faketime -f +1d '\(Mneme.binary)' get \(options.joined(separator: " ")) 'query 3'")
    #expect(outcome.status == 0 && outcome.outputText == "answer 3\n", "\(outcome)")
    #expect(outcome.errorText.contains("ahead of the server's"), "\(outcome)")
    #expect(try fixture.entryCount() == 5)
    try fixture.mneme.run("get", "--exact", "query 3")
  }

  @Test(
    "a get on a machine whose clock is behind does not serve what has expired, and removes it unless it peeks",
    arguments: [[], ["--exact"], ["--peek"]])
  func getExpired(options: [String]) throws {
    let fixture = try filled("behind")
    try fixture.age(3, by: 43_200)
    let outcome = try fixture.mneme.shell(
      "faketime -f -1d '\(Mneme.binary)' get --threshold 0.99 \(options.joined(separator: " ")) 'query 3'")
    #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errorText.contains("behind the server's"), "\(outcome)")
    #expect(try fixture.entryCount() == (options == ["--peek"] ? 5 : 4))
  }

  @Test("what only shows goes by the server's time too", arguments: ["+1d", "-1d"])
  func shown(lead: String) throws {
    let fixture = try filled("shown")
    let show = try run(fixture, lead, "show", "1").outputText
    #expect(show.contains("would serve it") && show.contains(/in 1[12]h/), "\(show)")
    let stats = try run(fixture, lead, "stats", "--json").json()
    #expect(stats["expired_pending"].int == 0 && stats["expiring_24h"].int == 5, "\(stats)")
    let metrics = try run(fixture, lead, "stats", "--prometheus").outputLines
    #expect(metrics.contains { $0.hasPrefix("mneme_expiring_24h") && $0.hasSuffix(" 5") }, "\(metrics)")
    let table = try run(fixture, lead, "get", "--peek", "--explain", "query 1").outputText
    #expect(table.contains(/1[12]h/), "\(table)")
    let health = try run(fixture, lead, "health", "--json").json()
    let times = try #require(health["checks"].array?.first { $0["check"].string == "times" })
    #expect(times["status"].string == "ok" && health["oldest_entry_age_seconds"].int ?? 99 < 60, "\(health)")
    try run(fixture, lead, "inspect-keys", "--check").expecting(0)
  }

  @Test("an export and an import on such a machine leave nothing out as expired")
  func carry() throws {
    let fixture = try filled("ahead")
    let export = try run(fixture, "+1d", "export", "--no-settings").expecting(0)
    #expect(try export.jsonLines().count == 5)
    let copy = try fixture.again(uniquePrefix("copy"))
    let report = try run(copy, "+1d", "import", "--json", input: export.output).json()
    #expect(report["imported"].int == 5, "\(report)")
  }

  @Test("health reports the difference of the clocks")
  func health() throws {
    let fixture = try filled("health")
    for (lead, status) in [("+10s", "warning"), ("-2h", "critical"), ("+1d", "critical")] {
      let checks = try #require(try run(fixture, lead, "health", "--json").json()["checks"].array)
      let clock = try #require(checks.first { $0["check"].string == "clock" })
      #expect(clock["status"].string == status, "\(lead): \(clock)")
    }
  }

  @Test(
    "an entry with native expiry has the right lifetime, even from a machine whose clock is hours behind")
  func native() throws {
    let fixture = try CacheFixture("native")
    // Three hours and half a minute: one second more or less is not another number of minutes.
    let put = try run(fixture, "-10830s", "put", "--native-ttl", "--ttl", "1h", "a question", "an answer")
    #expect(put.status == 0 && put.errorText.contains("3h behind the server's"), "\(put)")
    let left = try fixture.redis.send("TTL", fixture.key("entry:1")).integer ?? -2
    #expect((3500...3600).contains(left), "\(left)")
    #expect(try fixture.mneme.run("get", "--exact", "a question").outputText == "an answer\n")
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("a machine whose clock is behind does not evict what it has just put")
  func eviction() throws {
    let fixture = try CacheFixture("behind")
    try fixture.mneme.run("set-quota", "default", "10")
    try fixture.mneme.run(["import"], input: importLines(1...10)).expecting(0)
    try fixture.age(by: 10)
    for number in 11...15 {
      try run(fixture, "-40s", "put", "query \(number)", "answer \(number)").expecting(0)
    }
    for number in 11...15 { try fixture.mneme.run("get", "--exact", "--peek", "query \(number)") }
    let left = try (1...10).filter {
      try fixture.mneme.run(["get", "--exact", "--peek", "query \($0)"]).status == 0
    }
    #expect(left == [5, 6, 7, 8, 9], "those of one second go in the order of their ids' text")
    // A hit is recorded as the latest use too.
    try run(fixture, "-40s", "get", "--exact", "query 6").expecting(0)
    try fixture.mneme.run("put", "query 16", "answer 16")
    try fixture.mneme.run("get", "--exact", "--peek", "query 6")
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("an import refuses times in milliseconds, unless an option permits them")
  func milliseconds() throws {
    let fixture = try CacheFixture("milliseconds")
    for line in [
      #"{"query":"how do I reset my password","response":"r","created_at":1700000000000,"ttl":60}"#,
      #"{"query":"q","response":"r","created_at":1700000000,"last_accessed_at":1700000000000}"#,
    ] {
      let refused = try fixture.mneme.run("import", input: line + "\n", expecting: 65)
      #expect(
        refused.errorText.contains("Is it in milliseconds?") && refused.errorText.contains("--allow-future"),
        "\(refused)")
      try fixture.mneme.run("import", "--allow-future", input: line + "\n")
    }
    // A lead of a day is accepted, and on a machine that is behind, the present is not the future.
    try fixture.mneme.run(
      "import",
      input:
        "{\"query\":\"q\",\"response\":\"r\",\"created_at\":\(Int(Date().timeIntervalSince1970) + 80_000)}\n")
    let now = #"{"query":"q2","response":"r","created_at":\#(Int(Date().timeIntervalSince1970))}"#
    #expect(try run(fixture, "-3d", "import", input: Array((now + "\n").utf8)).status == 0)
  }
}
