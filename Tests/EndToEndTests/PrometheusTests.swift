import Foundation
import TestSupport
import Testing

/// `stats --prometheus`.
@Suite struct PrometheusTests {
  private static let hostile = "a\\b\"c\nd é{}=,#"

  private func filled() throws -> CacheFixture {
    let fixture = try CacheFixture("pro\"m")
    for query in ["a", "b"] { try fixture.mneme.run("put", query, "r") }
    for number in 1...3 { try fixture.mneme.run("put", "-n", "faq", "q\(number)", "r", "--ttl", "10") }
    try fixture.mneme.run("put", "-n", PrometheusTests.hostile, "q", "r")
    try fixture.mneme.run("set-quota", "faq", "10k")
    try fixture.mneme.run("get", "a")
    try fixture.mneme.run("get", "--exact", "nothing", expecting: 1)
    for id in [3, 4] { try fixture.age(id, by: 10) }
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
    // That it would say so if they were wrong.
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
        $0.hasPrefix("#") || $0.hasPrefix("mneme_expired_pending{") || $0.contains("namespace=\"faq\"")
      })
  }

  @Test("what waits for vacuum is counted by the index, at the same cost for many entries as for few")
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
    for words in [["--json"], ["--json", "-n", "default"]] {
      #expect(try fixture.mneme.run(["stats"] + words).json()["expired_pending"].int == 500)
    }
  }

  @Test("no cache has no metrics, and JSON is another format")
  func refused() throws {
    let fixture = try CacheFixture()
    let outcome = try fixture.mneme.run("stats", "--prometheus", expecting: 1)
    #expect(outcome.output.isEmpty && outcome.errorText.contains("there is no cache"))
    try fixture.mneme.run("stats", "--prometheus", "--json", expecting: 64)
  }

  @Test(
    "the cron line of the README puts the file in place whole, or leaves the old one",
    .needs(program: "promtool"))
  func cronLine() throws {
    let readme = try String(contentsOfFile: Repository.top + "/README.md", encoding: .utf8)
    let line = try #require(readme.split(separator: "\n").first { $0.contains("stats --prometheus >") })
    let schedule = #/^\s*(\S+\s+){5}/#
    let directory = try TemporaryDirectory()
    let command = String(line).replacing(schedule, with: "").replacing(
      "/var/lib/prometheus/node-exporter", with: directory.path
    )
    .replacing(#/-u \S+ /#, with: "")
    let fixture = try filled()
    let outcome = try fixture.mneme.shell("cd /; " + command)
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(command)\n\(outcome)")
    #expect(try directory.names() == ["mneme.prom"])
    let metrics = try directory.read("mneme.prom")
    #expect(try promtool(metrics).status == 0)
    // A server that is away: cron has something to mail, and the collector goes on with the old file.
    let away = try Mneme(url: "unix:///nonexistent", prefix: "p").shell(command)
    #expect(away.status != 0 && !away.errors.isEmpty)
    #expect(try directory.read("mneme.prom") == metrics)
  }
}
