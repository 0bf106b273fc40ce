import Foundation
import Synchronization
import TestSupport
import Testing

/// A redis-server that is killed in the middle of a command's work and comes back from its append-only file.
@Suite("Killed servers")
struct ServerCrashTests {
  /// The number of times that the server is killed under each command.
  static let kills = Effort.rounds(4, thorough: 8)

  @Test(
    "restart with a consistent cache, and a second run does the rest",
    arguments: ["always", "everysec"])
  func bulk(fsync: String) throws {
    var fixture = try CacheFixture(
      "server", configuration: ["appendonly yes", "appendfsync \(fsync)", "auto-aof-rewrite-percentage 0"])
    var random = SeededGenerator()
    let lines = importLines(0..<600, ttl: 3600, by: "line")
    let imported = try replies(to: ["import"], input: lines, on: fixture)
    try fixture.age(by: 3600)
    let vacuumed = try replies(to: ["vacuum"], on: fixture)
    var struck = 0
    for round in 0..<Self.kills {
      // 1. An import is cut off, and run again.
      let run = try interrupted(
        &fixture, ["import"], input: lines, after: Int.random(in: 0..<imported, using: &random))
      #expect([0, 69, 75].contains(run.status), "\(run)")
      #expect(run.status == 0 || run.errorText.contains("StoreBackendError"), "\(run)")
      try expectWhole(fixture, "import \(round)")
      try fixture.mneme.run(["import"], input: lines).expecting(0)
      #expect(try fixture.redis.send("ZCARD", fixture.key("by_id")).integer == 600)

      // 2. A vacuum of all of it.
      try fixture.age(by: 3600)
      let sweep = try interrupted(
        &fixture, ["vacuum"], after: Int.random(in: 0..<vacuumed, using: &random))
      #expect([0, 69, 75].contains(sweep.status), "\(sweep)")
      try expectWhole(fixture, "vacuum \(round)")
      // A server that writes every second may have forgotten that they have expired.
      try fixture.age(by: 3600)
      try fixture.mneme.run("vacuum", "-q")
      #expect(try fixture.redis.send("ZCARD", fixture.key("by_id")).integer == 0)
      struck += [run, sweep].count { $0.status != 0 }
    }
    #expect(struck > 0, "every command had ended before its server was killed")
  }

  @Test(
    "that write each command to disk keep every entry that was reported as stored")
  func acknowledged() throws {
    var fixture = try CacheFixture("acked", configuration: ["appendonly yes", "appendfsync always"])
    var random = SeededGenerator()
    var stored: [String: String] = [:]
    for round in 0..<Self.kills {
      let server = fixture.server
      let few = Int.random(in: 1...12, using: &random)
      // Into one of the next puts, or between two.
      let delay = useconds_t.random(in: 0...30_000, using: &random)
      let acknowledged = Atomic(0)
      let isOver = Atomic(false)
      let killer = Thread {
        while acknowledged.load(ordering: .relaxed) < few, !isOver.load(ordering: .relaxed) { usleep(200) }
        usleep(delay)
        try? server.crash()
      }
      killer.start()
      do {
        defer { isOver.store(true, ordering: .relaxed) }
        var number = 0
        while true {
          let (query, answer) = ("query \(number % 7)", "answer \(round).\(number)")
          let outcome = try fixture.mneme.run(["put", "-q", query, answer])
          guard outcome.status == 0 else {
            #expect([69, 75].contains(outcome.status), "\(outcome)")
            // It may have been done all the same: either answer is right.
            stored[query] = nil
            break
          }
          stored[query] = answer
          number += 1
          acknowledged.store(number, ordering: .relaxed)
        }
      }
      while !killer.isFinished { usleep(1000) }
      fixture = try restarted(fixture)
      try expectWhole(fixture, "put \(round)")
      for (query, answer) in stored {
        let outcome = try fixture.mneme.run("get", "--exact", "--peek", query)
        #expect(outcome.outputText == answer + "\n", "\(outcome)")
      }
    }
    #expect(!stored.isEmpty)
  }

