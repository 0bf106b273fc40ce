import Foundation
import TestSupport
import Testing

@Suite("Finding, showing and changing entries") struct SelectionTests {
  /// Ten entries: odd ones in `faq` and with a time to live of an hour, each third with a source.
  static func fixture() throws -> CacheFixture {
    let fixture = try CacheFixture("selected", configuration: [])
    let lines = (1...10).map { number in
      let place = number % 2 == 1 ? ",\"namespace\":\"faq\",\"ttl\":3600" : ""
      let source = number % 3 == 0 ? ",\"metadata\":{\"source\":\"old\"}" : ""
      return "{\"query\":\"question \(number)\",\"response\":\"answer \(number)\"\(place)\(source)}\n"
    }
    try fixture.mneme.run("import", input: lines.joined())
    return fixture
  }

  static func ids(_ mneme: Mneme, _ words: String...) throws -> [Int] {
    let outcome = try mneme.run(["list", "--json"] + words)
    return try outcome.outputLines.map { try JSONValue($0)["id"].int ?? 0 }
  }

  @Test("list shows the entries that match, and ends with 1 if none does")
  func list() throws {
    let fixture = try Self.fixture()
    #expect(try Self.ids(fixture.mneme) == Array(1...10))
    #expect(try Self.ids(fixture.mneme, "-n", "faq") == [1, 3, 5, 7, 9])
    #expect(try Self.ids(fixture.mneme, "--expires-within", "2h") == [1, 3, 5, 7, 9])
    #expect(try Self.ids(fixture.mneme, "--no-ttl", "--metadata", "source=old") == [6])
    #expect(try Self.ids(fixture.mneme, "--contains", "ANSWER 1") == [1, 10])
    #expect(try Self.ids(fixture.mneme, "--id", "3", "4", "77") == [3, 4])
    #expect(try Self.ids(fixture.mneme, "--sort", "id", "--reverse", "--limit", "2") == [10, 9])
    try fixture.mneme.run("get", "question 4")
    #expect(try Self.ids(fixture.mneme, "--sort", "uses", "--limit", "1") == [4])
    #expect(try Self.ids(fixture.mneme, "--min-uses", "1") == [4])
    let none = try fixture.mneme.run("list", "--contains", "nothing of the kind", expecting: 1)
    #expect(none.output.isEmpty)
    #expect(none.errorText.contains("no entry matches"))
    let table = try fixture.mneme.run("list", "--limit", "1").outputLines
    #expect(table.count == 2)
    #expect(table[1].contains("question 1") && table[1].contains("answer 1"))
  }

  @Test("list and export select the same entries")
  func export() throws {
    let fixture = try Self.fixture()
    for words in [["-n", "faq"], ["--metadata", "source"], ["--query-contains", "question 1"]] {
      let exported = try fixture.mneme.run(["export", "--no-settings", "--embeddings", "none"] + words)
        .outputLines
      let listed = try fixture.mneme.run(["list", "--json"] + words).outputLines
      #expect(try exported.map { try JSONValue($0)["id"].int } == listed.map { try JSONValue($0)["id"].int })
      #expect(!exported.isEmpty)
    }
  }

  @Test("show prints everything about an entry, and ends with 1 if an id does not exist")
  func show() throws {
    let fixture = try Self.fixture()
    let text = try fixture.mneme.run("show", "3").outputText
    for part in ["entry 3", "question 3", "answer 3", "{\"source\":\"old\"}", "would serve it"] {
      #expect(text.contains(part), "\(text)")
    }
    let json = try fixture.mneme.run("show", "--json", "3").json()
    #expect(json["keys"]["by_id"].int == 3)
    #expect(json["verdict"].string == "served")
    #expect(try fixture.mneme.run("show", "3", "99", expecting: 1).errorText.contains("no entry 99"))
    try fixture.redis.send(
      "DEL",
      fixture.key(
        "hash:default:\(try fixture.mneme.run("show", "--json", "4").json()["query_hash"].string ?? "")"))
    let unreachable = try fixture.mneme.run("show", "--json", "4").json()
    #expect(unreachable["verdict"].string == "unreachable")
    try fixture.redis.send("HSET", fixture.key("entry:5"), "created_at", "soon")
    #expect(try fixture.mneme.run("show", "5", expecting: 65).outputText.contains("created_at"))
    let damaged = try fixture.mneme.run("show", "--json", "5", expecting: 65).json()["keys"]
    #expect(damaged["hash"].isNull && damaged["hash_id"].isNull, "\(damaged)")
    #expect(try fixture.mneme.run("show", "--json", "99", expecting: 1).json().array?.isEmpty == true)
  }

