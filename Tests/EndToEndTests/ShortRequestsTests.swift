import TestSupport
import Testing

/// Other clients of a server wait for each request and each transaction. So these are short, whoever else is there.
@Suite("Short requests") struct ShortRequestsTests {
  private static let count = 4_000

  /// How many commands of a kind the server has carried out.
  private func calls(_ command: String, _ redis: RawRedis) throws -> Int {
    let statistics = try redis.send("INFO", "commandstats").text ?? ""
    let pattern = try Regex("cmdstat_\(command):calls=(\\d+)", as: (Substring, Substring).self)
    return statistics.firstMatch(of: pattern).flatMap { Int($0.output.1) } ?? 0
  }

  @Test("a transaction stores 8 entries at most, or removes 16, and a page has 200 keys at most")
  func transactions() throws {
    let server = try RedisServer()
    let stage = try Stage(on: server, prefix: "mneme")
    let lines = try (1...Self.count).flatMap {
      try jsonLine(["query": "q\($0)", "response": "r", "ttl": 3600]).utf8
    }
    try stage.redis.send("CONFIG", "RESETSTAT")
    try stage.mneme.run(["import", "--embedder", "none"], input: lines).expecting(0)
    let imported = try calls("exec", stage.redis)
    #expect(imported >= Self.count / 8)
    try stage.mneme.run("inspect-keys").expecting(0)
    #expect(try calls("scan", stage.redis) >= Self.count / 200)
    try stage.mneme.run("clear", "--yes", "--all").expecting(0)
    #expect(try calls("exec", stage.redis) - imported >= Self.count / 16)
    #expect(try stage.entryCount() == 0)
  }
}