  @Test(
    "that cut off a transaction in their file keep what comes later if the file is written anew; else a repair is enough",
    arguments: [true, false])
  func cutOff(isRewritten: Bool) throws {
    var fixture = try CacheFixture(
      "cut", configuration: ["appendonly yes", "appendfsync always", "auto-aof-rewrite-percentage 0"])
    try fixture.mneme.run("put", "first", "r")
    try fixture.mneme.run("put", "second", "r")
    try fixture.server.crash()
    let files = FileManager.default.enumerator(atPath: fixture.server.directory)?
      .compactMap { $0 as? String }.filter { $0.hasSuffix("incr.aof") || $0.hasSuffix("appendonly.aof") }
    let file = URL(filePath: "\(fixture.server.directory)/\(try #require(files?.first))")
    let bytes = try Data(contentsOf: file)
    let half = try #require(bytes.range(of: Data("by_id".utf8), options: .backwards))
    try bytes[..<half.lowerBound].write(to: file)

    try fixture.server.start()
    fixture = try fixture.again()
    try expectWhole(fixture, "after the first start")
    try fixture.mneme.run("get", "--exact", "--peek", "second", expecting: 1)
    if isRewritten { try rewriteFile(of: fixture) }
    try fixture.mneme.run("put", "third", "r")
    try fixture.server.crash()
    try fixture.server.start()
    fixture = try fixture.again()
    if isRewritten {
      #expect(try fixture.mneme.run("get", "--exact", "--peek", "third").outputText == "r\n")
    } else {
      // What the server makes of the file is not mneme's to decide.
      try fixture.mneme.run("vacuum", "--repair")
    }
    try expectWhole(fixture, "after the second start")
    #expect(try fixture.mneme.run("get", "--exact", "--peek", "first").outputText == "r\n")
  }

  /// The number of replies that a whole run of a command gets.
  private func replies(
    to words: [String], input: [UInt8] = [], on fixture: CacheFixture
  ) throws -> Int {
    let proxy = try ScriptedProxy(to: fixture.server)
    try Mneme(url: proxy.url, prefix: fixture.prefix).run(words, input: input).expecting(0)
    return proxy.replies
  }

  /// Runs a command and kills the server after so many replies; the server is up again afterwards.
  private func interrupted(
    _ fixture: inout CacheFixture, _ words: [String], input: [UInt8] = [], after place: Int
  ) throws -> Outcome {
    let proxy = try ScriptedProxy(to: fixture.server)
    let command = try Mneme(url: proxy.url, prefix: fixture.prefix)
      .start(words + ["--timeout", "5s", "--connect-timeout", "2s"])
    try command.write(input)
    command.closeInput()
    while proxy.replies < place, command.poll() == nil { usleep(100) }
    try fixture.server.crash()
    let outcome = try command.finish()
    fixture = try restarted(fixture)
    return outcome
  }

  /// Starts the server again, and has it write its file anew, as mneme-servers(7) advises: where the last write was cut
  /// off in the middle of a transaction, its beginning stays in the file, and would be done at the start after this.
  private func restarted(_ fixture: CacheFixture) throws -> CacheFixture {
    try fixture.server.start()
    let fixture = try fixture.again()
    try rewriteFile(of: fixture)
    return fixture
  }

  private func rewriteFile(of fixture: CacheFixture) throws {
    try fixture.redis.send("BGREWRITEAOF")
    try eventually("the file is written anew") {
      let state = try fixture.redis.send("INFO", "persistence").text ?? ""
      return state.contains("aof_rewrite_in_progress:0") && state.contains("aof_rewrite_scheduled:0")
    }
  }

  private func expectWhole(_ fixture: CacheFixture, _ what: String) throws {
    let problems = try fixture.problems()
    #expect(problems.isEmpty, "\(what): \(problems.joined(separator: "\n"))")
  }
}
