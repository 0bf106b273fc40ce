import Glibc
import TestSupport
import Testing

/// What commands that touch many entries do for the other clients of their server.
@Suite struct BesideOthersTests {
  private static let count = 20_000

  private func lines(_ count: Int) throws -> [UInt8] {
    try (1...count).flatMap { try jsonLine(["query": "q\($0)", "response": "r", "ttl": 3600]).utf8 }
  }

  /// How many commands of a kind the server has carried out.
  private func calls(_ command: String, _ redis: RawRedis) throws -> Int {
    let statistics = try redis.send("INFO", "commandstats").text ?? ""
    let pattern = try Regex("cmdstat_\(command):calls=(\\d+)", as: (Substring, Substring).self)
    return statistics.firstMatch(of: pattern).flatMap { Int($0.output.1) } ?? 0
  }

  @Test("transactions and pages are short while others use the server, and long on a server of one's own")
  func batches() throws {
    let server = try RedisServer()
    let stage = try Stage(on: server, prefix: "mneme")
    let lines = try lines(Self.count)
    func transactions() throws -> (imported: Int, removed: Int, pages: Int) {
      try stage.redis.send("CONFIG", "RESETSTAT")
      try stage.mneme.run(["import", "--embedder", "none"], input: lines).expecting(0)
      let imported = try calls("exec", stage.redis)
      try stage.mneme.run("inspect-keys")
      let pages = try calls("scan", stage.redis)
      try stage.mneme.run("clear", "--yes", "--all")
      #expect(try stage.entryCount() == 0)
      return (imported, try calls("exec", stage.redis) - imported, pages)
    }
    let alone = try transactions()
    let other = try OtherClient(of: server)
    let beside = try transactions()
    withExtendedLifetime(other) {}
    // The first few are long: who is done with those is gone before it is worth a question.
    #expect(beside.imported >= Self.count / 5 && beside.removed >= Self.count / 5, "\(beside)")
    #expect(beside.pages >= Self.count / 50, "\(beside)")
    #expect(alone.imported * 2 < beside.imported && alone.removed * 2 < beside.removed, "\(alone)")
    #expect(alone.pages * 2 < beside.pages, "\(alone)")
  }

  @Test("an import that meets what is there already sees others too", arguments: ["replace", "skip"])
  func importAgain(policy: String) throws {
    let server = try RedisServer()
    let stage = try Stage(on: server, prefix: "mneme")
    let lines = try lines(Self.count)
    func looks() throws -> Int {
      try stage.redis.send("CONFIG", "RESETSTAT")
      let words = ["import", "--embedder", "none", "--on-conflict", policy]
      try stage.mneme.run(words, input: lines).expecting(0)
      return try calls("watch", stage.redis)
    }
    _ = try looks()
    let alone = try looks()
    let other = try OtherClient(of: server)
    let beside = try looks()
    withExtendedLifetime(other) {}
    #expect(alone * 4 < beside && beside >= Self.count / 4, "\(alone), \(beside)")
  }

  /// The scheduling policies of all threads of a process, as the kernel numbers them; none once it has ended.
  private func policies(of process: pid_t) throws -> Set<Int> {
    let stat = try ChildProcess(["/bin/sh", "-c", "cat /proc/\(process)/task/*/stat 2>/dev/null"]).finish()
    // What follows the name in brackets, which may hold blanks, begins with the third field; the policy is the 41st.
    return Set(
      stat.outputText.split(separator: "\n").compactMap { line in
        let fields = line.split(separator: ") ", maxSplits: 1).last?.split(separator: " ") ?? []
        return fields.count > 38 ? Int(fields[38]) : nil
      })
  }

  @Test(
    "where others use a server on this machine, its processors are theirs first", arguments: [false, true])
  func processors(tcp: Bool) throws {
    let server = try RedisServer(tcp: true)
    let stage = try Stage(on: server, prefix: "mneme")
    try stage.mneme.run(["import", "--embedder", "none"], input: lines(6400)).expecting(0)
    let mneme = Mneme(url: tcp ? server.tcpURL : server.url, prefix: "mneme")
    func seen(until wanted: Set<Int>) throws -> [Set<Int>] {
      let run = try mneme.start(["export", "--pace", "10ms", "-o", "\(server.directory)/export"])
      var seen: [Set<Int>] = []
      while run.poll() == nil, seen.last != wanted {
        let now = try policies(of: run.pid)
        if !now.isEmpty { seen.append(now) }
      }
      try run.finish().expecting(0)
      return seen
    }
    let (ordinary, idle) = (Int(SCHED_OTHER), 5)
    let alone = try seen(until: [])
    #expect(alone.count > 5 && alone.allSatisfy { $0 == [ordinary] }, "\(alone)")
    let other = try OtherClient(of: server)
    let beside = try seen(until: [idle])
    withExtendedLifetime(other) {}
    #expect(beside.last == [idle], "\(beside)")
  }
}
