import Foundation
import TestSupport
import Testing

@Suite("Figures of use, expiry, age and savings in stats") struct StatsTests {
  /// Three namespaces: one in use, one old, one with leftovers of Redis's own expiry.
  private func fixture() throws -> CacheFixture {
    let fixture = try CacheFixture("figures")
    let entries: [(id: Int, line: [String: Any])] = [
      (1, ["namespace": "busy", "query": "a", "response": "r", "metadata": ["usage": ["tokens": 100]]]),
      (
        2,
        [
          "namespace": "busy", "query": "b", "response": "r", "metadata": ["usage": ["tokens": 2.5]],
          "ttl": 3600,
        ]
      ),
      (3, ["namespace": "busy", "query": "c", "response": "r", "metadata": ["usage": ["tokens": "7"]]]),
      (4, ["namespace": "old", "query": "a", "response": "r", "ttl": 864_000]),
      (5, ["namespace": "gone", "query": "a", "response": "r", "ttl": 60]),
      (6, ["namespace": "gone", "query": "b", "response": "r", "ttl": 60]),
    ]
    for (_, line) in entries { try fixture.mneme.run("import", "-q", input: jsonLine(line)) }
    for _ in 0..<3 { try fixture.mneme.run("get", "-n", "busy", "a") }
    for _ in 0..<2 { try fixture.mneme.run("get", "-n", "busy", "b") }
    try fixture.age(4, by: 5 * 86_400)
    try fixture.age([5, 6], by: 2 * 86_400)
    try fixture.redis.send("DEL", fixture.key("entry:5"))
    return fixture
  }

