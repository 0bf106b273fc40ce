import Dispatch
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

  @Test("Four parallel writers lose no update, on one connection and on four", arguments: [true, false])
  func manyWriters(shared: Bool) throws {
    let url = try RedisServer.shared().url
    let key = uniquePrefix("count")
    let common = try RedisClient(url)
    let clients = try (0..<4).map { _ in shared ? common : try RedisClient(url) }
    let failures = Failures()
    DispatchQueue.concurrentPerform(iterations: 4) { writer in
      for _ in 0..<50 {
        // A transaction that is given up must leave nothing watched behind.
        _ = try? clients[writer].transaction { transaction -> Transaction.Outcome<Void> in
          var question = Pipeline()
          question.append("WATCH", key, "\(key):other")
          _ = try transaction.read(question)
          return .done(())
        }
        failures.keep {
          try clients[writer].transaction { transaction -> Transaction.Outcome<Void> in
            var question = Pipeline()
            question.append("WATCH", key)
            question.append("GET", key)
            let count = try transaction.read(question)[1].integer ?? 0
            var write = Pipeline()
            write.append("SET", key, count + 1)
            write.append("INCR", "\(key):other")
            return try transaction.commit(write) == nil ? .retry : .done(())
          }
        }
      }
    }
    failures.report()
    #expect(try common.ask("GET", key).integer == 200)
    #expect(try common.ask("GET", "\(key):other").integer == 200)
  }
}
