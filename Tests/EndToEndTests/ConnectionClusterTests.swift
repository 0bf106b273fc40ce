import Foundation
import Synchronization
import TestSupport
import Testing

/// Tests of the command on a Redis Cluster: any node works, and a node may fail in the middle of long work.
@Suite("Redis Cluster, through the command", .needs(program: "redis-cli"), .serialized)
struct ConnectionClusterTests {
  private static let common = Result { try RedisCluster(replicas: 1) }

  /// A command on a cluster, a prefix with its own tag, and a view of the keys on the node that has them.
  private struct ClusterFixture: Sendable {
    let cluster: RedisCluster
    let prefix: String
    let mneme: Mneme

    init(_ cluster: RedisCluster, _ what: String) {
      self.cluster = cluster
      prefix = "{\(uniquePrefix(what))}"
      mneme = Mneme(url: cluster.url(0), prefix: prefix)
    }

    var owner: RedisServer { get throws { try cluster.owner(of: prefix + ":version") } }
    var replica: RedisServer { get throws { try cluster.replica(of: prefix + ":version") } }

    func count() throws -> Int { Int(try owner.connect().send("ZCARD", prefix + ":by_id").integer ?? 0) }

    /// Whether a node serves the cache and a condition holds for the number of entries. A cluster whose nodes got no
    /// processor for long is down for a moment.
    func holds(_ condition: (Int) -> Bool) -> Bool { (try? count()).map(condition) ?? false }

    /// Waits until the replica has what the owner has.
    func awaitReplica() throws {
      let link = try replica.connect()
      try eventually("the replica to be in step") {
        try link.send("INFO", "replication").text?.contains("master_link_status:up") == true
      }
    }

    /// Every index agrees with every entry.
    func expectSound(entries: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let dump = try owner.connect().dump(prefix: prefix + ":")
      let problems = LayoutAudit(dump, prefix: prefix).problems
      #expect(problems.isEmpty, "\(problems)", sourceLocation: sourceLocation)
      let found = dump.names.count { $0.hasPrefix(prefix + ":entry:") }
      #expect(found == entries, sourceLocation: sourceLocation)
    }

    /// Moves the slot of the prefix, key by key, to another primary.
    func moveSlot() throws {
      let source = try owner
      let target = try #require(
        try cluster.nodes.first { node in
          let role = try node.connect().send("ROLE").items.first?.text
          return role == "master" && node.port != source.port
        })
      let (from, to) = (try source.connect(), try target.connect())
      let slot = try String(from.send("CLUSTER", "KEYSLOT", prefix).integer ?? -1)
      let identity = try to.send("CLUSTER", "MYID").text ?? ""
      try to.send("CLUSTER", "SETSLOT", slot, "IMPORTING", from.send("CLUSTER", "MYID").text ?? "")
      try from.send("CLUSTER", "SETSLOT", slot, "MIGRATING", identity)
      while true {
        let keys = try from.send("CLUSTER", "GETKEYSINSLOT", slot, "50").items.compactMap(\.bytes)
        if keys.isEmpty { break }
        let words = ["MIGRATE", "127.0.0.1", "\(target.port ?? 0)", "", "0", "60000", "KEYS"]
        try from.send(words.map { Array($0.utf8) } + keys)
      }
      for node in [to, from] { try node.send("CLUSTER", "SETSLOT", slot, "NODE", identity) }
      try eventually("the other node to have the slot") { (try? self.owner.port) == target.port }
    }

