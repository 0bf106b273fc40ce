import Foundation
import TestSupport
import Testing

/// `stats --prometheus`.
@Suite struct PrometheusTests {
  private static let hostile = "a\\b\"c\nd é{}=,#"

  private func filled() throws -> CacheFixture {
    let fixture = try CacheFixture("pro\"m")
    for query in ["a", "b"] { try fixture.mneme.run("put", query, "r") }
    for number in 1...3 { try fixture.mneme.run("put", "-n", "faq", "q\(number)", "r", "--ttl", "1h") }
    try fixture.mneme.run("put", "-n", PrometheusTests.hostile, "q", "r")
    try fixture.mneme.run("set-quota", "faq", "10k")
    try fixture.mneme.run("get", "a")
    try fixture.mneme.run("get", "--exact", "nothing", expecting: 1)
    for id in [3, 4] { try fixture.age(id, by: 3600) }
    return fixture
  }

  private func promtool(_ metrics: [UInt8]) throws -> Outcome {
    try ChildProcess(["promtool", "check", "metrics"], environment: Mneme.plainEnvironment).finish(
      input: metrics)
  }

  @Test("promtool accepts the metrics, whatever the namespace is called", .needs(program: "promtool"))
  func accepted() throws {
    let fixture = try filled()
    let metrics = try fixture.mneme.run("stats", "--prometheus")
    let check = try promtool(metrics.output)
    #expect(check.status == 0 && check.errors.isEmpty, "\(check)\n\(metrics)")
    // promtool reports wrong metrics.
    #expect(try promtool(Array("mneme_entries{ 3\n".utf8)).status != 0)
  }

