import Foundation
import TestSupport
import Testing

/// Exports and imports that end early, and continue without doing work twice.
@Suite struct ResumingTests {
  private func lines(_ numbers: ClosedRange<Int>) throws -> String {
    try numbers.map { try jsonLine(["query": "q\($0)", "response": "r\($0)"]) }.joined()
  }

  @Test("an import that was ended by a wrong line continues after the stored lines, and stores nothing twice")
  func afterBrokenLine() throws {
    let fixture = try CacheFixture()
    let broken = try lines(1...100) + "{broken\n" + lines(102...150)
    let complaint = try Complaint(text: fixture.mneme.run("import", input: broken, expecting: 65))
    #expect(complaint.message.contains("line 101:"))
    let since = try #require(
      complaint.remediation.firstMatch(
        of: #/The lines up to 100 are stored; continue with --since-line (100@[0-9a-f]{8}\.100)\.$/#)?.1,
      "\(complaint)")
    #expect(try fixture.entryCount() == 100)

    let repaired = try lines(1...150)
    let report = try fixture.mneme.run("import", "--since-line", String(since), "--json", input: repaired)
      .json()
    #expect(report["imported"].int == 50 && report["replaced"].int == 0)
    #expect(try fixture.entryCount() == 150)
    #expect(try fixture.version() == 150, "nothing was written twice")
  }

  @Test("the number of a line counts from the beginning of the file, also if lines are skipped")
  func numbers() throws {
    let fixture = try CacheFixture()
    let input = try lines(1...4) + "\n" + lines(6...7) + "{broken\n"
    let complaint = try Complaint(
      text: fixture.mneme.run("import", "--since-line", "2", input: input, expecting: 65))
    #expect(complaint.message.contains("line 8:"), "\(complaint)")
    #expect(complaint.remediation.contains("--since-line 7"))
    #expect(try fixture.entryCount() == 4)
  }

