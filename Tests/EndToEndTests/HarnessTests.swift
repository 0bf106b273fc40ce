import Foundation
import TestSupport
import Testing

/// The tools of the other tests, tried on what is known.
@Suite struct HarnessTests {
  @Test("a dump shows every kind of key and its changes")
  func dump() throws {
    let redis = try RedisServer.shared().connect()
    let prefix = uniquePrefix("dump*?[]")
    try redis.send("SET", prefix + ":string", "text")
    try redis.send("HSET", prefix + ":hash", "b", "2", "a", "1")
    try redis.send("ZADD", prefix + ":zset", "2", "y", "1", "x")
    try redis.send("SADD", prefix + ":set", "n", "m")
    try redis.send("SET", prefix + ":mortal", "text", "EX", "1000")
    let before = try redis.dump(prefix: prefix)
    #expect(before.names == ["hash", "mortal", "set", "string", "zset"].map { "\(prefix):\($0)" })
    #expect(before.keys.map(\.type) == ["hash", "string", "set", "string", "zset"])
    #expect(before.keys[0].content.map { String(decoding: $0, as: UTF8.self) } == ["a", "1", "b", "2"])
    #expect(try redis.dump(prefix: prefix) == before)

    try redis.send("ZADD", prefix + ":zset", "3", "x")
    let after = try redis.dump(prefix: prefix)
    #expect(after != before)
    #expect(
      after.changes(since: before) == """
        - \(prefix):zset (zset): x 1 y 2
        + \(prefix):zset (zset): y 2 x 3
        """)
  }

  @Test("the monitor returns each command with its exact words")
  func monitor() throws {
    let server = try RedisServer()
    let monitor = try Monitor(server)
    let redis = try server.connect()
    let odd: [UInt8] = Array("a \"b\" \\ \r\n\t".utf8) + [0, 7, 8, 0xff, 0xc3, 0xa9]
    try redis.send([Array("SET".utf8), odd, odd])
    try redis.send("MULTI")
    try redis.send("INCR", "n")
    try redis.send("EXEC")
    let commands = try monitor.commands()
    #expect(commands.map(\.name) == ["SET", "MULTI", "INCR", "EXEC"])
    #expect(commands[0].words == [Array("SET".utf8), odd, odd])
    #expect(try monitor.commands().isEmpty)
  }

  @Test("the proxy counts commands that share a wait for the server as one round trip")
  func proxy() throws {
    let server = try RedisServer.shared()
    let proxy = try ScriptedProxy(to: server)
    let redis = try RawRedis(port: proxy.port)
    let key = Array(uniquePrefix().utf8)
    try redis.send("SELECT", "0")
    _ = try redis.pipeline([[Array("SET".utf8), key, key], [Array("GET".utf8), key]])
    try redis.send("PING")
    try redis.send("DBSIZE")
    #expect(proxy.roundTrips().map(\.commands) == [["SET", "GET"], ["DBSIZE"]])
    #expect(proxy.roundTrips().isEmpty)
  }

  @Test("a server that crashed starts again with its data")
  func crash() throws {
    let server = try RedisServer(configuration: ["appendonly yes", "appendfsync always"])
    try server.connect().send("SET", "kept", "yes")
    try server.crash()
    #expect(throws: SystemError.self) { try server.connect() }
    try server.start()
    #expect(try server.connect().send("GET", "kept").text == "yes")
  }

  @Test("a server that is stopped leaves neither process nor file")
  func stop() throws {
    let server = try RedisServer()
    let pid = try #require(
      try server.connect().send("INFO", "server").text?.firstMatch(of: /process_id:(\d+)/))
    try server.stop()
    #expect(throws: SystemError.self) { try server.connect() }
    #expect(access(server.directory, F_OK) == -1)
    #expect(access("/proc/\(pid.1)", F_OK) == -1)
  }

  @Test("a server that cannot start reports the reason")
  func wrongConfiguration() throws {
    let failure = try #require(throws: RedisServer.StartFailure.self) {
      try RedisServer(configuration: ["no-such-directive yes"])
    }
    #expect(failure.description.contains("no-such-directive"))
  }

  @Test("a server whose port another program has taken starts on another port")
  func takenPort() throws {
    let taken = try Listener()
    var choices = 0
    let server = try RedisServer(
      tcp: true,
      choosePort: {
        choices += 1
        return choices == 1 ? taken.port : try freePort()
      })
    let port = try #require(server.port)
    #expect(choices > 1 && port != taken.port)
    #expect(try RawRedis(port: port).send("PING").text == "PONG")
  }

  @Test("a program's input, output, errors and end are separate")
  func programs() throws {
    let program = try ChildProcess(["sh", "-c", "cat; echo oops >&2; exit 3"])
    // More than a pipe holds, both ways.
    let text = Array(repeating: UInt8(ascii: "x"), count: 1_000_000)
    let outcome = try program.finish(input: text)
    #expect(outcome.output == text)
    #expect(outcome.errorText == "oops\n")
    #expect(outcome.status == 3)
    let killed = try ChildProcess(["sh", "-c", "kill -TERM $$"]).finish()
    #expect(killed.status == 143)
    #expect(try ChildProcess(["sh", "-c", "exit 0"]).finish(input: text).status == 0)
  }
}
