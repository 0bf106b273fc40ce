import Foundation
import TestSupport
import Testing

/// Tests of restoring backups: settings and entries with all data of an application, and no valid file replaced by an
/// empty one.
@Suite struct BackupTests {
  /// A cache with two namespaces, a quota and counters.
  private func sample(_ name: String = "source") throws -> CacheFixture {
    let fixture = try CacheFixture(name)
    try fixture.mneme.run("put", "q1", "r1")
    try fixture.mneme.run("put", "-n", "faq", "q2", "r2")
    try fixture.mneme.run("set-quota", "faq", "300")
    try fixture.mneme.run("set-quota", "gone", "7")
    for query in ["q1", "q1", "unknown"] { _ = try fixture.mneme.run(["get", "--exact", query]) }
    return fixture
  }

  /// The counters and quotas that `stats` shows, a line a namespace.
  private func figures(_ fixture: CacheFixture) throws -> [String] {
    let rows = try fixture.mneme.run("stats", "--json").json()["namespaces"].array ?? []
    return rows.map { row in
      let names = ["namespace", "quota", "hits_exact", "hits_semantic", "misses", "evictions", "expirations"]
      return names.map { "\(row[$0])" }.joined(separator: " ")
    }
  }

  // MARK: Settings

  @Test("quotas and counters come back with the entries in a new prefix")
  func settings() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    let exported = try fixture.mneme.run("export")
    let line = try exported.jsonLines()[0]
    #expect(
      line.keys == [
        "counters", "embedder_dim", "embedder_fingerprint", "exported_at", "key_prefix", "mneme_export",
        "quotas", "version",
      ])
    #expect(line["mneme_export"].int == 1 && line["key_prefix"].string == fixture.prefix)
    #expect(line["quotas"]["faq"].int == 300 && line["counters"]["default"]["hits_exact"].int == 2)
    #expect(try line["version"].int == fixture.version())
    let report = try copy.mneme.run(["import"], input: exported.output).expecting(0)
    #expect(
      report.outputText == "imported 2 entries, set 2 quotas, restored the counters of 1 namespace\n")
    #expect(try figures(copy) == figures(fixture))
    try copy.expectSound()
    let hits = try copy.redis.send("HGET", copy.key("counters:default"), "hits_exact").text
    #expect(hits == "2")
  }

  @Test("in an existing cache quotas are set and counters are not changed")
  func existingCache() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    try copy.mneme.run("put", "other", "r")
    try copy.mneme.run("get", "--exact", "other")
    try copy.mneme.run("set-quota", "faq", "5")
    let exported = try fixture.mneme.run("export").output
    let kept = try copy.mneme.run(["import", "--json", "--on-conflict", "skip"], input: exported).json()
    #expect(kept["quotas"].int == 1)
    #expect(try copy.mneme.run("set-quota", "faq", "--json").json()["quota"].int == 5)
    let report = try copy.mneme.run(["import", "--json"], input: exported).expecting(0).json()
    #expect(report["quotas"].int == 1 && report["imported"].int == 2)
    #expect(try copy.mneme.run("set-quota", "faq", "--json").json()["quota"].int == 300)
    #expect(try copy.mneme.run("stats", "--json").json()["hits_exact"].int == 1)
    #expect(try copy.mneme.run(["import", "--json"], input: exported).json()["quotas"].int == 0)
  }

  @Test("both export and import can leave out settings")
  func noSettings() throws {
    let fixture = try sample()
    let entries = try fixture.mneme.run("export", "--no-settings")
    #expect(try entries.jsonLines().map { $0["query"].string } == ["q1", "q2"])
    for (arguments, input) in [
      (["import"], entries.output), (["import", "--no-settings"], try fixture.mneme.run("export").output),
      (["import", "-n", "all"], try fixture.mneme.run("export").output),
    ] {
      let copy = try fixture.again(uniquePrefix("copy"))
      let outcome = try copy.mneme.run(arguments, input: input).expecting(0)
      #expect(outcome.outputText == "imported 2 entries\n", "\(outcome)")
      #expect(try copy.dump().names.allSatisfy { !$0.contains("quota") && !$0.contains("counters") })
    }
  }

  @Test("the settings are those of the exported namespaces, and files of several exports can be joined")
  func namespaces() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    _ = try fixture.mneme.run(["get", "--exact", "-n", "faq", "q2"])
    let faq = try fixture.mneme.run("export", "-n", "faq")
    #expect(try faq.jsonLines()[0]["quotas"].keys == ["faq"])
    #expect(try faq.jsonLines()[0]["counters"].keys == ["faq"])
    let rest = try fixture.mneme.run("export", "-n", "default")
    try copy.mneme.run(["import"], input: faq.output + rest.output).expecting(0)
    #expect(try figures(copy) == figures(fixture).filter { !$0.hasPrefix("\"gone\"") })
  }

  @Test("an import that continues after the settings still sets the quotas")
  func resumed() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    let exported = try fixture.mneme.run("export").output
    let lines = exported.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let broken = Array(lines[0..<2].joined(separator: [0x0A])) + Array("\n{\n".utf8)
    try copy.mneme.run(["import"], input: broken).expecting(65)
    #expect(try copy.mneme.run(["set-quota", "faq"]).status == 1)
    try copy.mneme.run(["import", "--since-line", "2"], input: exported).expecting(0)
    #expect(try figures(copy) == figures(fixture))
  }

  @Test("a cache without entries keeps its settings")
  func emptyCache() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    try fixture.mneme.run("clear", "--yes", "--all")
    let exported = try fixture.mneme.run("export", "--allow-empty")
    #expect(exported.outputLines.count == 1)
    // The file has quotas to import.
    #expect(try copy.mneme.run(["import"], input: exported.output).expecting(0).errors.isEmpty)
    #expect(try figures(copy) == figures(fixture))
    #expect(
      try copy.redis.send("HGET", copy.key("meta"), "embedder_fingerprint").text
        == "mneme:hashed-ngrams-v1:dim384")
  }

  @Test(
    "settings that cannot be read end the import before anything is stored",
    arguments: [
      (#"{"mneme_export":2,"key_prefix":"p"}"#, "format 2"), (#"{"mneme_export":"1"}"#, "'mneme_export'"),
      (#"{"mneme_export":1,"quotas":{"a":0}}"#, "'quotas'"),
      (#"{"mneme_export":1,"quotas":[1]}"#, "'quotas'"),
      (#"{"mneme_export":1,"counters":{"a":{"misses":-1}}}"#, "'counters'"),
      (#"{"mneme_export":1,"embedder_dim":"x"}"#, "'embedder_dim'"),
    ])
  func wrongSettings(line: String, mentions: String) throws {
    let fixture = try CacheFixture("wrong")
    let input = Array((line + "\n" + #"{"id":1,"query":"q","response":"r"}"# + "\n").utf8)
    let complaint = try fixture.refusal(of: ["import"], input: input, status: 65)
    #expect(complaint.message.contains("line 1") && complaint.message.contains(mentions), "\(complaint)")
    #expect(try fixture.dump().isEmpty)
  }

  // MARK: Nothing to export

  @Test("an export without entries ends with 1 and keeps the old file")
  func nothing() throws {
    let fixture = try sample()
    let directory = try TemporaryDirectory()
    let path = try directory.write("yesterday".utf8, to: "cache.jsonl")
    let wrong = try fixture.again(uniquePrefix("wrong"))
    for outcome in [
      try wrong.mneme.run("export", "-o", path, expecting: 1),
      try wrong.mneme.run("export", "--allow-empty", "-o", path, expecting: 1),
      try fixture.mneme.run("export", "-n", "nosuch", "-o", path, expecting: 1),
      try fixture.mneme.run("export", "-n", "nosuch", "--format", "csv", expecting: 1),
      try wrong.mneme.run("export", expecting: 1),
    ] {
      #expect(outcome.output.isEmpty && outcome.errorText.contains("nothing to export"), "\(outcome)")
      #expect(try directory.read("cache.jsonl") == Array("yesterday".utf8))
      #expect(try directory.names() == ["cache.jsonl"])
    }
    let text = try fixture.mneme.run("export", "-n", "nosuch", "-o", path, expecting: 1).errorText
    #expect(text.contains("nothing to export") && text.contains("was not written"))
    let report = try fixture.mneme.run("export", "--allow-empty", "-n", "nosuch", "-o", path)
    #expect(report.outputText.hasPrefix("exported 0 entries to "))
    #expect(try directory.read("cache.jsonl").starts(with: "{\"mneme_export\":1,".utf8))
  }

  @Test("the name of a compressed file is refused with a pipe that works", arguments: ["gz", "xz"])
  func compressed(suffix: String) throws {
    let fixture = try sample()
    let directory = try TemporaryDirectory()
    let path = directory.path("it's \(suffix).jsonl.\(suffix)")
    let complaint = try refusal(status: 64) { try fixture.mneme.run($0 + ["export", "-o", path]) }
    let pipe = try #require(
      complaint.remediation.range(of: "set -o").map { complaint.remediation[$0.lowerBound...] })
    #expect(try directory.names() == [])
    let line = String(pipe.prefix(while: { $0 != "\n" }))
    try fixture.mneme.shell(line).expecting(0)
    #expect(try directory.names() == ["it's \(suffix).jsonl.\(suffix)"])
    // Follows the advice of the import.
    let copy = try fixture.again(uniquePrefix("copy"))
    let advice = try copy.refusal(of: ["import", path], status: 65).remediation
    let back = try #require(advice.range(of: "Convert it: ").map { String(advice[$0.upperBound...]) })
    try copy.mneme.shell(back).expecting(0)
    #expect(try figures(copy) == figures(fixture))
  }

  // MARK: Byte for byte

  /// Fields that an application may have stored, and `put` refuses.
  static let odd: [(field: String, value: String)] = [
    ("response", ""), ("response", " \n"), ("response", "[ERROR] no answer"), ("response", "[LLM Error] x"),
    ("query", ""), ("query", String(repeating: "long ", count: 10_000)),
    ("response", String(repeating: "r", count: 5 << 20)),
    ("metadata", "{\"a\":\"\(String(repeating: "m", count: 70_000))\"}"), ("ttl", "9999999999999"),
    ("created_at", "1700000000000"), ("last_accessed_at", "-5"), ("access_count", "-3"),
    ("last_accessed_at", "9223372036854775807"),
  ]

  @Test("all data of an application is restored byte for byte, with a warning")
  func oddEntries() throws {
    let (fixture, copy) = (try CacheFixture("source"), try CacheFixture("copy"))
    for (index, odd) in Self.odd.enumerated() {
      try fixture.mneme.run("put", "q\(index)", "r")
      try fixture.redis.send("HSET", fixture.key("entry:\(index + 1)"), odd.field, odd.value)
    }
    let exported = try fixture.mneme.run("export")
    #expect(
      exported.errorText.hasPrefix("mneme: warning: 4 entries, first entry 1, were exported, although 'get'"),
      "\(exported.errorText)")
    let report = try copy.mneme.run(["import"], input: exported.output).expecting(0)
    #expect(report.outputText == "imported \(Self.odd.count) entries\n")
    #expect(report.errorText.contains("kept as exported, although 'put' would refuse"), "\(report.errorText)")
    for id in 1...Self.odd.count {
      let (new, old) = (try copy.fields(of: id), try fixture.fields(of: id))
      #expect(new == old, "\(Self.odd[id - 1].field)")
    }
    let trial = try copy.mneme.run(["import", "--dry-run", "--json"], input: exported.output).json()
    #expect(trial["same"].int == Self.odd.count && trial["changed"].int == 0, "\(trial)")
  }

  @Test("lines of another source that put would refuse end an import, or are skipped and counted")
  func invalidLines() throws {
    let fixture = try CacheFixture("elsewhere")
    let lines = [
      #"{"query":"q1","response":"r1"}"#, #"{"query":"q2","response":"[ERROR] x"}"#,
      #"{"query":"q3"}"#, #"{"query":"q4","response":"r4","ttl":0}"#, #"{"query":"q5","resp"#,
      #"{"query":"q6","response":"r6","namespace":""}"#, #"{"query":"q7","response":"r7"}"#,
      #"{"query":"q8","response":"r8","embedding":[1,0]}"#,
      #"{"query":"q9","response":"r9","embedding":[0,0]}"#,
    ]
    let input = Array((lines.joined(separator: "\n") + "\n").utf8)
    // Runs once, since the server's mark in the advice differs after each run.
    let complaint = try Complaint(text: fixture.mneme.run(["import"], input: input).expecting(65))
    #expect(complaint.message.contains("line 2"), "\(complaint)")
    let skipped = try fixture.mneme.run(["import", "--on-invalid", "skip"], input: input).expecting(0)
    #expect(skipped.outputText.hasPrefix("imported 2 entries, "), "\(skipped)")
    #expect(skipped.outputText.hasSuffix("left out 7 that cannot be stored\n"), "\(skipped)")
    #expect(
      skipped.errorText.contains("7 lines, first line 2, were left out, because they cannot be stored: "),
      "\(skipped)")
    #expect(try fixture.entryCount() == 2)
    let json = try fixture.mneme.run(["import", "--json", "--on-invalid", "skip"], input: input).json()
    #expect(json["imported"].int == 2 && json["replaced"].int == 2 && json["invalid"].int == 7)
    let table = "query,response\nq,r\nempty,\n,r\n"
    let rows = try fixture.mneme.run(
      ["import", "--format", "csv", "--json", "--on-invalid", "skip"], input: Array(table.utf8))
    #expect(try rows.expecting(0).json()["invalid"].int == 2)
    // A file without any valid line is probably the wrong file.
    let wrong = try fixture.mneme.run(["import", "--on-invalid", "skip"], input: Array("a\nb\n".utf8))
    #expect(wrong.status == 65, "\(wrong)")
  }

  @Test("an embedder that cannot run is an error even if invalid lines are skipped")
  func embedderError() throws {
    let fixture = try CacheFixture("embedder")
    let line = Array((#"{"query":"q","response":"r","embedder_fingerprint":"my:model"}"# + "\n").utf8)
    let outcome = try fixture.mneme.run(["import", "--on-invalid", "skip"], input: line)
    #expect(outcome.status != 0 && outcome.errorText.contains("line 1"), "\(outcome)")
    #expect(try fixture.dump().isEmpty)
  }

  // MARK: Trial

  @Test("a dry run reports new, changed and equal entries, in text and JSON")
  func trial() throws {
    let fixture = try CacheFixture("trial")
    for number in 1...5 { try fixture.mneme.run("put", "q\(number)", "r\(number)", "--ttl", "1h") }
    let exported = try fixture.mneme.run("export").output
    func report(_ arguments: String...) throws -> JSONValue {
      try fixture.mneme.run(["import", "--dry-run", "--json"] + arguments, input: exported).expecting(0)
        .json()
    }
    #expect(try report()["same"].int == 5)
    try fixture.mneme.run("put", "q1", "another")
    try fixture.mneme.run("delete", "q2", "q3")
    try fixture.redis.send("HSET", fixture.key("entry:4"), "access_count", "9")
    let before = try fixture.dump()
    let counts = try report()
    #expect(
      counts["new"].int == 2 && counts["changed"].int == 2 && counts["same"].int == 1, "\(counts)")
    #expect(counts["changed_uses"].int == 1, "\(counts)")
    let text = try fixture.mneme.run(["import", "--dry-run"], input: exported).expecting(0).outputText
    #expect(
      text.split(separator: "\n") == [
        "LINE  CHANGE   NAMESPACE  QUERY", "   2  changed  default    q1", "   3  new      default    q2",
        "   4  new      default    q3",
        "dry run: 2 new, 2 changed (1 of them only in their uses), 1 the same",
      ])
    let skip = try report("--on-conflict", "skip")
    #expect(skip["new"].int == 2 && skip["skipped"].int == 2 && skip["same"].int == 1, "\(skip)")
    #expect(
      try fixture.mneme.run(["import", "--dry-run", "--on-conflict", "fail"], input: exported).status == 65)
    #expect(try fixture.dump() == before)
  }

  @Test("a dry run counts the second line of a query as an import does")
  func repeatedQuery() throws {
    let fixture = try CacheFixture("repeated")
    let lines = try jsonLine(["query": "d", "response": "1"]) + jsonLine(["query": "D", "response": "2"])
    func run(_ arguments: String...) throws -> Outcome {
      try fixture.mneme.run(["import", "--json"] + arguments, input: Array(lines.utf8))
    }
    let replacing = try run("--dry-run").expecting(0).json()
    #expect(replacing["new"].int == 1 && replacing["changed"].int == 1, "\(replacing)")
    let skipping = try run("--dry-run", "--on-conflict", "skip").expecting(0).json()
    #expect(skipping["new"].int == 1 && skipping["skipped"].int == 1, "\(skipping)")
    let failing = try run("--dry-run", "--on-conflict", "fail").expecting(65)
    #expect(failing.errorText.contains("line 2: the query is already on an earlier line"), "\(failing)")
    let real = try run().expecting(0).json()
    #expect(real["imported"].int == 2 && real["replaced"].int == 1, "\(real)")
  }
}

/// The page of the manual about backups.
@Suite("The manual page about backups")
struct BackupManualTests {
  @Test(
    "has a script for cron that keeps the backups of some days, also if there is nothing to export")
  func script() throws {
    let text = try #require(
      try Documents.blocks(ofManual: "mneme-backup.7").first { $0.hasPrefix("#!/bin/sh") })
    let fixture = try CacheFixture("nightly")
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let script = text.replacing("/usr/local/bin/mneme", with: "'\(Mneme.binary)'")
      .replacing("-u redis://localhost:6379/0", with: "-u '\(fixture.mneme.url)' -p '\(fixture.prefix)'")
      .replacing("/var/backups/mneme", with: directory.path)
    try directory.write(script.utf8, to: "mneme-backup")
    func run() throws -> Outcome {
      try ChildProcess(
        ["/bin/sh", directory.path("mneme-backup")],
        environment: ["PATH": "/usr/bin:/bin", "HOME": directory.path]
      ).finish()
    }
    for name in ["cache-2020-01-01.jsonl.gz", "other.jsonl.gz"] {
      try directory.write("old".utf8, to: name)
      try ChildProcess(["touch", "-d", "20 days ago", directory.path(name)]).finish().expecting(0)
    }
    let outcome = try run()
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    let names = try directory.names()
    #expect(names.count == 3 && !names.contains("cache-2020-01-01.jsonl.gz"), "\(names)")
    let copy = try fixture.again(uniquePrefix("copy"))
    let backup = try #require(names.first { $0.hasPrefix("cache-") })
    try copy.mneme.shell("gzip -dc '\(directory.path(backup))' | mneme import").expecting(0)
    #expect(try copy.fields(of: 1) == fixture.fields(of: 1))
    // If the cache is lost, the backups stay.
    try fixture.mneme.run("clear", "--yes", "--all")
    try directory.write("old".utf8, to: "cache-2020-01-01.jsonl.gz")
    try ChildProcess(["touch", "-d", "20 days ago", directory.path("cache-2020-01-01.jsonl.gz")]).finish()
      .expecting(0)
    #expect(try run().status == 1)
    #expect(try directory.names().contains("cache-2020-01-01.jsonl.gz"))
    #expect(try directory.names().contains(backup))
  }
}
