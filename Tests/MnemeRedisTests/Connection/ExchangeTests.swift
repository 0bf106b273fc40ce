import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Exchanges with a real server")
struct ExchangeTests {
  @Test("A pipeline gets one reply for each command, in order, of every type")
  func everyType() throws {
    let server = try RedisServer(tcp: true)
    let client = try RedisClient(server.tcpURL)
    var commands = Pipeline()
    commands.append("SET", "k", "v")
    commands.append("GET", "k")
    commands.append("GET", "missing")
    commands.append("INCR", "n")
    commands.append("RPUSH", "list", "a", 1, Int64.min)
    commands.append("LRANGE", "list", 0, -1)
    commands.append("EVAL", "return {1, {2, {}, 3}, 'x'}", 0)
    let replies = try client.write(commands)
    #expect(replies.count == 7)
    #expect(replies[0].kind == .status && replies[0].string == "OK")
    #expect(replies[1].bytes == Array("v".utf8))
    #expect(replies[2].isNull && replies[2].string == nil)
    #expect(replies[3].integer == 1)
    #expect(replies[5].elements.map(\.string) == ["a", "1", "-9223372036854775808"])
    #expect(replies[5][2].integer == .min)
    let nested = replies[6]
    #expect(nested.count == 3)
    #expect(nested[2].string == "x")
    #expect(nested[1].elements.map(\.kind) == [.integer, .array, .integer])
  }

  @Test("A transaction commits, and starts over when a watched key has changed")
  func transaction() throws {
    let server = try RedisServer()
    let client = try RedisClient(server.url)
    let other = try RedisClient(server.url)
    var attempts = 0
    let result = try client.transaction { transaction -> Transaction.Outcome<Int64> in
      attempts += 1
      var question = Pipeline()
      question.append("WATCH", "watched")
      question.append("GET", "watched")
      let seen = try transaction.read(question)
      if attempts == 1 {
        var change = Pipeline()
        change.append("SET", "watched", "5")
        _ = try other.write(change)
      }
      var write = Pipeline()
      write.append("SET", "watched", (seen[1].integer ?? 0) + 1)
      write.append("GET", "watched")
      guard let written = try transaction.commit(write) else { return .retry }
      return .done(written[1].integer ?? 0)
    }
    #expect(attempts == 2)
    #expect(result == 6)
  }
}
