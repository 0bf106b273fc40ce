import Foundation
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Servers with broken replies")
struct BrokenReplyTests {
  /// The greeting's answers, and then those to `GET`, `HGETALL` and `ZCARD`.
  private static let answers =
    "+OK\r\n-ERR unknown command\r\n$5\r\nvalue\r\n*2\r\n$1\r\nf\r\n$2\r\n12\r\n:42\r\n"

  private static var questions: Pipeline {
    var commands = Pipeline()
    commands.append("GET", "k")
    commands.append("HGETALL", "h")
    commands.append("ZCARD", "z")
    return commands
  }

  @Test("A reply that is cut off anywhere is an error, never a part of a reply")
  func cut() throws {
    let bytes = Array(Self.answers.utf8)
    for length in 0...bytes.count {
      let server = try ScriptedServer { peer, number in
        // The command is tried twice. Then the client asks whether the server is still there.
        guard number < 2 else { return }
        peer.awaitCommand("ZCARD")
        peer.send(bytes[..<length])
      }
      let client = try RedisClient(server.url)
      if length < bytes.count {
        let error = #expect(throws: StoreBackendError.self) { try client.read(Self.questions) }
        #expect(error.map { [.connectionLost, .unreachable].contains($0.reason) } == true, "\(length)")
      } else {
        #expect(try client.read(Self.questions)[2].integer == 42)
      }
    }
  }

  @Test("If the reply to a transaction is cut off, the error says that the transaction may have been done")
  func cutTransaction() throws {
    let bytes = Array("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n".utf8)
    for length in 0...bytes.count {
      let server = try ScriptedServer { peer, _ in
        peer.greet()
        peer.awaitCommand("EXEC")
        peer.send(bytes[..<length])
      }
      let body = { (transaction: borrowing Transaction) throws -> Transaction.Outcome<Int64?> in
        var write = Pipeline()
        write.append("SET", "k", "v")
        write.append("INCR", "n")
        return try transaction.commit(write).map { .done($0[1].integer) } ?? .retry
      }
      if length < bytes.count {
        expectFailure(.connectionLost, "may have been written") {
          _ = try RedisClient(server.url).transaction(body)
        }
        #expect(server.conversations.count == 1)
      } else {
        #expect(try RedisClient(server.url).transaction(body) == 1)
      }
    }
  }

  @Test(
    "A reply that breaks the protocol is an error with the reason, and the command is not sent again",
    arguments: [
      "$3\r\nabcdef\r\n", ":forty-two\r\n", "$-7\r\n", "*2147483648\r\n", "$2147483648\r\n", "!!!\r\n",
      "\u{0}\u{0}\u{0}",
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "+one\r\n+too\r\n+many\r\n+of\r\n+them\r\n",
    ])
  func garbage(answer: String) throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.send(answer)
      peer.waitForEnd()
    }
    expectFailure(.protocolViolation, "does not speak the Redis protocol") {
      _ = try RedisClient(server.url).ask("GET", "k")
    }
    #expect(server.conversations.count == 1)
  }

  @Test(
    "A reply to EXEC of another shape is refused",
    arguments: ["+QUEUED", ":1", "*0", "*2\r\n:1\r\n:2", "$2\r\nOK"])
  func odd(answer: String) throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.awaitCommand("EXEC")
      peer.send("+OK\r\n+QUEUED\r\n\(answer)\r\n")
      peer.waitForEnd()
    }
    expectFailure(.protocolViolation, "EXEC") {
      try RedisClient(server.url).tellInTransaction("SET", "k", "v")
    }
  }

  @Test("A web server is recognized")
  func web() throws {
    let server = try ScriptedServer { peer, _ in
      peer.receive()
      peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    }
    expectFailure(.protocolViolation, "web server") { _ = try RedisClient(server.url).ask("GET", "k") }
    expectFailure(.protocolViolation, "web server") { try RedisClient(server.url).tell("SET", "k", "v") }
    expectFailure(.protocolViolation, "does not speak TLS") {
      _ = try RedisClient(server.url.replacing("redis:", with: "rediss:")).ask("GET", "k")
    }
  }

  @Test(
    "An error reply of a hundred megabytes, and an endless string, are not awaited",
    arguments: ["-ERR ", "+"])
  func endless(start: String) throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.send(start)
      let block = [UInt8](repeating: 0x78, count: 1 << 20)
      for _ in 0..<100 { peer.send(block) }
    }
    expectFailure(.protocolViolation, "64 KiB") { _ = try RedisClient(server.url).ask("GET", "k") }
  }

  @Test("A connection that has failed is not used again")
  func afterwards() throws {
    let server = try ScriptedServer { peer, number in
      peer.greet()
      peer.awaitCommand("GET")
      peer.send(number == 0 ? "!" : "$1\r\nv\r\n")
      peer.waitForEnd()
    }
    let client = try RedisClient(server.url)
    expectFailure(.protocolViolation) { _ = try client.ask("GET", "k") }
    #expect(try client.ask("GET", "k").string == "v")
  }

  @Test("Any bytes as a reply end with a reply or an error")
  func noise() throws {
    var random = SeededGenerator()
    for _ in 0..<200 {
      var bytes = Array(Self.answers.utf8)
      for _ in 0..<3 {
        bytes[.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      let server = try ScriptedServer { [bytes] peer, _ in
        peer.awaitCommand("ZCARD")
        peer.send(bytes)
      }
      do {
        #expect(try RedisClient(server.url).read(Self.questions, tolerating: true).count == 3)
      } catch is StoreBackendError {}
    }
  }

  @Test("A server before version 6, which does not support HELLO, works")
  func oldServer() throws {
    let server = try ScriptedServer { peer, _ in
      peer.serve { command in
        switch command[0] {
        case "AUTH": command.count == 2 ? "+OK\r\n" : "-ERR wrong number of arguments for 'auth' command\r\n"
        case "HELLO": "-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n"
        case "GET": "$1\r\nv\r\n"
        default: "+OK\r\n"
        }
      }
    }
    let client = try RedisClient(server.url.replacing("//", with: "//:secret@"))
    #expect(try client.ask("GET", "k").string == "v")
    try client.tell("SET", "k", "v")
    #expect(client.role == ServerRole())
  }
}
