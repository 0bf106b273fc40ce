import Foundation
import Glibc
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Servers that fail")
struct FaultTests {
  @Test("A port without a listener, a wrong name, and an address that drops packets are unreachable")
  func unreachable() throws {
    expectFailure(.unreachable, "redis://user:***@127.0.0.1:1/0", "Connection refused") {
      _ = try RedisClient("redis://user:secret@127.0.0.1:1").ask("PING")
    }
    let error = #expect(throws: StoreBackendError.self) {
      try RedisClient("redis://nobody.invalid", connect: .milliseconds(500)).ask("PING")
    }
    #expect(error.map { [.unreachable, .timedOut].contains($0.reason) } == true)
    #expect(error?.message.contains("nobody.invalid:6379") == true)

    // A queue of waiting connections that is full: the kernel drops what comes.
    let full = try SwallowingListener()
    expectFailure(.timedOut, "Cannot connect", "within 200ms") {
      _ = try RedisClient("redis://127.0.0.1:\(full.port)", connect: .milliseconds(200)).ask("PING")
    }
    withExtendedLifetime(full) {}
  }

  @Test("A server that accepts and never replies gets the time limit for connecting")
  func silence() throws {
    let server = try ScriptedServer { peer, _ in peer.waitForEnd() }
    for attempt in [{ _ = try $0.ask("GET", "k") }, { try $0.tell("SET", "k", "v") }]
      as [(RedisClient) throws -> Void]
    {
      expectFailure(.timedOut, "gave no answer within 200ms", "rediss://") {
        try attempt(RedisClient(server.url, connect: .milliseconds(200), command: .seconds(60)))
      }
    }
    let tls = try RedisClient(
      server.url.replacing("redis:", with: "rediss:"), connect: .milliseconds(200), command: .seconds(60))
    expectFailure(.timedOut, "did not answer in TLS") { _ = try tls.ask("GET", "k") }
  }

  @Test(
    "A server that replies only to the greeting gets the time limit of a command; a write may have been done")
  func lateSilence() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.waitForEnd()
    }
    func hasty() throws -> RedisClient {
      try RedisClient(server.url, connect: .seconds(30), command: .milliseconds(300))
    }
    expectFailure(.timedOut, "no answer within 300ms", "allow more time") {
      _ = try hasty().ask("GET", "k")
    }
    expectFailure(.timedOut, "may have been written") { try hasty().tell("SET", "k", "v") }
    let conversations = server.conversations
    #expect(conversations.count == 2, "a time limit is met once, not twice")
  }

  @Test("A reply that comes a byte at a time is waited for")
  func dripping() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      for byte in "$11\r\nhello world\r\n".utf8 {
        peer.send([byte])
        usleep(2000)
      }
      peer.waitForEnd()
    }
    #expect(try RedisClient(server.url).ask("GET", "k").string == "hello world")
  }

  @Test("A server that closes the connection immediately is not usable", arguments: [false, true])
  func hangsUp(resets: Bool) throws {
    let server = try ScriptedServer { peer, _ in if resets { peer.reset() } }
    let error = #expect(throws: StoreBackendError.self) { try RedisClient(server.url).ask("GET", "k") }
    #expect(error.map { [.unreachable, .connectionLost].contains($0.reason) } == true)
    #expect(throws: StoreBackendError.self) { try RedisClient(server.url).tell("SET", "k", "v") }
    #expect(server.conversations.allSatisfy { !$0.contains("SET\r\n$1\r\nk") }, "nothing is written unasked")
  }

  @Test("A server in protected mode reports that before it closes the connection")
  func protectedMode() throws {
    let server = try ScriptedServer { peer, _ in
      peer.receive()
      peer.send("-DENIED Redis is running in protected mode because protected mode is enabled\r\n")
    }
    expectFailure(.accessDenied, "protected mode", "bind") { _ = try RedisClient(server.url).ask("GET", "k") }
  }

  @Test("Reads are sent again on a new connection, once", arguments: [false, true])
  func readAgain(resets: Bool) throws {
    let server = try ScriptedServer { peer, number in
      peer.greet()
      if number == 0 {
        if resets { peer.reset() }
        return
      }
      peer.send("$1\r\nv\r\n")
      peer.waitForEnd()
    }
    #expect(try RedisClient(server.url).ask("GET", "k").string == "v")
    #expect(server.conversations.count == 2)

    let dead = try ScriptedServer { peer, _ in peer.greet() }
    expectFailure(.connectionLost, "lost while a command was under way") {
      _ = try RedisClient(dead.url).ask("GET", "k")
    }
    try eventually("the question whether the server is up") { dead.conversations.count == 3 }
    #expect(dead.conversations.count { $0.contains("GET") } == 2)
  }

  @Test("Writes are sent once, and the error says that they may have been done", arguments: [false, true])
  func writeOnce(resets: Bool) throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.awaitCommand("SET")
      if resets { peer.reset() }
    }
    expectFailure(.connectionLost, "may have been written") {
      try RedisClient(server.url).tell("SET", "k", "v")
    }
    #expect(server.conversations.count == 1)
  }

  @Test("A connection that was closed while idle is made again, for writes too")
  func idle() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.awaitCommand("SET")
      peer.send("+OK\r\n")
    }
    let client = try RedisClient(server.url)
    try client.tell("SET", "k", "v")
    try eventually("the server to hang up") { client.isIdleConnectionGone }
    try client.tell("SET", "k", "v")
    #expect(server.conversations.count == 2)
  }

  @Test("A transaction whose connection is lost before EXEC starts over; after EXEC it may have been done")
  func transactions() throws {
    let body = { (transaction: borrowing Transaction) throws -> Transaction.Outcome<Void> in
      var question = Pipeline()
      question.append("WATCH", "k")
      _ = try transaction.read(question)
      var write = Pipeline()
      write.append("SET", "k", "v")
      return try transaction.commit(write) == nil ? .retry : .done(())
    }
    let early = try ScriptedServer { peer, number in
      peer.greet()
      if number == 0 { return }
      peer.takeEmptyTransaction()
      peer.send("+OK\r\n")
      peer.awaitCommand("EXEC")
      peer.send("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n")
      peer.waitForEnd()
    }
    try RedisClient(early.url).transaction(body)
    #expect(early.conversations.count == 2)

    let late = try ScriptedServer { peer, _ in
      peer.greet()
      peer.takeEmptyTransaction()
      peer.send("+OK\r\n")
      peer.awaitCommand("EXEC")
    }
    expectFailure(.connectionLost, "may have been written") { try RedisClient(late.url).transaction(body) }
    #expect(late.conversations.count == 1)
  }

  @Test("A transaction that never succeeds ends")
  func contention() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.serve { command in
        switch command[0] {
        case "MULTI": "+OK\r\n"
        case "EXEC": "*-1\r\n"
        default: "+QUEUED\r\n"
        }
      }
    }
    var attempts = 0
    expectFailure(.contention, "100 times") {
      try RedisClient(server.url).transaction { transaction -> Transaction.Outcome<Void> in
        attempts += 1
        var write = Pipeline()
        write.append("SET", "k", "v")
        return try transaction.commit(write) == nil ? .retry : .done(())
      }
    }
    #expect(attempts == 100)
  }

  @Test("Nodes that redirect in a circle are an error", arguments: ["MOVED", "ASK"])
  func circle(word: String) throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.serve { command in
        switch command[0] {
        case "GET", "SET": "-\(word) 1 :\(command[1])\r\n"
        default: "+OK\r\n"
        }
      }
    }
    // The server learns its own port from the key.
    let key = "\(server.port)"
    let client = try RedisClient(server.url)
    expectFailure(.refused, "cluster") { _ = try client.ask("GET", key) }
    expectFailure(.refused, "cluster") { try client.tell("SET", key, "v") }
  }

  @Test("A connection that ends in the middle of a large write is an error, not a signal")
  func closedWhileSending() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.receive()
    }
    let value = [UInt8](repeating: 0x78, count: 64 << 20)
    expectFailure(.connectionLost) { try RedisClient(server.url).tell("SET", "k", value) }
  }

  @Test("Large replies do not block large commands")
  func bothWays() throws {
    let client = try RedisClient(RedisServer.shared().url)
    let key = uniquePrefix("bulk")
    let value = [UInt8](repeating: 0x78, count: 1_000_000)
    var commands = Pipeline()
    for _ in 0..<10 {
      commands.append("SET", key, value)
      commands.append("GET", key)
    }
    let replies = try client.write(commands)
    #expect(replies.count == 20)
    #expect(
      replies.enumerated().allSatisfy {
        $0.offset % 2 == 0 || $0.element.withBytes { $0.count } == value.count
      })
  }
}

extension RedisClient {
  /// The server has hung up on a connection that nobody is using.
  fileprivate var isIdleConnectionGone: Bool { !locked { connection?.isAlive ?? false } }
}
