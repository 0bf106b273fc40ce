import Foundation
import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Redis Cluster", .needs(program: "redis-cli"), .serialized)
struct ClusterTests {
  private static let cluster = Result { try RedisCluster() }

  private func client(_ url: String, prefix: String? = nil) throws -> RedisClient {
    let client = try RedisClient(url)
    if let prefix { client.serve(keyPrefix: prefix, key: "\(prefix):meta") }
    return client
  }

  @Test("Every node leads to the keys of a tagged prefix", arguments: [0, 1, 2])
  func everyNode(node: Int) throws {
    let cluster = try Self.cluster.get()
    let prefix = "{\(uniquePrefix())}"
    let client = try client(cluster.url(node), prefix: prefix)
    #expect(try client.ask("GET", "\(prefix):k").isNull)
    try client.tell("SET", "\(prefix):k", "v")
    #expect(try client.ask("GET", "\(prefix):k").string == "v")
    #expect(client.address == "redis://127.0.0.1:\(try cluster.owner(of: "\(prefix):k").port!)/0")
  }

  @Test("A first command that writes, and a transaction, find the node too", arguments: [0, 1, 2])
  func writeFirst(node: Int) throws {
    let cluster = try Self.cluster.get()
    for prefix in ["{\(uniquePrefix())}", "{\(uniquePrefix())}"] {
      let writer = try client(cluster.url(node), prefix: prefix)
      try writer.tell("SET", "\(prefix):k", 1)
      let unserved = try client(cluster.url(node))
      try unserved.tell("INCR", "\(prefix):k")
      for served in [true, false] {
        let other = try client(cluster.url(node), prefix: served ? prefix : nil)
        let count = try other.transaction { transaction -> Transaction.Outcome<Int64?> in
          var question = Pipeline()
          question.append("WATCH", "\(prefix):k")
          question.append("GET", "\(prefix):k")
          let value = try transaction.read(question)[1].integer ?? 0
          var write = Pipeline()
          write.append("SET", "\(prefix):k", value + 1)
          write.append("GET", "\(prefix):k")
          return try transaction.commit(write).map { .done($0[1].integer) } ?? .retry
        }
        #expect(count == (served ? 3 : 4))
      }
    }
  }

  @Test("A walk over the keyspace runs on the node that has the keys", arguments: [0, 1, 2])
  func scan(node: Int) throws {
    let cluster = try Self.cluster.get()
    let prefix = "{\(uniquePrefix())}"
    try client(cluster.url(0)).tell("SET", "\(prefix):k", "v")
    let looking = try client(cluster.url(node), prefix: prefix)
    let page = try looking.ask("SCAN", 0, "MATCH", "\(prefix):*", "COUNT", 100_000)
    #expect(page[1].elements.map(\.string) == ["\(prefix):k"])
  }

  @Test("A prefix without a tag is refused before anything is written, with the prefix to use")
  func untagged() throws {
    let cluster = try Self.cluster.get()
    let prefix = uniquePrefix()
    expectFailure(.needsHashTag, "{\(prefix)}", "'\(prefix)'") {
      _ = try client(cluster.url(0), prefix: prefix).ask("GET", "\(prefix):k")
    }
    expectFailure(.needsHashTag, "{\(prefix)}") {
      try client(cluster.url(0), prefix: prefix).tell("SET", "\(prefix):k", "v")
    }
    expectFailure(.needsHashTag, "{\(prefix)}") {
      try client(cluster.url(0), prefix: prefix).tellInTransaction("SET", "\(prefix):k", "v")
    }
    #expect(try client(cluster.url(0)).ask("EXISTS", "\(prefix):k").integer == 0)
  }

  @Test("Keys of different slots in one command are reported as such")
  func crossSlot() throws {
    let cluster = try Self.cluster.get()
    expectFailure(.needsHashTag, "CROSSSLOT") { _ = try client(cluster.url(0)).ask("MGET", "a", "b") }
  }

