import Foundation
import TestSupport
import Testing

/// Tests of `export` and `import`: exported entries are imported unchanged.
@Suite struct ExportAndImportTests {
  @Test("an exported line has every field of an entry")
  func line() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(
      "put", "-n", "faq", "q?", "r\n", "--ttl", "1h", "--metadata", #"{"n":1e400,"z":-0.0}"#)
    let outcome = try fixture.mneme.run("export", "--no-settings")
    #expect(outcome.outputLines.count == 1)
    #expect(outcome.outputText.contains(#"{"n":1e400,"z":-0.0}"#))
    let json = try outcome.json()
    #expect(
      json.keys == [
        "access_count", "created_at", "embedder_fingerprint", "embedding", "id", "last_accessed_at",
        "metadata",
        "namespace", "query", "query_hash", "response", "ttl",
      ])
    #expect(json["id"].int == 1)
    #expect(json["query"].string == "q?")
    #expect(json["response"].string == "r\n")
    #expect(json["ttl"].int == 3600)
    let embedding = try #require(json["embedding"].string.flatMap { Data(base64Encoded: $0) })
    #expect(Array(embedding) == (try fixture.redis.send("HGET", fixture.key("entry:1"), "embedding").bytes))
  }

  @Test("export and import keep every field of every entry except the id, in another prefix")
  func roundTrip() throws {
    let fixture = try CacheFixture("from")
    let copy = try CacheFixture("to")
    let texts = [
      "plain", "nul \0", "\u{1F9E0} e\u{301} \u{e9}", "line\nline", #"{"json": "\u0000"}"#, "\u{7f}\u{202E}",
    ]
    for (index, text) in texts.enumerated() {
      try fixture.mneme.run(
        "put", "-n", index.isMultiple(of: 2) ? "default" : "a:*|b", "query \(index)", "--ttl",
        "\(1000 + index)",
        "--metadata", #"{"b":12345678901234567890,"a":[0.10,1E5,-0.0,"\u00e9"],"b":2}"#, input: text)
      try fixture.mneme.run(
        "get", "--exact", "-n", index.isMultiple(of: 2) ? "default" : "a:*|b", "query \(index)")
    }
    // An id lower than the last is free, so that the copy's ids must differ.
    try fixture.mneme.run("delete", "query 0")
    let exported = try fixture.mneme.run("export", "--no-settings")
    #expect(exported.outputLines.count == 5)
    let json = try copy.mneme.run(["import", "--json"], input: exported.output).expecting(0).json()
    #expect(json.keys == ["dry_run", "evicted", "imported", "invalid", "quotas", "replaced", "skipped"])
    #expect(json["imported"].int == 5)
    let withoutID = /^\{"id":\d+/
    func lines(_ outcome: Outcome) -> [String] {
      outcome.outputLines.map { $0.replacing(withoutID, with: "") }
    }
    #expect(lines(try copy.mneme.run("export", "--no-settings")) == lines(exported))
    for field in ["embedder_fingerprint", "embedder_dim", "schema_version"] {
      let found = try copy.redis.send("HGET", copy.key("meta"), field).text
      #expect(try found == fixture.redis.send("HGET", fixture.key("meta"), field).text)
    }
    for id in 1...5 { #expect(try copy.fields(of: id) == (try fixture.fields(of: id + 1))) }
    #expect(try copy.version() == 5)
  }

  @Test("an exported file gets its name only when it is complete")
  func file() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let report = try fixture.mneme.run(
      "export", "--no-settings", "-o", directory.path("out.jsonl"), "--json"
    ).json()
    #expect(report.keys == ["bytes", "exported", "version_end", "version_start"])
    #expect(report["exported"].int == 1)
    #expect(try directory.names() == ["out.jsonl"])
    #expect(try directory.read("out.jsonl") == (try fixture.mneme.run("export", "--no-settings").output))
    #expect(report["bytes"].int == (try directory.read("out.jsonl").count))
  }

  @Test("export makes a file for its owner alone, with any umask", arguments: ["0000", "0022", "0777"])
  func permissions(mask: String) throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    for format in ["jsonl", "csv"] {
      let outcome = try fixture.mneme.shell(
        "umask \(mask); mneme export --format \(format) -o '\(directory.path(format))'")
      #expect(outcome.status == 0, "\(outcome)")
      var status = stat()
      #expect(lstat(directory.path(format), &status) == 0 && status.st_mode == S_IFREG | 0o600)
    }
    #expect(try directory.names() == ["csv", "jsonl"])
  }

  @Test("export follows no link to a file, and writes to a pipe and to standard output by their names")
  func links() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "the answer")
    let directory = try TemporaryDirectory()
    try directory.write("precious".utf8, to: "target")
    for target in ["target", "nothing"] {
      symlink(target, directory.path("link"))
      let complaint = try refusal(status: 73, type: "FileError") {
        try fixture.mneme.run($0 + ["export", "-o", directory.path("link")])
      }
      #expect(complaint.message.contains("symbolic link"), "\(complaint)")
      #expect(try directory.read("target") == Array("precious".utf8))
      #expect(try directory.names() == ["link", "target"])
      unlink(directory.path("link"))
    }
    for line in [
      "mneme -q export -o /dev/stdout | cat", "mneme -q export -o >(cat); wait $!",
      "mkfifo '\(directory.path("pipe"))'; cat '\(directory.path("pipe"))' & "
        + "mneme -q export -o '\(directory.path("pipe"))'; wait",
    ] {
      let outcome = try fixture.mneme.shell(line)
      #expect(outcome.status == 0 && outcome.outputText.contains("the answer"), "\(outcome)")
    }
  }

  @Test("export selects by namespace and id, and leaves out expired entries")
  func selection() throws {
    let fixture = try CacheFixture()
    for number in 1...4 {
      try fixture.mneme.run("put", "-n", "ns\(number % 2)", "q\(number)", "r", "--ttl", "1h")
    }
    try fixture.age(2, by: 3600)
    func ids(_ arguments: String...) throws -> [Int?] {
      try fixture.mneme.run(["export", "--no-settings"] + arguments).expecting(0).jsonLines().map {
        $0["id"].int
      }
    }
    let before = try fixture.dump()
    #expect(try ids() == [1, 3, 4])
    #expect(try ids("--include-expired") == [1, 2, 3, 4])
    #expect(try ids("-n", "ns1") == [1, 3])
    #expect(try ids("--since-id", "1") == [3, 4])
    #expect(try fixture.mneme.run("export", "-n", "nothing", expecting: 1).output.isEmpty)
    #expect(try fixture.dump() == before)
  }

  @Test("an export without entries says so even with --quiet, and names a namespace that does not exist")
  func nothing() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let path = directory.path("out")
    let quiet = try fixture.mneme.run("-q", "export", "--contains", "no such text", "-o", path, expecting: 1)
    #expect(quiet.errorText == "mneme: nothing to export; the file '\(path)' was not written\n", "\(quiet)")
    let empty = try fixture.mneme.run("export", "-n", "nothing", "--allow-empty", "-o", path)
    #expect(empty.errorText.contains("there is no namespace 'nothing'"), "\(empty)")
    #expect(try directory.names() == ["out"])
  }

  @Test("export writes embeddings as asked")
  func embeddings() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    #expect(
      try fixture.mneme.run("export", "--no-settings", "--embeddings", "none").jsonLines()[0]["embedding"]
        .isNull)
    let array = try fixture.mneme.run("export", "--no-settings", "--embeddings", "array").jsonLines()[0][
      "embedding"
    ].array
    #expect(array?.count == 384)
    let copy = try CacheFixture("copy")
    let lines = try fixture.mneme.run("export", "--no-settings", "--embeddings", "array").output
    try copy.mneme.run(["import"], input: lines).expecting(0)
    #expect(
      try copy.redis.send("HGET", copy.key("entry:1"), "embedding")
        == (try fixture.redis.send("HGET", fixture.key("entry:1"), "embedding")), "numbers name the same bits"
    )
  }

  @Test("CSV has a heading, and fields are quoted where necessary")
  func csv() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "say \"hi\", please", "line\nline")
    let text = try fixture.mneme.run("export", "--no-settings", "--format", "csv").outputText
    #expect(text.hasPrefix("id,"))
    #expect(text.contains("\"say \"\"hi\"\", please\""))
    #expect(text.contains("\"line\nline\""))
  }

  @Test("import makes missing fields of a line like put")
  func bareLines() throws {
    let fixture = try CacheFixture()
    let lines =
      try jsonLine(["query": "q1", "response": "r1"]) + jsonLine(["query": "q2", "response": "r2"])
    let report = try fixture.mneme.run("import", "--json", "-", input: lines).json()
    #expect(report["imported"].int == 2)
    #expect(try fixture.mneme.run("get", "--exact", "Q2").outputText == "r2\n")
    let put = try CacheFixture("put")
    try put.mneme.run("put", "q1", "r1")
    var imported = try fixture.fields(of: 1)
    for (field, value) in try put.fields(of: 1) where !field.hasSuffix("_at") {
      #expect(imported.removeValue(forKey: field) == value, "\(field)")
    }
    #expect(imported.keys.sorted() == ["created_at", "last_accessed_at"])
  }

  @Test("import replaces, skips or fails on a query that already has an entry")
  func conflicts() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q1", "old")
    let lines =
      try jsonLine(["query": "new", "response": "new"]) + jsonLine(["query": "q1", "response": "new"])
    let skip = try fixture.mneme.run("import", "--json", "--on-conflict", "skip", input: lines).json()
    #expect(skip["skipped"].int == 1)
    #expect(try fixture.mneme.run("get", "--exact", "q1").outputText == "old\n")
    try fixture.mneme.run(["import", "--on-conflict", "fail"], input: Array(lines.utf8)).expecting(65)
    #expect(try fixture.mneme.run("get", "--exact", "q1").outputText == "old\n")
    let replace = try fixture.mneme.run("import", "--json", input: lines).json()
    #expect(replace["replaced"].int == 2)
    #expect(try fixture.mneme.run("get", "--exact", "q1").outputText == "new\n")
    #expect(try fixture.entryCount() == 2)
  }

  @Test("a JSON array, lines with a byte order mark and a table are imported like lines")
  func otherForms() throws {
    let fixture = try CacheFixture()
    let (a, b) = (#"{"query":"q1","response":"r1"}"#, #"{"query":"q2","response":"r2"}"#)
    for (arguments, input) in [
      ([], "[\n  \(a),\n  \(b)\n]\n"), ([], "\u{FEFF}\(a)\n\(b)\n"),
      (["--format", "csv"], "\u{FEFF}query;response\r\nq1;r1\r\n;\r\n\"q2\";\"r2\"\r\n"),
    ] {
      let copy = try fixture.again(uniquePrefix("form"))
      let report = try copy.mneme.run(["import", "--json"] + arguments, input: Array(input.utf8)).expecting(0)
      #expect(try report.json()["imported"].int == 2, "\(report)")
      #expect(try copy.fields(of: 1)["response"] == "r1" && copy.fields(of: 2)["response"] == "r2")
    }
    // Each run stores the valid element, and the line to continue with shows that.
    let broken = try Complaint(text: fixture.mneme.run("import", input: "[\(a),{}]", expecting: 65))
    #expect(broken.message.contains("standard input, element 2: "), "\(broken)")
    #expect(broken.remediation.contains("--since-line 1"), "\(broken)")
    let row = try fixture.refusal(
      of: ["import", "--format", "csv"], input: Array("query,response\nq,".utf8), status: 65)
    #expect(row.message.contains("standard input, row 2: "), "\(row)")
    let packed = try fixture.refusal(of: ["import"], input: [0x1F, 0x8B, 8, 0], status: 65)
    #expect(packed.remediation.contains("gzip -dc | mneme import"), "\(packed)")
  }

  @Test("an import reports the fields and columns that it has not read, and a file without entries")
  func unknownFields() throws {
    let fixture = try CacheFixture()
    let line = #"{"query":"u","response":"r","TTL":60,"embeding":[1]}"# + "\n"
    let outcome = try fixture.mneme.run(["import"], input: Array((line + line).utf8)).expecting(0)
    #expect(outcome.errorText.contains("first on line 1: TTL, embeding\n"), "\(outcome)")
    let table = "query,response,note\nq,r,n\n"
    let csv = try fixture.mneme.run(["import", "--format", "csv"], input: Array(table.utf8)).expecting(0)
    #expect(csv.errorText.contains("unknown columns were ignored: note"), "\(csv)")
    let quiet = try fixture.mneme.run(["-q", "import"], input: Array(line.utf8)).expecting(0)
    #expect(quiet.errorText.isEmpty)
    let nothing = try fixture.mneme.run(["import"], input: Array("\n\n".utf8)).expecting(0)
    #expect(nothing.errorText.contains("nothing to import"), "\(nothing)")
  }

  @Test("an import for an application that does not normalize queries is found by it")
  func noNormalize() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "--no-normalize", "Hello  World", "old")
    let lines =
      try jsonLine(["query": "Hello  World", "response": "new"])
      + jsonLine(["query": "Other  One", "response": "other"])
    let report = try fixture.mneme.run("import", "--no-normalize", "--json", input: lines).json()
    #expect(report["imported"].int == 2 && report["replaced"].int == 1)
    for (query, response) in [("Hello  World", "new\n"), ("Other  One", "other\n")] {
      #expect(try fixture.mneme.run("get", "--exact", "--no-normalize", query).outputText == response)
    }
    // The vector is that of the query without normalization, as `put` makes it.
    let put = try fixture.again(uniquePrefix("put"))
    try put.mneme.run("put", "--no-normalize", "Other  One", "other")
    func vector(_ fixture: CacheFixture) throws -> [UInt8]? {
      let hit = try fixture.mneme.run("get", "--exact", "--no-normalize", "--json", "Other  One").json()
      let id = try #require(hit["id"].int)
      return try fixture.redis.send("HGET", fixture.key("entry:\(id)"), "embedding").bytes
    }
    #expect(try vector(put) != nil && vector(put) == vector(fixture))
  }

  @Test("a dry run of import changes nothing")
  func dryRun() throws {
    let fixture = try CacheFixture()
    let lines = try jsonLine(["query": "q1", "response": "new"])
    let report = try fixture.mneme.run("import", "--json", "--dry-run", input: lines).json()
    #expect(report.keys == ["changed", "changed_uses", "dry_run", "invalid", "new", "same", "skipped"])
    #expect(report["new"].int == 1 && report["dry_run"].bool == true)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("more lines than one batch holds are imported, and the quota is kept")
  func manyLines() throws {
    let fixture = try CacheFixture()
    let lines = try (1...200).map { try jsonLine(["query": "query \($0)", "response": "r\($0)"]) }.joined()
    try fixture.mneme.run("import", input: lines)
    #expect(try fixture.entryCount() == 200)
    #expect(try fixture.version() == 200)
    #expect(try fixture.mneme.run("export", "--no-settings").outputLines.count == 200)
    let small = try CacheFixture("small")
    try small.mneme.run("set-quota", "default", "20")
    let report = try small.mneme.run("import", "--json", input: lines).json()
    let left = try small.entryCount()
    #expect(left <= 20)
    #expect(report["evicted"].int == 200 - left)
  }
}
