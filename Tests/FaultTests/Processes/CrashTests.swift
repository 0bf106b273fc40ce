import Foundation
import TestSupport
import Testing

/// Commands that are killed at any instant: what is left fits together, and running them again ends the work.
@Suite("Killed commands")
struct CrashTests {
  /// How often each command is killed; `MNEME_KILLS` kills more.
  static let kills = ProcessInfo.processInfo.environment["MNEME_KILLS"].flatMap { Int($0) } ?? 40

  /// A command that writes, how to prepare for it, and how to see that a rerun has done its work.
  struct Case: Sendable, CustomTestStringConvertible {
    let words: [String]
    var input: [UInt8] = []
    /// How a run to the end may end; 1 where a run before it did the work.
    var statuses: [Int32] = [0]
    /// Makes work for the command, after which it is killed.
    let prepare: @Sendable (SharedPrefix) throws -> Void
    /// What must hold once the command has been run to its end.
    let isDone: @Sendable (SharedPrefix) throws -> Bool

    var testDescription: String { words.joined(separator: " ") }
  }

  static let cases = [
    Case(words: ["put", "a query", "an answer"]) { stage in
      _ = try stage.mneme.run(["delete", "a query"])
    } isDone: { stage in
      try stage.mneme.run("get", "--exact", "--peek", "a query").outputText == "an answer\n"
    },
    Case(words: ["put", "--max-entries", "40", "one more", "an answer"]) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<60, by: "before")).expecting(0)
    } isDone: { stage in
      try count(stage) <= 40
    },
    Case(words: ["get", "query 7"]) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<10, by: "before")).expecting(0)
    } isDone: { stage in
      try stage.mneme.run("get", "--peek", "query 7").outputText == "before 7\n"
    },
    Case(words: ["delete", "query 1", "query 2", "query 3"], statuses: [0, 1]) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<10, by: "before")).expecting(0)
    } isDone: { stage in
      try stage.mneme.run(["get", "--exact", "--peek", "query 2"]).status == 1
    },
    Case(words: ["import"], input: importLines(0..<400, by: "after")) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<30, by: "before")).expecting(0)
    } isDone: { stage in
      let answer = try stage.mneme.run("get", "--exact", "--peek", "query 7").outputText
      return try count(stage) >= 400 && answer == "after 7\n"
    },
    Case(words: ["vacuum"]) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<300, ttl: 1, by: "before")).expecting(0)
      try stage.expireAll()
    } isDone: { stage in
      try stage.redis.send("EXISTS", stage.key("by_ttl")).integer == 0
    },
    Case(words: ["clear", "--yes", "default"]) { stage in
      try stage.mneme.run(["import"], input: importLines(0..<300, by: "before")).expecting(0)
    } isDone: { stage in
      try count(stage) == 0
    },
    Case(words: ["set-quota", "--evict", "default", "20"]) { stage in
      try stage.mneme.run("set-quota", "--remove", "default")
      try stage.mneme.run(["import"], input: importLines(0..<200, by: "before")).expecting(0)
    } isDone: { stage in
      try count(stage) <= 20
    },
  ]

  private static func count(_ stage: SharedPrefix) throws -> Int {
    Int(try stage.redis.send("ZCARD", stage.key("by_id")).integer ?? 0)
  }

  @Test("leave a whole cache behind, and a rerun does the rest", .timeLimit(.minutes(10)), arguments: cases)
  func killed(_ example: Case) throws {
    let stage = try SharedPrefix("killed")
    try stage.mneme.run("put", "the first", "makes the cache")
    try stage.mneme.run("set-quota", "--remove", "default")
    var random = SplitMix64(state: UInt64(example.words.count))
    // How long a run takes that is left alone; kills are spread over that and a little more.
    try example.prepare(stage)
    let start = ContinuousClock.now
    try stage.mneme.run(example.words, input: example.input).expecting(0)
    let whole = start.duration(to: .now) / .microseconds(1)
    var killedInTime = 0
    for round in 0..<Self.kills {
      try example.prepare(stage)
      let command = try stage.mneme.start(example.words)
      try command.write(example.input)
      command.closeInput()
      usleep(useconds_t(Double.random(in: 0...1.1, using: &random) * whole))
      command.signal(SIGKILL)
      let outcome = try command.finish()
      if outcome.termination == .killed(bySignal: SIGKILL) { killedInTime += 1 }
      try stage.awaitNoOtherClients()
      let problems = try stage.problems()
      guard problems.isEmpty else {
        Issue.record("after kill \(round): \(problems.joined(separator: "\n"))")
        return
      }
      if round % 8 == 7 {
        try finish(example, stage)
      }
    }
    #expect(killedInTime > 0, "every run had ended before it was killed")
    try finish(example, stage)
    #expect(try stage.problems().isEmpty)
  }

  /// Runs the command to its end.
  private func finish(_ example: Case, _ stage: SharedPrefix) throws {
    let outcome = try stage.mneme.run(example.words, input: example.input)
    #expect(example.statuses.contains(outcome.status), "\(outcome)")
    #expect(try example.isDone(stage), "\(outcome)")
  }

  @Test("leave the file of an export whole or absent", .timeLimit(.minutes(5)), arguments: ["jsonl", "csv"])
  func export(format: String) throws {
    let stage = try SharedPrefix("export")
    try stage.mneme.run(["import"], input: importLines(0..<3000, by: "line")).expecting(0)
    let directory = try TemporaryDirectory()
    let words = ["export", "--format", format, "-o", directory.path("out")]
    let start = ContinuousClock.now
    try stage.mneme.run(words).expecting(0)
    let whole = start.duration(to: .now) / .microseconds(1)
    let expected = try directory.read("out")
    var random = SplitMix64(state: 3)
    var (absent, present) = (0, 0)
    for round in 0..<Self.kills {
      try FileManager.default.removeItem(atPath: directory.path("out"))
      let command = try stage.mneme.start(words)
      usleep(useconds_t(Double.random(in: 0...1.3, using: &random) * whole))
      command.signal(SIGKILL)
      _ = try command.finish()
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

extension SharedPrefix {
  /// Makes every entry that has a time to live look as if it were an hour old, as only time can otherwise.
  func expireAll() throws {
    for id in try redis.send("ZRANGE", key("by_ttl"), "0", "-1").texts {
      let fields = try redis.send("HMGET", key("entry:\(id)"), "created_at", "ttl").items.map { $0.text }
      guard let created = fields[0].flatMap({ Int($0) }), let ttl = fields[1].flatMap({ Int($0) })
      else { continue }
      // Together, so that a server which is killed afterwards has both or neither.
      let commands = [
        ["MULTI"], ["HSET", key("entry:\(id)"), "created_at", "\(created - 3600)"],
        ["ZADD", key("by_ttl"), "\(created - 3600 + ttl)", id], ["EXEC"],
      ]
      _ = try redis.pipeline(commands.map { words in words.map { Array($0.utf8) } })
    }
  }
}