  @Test("a line beyond the file is an error, and the last one is not")
  func beyondTheFile() throws {
    let fixture = try CacheFixture()
    let input = try lines(1...3)
    #expect(
      try fixture.mneme.run("import", "--since-line", "3", "--json", input: input).json()["imported"].int == 0
    )
    for line in ["4", "99999999"] {
      let complaint = try Complaint(
        text: fixture.mneme.run("import", "--since-line", line, input: input, expecting: 65))
      #expect(complaint.message.contains("has 3 lines, and --since-line is \(line)"), "\(complaint)")
    }
    #expect(try fixture.entryCount() == 0)
    for typed in ["3@", "3@e3c4ecb6", "3@e3c4ecb.1", "3@e3c4ecb6.x", "@e3c4ecb6.1"] {
      try fixture.refusal(of: ["import", "--since-line", typed], status: 64)
    }
  }

  @Test(
    "an import continues on the server that has its lines, but not on another, a restarted or an emptied one"
  )
  func otherServer() throws {
    let (server, other) = (try RedisServer(), try RedisServer())
    let fixture = try CacheFixture(on: server, prefix: "p")
    let input = try lines(1...300)
    let importing = try fixture.mneme.start(["import"])
    try importing.write(lines(1...150).utf8)
    try eventually("some to be in") { try fixture.entryCount() >= 128 }
    importing.signal(SIGTERM)
    // Its input stays open, or it may be through before it sees the signal.
    let ended = try importing.finishWithoutInput()
    let since = try #require(
      ended.errorText.firstMatch(of: #/--since-line (\d+@[0-9a-f.]+\d)/#)?.1, "\(ended)")
    let again = ["import", "--since-line", String(since)]

    let elsewhere = try CacheFixture(on: other, prefix: "p")
    let refused = try Complaint(text: elsewhere.mneme.run(again, input: Array(input.utf8)).expecting(69))
    #expect(refused.message.contains("was restarted, replaced or emptied"), "\(refused)")
    #expect(refused.remediation.contains("from the beginning"), "\(refused)")
    #expect(try elsewhere.entryCount() == 0)

    try fixture.mneme.run(again, input: Array(input.utf8)).expecting(0)
    #expect(try fixture.entryCount() == 300)

    try fixture.redis.send("FLUSHALL")
    try fixture.mneme.run(again, input: Array(input.utf8)).expecting(69)
    try server.crash()
    try server.start()
    let restarted = try CacheFixture(on: server, prefix: "p")
    try restarted.mneme.run(again, input: Array(input.utf8)).expecting(69)
    #expect(try restarted.entryCount() == 0)
    try restarted.mneme.run(["import"], input: Array(input.utf8)).expecting(0)
    #expect(try restarted.entryCount() == 300)
  }

  @Test("after a lost connection, lines without an acknowledgement are not reported as stored")
  func lostConnection() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    let importing = try fixture.mneme.start(["import"])
    try importing.write(lines(1...150).utf8)
    try eventually("some to be in") { try fixture.entryCount() >= 128 }
    try server.crash()
    let complaint = try Complaint(
      text: importing.finish(input: Array(lines(151...300).utf8)).expecting(69))
    #expect(
      complaint.remediation.contains(
        #/The lines up to \d+ were acknowledged; continue with --since-line \d+@[0-9a-f]{8}\.\d+\. If that is refused, import the whole file again\./#
      ), "\(complaint)")
  }

  @Test("lines that a demoted server has acknowledged must be imported again")
  func demoted() throws {
    let fixture = try CacheFixture("demoted", configuration: [])
    let importing = try fixture.mneme.start(["import"])
    try importing.write(lines(1...150).utf8)
    try eventually("some to be in") { try fixture.entryCount() >= 128 }
    try fixture.redis.send("REPLICAOF", "127.0.0.1", "1")
    let complaint = try Complaint(
      text: importing.finish(input: Array(lines(151...300).utf8)).expecting(69))
    #expect(complaint.message.contains("read-only replica"), "\(complaint)")
    #expect(
      complaint.remediation.contains(
        #/The lines up to \d+ were acknowledged, and may be lost; import the whole file again\./#),
      "\(complaint)")
  }

  @Test("a conflict stops an import at its line, and all lines before it are stored")
  func conflict() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q70", "old")
    let arguments = ["import", "--on-conflict", "fail"]
    let outcome = try fixture.mneme.run(arguments, input: Array(lines(1...100).utf8)).expecting(65)
    let complaint = try Complaint(text: outcome)
    #expect(complaint.message.contains("line 70:"), "\(complaint)")
    #expect(complaint.remediation.contains("The lines up to 69 are stored"))
    #expect(try fixture.entryCount() == 70)
    #expect(try fixture.mneme.run("get", "--exact", "q70").outputText == "old\n")
    // A trial finds the same and stores nothing.
    try fixture.expectUnchanged {
      try fixture.mneme.run(
        ["import", "--on-conflict", "fail", "--dry-run"], input: Array(lines(70...99).utf8)
      )
      .expecting(65)
    }
  }

  @Test("a dry run names the first conflict, in any namespace")
  func firstConflict() throws {
    let fixture = try CacheFixture()
    for number in 1...8 { try fixture.mneme.run("put", "q", "old", "-n", "n\(number)") }
    let input = try (1...8).map { try jsonLine(["query": "q", "response": "new", "namespace": "n\($0)"]) }
      .joined()
    let complaint = try Complaint(
      text: fixture.mneme.run("import", "--on-conflict", "fail", "--dry-run", input: input, expecting: 65))
    #expect(complaint.message.contains("line 1:"), "\(complaint)")
  }

  @Test("input that cannot be read any more ends an import, and the lines before it are stored")
  func brokenInput() throws {
    let fixture = try CacheFixture()
    let source = try RudeSource()
    let command = try ChildProcess(
      ["bash", "-c", "exec \"$0\" -u \"$1\" -p \"$2\" import < /dev/tcp/127.0.0.1/$3", Mneme.binary]
        + [fixture.mneme.url, fixture.mneme.prefix, "\(source.port)"], environment: Mneme.plainEnvironment)
    try source.send(Array(lines(1...150).utf8))
    while try fixture.entryCount() < 64, command.poll() == nil { usleep(5000) }
    try source.reset()
    let outcome = try command.finish().expecting(66)
    let complaint = try Complaint(text: outcome)
    #expect(complaint.remediation.contains("The lines up to 150 are stored; continue with --since-line 150@"))
    #expect(try fixture.entryCount() == 150)
  }

  @Test("entries that have expired since they were exported are left out and counted")
  func expired() throws {
    let (fixture, copy) = (try CacheFixture("from"), try CacheFixture("to"))
    for number in 1...3 { try fixture.mneme.run("put", "q\(number)", "r", "--ttl", "1h") }
    for id in 1...2 { try fixture.age(id, by: 3600) }
    let exported = try fixture.mneme.run("export", "--no-settings", "--include-expired").output
    let text = try copy.mneme.run(["import"], input: exported).expecting(0).outputText
    #expect(text == "imported 1 entry, left out 2 that have expired\n")
    #expect(try copy.entryCount() == 1)
    let json = try copy.mneme.run(["import", "--json", "--on-conflict", "skip"], input: exported).json()
    #expect(json["skipped"].int == 3)
  }

  @Test("every field comes back byte for byte and bit for bit, whichever program wrote it")
  func toTheBit() throws {
    let (fixture, copy) = (try CacheFixture("from"), try CacheFixture("to"))
    let metadata = [
      #"{"n":1e400,"d":0.1,"i":12345678901234567890,"z":-0.0,"b":1,"a":2,"b":3}"#,
      "{\n  \"pretty\" : [ 1.50 , \"\u{2028}\u{0301}e\" ]\r\n}\n", "  {\"blank\":1}\t", "{ }",
      #"{"nan":NaN,"half":"\ud800"}"#,
    ]
    var vector = [Float](repeating: -0.0, count: 384)
    (vector[0], vector[1], vector[2]) = (1, .leastNonzeroMagnitude, -.leastNormalMagnitude)
    let bits = vector.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
    for (index, text) in metadata.enumerated() {
      try fixture.mneme.run(
        "put", "q\(index)", "r\u{0}\u{FEFF}\u{10FFFF}\r\n", "--ttl", "\(9_000_000 + index)")
      try fixture.redis.send(
        "HSET", fixture.key("entry:\(index + 1)"), "metadata", text, "access_count", "\(1 << 40)")
      let set = ["HSET", fixture.key("entry:\(index + 1)"), "embedding"].map { Array($0.utf8) }
      try fixture.redis.send(set + [bits])
    }
    let exported = try fixture.mneme.run("export", "--no-settings")
    #expect(exported.outputLines.count == metadata.count)
    try copy.mneme.run(["import"], input: exported.output).expecting(0)
    for id in 1...metadata.count {
      #expect(try bytes(of: id, in: copy) == bytes(of: id, in: fixture), "entry \(id)")
    }
    #expect(try copy.mneme.run("export", "--no-settings").output == exported.output)
  }

  /// The fields of an entry and their bytes, in the order of the names.
  private func bytes(of id: Int, in fixture: CacheFixture) throws -> [[[UInt8]?]] {
    let flat = try fixture.redis.send("HGETALL", fixture.key("entry:\(id)")).items.map(\.bytes)
    let pairs = stride(from: 0, to: flat.count, by: 2).map { [flat[$0], flat[$0 + 1]] }
    return pairs.sorted { ($0[0] ?? []).lexicographicallyPrecedes($1[0] ?? []) }
  }

  @Test("a cache without vectors is exported and imported")
  func withoutVectors() throws {
    let (fixture, copy) = (try CacheFixture("from"), try CacheFixture("to"))
    try fixture.mneme.run("put", "--embedder", "none", "q", "r")
    try copy.mneme.run(["import"], input: fixture.mneme.run("export", "--no-settings").output).expecting(0)
    #expect(try copy.fields(of: 1) == fixture.fields(of: 1))
    #expect(try copy.mneme.run("get", "q").outputText == "r\n")
  }

  @Test("an export that cannot continue keeps the old file, and leaves no other file")
  func failedExport() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run(["import"], input: Array(lines(1...500).utf8)).expecting(0)
    let directory = try TemporaryDirectory()
    let path = try directory.write("old".utf8, to: "out.jsonl")
    let export = try fixture.mneme.startWork(
      ["export", "-o", path, "--pace", "2s"], on: server, untilEntry: 100)
    #expect(export.holdsFile(in: directory))
    try server.crash()
    let outcome = try export.finish()
    #expect(outcome.status == 69, "\(outcome)")
    #expect(try directory.names() == ["out.jsonl"])
    #expect(try directory.read("out.jsonl") == Array("old".utf8))
  }

  @Test(
    "a full disk is status 74, for standard output and for a file", .enabled(if: isThere("/dev/full")))
  func fullDisk() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    #expect(try fixture.mneme.shell("mneme export > /dev/full").status == 74)
    #expect(try fixture.mneme.run(["export", "-o", "/dev/full"]).status == 74)
  }

  @Test(
    "an interrupted export reports how to continue, or that the file was not changed",
    arguments: [SIGHUP, SIGINT, SIGTERM])
  func interruptedExport(number: Int32) throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: Array(lines(1...1000).utf8)).expecting(0)
    let directory = try TemporaryDirectory()
    let toFile = try fixture.mneme.startWork(
      ["export", "-o", directory.path("out"), "--pace", "1s"], on: fixture.server)
    #expect(toFile.holdsFile(in: directory))
    toFile.signal(number)
    let first = try toFile.finish()
    #expect(first.status == 128 + number, "\(first)")
    #expect(first.errorText.contains("remediation: The file '\(directory.path("out"))' was not changed."))
    #expect(try directory.names().isEmpty)

    let toPipe = try fixture.mneme.start(["export", "--no-settings", "--embeddings", "array"])
    try eventually("the pipe to be full") { try toPipe.outputIsFull() }
    // After a signal it waits a second for a reader, who may be late here. So it is stopped until a part has been read.
    toPipe.signal(SIGSTOP)
    toPipe.signal(number)
    for _ in 1...8 { _ = try toPipe.readLine() }
    toPipe.signal(SIGCONT)
    let second = try toPipe.finish()
    #expect(second.status == 128 + number, "\(second.errorText)")
    let written = try second.jsonLines().count + 8
    #expect((1..<1000).contains(written))
    let state = "\(written) entries were written; continue with --since-id \(written)."
    #expect(second.errorText.contains(state), "\(written): \(second.errorText)")
    #expect(
      try fixture.mneme.run("export", "--no-settings", "--since-id", "\(written)").outputLines.count == 1000
        - written)
  }
}

private func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
