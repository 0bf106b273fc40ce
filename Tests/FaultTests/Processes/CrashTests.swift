import Foundation
import TestSupport
import Testing

/// Tests of commands that are killed at any time: the cache is consistent, and a second run completes the work.
@Suite("Killed commands")
struct CrashTests {
  /// The number of times that each command is killed.
  static let kills = Effort.rounds(8, thorough: 20)

  /// A command that writes, how to prepare for it, and how to see that a rerun has done its work.
  struct Case: Sendable, CustomTestStringConvertible {
    let words: [String]
    var input: [UInt8] = []
    /// The exit statuses of a complete run. 1 is among them if an earlier run may have done the work.
    var statuses: [Int32] = [0]
    /// Makes work for the command, after which it is killed.
    let prepare: @Sendable (CacheFixture) throws -> Void
    /// The condition that must hold when the command has been run to its end.
    let isDone: @Sendable (CacheFixture) throws -> Bool

    var testDescription: String { words.joined(separator: " ") }
  }

  static let cases = [
    Case(words: ["put", "a query", "an answer"]) { fixture in
      _ = try fixture.mneme.run(["delete", "a query"])
    } isDone: { fixture in
      try fixture.mneme.run("get", "--exact", "--peek", "a query").outputText == "an answer\n"
    },
    Case(words: ["put", "--max-entries", "40", "one more", "an answer"]) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<60, by: "before")).expecting(0)
    } isDone: { fixture in
      try count(fixture) <= 40
    },
    Case(words: ["get", "query 7"]) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<10, by: "before")).expecting(0)
    } isDone: { fixture in
      try fixture.mneme.run("get", "--peek", "query 7").outputText == "before 7\n"
    },
    Case(words: ["delete", "query 1", "query 2", "query 3"], statuses: [0, 1]) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<10, by: "before")).expecting(0)
    } isDone: { fixture in
      try fixture.mneme.run(["get", "--exact", "--peek", "query 2"]).status == 1
    },
    Case(words: ["import"], input: importLines(0..<130, by: "after")) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<30, by: "before")).expecting(0)
    } isDone: { fixture in
      let answer = try fixture.mneme.run("get", "--exact", "--peek", "query 7").outputText
      return try count(fixture) >= 130 && answer == "after 7\n"
    },
    Case(words: ["vacuum"]) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<130, ttl: 1, by: "before")).expecting(0)
      try fixture.age(by: 3600)
    } isDone: { fixture in
      try fixture.redis.send("EXISTS", fixture.key("by_ttl")).integer == 0
    },
    Case(words: ["clear", "--yes", "default"], statuses: [0, 1]) { fixture in
      try fixture.mneme.run(["import"], input: importLines(0..<130, by: "before")).expecting(0)
    } isDone: { fixture in
      try count(fixture) == 0
    },
    Case(words: ["set-quota", "--evict", "default", "20"]) { fixture in
      try fixture.mneme.run("set-quota", "--remove", "default")
      try fixture.mneme.run(["import"], input: importLines(0..<130, by: "before")).expecting(0)
    } isDone: { fixture in
      try count(fixture) <= 20
    },
  ]

  private static func count(_ fixture: CacheFixture) throws -> Int {
    Int(try fixture.redis.send("ZCARD", fixture.key("by_id")).integer ?? 0)
  }

  @Test(
    "leave a consistent cache, and a second run does the rest", arguments: cases)
  func killed(_ example: Case) throws {
    // Its own server: it waits until no command is connected.
    let fixture = try CacheFixture("killed", on: RedisServer())
    try fixture.mneme.run("put", "--embedder", "none", "the first", "makes the cache")
    try fixture.mneme.run("set-quota", "--remove", "default")
    var random = SeededGenerator(stream: UInt64(example.words.joined().utf8.count))
    try example.prepare(fixture)
    let victim = try Victim(example.words, input: example.input, on: fixture)
    var killedInTime = 0
    for round in 0..<Self.kills {
      try example.prepare(fixture)
      let outcome = try victim.killed(in: round, using: &random)
      if outcome.termination == .killed(bySignal: SIGKILL) { killedInTime += 1 }
      try fixture.awaitNoOtherClients()
      let problems = try fixture.problems()
      guard problems.isEmpty else {
        Issue.record("after kill \(round): \(problems.joined(separator: "\n"))")
        return
      }
      if round % 8 == 7 {
        try finish(example, fixture)
      }
    }
    #expect(killedInTime > 0, "every run had ended before it was killed")
    try finish(example, fixture)
    #expect(try fixture.problems().isEmpty)
  }

  /// Runs the command to its end.
  private func finish(_ example: Case, _ fixture: CacheFixture) throws {
    let outcome = try fixture.mneme.run(example.words, input: example.input)
    #expect(example.statuses.contains(outcome.status), "\(outcome)")
    #expect(try example.isDone(fixture), "\(outcome)")
  }

  @Test(
    "leave the file of an export complete or absent", arguments: ["jsonl", "csv"])
  func export(format: String) throws {
    let fixture = try CacheFixture("export")
    try fixture.mneme.run(["import", "--embedder", "none"], input: importLines(0..<500, by: "line"))
      .expecting(0)
    let directory = try TemporaryDirectory()
    // The settings have the time of the export.
    let words = ["export", "--no-settings", "--format", format, "-o", directory.path("out")]
    let victim = try Victim(words, on: fixture)
    let expected = try directory.read("out")
    var random = SeededGenerator()
    var (absent, present) = (0, 0)
    for round in 0..<Self.kills {
      try FileManager.default.removeItem(atPath: directory.path("out"))
      _ = try victim.killed(in: round, using: &random)
      if let found = try? directory.read("out") {
        #expect(found == expected, "after kill \(round) \(found.count) of \(expected.count) bytes")
        present += 1
      } else {
        absent += 1
        try Data(expected).write(to: URL(filePath: directory.path("out")))
      }
    }
    #expect(absent > 0, "no run was killed in time; \(present) were not")
  }
}