  @Test("each namespace has its figures, and leftovers are not entries")
  func figures() throws {
    let fixture = try fixture()
    let json = try fixture.mneme.run("stats", "--json").json()
    #expect(json["entries"].int == 5 && json["leftovers"].int == 1, "\(json)")
    #expect(json["used_24h"].int == 3 && json["expiring_24h"].int == 1, "\(json)")
    let age = Int(Date().timeIntervalSince1970) - (json["oldest_created_at"].int ?? 0)
    #expect((5 * 86_400...5 * 86_400 + 300).contains(age))
    let rows = try #require(json["namespaces"].array)
    #expect(rows.map { $0["namespace"].string } == ["busy", "gone", "old"])
    #expect(rows.map { $0["entries"].int } == [3, 1, 1])
    #expect(rows.map { $0["leftovers"].int } == [0, 1, 0])
    #expect(rows.map { $0["used_24h"].int } == [3, 0, 0])
    #expect(rows.map { $0["expiring_24h"].int } == [1, 0, 0])
    let one = try fixture.mneme.run("stats", "--json", "-n", "busy").json()
    #expect(one["expiring_24h"].int == 1 && one["used_24h"].int == 3 && one["leftovers"].int == 0, "\(one)")
    #expect(one["expired_pending"].int == 0, "\(one)")
    let gone = try fixture.mneme.run("stats", "--json", "-n", "gone").json()
    #expect(gone["expired_pending"].int == 1, "\(gone)")
    let text = try fixture.mneme.run("stats").outputText
    #expect(
      text.contains("the oldest 5d") && text.contains("24 hours  3 put or used, 1 will expire\n"), "\(text)")
    #expect(text.contains("leftovers 1 of Redis's own expiry, until the next vacuum"), "\(text)")
    try fixture.mneme.run("vacuum")
    let swept = try fixture.mneme.run("stats").outputText
    #expect(!swept.contains("LEFTOVERS") && !swept.contains("leftovers"), "\(swept)")
  }

  @Test(
    "--sort lists the largest figure first, or the oldest entry, or names in order",
    arguments: [
      ("namespace", ["busy", "gone", "old"]), ("used", ["busy", "gone", "old"]),
      ("oldest", ["old", "gone", "busy"]), ("leftovers", ["gone", "busy", "old"]),
      ("hits", ["busy", "gone", "old"]), ("entries", ["busy", "gone", "old"]),
    ])
  func sort(by order: String, expected: [String]) throws {
    let json = try fixture().mneme.run("stats", "--json", "--sort", order).json()
    #expect(json["namespaces"].array?.compactMap { $0["namespace"].string } == expected)
  }

  @Test("--savings sums a number in the metadata times the uses, and counts entries without it separately")
  func savings() throws {
    let fixture = try fixture()
    let json = try fixture.mneme.run("stats", "--json", "--savings", "usage.tokens").json()
    #expect(json["saved"].double == 305 && json["without_number"].int == 3, "\(json)")
    let rows = try #require(json["namespaces"].array)
    #expect(rows.map { $0["saved"].double } == [305, nil, nil])
    #expect(rows.map { $0["without_number"].int } == [1, 1, 1])
    let text = try fixture.mneme.run("stats", "--savings", "usage.tokens").outputText
    #expect(text.contains("saved     305 of 'usage.tokens', 3 entries without it"), "\(text)")
    for path in ["", ".", "usage.", "a..b"] {
      try fixture.refusal(of: ["stats", "--savings", path], status: 64)
    }
    try fixture.refusal(of: ["stats", "--sort", "saved"], status: 64)
  }

  @Test("figures of use are metrics, counted by Redis at the same cost for many entries as for few")
  func metrics() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "r", "--ttl", "1h")
    let monitor = try Monitor(server)
    func commands() throws -> [String] {
      _ = try monitor.commands()
      let text = try fixture.mneme.run("stats", "--prometheus").outputText
      #expect(
        text.contains("\nmneme_used_24h{key_prefix=\"\(fixture.prefix)\",namespace=\"default\"} "), "\(text)")
      #expect(text.contains("\nmneme_expiring_24h{key_prefix=\"\(fixture.prefix)\"} "), "\(text)")
      return try monitor.commands().map(\.name)
    }
    let few = try commands()
    try fixture.mneme.run(["import"], input: importLines(0..<300, ttl: 3600)).expecting(0)
    #expect(try commands() == few)
    #expect(
      try fixture.mneme.run("stats", "--prometheus").outputText.contains(
        "expiring_24h{key_prefix=\"\(fixture.prefix)\"} 301\n"))
  }

  @Test(
    "--watch prints a line for each interval until it is interrupted, and shows late counts of Python separately"
  )
  func watch() throws {
    let fixture = try fixture()
    let watch = try fixture.mneme.start(["stats", "--watch=2s", "--json"])
    _ = try watch.readLine()
    // First, while it pauses: it reads these counters after the others, and a change in between would count twice.
    try fixture.redis.send("HSET", fixture.key("meta"), "counters", #"{"old:misses":5}"#)
    try fixture.mneme.run("put", "-n", "busy", "new", "r")
    try fixture.mneme.run("get", "-n", "busy", "a")
    var (added, hits, late, used, writes) = (0, 0.0, 0, 0.0, 0.0)
    for _ in 0..<60 where added == 0 || hits == 0 || late == 0 || used == 0 {
      let line = try JSONValue(try #require(try watch.readLine()))
      #expect(line["namespaces"].array?.count == 3)
      added += line["entries_added"].int ?? 0
      hits += (line["hits_per_second"].double ?? 0) * (line["interval_seconds"].double ?? 0)
      late += line["late_lookups"].int ?? 0
      used += line["used_per_second"].double ?? 0
      writes += (line["writes_per_second"].double ?? 0) * (line["interval_seconds"].double ?? 0)
      #expect(line["misses_per_second"].double == 0, "a miss that Python counts is not one of this interval")
    }
    #expect(added == 1 && hits.rounded() == 1 && late == 5 && used > 0 && writes.rounded() == 1)
    watch.signal(SIGINT)
    #expect(try watch.finish().status == 130)
    let lines = try fixture.mneme.start(["stats", "--watch"])
    let line = try #require(try lines.readLine())
    #expect(line.contains(" UTC  ") && line.contains("entries (+0)"), "\(line)")
    #expect(line.contains("hits 0.0/s"), "\(line)")
    lines.closeOutput()
    lines.signal(SIGTERM)
    _ = try lines.finish()
    try fixture.mneme.with(prefix: "nothing").run("stats", "--watch", expecting: 1)
    let absent = try fixture.mneme.run("stats", "--watch", "-n", "nothing", expecting: 1)
    #expect(absent.errorText.contains("there is no namespace 'nothing'"), "\(absent)")
    for words in [
      ["--watch=0s"], ["--watch", "5s"], ["--watch", "--prometheus"], ["--watch", "--all-caches"],
    ] {
      try fixture.refusal(of: ["stats"] + words, status: 64)
    }
  }
}
