import TestSupport
import Testing

/// Limits of the server that cut a connection, which is not the end of the server.
@Suite("Limits of the server")
struct ServerLimitTests {
  /// A server that has run long enough to be distinguished from one that was just started.
  private func fixture() throws -> CacheFixture {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try eventually("the server to be two seconds old") {
      try fixture.redis.send("INFO", "server").text?.contains(#/uptime_in_seconds:[2-9]/#) == true
    }
    return fixture
  }

  private func expectLimits(_ outcome: Outcome, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let complaint = try Complaint(text: outcome.expecting(69))
    #expect(
      complaint.message.contains("is up, and closed the connection while a command was under way"),
      "\(complaint)", sourceLocation: sourceLocation)
    for limit in ["client-output-buffer-limit", "maxmemory-clients", "proto-max-bulk-len"] {
      #expect(complaint.remediation.contains(limit), "\(complaint)", sourceLocation: sourceLocation)
    }
  }

  @Test("a reply that exceeds the server's output buffer ends with the name of the limit")
  func outputBuffer() throws {
    let fixture = try fixture()
    let response = String(repeating: "r", count: 1 << 20)
    for number in 1...8 { try fixture.mneme.run("put", "query \(number)", input: response) }
    try fixture.redis.send("CONFIG", "SET", "client-output-buffer-limit", "normal 500000 0 0")
    let directory = try TemporaryDirectory()
    try expectLimits(fixture.mneme.run(["export", "-o", directory.path("out")]))
    #expect(try directory.names().isEmpty)
  }

  @Test("a value that is too large for the server ends with the name of the limit")
  func bulkLength() throws {
    let fixture = try fixture()
    try fixture.redis.send("CONFIG", "SET", "proto-max-bulk-len", "1mb")
    let response = Array(String(repeating: "r", count: 3 << 20).utf8)
    try expectLimits(fixture.mneme.run(["put", "q"], input: response))
    #expect(try fixture.entryCount() == 0)
  }

  @Test("a lost server is not taken for one that has cut the connection")
  func gone() throws {
    let fixture = try fixture()
    try fixture.mneme.run(["import"], input: importLines(1...500)).expecting(0)
    let command = try fixture.mneme.start(["export", "--pace", "50ms"])
    _ = try command.readLine()
    try fixture.server.crash()
    let complaint = try Complaint(text: command.finish().expecting(69))
    #expect(!complaint.remediation.contains("limits"), "\(complaint)")
  }
}