    func number(_ key: String) throws -> Int {
      Int(try owner.connect().send("GET", prefix + key).integer ?? 0)
    }
  }

  @Test("Every command works on a tagged prefix through any node, primaries and replicas by turns")
  func anyNode() throws {
    let cluster = try Self.common.get()
    let urls = cluster.nodes.indices.map(cluster.url)
    for shift in [0, 1] {
      let fixture = ClusterFixture(cluster, "tour")
      // The other prefix is in another slot, and usually on another node.
      try expectTourToWork(
        fixture.mneme, urls: Array(urls[shift...] + urls[..<shift]), other: "{\(uniquePrefix("other"))}")
    }
  }

  @Test("Without a hash tag every command is refused with 78 and the prefix to use, and writes nothing")
  func untagged() throws {
    let cluster = try Self.common.get()
    let prefix = uniquePrefix("bare")
    let mneme = Mneme(url: cluster.url(1), prefix: prefix)
    for line in CommandExample.oneEach {
      let complaint = try refusal(status: 78, type: "StoreBackendError") { extra in
        try mneme.run(line.words(file: "/dev/null", other: "other") + extra, input: line.input)
      }
      #expect(complaint.remediation.contains("'{\(prefix)}'"), "\(line): \(complaint)")
    }
    for node in cluster.nodes {
      #expect(try node.connect().names(beginningWith: prefix).isEmpty)
    }
  }

  @Test(
    "caches are found on every primary, without a hash tag in the prefix, and each command can work on all")
  func discovery() throws {
    let cluster = try RedisCluster()
    // Six tags are on more than one node.
    let prefixes = (0..<6).map { "{cache\($0)}" }
    for (number, prefix) in prefixes.enumerated() {
      let mneme = Mneme(url: cluster.url(number % 3), prefix: prefix)
      try mneme.run(["import"], input: importLines(0...number)).expecting(0)
    }
    #expect(try Set(prefixes.map { try cluster.owner(of: "\($0):version").port }).count > 1)
    let owner = try cluster.owner(of: "untagged:meta")
    try owner.connect().send("HSET", "untagged:meta", "embedder_fingerprint", "none")
    for node in 0..<3 {
      let mneme = Mneme(url: cluster.url(node), prefix: "mneme")
      let found = try mneme.run("inspect-keys", "--discover", "--json").json()["caches"].array ?? []
      #expect(found.map { $0["key_prefix"].string } == ["untagged"] + prefixes)
      #expect(found.map { $0["entries"].int } == [nil, 1, 2, 3, 4, 5, 6])
      let stats = try mneme.run("stats", "--all-caches", "--json")
      #expect(try stats.jsonLines().map { $0["entries"].int } == [1, 2, 3, 4, 5, 6])
      #expect(stats.errorText.contains("'untagged' has no hash tag"), "\(stats)")
      for words in [["health"], ["vacuum"], ["inspect-keys", "--check"]] {
        let outcome = try mneme.run(words + ["--all-caches"]).expecting(0)
        #expect(prefixes.allSatisfy { outcome.outputText.contains("\($0):\n") }, "\(outcome)")
      }
    }
    let wrong = try Mneme(url: cluster.url(0), prefix: "{cache}").run("stats", expecting: 1)
    #expect(wrong.errorText.contains("did you mean '{cache0}'?"), "\(wrong)")
  }

  @Test("-v says that it is a cluster, and a replica is not written to")
  func verbose() throws {
    let fixture = ClusterFixture(try Self.common.get(), "verbose")
    let replica = try fixture.replica
    let through = Mneme(url: replica.tcpURL, prefix: fixture.prefix)
    let outcome = try through.run("put", "q", "r", "-v")
    #expect(outcome.errorText.contains("a node of a cluster"), "\(outcome)")
    #expect(try fixture.count() == 1)
  }

  /// Runs an import that has lines to store for as long as something is done to the cluster, and after that.
  /// - Returns: its outcome, and the number of its lines.
  private func importing(
    into fixture: ClusterFixture, _ options: String..., during event: @escaping @Sendable () throws -> Void
  ) throws -> (outcome: Outcome, total: Int) {
    let program = try fixture.mneme.start(["import"] + options)
    let shared = Shared()
    Thread.detachNewThread {
      let done = Result { try event() }
      shared.result.withLock { $0 = done }
    }
    var total = 0
    while shared.result.withLock({ $0 == nil }), program.poll() == nil {
      try program.write(lines(total + 1...total + 64))
      total += 64
    }
    let outcome = try program.finish(input: lines(total + 1...total + 64))
    total += 64
    try eventually("the work to be done") { shared.result.withLock { $0 != nil } }
    try shared.result.withLock { try $0?.get() }
    return (outcome, total)
  }

  /// Exchanges primary and replica without a loss, as in an upgrade.
  private static func handOver(_ fixture: ClusterFixture) throws {
    try fixture.awaitReplica()
    let replica = try fixture.replica
    let link = try replica.connect()
    var nextAttempt = ContinuousClock.now
    try eventually("the replica to take over") {
      if ContinuousClock.now >= nextAttempt {
        // Refused once it has taken over.
        _ = try? link.send("CLUSTER", "FAILOVER")
        // Redis gives an attempt up after five seconds.
        nextAttempt = .now + .seconds(6)
      }
      return (try? fixture.owner.port) == replica.port
    }
  }

  /// Lines so long that few of them fit into a pipe: an import has not read many more than it has stored.
  private func lines(_ numbers: ClosedRange<Int>, _ more: String = "") -> [UInt8] {
    let filling = String(repeating: "x", count: 1000)
    let lines = numbers.map {
      "{\"query\":\"question \($0)\",\"response\":\"answer \($0) \(filling)\"\(more)}\n"
    }
    return Array(lines.joined().utf8)
  }

  @Test("A failover in the middle of an import: it continues, and stores every entry once")
  func importThroughFailover() throws {
    let fixture = ClusterFixture(try Self.common.get(), "import")
    let (outcome, total) = try importing(into: fixture, "--pace", "100ms", "--timeout", "10m", "--json") {
      try eventually("the import to be on its way") { fixture.holds { $0 >= 200 } }
      try Self.handOver(fixture)
    }
    #expect(try outcome.expecting(0).json()["imported"].int == total, "\(outcome)")
    try fixture.expectSound(entries: total)
    #expect(try fixture.number(":version") == total)
  }

  @Test("A failover in the middle of a vacuum: it continues, and counts every entry once")
  func vacuumThroughFailover() throws {
    let fixture = ClusterFixture(try Self.common.get(), "vacuum")
    try expire(400, in: fixture)
    let vacuum = try fixture.mneme.start([
      "vacuum", "--pace", "100ms", "--batch-size", "4", "--timeout", "10m", "--connect-timeout", "10m",
      "--json",
    ])
    try eventually("the vacuum to be on its way") { fixture.holds { $0 < 500 } }
    // However long the failover takes, it comes in the middle of the work.
    vacuum.signal(SIGSTOP)
    try #require(try fixture.count() > 100)
    try Self.handOver(fixture)
    vacuum.signal(SIGCONT)
    let outcome = try vacuum.finish()
    #expect(try outcome.expecting(0).json()["expired"].int == 400, "\(outcome)")
    #expect(try outcome.json()["complete"].bool == true, "\(outcome)")
    try fixture.expectSound(entries: 100)
    #expect(try fixture.mneme.run("stats", "--json").json()["expirations"].int == 400)
  }

  /// Fills a cache with so many entries that have expired, and 100 that have not.
  private func expire(_ count: Int, in fixture: ClusterFixture) throws {
    try fixture.mneme.run(["import"], input: lines(1...count + 100, ",\"ttl\":3600")).expecting(0)
    let owner = try fixture.owner.connect()
    _ = try owner.pipeline(
      (1...count).flatMap { id in
        [
          ["HINCRBY", "\(fixture.prefix):entry:\(id)", "created_at", "-7200"],
          ["ZINCRBY", "\(fixture.prefix):by_ttl", "-7200", "\(id)"],
        ].map { $0.map { Array($0.utf8) } }
      })
  }

  @Test(
    "A slot that moves to another node in the middle of an import: it waits, continues, and loses nothing")
  func importThroughResharding() throws {
    let fixture = ClusterFixture(try Self.common.get(), "reshard")
    let (outcome, total) = try importing(into: fixture, "--pace", "100ms", "--timeout", "10m", "--json") {
      try eventually("the import to be on its way") { fixture.holds { $0 >= 200 } }
      try fixture.moveSlot()
    }
    #expect(try outcome.expecting(0).json()["imported"].int == total, "\(outcome)")
    try fixture.expectSound(entries: total)
    #expect(try fixture.number(":version") == total)
  }

  @Test(
    "A node that is killed in the middle of an import and of a vacuum: a second run completes the work, nothing twice"
  )
  func crash() throws {
    let cluster = try RedisCluster(replicas: 1, nodeTimeout: 2000)
    let fixture = ClusterFixture(cluster, "crash")
    let first = try fixture.owner
    try fixture.awaitReplica()
    let (outcome, total) = try importing(into: fixture, "--pace", "20ms") {
      try eventually("the import to be on its way") { fixture.holds { $0 >= 200 } }
      try first.crash()
    }
    try expectEnd(of: outcome, afterLoss: "mport the whole file again.")
    // Writes that the dead node had acknowledged and not passed on are repeated.
    try eventually("the replica to take over") { fixture.holds { _ in true } }
    let again = Mneme(url: try fixture.owner.tcpURL, prefix: fixture.prefix)
    try again.run(["import", "--on-conflict", "skip"], input: lines(1...total)).expecting(0)
    try fixture.expectSound(entries: total)
    #expect(try fixture.number(":version") == total)

    // The node is started again as a replica, so that a node can fail again.
    try first.start()
    try eventually("the node to be a replica in step") {
      try first.connect().send("INFO", "replication").text?.contains("master_link_status:up") == true
    }
    let owner = try fixture.owner
    let link = try owner.connect()
    let ids = try link.send("ZRANGE", fixture.prefix + ":by_id", "0", "239").texts
    try #require(ids.count == 240)
    _ = try link.pipeline(
      ids.flatMap { id in
        [
          ["HSET", "\(fixture.prefix):entry:\(id)", "ttl", "1", "created_at", "1000"],
          ["ZADD", "\(fixture.prefix):by_ttl", "1001", "\(id)"],
        ].map { $0.map { Array($0.utf8) } }
      })
    try eventually("the replica to be in step") { try link.send("WAIT", "1", "1000").integer == 1 }
    let vacuum = try again.start(["vacuum", "--pace", "10ms", "--batch-size", "3"])
    try eventually("the vacuum to be on its way") { fixture.holds { $0 < total } }
    try owner.crash()
    try expectEnd(of: vacuum.finish(), afterLoss: "run the command again from the beginning")
    try eventually("the replica to take over") { fixture.holds { _ in true } }
    try Mneme(url: first.tcpURL, prefix: fixture.prefix).run("vacuum")
    try fixture.expectSound(entries: total - 240)
    let stats = try Mneme(url: first.tcpURL, prefix: fixture.prefix).run("stats", "--json").json()
    #expect(stats["expirations"].int == 240, "each counted once")
  }

  /// Expects success, or an error that says how to continue: the last transaction may have been done, or the new node
  /// lacks acknowledged writes.
  private func expectEnd(of outcome: Outcome, afterLoss advice: String) throws {
    #expect(outcome.status == 0 || outcome.status == 69, "\(outcome)")
    if outcome.status == 69 {
      let complaint = try Complaint(text: outcome)
      let isLost = complaint.message.contains("has lost stored data")
      #expect(isLost || complaint.message.contains("may have been written"), "\(complaint)")
      #expect(!isLost || complaint.remediation.contains(advice), "\(complaint)")
    }
  }
}

/// The state that two threads share.
private final class Shared: Sendable {
  let result = Mutex<Result<Void, any Error>?>(nil)
}