  @Test("A moving slot is read and written on both sides, and after the move")
  func migration() throws {
    let cluster = try Self.cluster.get()
    let prefix = "{\(uniquePrefix())}"
    let client = try client(cluster.url(0), prefix: prefix)
    try client.tell("SET", "\(prefix):old", 1)
    try client.tell("SET", "\(prefix):gone", 1)
    let source = try cluster.owner(of: "\(prefix):old")
    let target = cluster.nodes.first { $0.port != source.port }!
    let (from, to) = (try source.connect(), try target.connect())
    let slot = try String(from.send("CLUSTER", "KEYSLOT", prefix).integer!)
    let (fromID, toID) = (try from.send("CLUSTER", "MYID").text!, try to.send("CLUSTER", "MYID").text!)
    try to.send("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
    try from.send("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
    try from.send("MIGRATE", "127.0.0.1", "\(target.port!)", "\(prefix):gone", "0", "5000")

    // One key on either side, and one that is new: it is made at the target.
    var commands = Pipeline()
    commands.append("INCR", "\(prefix):old")
    commands.append("INCR", "\(prefix):gone")
    commands.append("INCR", "\(prefix):new")
    commands.append("INCR", "\(prefix):old")
    #expect(try client.write(commands).map(\.integer) == [2, 2, 1, 3])
    var questions = Pipeline()
    for key in ["old", "gone", "new"] { questions.append("GET", "\(prefix):\(key)") }
    #expect(try client.read(questions).map(\.integer) == [3, 2, 1])

    try from.send("MIGRATE", "127.0.0.1", "\(target.port!)", "\(prefix):old", "0", "5000")
    for node in cluster.nodes { try node.connect().send("CLUSTER", "SETSLOT", slot, "NODE", toID) }
    #expect(try client.write(commands).map(\.integer) == [4, 3, 2, 5])
    #expect(client.address == "redis://127.0.0.1:\(target.port!)/0")
  }

  @Test("When a node fails, its replica is found; reading continues, and written data is there")
  func failover() throws {
    let cluster = try RedisCluster(replicas: 1, nodeTimeout: 2000)
    let prefix = "{\(uniquePrefix())}"
    let client = try RedisClient(cluster.url(0), command: .seconds(30))
    client.serve(keyPrefix: prefix, key: "\(prefix):meta")
    for _ in 0..<100 { try client.tell("INCR", "\(prefix):n") }
    let owner = try cluster.owner(of: "\(prefix):n")
    // WAIT answers for the writes of its own connection, and what comes after them in the stream is not there yet.
    let link = try owner.connect()
    try link.send("SET", "\(prefix):mark", "1")
    try eventually("the replica to be in step") { try link.send("WAIT", "1", "1000").integer == 1 }
    try owner.crash()
    #expect(try client.ask("GET", "\(prefix):n").integer == 100)
    try client.tell("INCR", "\(prefix):n")
    #expect(try client.ask("GET", "\(prefix):n").integer == 101)
    #expect(!client.address.hasSuffix(":\(owner.port!)/0"))
  }
}

extension ClusterTests {
  @Test("If a node fails under transactions, all of them end, and nothing is done twice")
  func failoverUnderWrites() throws {
    let cluster = try RedisCluster(replicas: 1, nodeTimeout: 2000)
    let prefix = "{\(uniquePrefix())}"
    let key = "\(prefix):n"
    let client = try RedisClient(cluster.url(1), command: .seconds(30))
    client.serve(keyPrefix: prefix, key: key)
    var done = 0
    var unknown = 0
    var crashed = false
    var afterwards = 0
    // A few more than are needed, so that it ends if none succeeds any more.
    for _ in 0..<300 where afterwards < 50 {
      do {
        _ = try client.transaction { transaction -> Transaction.Outcome<Void> in
          var question = Pipeline()
          question.append("WATCH", key)
          question.append("GET", key)
          let count = try transaction.read(question)[1].integer ?? 0
          var write = Pipeline()
          write.append("SET", key, count + 1)
          return try transaction.commit(write) == nil ? .retry : .done(())
        }
        done += 1
        if crashed { afterwards += 1 }
      } catch let error as StoreBackendError {
        #expect(
          error.reason == .connectionLost && error.message.contains("may have been written"), "\(error)")
        unknown += 1
      }
      if done == 200 && !crashed {
        crashed = true
        let owner = try cluster.owner(of: key)
        Thread.detachNewThread { try? owner.crash() }
      }
    }
    try #require(afterwards == 50, "\(done) transactions were done")
    #expect(unknown <= 1)
    #expect(Int(try client.ask("GET", key).integer ?? 0) <= done + unknown)
  }
}

@Suite("Hash tags")
struct KeyHashTagTests {
  @Test(
    "The tag is that of Redis",
    arguments: [
      ("mneme", nil), ("{mneme}", "mneme"), ("a{b}c", "b"), ("{}mneme", nil), ("{}{x}", nil), ("{a}{b}", "a"),
      ("{{a}}", "{a"), ("a}{b}", "b"), ("{a", nil), ("a}", nil), ("", nil), ("{é}", "é"),
    ] as [(String, String?)])
  func tag(prefix: String, tag: String?) {
    #expect(KeyHashTag.ofKeys(under: prefix) == tag)
  }

  @Test("The prefix that is proposed has a tag", arguments: ["mneme", "a{b", "a}b", "}", "{}x", "a:b", "{"])
  func proposal(prefix: String) {
    #expect(KeyHashTag.ofKeys(under: KeyHashTag.tagged(prefix)) != nil)
  }
}
