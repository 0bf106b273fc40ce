import Foundation
import TestSupport
import Testing

/// `vacuum` as cron runs it: while others write, killed, out of time.
@Suite struct VacuumTests {
  /// A cache of so many entries that have all expired.
  private func expiredStage(_ count: Int, on server: RedisServer? = nil) throws -> CacheFixture {
    let fixture = try CacheFixture("vacuum", on: server)
    let lines = try (1...count).map { try jsonLine(["query": "q\($0)", "response": "r", "ttl": 3600]) }
      .joined()
    try fixture.mneme.run(["import", "--embedder", "none"], input: Array(lines.utf8)).expecting(0)
    try expire(1...count, in: fixture)
    return fixture
  }

  /// Makes all of them due in the same second.
  private func expire(_ ids: ClosedRange<Int>, in fixture: CacheFixture) throws {
    let created = Int(Date().timeIntervalSince1970) - 7200
    let commands = ids.flatMap { id in
      [
        ["HSET", fixture.key("entry:\(id)"), "created_at", "\(created)"],
        ["ZADD", fixture.key("by_ttl"), "\(created + 3600)", "\(id)"],
      ].map { $0.map { Array($0.utf8) } }
    }
    _ = try fixture.redis.pipeline(commands)
  }

  private func expectSound(_ fixture: CacheFixture, sourceLocation: SourceLocation = #_sourceLocation) throws
  {
    let problems = LayoutAudit(try fixture.dump(), prefix: fixture.prefix).problems
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))", sourceLocation: sourceLocation)
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("parallel vacuums share the work and count each entry once")
  func shared() throws {
    let fixture = try expiredStage(1500)
    // All of them expire in the same second.
    #expect(try fixture.mneme.run("vacuum", "--dry-run", "--json").json()["expired"].int == 1500)
    let outcome = try fixture.mneme.shell(
      "for run in 1 2 3; do mneme vacuum --json --batch-size 16 & done; wait")
    let reports = try outcome.expecting(0).jsonLines()
    #expect(reports.count == 3 && outcome.errors.isEmpty, "\(outcome)")
    #expect(reports.compactMap { $0["expired"].int }.reduce(0, +) == 1500, "\(outcome)")
    #expect(reports.allSatisfy { $0["complete"].bool == true })
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "expirations").text == "1500")
    #expect(try fixture.version() == 3000)
    #expect(try fixture.entryCount() == 0)
    try expectSound(fixture)
  }

  @Test("a vacuum of one namespace removes all due entries there, in any order among others")
  func oneNamespace() throws {
    let fixture = try CacheFixture("vacuum")
    let lines = try (1...1500).map { number in
      let name = number % 3 == 0 ? "one" : "other"
      return try jsonLine(["query": "q\(number)", "response": "r", "ttl": 3600, "namespace": name])
    }.joined()
    try fixture.mneme.run(["import", "--embedder", "none"], input: Array(lines.utf8)).expecting(0)
    try expire(1...1500, in: fixture)
    let report = try fixture.mneme.run("vacuum", "-n", "one", "--json").json()
    #expect(report["expired"].int == 500 && report["complete"].bool == true, "\(report)")
    #expect(try fixture.entryCount() == 1000)
    #expect(try fixture.mneme.run("vacuum", "--json").json()["expired"].int == 1000)
    try expectSound(fixture)
  }

  @Test("a vacuum that is killed at any time leaves a valid cache, and the next one finishes")
  func killed() throws {
    let fixture = try expiredStage(400)
    var random = SeededGenerator()
    for _ in 0..<12 {
      let run = try fixture.mneme.start(["vacuum", "--batch-size", "4", "--pace", "1ms"])
      usleep(.random(in: 0...80_000, using: &random))
      run.signal(SIGKILL)
      _ = try run.finish()
      try expectSound(fixture)
    }
    try fixture.mneme.run("vacuum")
    #expect(try fixture.entryCount() == 0)
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "expirations").text == "400")
    #expect(try fixture.version() == 800)
    try expectSound(fixture)
  }

  @Test("an entry that is put again while a vacuum runs stays")
  func refreshed() throws {
    let fixture = try expiredStage(120)
    let outcome = try fixture.mneme.shell(
      """
      mneme vacuum --batch-size 2 --pace 3ms & run=$!
      for number in $(seq 120 -5 1); do mneme put --embedder none -q "q$number" fresh || exit; done
      wait "$run"
      """)
    #expect(outcome.status == 0, "\(outcome)")
    for number in stride(from: 120, through: 1, by: -5) {
      #expect(try fixture.mneme.run("get", "--exact", "q\(number)").outputText == "fresh\n")
    }
    try fixture.mneme.run("vacuum")
    #expect(try fixture.entryCount() == 24)
    try expectSound(fixture)
  }

  @Test("when its time is over, a vacuum ends with 1 and one line about the rest, and the next one continues")
  func outOfTime() throws {
    // In 3 s there are at most 7 pauses. Both runs end before they reach the last entry, also with what was under way.
    let fixture = try expiredStage(120)
    let slow = ["-q", "vacuum", "--batch-size", "1", "--pace", "500ms", "--max-duration", "3s"]
    let outcome = try fixture.mneme.run(slow).expecting(1)
    #expect(outcome.outputLines.count == 1 && outcome.errors.isEmpty, "\(outcome)")
    let left = try fixture.entryCount()
    #expect(left > 0)
    #expect(outcome.outputText.contains("; about \(left) remain"), "\(outcome)")
    let dry = try fixture.mneme.run(["vacuum", "--json"] + slow.dropFirst(2) + ["--dry-run"]).expecting(1)
      .json()
    #expect(dry["complete"].bool == false)
    #expect((dry["remaining"].int ?? 0) + (dry["expired"].int ?? 0) == left, "\(dry)")
    // Prints nothing if all is done.
    let last = try fixture.mneme.run("-q", "vacuum", "--max-duration", "10m")
    #expect(last.output.isEmpty && last.errors.isEmpty, "\(last)")
    #expect(try fixture.entryCount() == 0)
  }

  @Test(
    "it searches hash keys with SCAN only after it has found leftovers, and removes a batch in each transaction"
  )
  func commands() throws {
    let server = try RedisServer()
    let fixture = try expiredStage(100, on: server)
    try fixture.redis.send("SET", "neighbour:hash:x", "1")
    let monitor = try Monitor(server)
    func run(_ arguments: String...) throws -> [Monitor.Command] {
      try fixture.mneme.run(["vacuum"] + arguments).expecting(0)
      let commands = try monitor.commands()
      #expect(!commands.contains { $0.words.dropFirst().contains { $0.starts(with: "neighbour".utf8) } })
      return commands
    }
    let swept = try run("--batch-size", "16")
    #expect(!swept.contains { $0.name == "SCAN" })
    let entry = Array(fixture.key("entry:").utf8)
    var removed: [Int] = []
    for command in swept {
      if command.name == "MULTI" { removed.append(0) }
      if command.name == "UNLINK" {
        removed[removed.count - 1] += command.words.count { $0.starts(with: entry) }
      }
    }
    #expect(removed.reduce(0, +) == 100 && removed.max() == 16, "\(removed)")

    try fixture.mneme.run("put", "--ttl", "1h", "q", "r")
    try fixture.redis.send("DEL", fixture.key("entry:101"))
    try fixture.redis.send("ZADD", fixture.key("by_ttl"), "5", "101")
    _ = try monitor.commands()
    let scans = try run().filter { $0.name == "SCAN" }
    #expect(!scans.isEmpty && scans.allSatisfy { $0.text(3) == fixture.key("hash:*") }, "\(scans)")
    #expect(!(try run("--repair").filter { $0.name == "SCAN" }.isEmpty))
    try expectSound(fixture)
  }

  @Test(
    "an interrupted vacuum reports its work and the rest, and an interrupted check reports only what it has seen"
  )
  func interrupted() throws {
    let fixture = try expiredStage(120)
    let vacuum = try fixture.mneme.start(["vacuum", "--batch-size", "1", "--pace", "200ms"])
    try eventually("an entry to be gone") { try fixture.entryCount() < 120 }
    vacuum.signal(SIGINT)
    let outcome = try vacuum.finish()
    #expect(outcome.status == 130 && outcome.outputLines.count == 1, "\(outcome)")
    let left = try fixture.entryCount()
    #expect(left > 0 && outcome.outputText.hasPrefix("removed \(120 - left) expired entr"), "\(outcome)")
    #expect(outcome.outputText.contains("; about \(left) remain"), "\(outcome)")
    try expectSound(fixture)

    // It handles signals from before its first command on, and pauses after the first page.
    let check = try fixture.mneme.startWork(
      ["inspect-keys", "--check", "--pace", "1m"], on: fixture.server, untilEntry: 1)
    check.signal(SIGINT)
    let ended = try check.finish()
    #expect(ended.status == 130 && ended.output.isEmpty, "\(ended)")
    #expect(ended.errorText.hasSuffix("remediation: Run the command again.\n"), "\(ended)")
  }

  @Test("the next run takes a namespace off the list that a killed run left there without entries")
  func abandoned() throws {
    let fixture = try CacheFixture("abandoned")
    try fixture.mneme.run("put", "q", "r")
    try fixture.redis.send("SADD", fixture.key("namespaces"), "abandoned")
    #expect(try fixture.mneme.run("vacuum", "--dry-run", "--json").json()["repaired"].int == 1)
    #expect(try fixture.mneme.run("vacuum", "--json").json()["repaired"].int == 1)
    try expectSound(fixture)
  }
}