  @Test("each namespace has its figures, labelled with prefix and namespace")
  func figures() throws {
    let fixture = try filled()
    let metrics = try fixture.mneme.run("stats", "--prometheus")
    let prefix = fixture.prefix.replacing("\"", with: "\\\"")
    func value(_ name: String, _ namespace: String, _ more: String = "") -> String? {
      let head = "\(name){key_prefix=\"\(prefix)\",namespace=\"\(namespace)\"\(more)} "
      return metrics.outputLines.first { $0.hasPrefix(head) }.map { String($0.dropFirst(head.count)) }
    }
    #expect(value("mneme_entries", "default") == "2", "\(metrics)")
    #expect(value("mneme_entries", "faq") == "3")
    #expect(value("mneme_entries", #"a\\b\"c\nd é{}=,#"#) == "1")
    #expect(value("mneme_quota_entries", "faq") == "10000")
    #expect(value("mneme_quota_entries", "default") == nil)
    #expect(value("mneme_hits_total", "default", ",layer=\"exact\"") == "1")
    #expect(value("mneme_hits_total", "default", ",layer=\"semantic\"") == "0")
    #expect(value("mneme_misses_total", "default") == "1")
    #expect(value("mneme_evictions_total", "faq") == "0")
    #expect(metrics.outputLines.contains("mneme_expired_pending{key_prefix=\"\(prefix)\"} 2"), "\(metrics)")
    try fixture.mneme.run("vacuum")
    #expect(
      try fixture.mneme.run("stats", "--prometheus").outputText
        .contains("mneme_expirations_total{key_prefix=\"\(prefix)\",namespace=\"faq\"} 2\n"))
    #expect(
      try fixture.mneme.run("stats", "--prometheus", "-n", "faq").outputLines.allSatisfy {
        $0.hasPrefix("#") || $0.contains("namespace=\"faq\"") || !$0.contains("namespace=")
      })
  }

  @Test("entries that wait for vacuum are counted by the index, at the same cost for many entries as for few")
  func pending() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "r", "--ttl", "10")
    try fixture.age(1, by: 10)
    let monitor = try Monitor(server)
    func commands(_ words: [String]) throws -> [String] {
      _ = try monitor.commands()
      try fixture.mneme.run(["stats"] + words).expecting(0)
      return try monitor.commands().map(\.name)
    }
    let formats = [[], ["--json"], ["--prometheus"], ["-n", "default"]]
    let few = try formats.map(commands)
    #expect(few.allSatisfy { $0.contains("ZCOUNT") }, "\(few)")
    for id in 2...500 { try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "\(id)") }
    #expect(try formats.map(commands) == few)
    // Of a namespace, the entries themselves are counted.
    for (words, pending) in [(["--json"], 500), (["--json", "-n", "default"], 1)] {
      #expect(try fixture.mneme.run(["stats"] + words).json()["expired_pending"].int == pending)
    }
  }

  @Test("metrics are always printed: an empty cache is up, a missing cache and a missing server are down")
  func always() throws {
    let fixture = try CacheFixture()
    func value(_ outcome: Outcome, _ name: String) -> String? {
      outcome.outputLines.first { $0.hasPrefix("\(name){key_prefix=\"\(fixture.prefix)\"") }
        .flatMap { $0.split(separator: " ").last.map(String.init) }
    }
    let none = try fixture.mneme.run("stats", "--prometheus", expecting: 1)
    #expect(value(none, "mneme_up") == "0" && none.errorText.contains("there is no cache"), "\(none)")
    try fixture.mneme.run("put", "a", "b")
    try fixture.mneme.run("delete", "a")
    let empty = try fixture.mneme.run("stats", "--prometheus")
    #expect(value(empty, "mneme_up") == "1" && value(empty, "mneme_cache_entries") == "0", "\(empty)")
    #expect(
      empty.outputText.contains("embedder=\"mneme:hashed-ngrams-v1:dim384\",schema=\"1\"} 1\n"), "\(empty)")
    let away = try Mneme(url: "unix:///nonexistent", prefix: fixture.prefix).run(["stats", "--prometheus"])
    #expect(away.status == 69 && value(away, "mneme_up") == "0", "\(away)")
    try fixture.redis.send("SET", fixture.key("meta"), "x")
    let damaged = try fixture.mneme.run("stats", "--prometheus", expecting: 65)
    #expect(value(damaged, "mneme_up") == "0", "\(damaged)")
  }

  @Test("several caches are one valid file", .needs(program: "promtool"))
  func allCaches() throws {
    let server = try RedisServer()
    let one = try CacheFixture(on: server, prefix: "one")
    let two = try CacheFixture(on: server, prefix: "two")
    for fixture in [one, two] { try fixture.mneme.run("put", "a", "b") }
    let metrics = try one.mneme.run("stats", "--prometheus", "--all-caches")
    let check = try promtool(metrics.output)
    #expect(check.status == 0 && check.errors.isEmpty, "\(check)\n\(metrics)")
    for prefix in ["one", "two"] {
      #expect(metrics.outputText.contains("mneme_up{key_prefix=\"\(prefix)\"} 1\n"), "\(metrics)")
    }
    // If one cache is damaged, the other is still counted.
    try one.redis.send("SET", one.key("version"), "x")
    let rest = try two.mneme.run("stats", "--prometheus", "--all-caches", expecting: 65).outputText
    #expect(rest.contains("mneme_up{key_prefix=\"two\"} 1\n"), "\(rest)")
  }

  @Test("a cache that cannot be read hides no other: both have their mneme_up, and the error names it")
  func unreadableCache() throws {
    let server = try RedisServer()
    let one = try CacheFixture(on: server, prefix: "one")
    let two = try CacheFixture(on: server, prefix: "two")
    for fixture in [one, two] { try fixture.mneme.run("put", "a", "b") }
    func up(_ metrics: Outcome) -> [String] { metrics.outputLines.filter { $0.hasPrefix("mneme_up") } }

    try one.redis.send("HSET", one.key("meta"), "schema_version", "2")
    let newer = try two.mneme.run("stats", "--prometheus", "--all-caches", expecting: 78)
    #expect(up(newer) == [#"mneme_up{key_prefix="one"} 0"#, #"mneme_up{key_prefix="two"} 1"#], "\(newer)")
    #expect(newer.errorText.contains("key prefix 'one'"), "\(newer)")
    let alone = try one.mneme.run("stats", "--prometheus", expecting: 78)
    #expect(up(alone) == [#"mneme_up{key_prefix="one"} 0"#], "\(alone)")
    // Only the error is printed, since the other cache needed no report.
    let vacuum = try two.mneme.run("-q", "vacuum", "--all-caches", expecting: 78)
    #expect(vacuum.output.isEmpty && vacuum.errorText.contains("key prefix 'one'"), "\(vacuum)")

    try one.redis.send("HSET", one.key("meta"), "schema_version", "1")
    try two.mneme.with(prefix: "three").run("put", "a", "b")
    try two.redis.send("ACL", "SETUSER", "reader", "on", ">pw", "~one:meta", "~two:*", "+@all")
    let reader = Mneme(url: server.url.replacing("unix://", with: "unix://reader:pw@"), prefix: "two")
    let refused = try reader.run("stats", "--prometheus", "--all-caches", expecting: 77)
    #expect(up(refused) == up(newer), "\(refused)")
    let stats = try reader.run("stats", "--all-caches", expecting: 77)
    #expect(stats.outputText.hasPrefix("two:\n"), "\(stats)")
    #expect(stats.errorText.contains("this user may not read a key 'three:meta'"), "\(stats)")
  }

  @Test("stats, health, vacuum and the check of every cache name each cache, and end with the worst status")
  func everyCache() throws {
    let server = try RedisServer()
    let one = try CacheFixture(on: server, prefix: "one")
    let two = try CacheFixture(on: server, prefix: "two")
    for fixture in [one, two] {
      try fixture.mneme.run(["import"], input: importLines(1...4, ttl: 3600)).expecting(0)
    }
    try one.age(by: 3600)
    let start = Date()
    let swept = try two.mneme.run("vacuum", "--all-caches", "--json", "--pace", "300ms").jsonLines()
    // Each cache has its own time.
    let seconds = swept.compactMap { $0["duration_seconds"].double }
    #expect(seconds.count == 2 && seconds.reduce(0, +) < Date().timeIntervalSince(start), "\(swept)")
    #expect(swept.map { $0["key_prefix"].string } == ["one", "two"])
    #expect(swept.map { $0["expired"].int } == [4, 0], "\(swept)")
    let stats = try two.mneme.run("stats", "--all-caches", "--json").jsonLines()
    #expect(stats.map { $0["entries"].int } == [0, 4], "\(stats)")
    try two.redis.send("HDEL", two.key("entry:1"), "response")
    let health = try two.mneme.run("health", "--all-caches", expecting: 1).outputText
    #expect(
      health.contains("one:\nhealth    warning") && health.contains("two:\nhealth    critical"), "\(health)")
    let check = try two.mneme.run("inspect-keys", "--check", "--all-caches", expecting: 1).outputText
    #expect(
      check.contains("one:\n") && check.contains("two:\n") && check.contains("damaged-entry"), "\(check)")
  }

  @Test("metrics in JSON are another format")
  func refused() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("stats", "--prometheus", "--json", expecting: 64)
  }
}