  @Test("delete removes exactly a selection, and asks if there is a terminal")
  func delete() throws {
    let fixture = try Self.fixture()
    #expect(
      try fixture.mneme.run("delete", "--metadata", "source", expecting: 64).errorText.contains("--yes"))
    #expect(try fixture.mneme.run("delete", expecting: 64).errorText.contains("is missing"))
    let dry = try fixture.mneme.run("delete", "--metadata", "source", "--dry-run").outputText
    #expect(dry.contains("question 3") && dry.contains("would delete 3 entries"))
    #expect(try fixture.entryCount() == 10)
    #expect(
      try fixture.mneme.run("delete", "--metadata", "source", "--yes", "--json").json()["deleted"].int == 3)
    #expect(try Self.ids(fixture.mneme) == [1, 2, 4, 5, 7, 8, 10])
    try fixture.mneme.run("delete", "--metadata", "source", "--yes", expecting: 1)
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("set-ttl changes every value that decides when an entry expires")
  func setTTL() throws {
    let fixture = try Self.fixture()
    #expect(
      try fixture.mneme.run("set-ttl", "1h", expecting: 64).errorText.contains("no entries are selected"))
    let changed = try fixture.mneme.run("set-ttl", "2h", "--id", "1", "2", "--yes", "--json").json()
    #expect(changed["changed"].int == 2)
    for id in [1, 2] {
      let created =
        Int(try fixture.redis.send("HGET", fixture.key("entry:\(id)"), "created_at").text ?? "") ?? 0
      let ttl = Int(try fixture.redis.send("HGET", fixture.key("entry:\(id)"), "ttl").text ?? "") ?? 0
      let score = try fixture.redis.send("ZSCORE", fixture.key("by_ttl"), "\(id)").text
      #expect(score == "\(created + ttl)")
      #expect((7200...7260).contains(ttl))
    }
    try fixture.mneme.run("set-ttl", "never", "-n", "faq", "--yes")
    #expect(try fixture.redis.send("ZRANGE", fixture.key("by_ttl"), "0", "-1").texts == ["2"])
    #expect(
      try fixture.mneme.run("set-ttl", "9h", "--id", "2", "--only-shorten", "--yes", "--json").json()[
        "unchanged"
      ].int == 1)
    try fixture.mneme.run("set-ttl", "1h", "--id", "4", "--native-ttl", "--yes")
    #expect((3500...3600).contains(Int(try fixture.redis.send("TTL", fixture.key("entry:4")).integer ?? 0)))
    try fixture.mneme.run("set-ttl", "never", "--id", "4", "--yes")
    #expect(try fixture.redis.send("TTL", fixture.key("entry:4")).integer == -1)
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("a dry run of set-ttl counts and shows the entries that would change")
  func trialOfTTL() throws {
    let fixture = try Self.fixture()
    let words = ["set-ttl", "2h", "--only-shorten", "--min-uses", "0"]
    let dry = try fixture.mneme.run(words + ["--dry-run"]).expecting(0).outputText
    #expect(dry.hasSuffix("\nwould change 5 entries, would leave 5 unchanged\n"), "\(dry)")
    #expect(dry.contains("question 2") && !dry.contains("question 3"), "\(dry)")
    let real = try fixture.mneme.run(words + ["--yes"]).expecting(0).outputText
    #expect(real == "changed 5 entries, left 5 unchanged\n")
    let nothing = try fixture.mneme.run(["set-ttl", "9h"] + words.dropFirst(2) + ["--dry-run"]).outputText
    #expect(nothing == "would change 0 entries, would leave 10 unchanged\n")
  }

  @Test("damaged entries are left out, with one warning that gives their number and a remedy that works")
  func damaged() throws {
    let fixture = try Self.fixture()
    try fixture.redis.send("HSET", fixture.key("entry:2"), "created_at", "soon")
    try fixture.redis.send("HSET", fixture.key("entry:3"), "access_count", "often")
    for words in [
      ["list"], ["list", "--sort", "size"], ["delete", "--contains", "question 1", "--dry-run"],
      ["set-ttl", "2h", "--yes", "--min-uses", "0"], ["delete", "--yes", "--query-contains", "question 1"],
    ] {
      let outcome = try fixture.mneme.run(words).expecting(0)
      #expect(outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errorText.contains("It and 1 other damaged entry are left out. "), "\(outcome)")
    }
    #expect(try fixture.entryCount() == 8)
    let advice = try fixture.mneme.run("list").errorText
    let remedy = try #require(advice.firstMatch(of: #/'mneme (delete --id 2)'/#)).1
    try fixture.mneme.run(remedy.split(separator: " ").map(String.init)).expecting(0)
    let rest = try fixture.mneme.run("list").errorText
    #expect(rest.contains(" It is left out. "), "\(rest)")
    try fixture.mneme.run("delete", "--id", "3")
    #expect(try fixture.mneme.run("list").errors.isEmpty)
  }

  @Test("if a file name is given instead of ids, the error names the option that reads a file")
  func fileName() throws {
    let fixture = try CacheFixture("misplaced")
    let text = try fixture.mneme.run("export", "cache.jsonl", expecting: 64).errorText
    #expect(text.contains("'cache.jsonl'") && text.contains("-o FILE"), "\(text)")
  }

  @Test(
    "a contradictory or meaningless selection is a usage error",
    arguments: [
      ["--no-ttl", "--expires-within", "1h"], ["--older-than", "2d", "--newer-than", "1d"],
      ["--min-uses", "3", "--max-uses", "2"], ["--metadata", "a..b"], ["--contains", " "], ["--id", "x"],
      ["--larger-than", "12q"], ["--threshold", "0.5"], ["7"],
    ])
  func contradictions(words: [String]) throws {
    let fixture = try CacheFixture("contradicted")
    for command in ["list", "export"] { try fixture.mneme.run([command] + words).expecting(64) }
  }
}