/// A command that is killed again and again.
private struct Victim {
  private let words: [String]
  private let input: [UInt8]
  private let fixture: CacheFixture
  /// The time of a whole run, in microseconds.
  private let time: Double
  /// The bytes that a whole run gets, on the connection that gets the most.
  private let received: Int

  /// Runs it to its end once.
  init(_ words: [String], input: [UInt8] = [], on fixture: CacheFixture) throws {
    (self.words, self.input, self.fixture) = (words, input, fixture)
    let proxy = try ScriptedProxy(to: fixture.server)
    let start = ContinuousClock.now
    try Mneme(url: proxy.url, prefix: fixture.prefix).run(words, input: input).expecting(0)
    time = start.duration(to: .now) / .microseconds(1)
    received = try #require(proxy.conversations.map(\.received).max())
  }

  /// Kills it at any time, and in every second round where it waits for an answer that does not come: there it cannot
  /// have ended, however slow or fast the machine is.
  func killed(in round: Int, using random: inout SeededGenerator) throws -> Outcome {
    if round % 2 == 0 {
      let place = Int.random(in: 1..<received, using: &random)
      let proxy = try ScriptedProxy(to: fixture.server, .stall(after: place))
      let command = try start(Mneme(url: proxy.url, prefix: fixture.prefix))
      while command.poll() == nil, !proxy.conversations.contains(where: \.isHit) { usleep(200) }
      return try kill(command)
    }
    let command = try start(fixture.mneme)
    usleep(useconds_t(Double.random(in: 0...1.2, using: &random) * time))
    return try kill(command)
  }

  private func start(_ mneme: Mneme) throws -> ChildProcess {
    let command = try mneme.start(words)
    try command.write(input)
    command.closeInput()
    return command
  }

  private func kill(_ command: ChildProcess) throws -> Outcome {
    command.signal(SIGKILL)
    return try command.finish()
  }
}
