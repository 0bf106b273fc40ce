import Foundation
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Error replies of a server")
struct ServerErrorTests {
  @Test("A key of another type is a corrupt cache, and the key is named")
  func wrongType() throws {
    let client = try RedisClient(RedisServer.shared().url)
    let key = uniquePrefix("type") + ":lru:\u{7}"
    try client.tell("SET", key, "v")
    let error = #expect(throws: CorruptCacheError.self) { try client.ask("ZCARD", key) }
    #expect(error?.message.contains(":lru:^G") == true)
    var commands = Pipeline()
    commands.append("GET", key)
    commands.append("ZCARD", key)
    let tolerated = try client.read(commands, tolerating: true)
    #expect(tolerated[0].string == "v")
    #expect(tolerated[1].error?.code == "WRONGTYPE")
    #expect(throws: CorruptCacheError.self) {
      try client.tellInTransaction("ZADD", key, 1, "member")
    }
  }

  @Test("A full server says what its limit and policy are, in a transaction too")
  func outOfMemory() throws {
    let server = try RedisServer(configuration: ["maxmemory-policy noeviction"])
    let client = try RedisClient(server.url)
    // Its data alone is above the limit. The buffers of connections count too, and are freed after a while.
    let filler = [UInt8](repeating: 0x78, count: 8 << 20)
    try client.tell("SET", "filler", filler)
    try server.connect().send("CONFIG", "SET", "maxmemory", "3mb")
    expectFailure(.outOfMemory, "SET k", "3.00M", "noeviction") { try client.tell("SET", "k", "v") }
    expectFailure(.outOfMemory, "SET more", "3.00M") {
      try client.tellInTransaction("SET", "more", "v")
    }
    #expect(try client.ask("GET", "filler").withBytes { $0.count } == filler.count)
  }

  @Test("A replica is read from, and a write says that it is one and where the primary is")
  func replica() throws {
    let primary = try RedisServer(tcp: true, configuration: ["repl-diskless-sync-delay 0"])
    let replica = try RedisServer(tcp: true, configuration: ["replicaof 127.0.0.1 \(primary.port!)"])
    try RedisClient(primary.url).tell("SET", "k", "v")
    let client = try RedisClient(replica.url)
    // It answers with errors while it loads the data.
    try eventually("the replica to be in step") { (try? client.ask("GET", "k").string) == "v" }
    #expect(client.role.isReplica == true)
    expectFailure(.readOnly, "read-only replica", "127.0.0.1:\(primary.port!)") {
      try client.tell("SET", "k", "w")
    }
    expectFailure(.readOnly, "127.0.0.1:\(primary.port!)") {
      try client.tellInTransaction("SET", "k", "w")
    }
  }

  @Test("A replica that has lost its primary and must not serve old data is not ready")
  func primaryDown() throws {
    let replica = try RedisServer(configuration: ["replica-serve-stale-data no"])
    try replica.connect().send("REPLICAOF", "127.0.0.1", "1")
    expectFailure(.notReady, "MASTERDOWN", "primary") { _ = try RedisClient(replica.url).ask("GET", "k") }
  }

  @Test("A primary with too few replicas is not ready for writes")
  func noReplicas() throws {
    let server = try RedisServer(configuration: ["min-replicas-to-write 1"])
    expectFailure(.notReady, "NOREPLICAS") { try RedisClient(server.url).tell("SET", "k", "v") }
  }

  @Test("A server that cannot save refuses writes")
  func cannotSave() throws {
    let server = try RedisServer(configuration: ["save 3600 1"])
    // A directory is in the place of the file.
    try FileManager.default.createDirectory(
      atPath: server.directory + "/dump.rdb/x", withIntermediateDirectories: true)
    let admin = try server.connect()
    try admin.send("SET", "k", "v")
    try admin.send("BGSAVE")
    try eventually("the save to fail") {
      try admin.send("INFO", "persistence").text?.contains("rdb_last_bgsave_status:err") == true
    }
    expectFailure(.readOnly, "MISCONF", "disk") { try RedisClient(server.url).tell("SET", "k", "w") }
  }

  @Test("A server that is busy with a script is not ready")
  func busy() throws {
    let server = try RedisServer(configuration: ["busy-reply-threshold 1"])
    Thread.detachNewThread { _ = try? server.connect().send("EVAL", "while true do end", "0") }
    let client = try RedisClient(server.url)
    try eventually("the script to run") {
      do {
        _ = try client.ask("GET", "k")
        return false
      } catch let error as StoreBackendError {
        #expect(error.reason == .notReady && error.message.contains("busy with a script"), "\(error)")
        return true
      }
    }
    try server.connect().send("SCRIPT", "KILL")
    try eventually("the script to end") { (try? client.ask("GET", "k")) != nil }
  }

  @Test("A server that is loading is not ready")
  func loading() throws {
    // It takes 25 seconds.
    let server = try RedisServer(configuration: [
      "key-load-delay 50000", "loading-process-events-interval-bytes 1024",
    ])
    let admin = try server.connect()
    for index in 0..<500 { try admin.send("SET", "key:\(index)", String(repeating: "x", count: 100)) }
    try admin.send("SAVE")
    try server.crash()
    Thread.detachNewThread { try? server.start() }
    try eventually("the server to be loading") {
      do {
        _ = try RedisClient(server.url).ask("GET", "key:1")
        return false
      } catch let error as StoreBackendError {
        return error.reason == .notReady && error.message.contains("loading")
      }
    }
    try server.crash()
  }

  @Test(
    "A transaction that the server discards without a reason is reported as that, and that nothing was written"
  )
  func discarded() throws {
    let server = try ScriptedServer { peer, _ in
      peer.greet()
      peer.awaitCommand("EXEC")
      peer.send("+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n")
      peer.waitForEnd()
    }
    expectFailure(.refused, "discarded the transaction", "EXECABORT", "Nothing was written") {
      try RedisClient(server.url).tellInTransaction("SET", "k", "v")
    }
  }

  @Test("A Unix socket that is missing, may not be used, or is not a socket is named with its path")
  func unixSocket() throws {
    let directory = try TemporaryDirectory()
    expectFailure(.unreachable, directory.path("none.sock"), "No such file", "unixsocket") {
      _ = try RedisClient("unix://\(directory.path("none.sock"))").ask("PING")
    }
    let file = try directory.write([], to: "file")
    expectFailure(.unreachable, file, "refused") { _ = try RedisClient("unix://\(file)").ask("PING") }
  }

  @Test("An unknown command does not repeat its arguments")
  func unknownCommand() throws {
    let client = try RedisClient(RedisServer.shared().url)
    let error = #expect(throws: StoreBackendError.self) {
      try client.ask("MNEME.NO.SUCH", "key", "private answer")
    }
    #expect(error.map { "\($0.message) \($0.causes)" }?.contains("private") == false)
    #expect(error?.reason == .accessDenied)
  }

  @Test("After close, every use throws CacheClosedError")
  func closed() throws {
    let client = try RedisClient(RedisServer.shared().url)
    #expect(try client.ask("PING").string == "PONG")
    client.close()
    client.close()
    #expect(throws: CacheClosedError.self) { try client.ask("PING") }
    #expect(throws: CacheClosedError.self) { try client.tell("SET", "k", "v") }
    #expect(throws: CacheClosedError.self) {
      try client.transaction { _ -> Transaction.Outcome<Void> in .done(()) }
    }
  }
}
