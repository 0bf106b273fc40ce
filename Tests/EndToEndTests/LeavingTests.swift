import Foundation
import TestSupport
import Testing

/// Tests of signals: a command ends even if its peer does not reply, reports what is stored, and leaves no file.
@Suite("Signals and closed pipes")
struct LeavingTests {
  private static let signals = [SIGHUP, SIGINT, SIGTERM]

  // MARK: Silent peers

  @Test(
    "a signal ends an import while the embedder program does not answer, and the stored lines are reported",
    arguments: signals)
  func silentProgram(number: Int32) throws {
    let fixture = try CacheFixture()
    let directory = try TemporaryDirectory()
    let file = try directory.write(importLines(1...100), to: "lines")
    // Answers a first batch, and no second.
    let program =
      "for i in $(seq 64); do read -r line; echo \"[1,$i]\"; done; read -r line; touch '\(directory.path("silent"))'; exec sleep 600"
    let command = try fixture.mneme.start(
      ["import", "--embedder", "command:slow:dim2", "--embedder-command", program, file])
    try eventually("the program to be silent") { try directory.names().contains("silent") }
    command.signal(number)
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 128 + number, "\(outcome)")
    #expect(try fixture.entryCount() == 64)
    #expect(outcome.errorText.contains("The lines up to 64 are stored"), "\(outcome)")
  }

  @Test(
    "a signal ends an import and a copy while the embedding server does not answer",
    arguments: [["import"], ["reembed", "copy-of-it"]])
  func silentServer(words: [String]) throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...3)).expecting(0)
    let server = try EmbeddingServer { _, _ in .late(.seconds(600), dimension: 8) }
    var mneme = words == ["import"] ? try CacheFixture().mneme : fixture.mneme
    mneme.environment = server.environment
    let target = words.dropFirst().map { _ in uniquePrefix("copy") }
    let command = try mneme.start([words[0], "--embedder", "openai:x:dim8"] + target)
    if words == ["import"] {
      try command.write(importLines(1...3))
      command.closeInput()
    }
    try eventually("the server to be asked") { !server.requests.isEmpty }
    command.signal(SIGTERM)
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 143, "\(outcome)")
    #expect(outcome.errorText.contains("mneme: Interrupted: "), "\(outcome)")
  }

  @Test(
    "a signal ends an import while Redis does not answer, and the lines that may be stored are reported",
    arguments: signals)
  func silentRedis(number: Int32) throws {
    let fixture = try CacheFixture()
    // An import uses up to 16 connections, the more the slower the machine is: each of them gets that much.
    let proxy = try ScriptedProxy(to: fixture.server, .stall(after: 10_000))
    let directory = try TemporaryDirectory()
    let file = try directory.write(importLines(1...3000), to: "lines")
    let mneme = Mneme(url: proxy.url, prefix: fixture.prefix)
    let command = try mneme.start(["import", "--timeout", "600s", file])
    try eventually("Redis to be silent") { proxy.conversations.contains { $0.isHit } }
    command.signal(number)
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 128 + number, "\(outcome)")
    #expect(outcome.errorText.contains("The lines up to "), "\(outcome)")
  }

  @Test(
    "if a server stops answering in the middle of a change of many entries, the acknowledged number is reported",
    arguments: [
      ["clear", "--yes", "--all"], ["delete", "--yes", "--namespace", "default"], ["delete", "--id", "-"],
      ["set-ttl", "10d", "--yes", "--namespace", "default"], ["set-quota", "default", "1", "--evict"],
      ["vacuum"], ["drop", "--yes"],
    ])
  func acknowledged(words: [String]) throws {
    let total = 2000
    let fixture = try CacheFixture("acknowledged", on: RedisServer())
    try fixture.fill(from: "2,000 entries for an hour") { fixture in
      try fixture.mneme.run(["import"], input: importLines(1...total, ttl: 3600)).expecting(0)
    }
    if words == ["vacuum"] { try fixture.age(by: 7200) }
    let start = Int(Date().timeIntervalSince1970)
    /// The number of entries that are gone or live longer than an hour.
    func changed() throws -> Int {
      let isLonger = words[0] == "set-ttl"
      let left = try fixture.redis.send(
        "ZCOUNT", fixture.key("by_ttl"), isLonger ? "\(start + 86_400)" : "-inf", "+inf")
      return isLonger ? Int(left.integer ?? 0) : total - Int(left.integer ?? 0)
    }
    let command = try fixture.mneme.start(words + ["--pace", "100ms", "--timeout", "3s"])
    if words.last == "-" { try command.write((1...total).map { "\($0)\n" }.joined().utf8) }
    command.closeInput()
    try eventually("some to be changed") { try changed() > 0 }
    // From now on nothing that writes is answered, or done.
    try fixture.redis.send("CLIENT", "PAUSE", "60000", "WRITE")
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 69, "\(outcome)")
    let said = outcome.errorText.firstMatch(of: #/Acknowledged by then: [a-z]+ ([0-9]+) /#)?.1
    #expect(try said.flatMap { Int($0) } == changed(), "\(outcome)")
  }

  @Test("a signal ends an export to a pipe that is not read", arguments: signals)
  func silentPipe(number: Int32) throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...1000)).expecting(0)
    let command = try fixture.mneme.start(["export"])
    // It is full before the end of the export.
    try eventually("the pipe to be full") { try command.outputIsFull() }
    command.signal(number)
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 128 + number, "\(outcome.errorText)")
    #expect(outcome.errorText.contains("The output is not complete"), "\(outcome.errorText)")
  }

  @Test("a terminal that hangs up does not end what nohup has started")
  func nohup() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...500)).expecting(0)
    let outcome = try fixture.mneme.shell(
      """
      trap '' HUP
      mneme export --pace 50ms >/dev/null & sleep 0.2; kill -HUP $!; wait $!
      """)
    #expect(outcome.status == 0, "\(outcome)")
  }

  // MARK: Files

  @Test(
    "an export ended by a signal leaves no new file and keeps the old one",
    arguments: signals + [SIGKILL])
  func noFileLeft(number: Int32) throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...1000)).expecting(0)
    let directory = try TemporaryDirectory()
    let path = try directory.write("old".utf8, to: "out")
    let command = try fixture.mneme.startWork(["export", "-o", path, "--pace", "1s"], on: fixture.server)
    #expect(command.holdsFile(in: directory))
    command.signal(number)
    let outcome = try command.finishWithoutInput()
    #expect(outcome.status == 128 + number || outcome.termination == .killed(bySignal: number), "\(outcome)")
    // If the file system has no unnamed files, a killed run leaves a file until the next run.
    if number == SIGKILL { try fixture.mneme.run("export", "-o", path) }
    #expect(try directory.names() == ["out"])
    if number != SIGKILL { #expect(try directory.read("out") == Array("old".utf8)) }
  }

  @Test("a reader of /dev/stdout that stops reading ends an export without a message")
  func closedOutput() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...1000)).expecting(0)
    let outcome = try fixture.mneme.shell(
      "mneme export -o /dev/stdout | head -n 1; echo \"${PIPESTATUS[0]}\"")
    #expect(outcome.outputLines.count == 2 && outcome.outputLines.last == "0", "\(outcome)")
    #expect(outcome.errors.isEmpty, "\(outcome)")
  }

  @Test("a file name of the greatest length works")
  func longName() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let name = String(repeating: "n", count: 255)
    try fixture.mneme.run("export", "-o", directory.path(name))
    #expect(try directory.names() == [name])
  }

  @Test("a file that may not be replaced is reported before entries are read")
  func unreplaceable() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let path = try directory.write("old".utf8, to: "out")
    guard try ChildProcess(["chattr", "+i", path]).finish().status == 0 else {
      try Test.cancel("no file can be made immutable here")
    }
    defer { _ = try? ChildProcess(["chattr", "-i", path]).finish() }
    let complaint = try fixture.refusal(of: ["export", "-o", path], status: 73, type: "FileError")
    #expect(complaint.message.contains("immutable"), "\(complaint)")
  }

  @Test("a file that is mounted is reported before the walk")
  func mounted() throws {
    guard try ChildProcess(["unshare", "-m", "true"]).finish().status == 0 else {
      try Test.cancel("nothing can be mounted here")
    }
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let path = try directory.write("old".utf8, to: "out")
    let other = try directory.write("old".utf8, to: "other")
    let outcome = try fixture.mneme.shell(
      "unshare -m sh -c 'mount --bind \(other) \(path) && exec \(Mneme.binary) export -o \(path)'")
    #expect(outcome.status == 73 && outcome.errorText.contains("is a mount point"), "\(outcome)")
    #expect(try directory.read("other") == Array("old".utf8))
  }
}
