import Foundation
import TestSupport
import Testing

/// Tests of a primary that three Sentinels monitor.
@Suite struct SentinelTests {
  /// A primary, a replica and three Sentinels, each a process of its own.
  private struct Service {
    let servers: [RedisServer]
    let sentinels: [RedisServer]

    init() throws {
      let primary = try RedisServer(tcp: true)
      let replica = try RedisServer(
        tcp: true, configuration: ["replicaof 127.0.0.1 \(primary.port!)", "repl-diskless-sync-delay 0"])
      servers = [primary, replica]
      sentinels = try (0..<3).map { _ in
        try RedisServer(
          configuration: [
            "sentinel monitor main 127.0.0.1 \(primary.port!) 2", "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 4000",
          ], isSentinel: true)
      }
      let link = try sentinels[0].connect()
      try eventually("the Sentinels to know each other and the replica") {
        let fields = try link.send("SENTINEL", "MASTER", "main").pairs
        return fields["num-other-sentinels"] == "2" && fields["num-slaves"] == "1"
          && fields["flags"] == "master"
      }
      let copy = try replica.connect()
      try eventually("the replica to be in step") {
        try copy.send("INFO", "replication").text?.contains("master_link_status:up") == true
      }
    }

    var hosts: String { sentinels.map { "127.0.0.1:\($0.port!)" }.joined(separator: ",") }
    var mneme: Mneme { Mneme(url: "redis+sentinel://\(hosts)/main", prefix: "p") }

    /// The port that the Sentinels name.
    func primaryPort() throws -> Int? {
      try sentinels[0].connect().send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").items.last?.integer
        .map { Int($0) }
    }

    func awaitFailover(from port: Int) throws {
      try eventually("a failover") { try primaryPort() != port }
    }
  }

  @Test("the primary is found through the Sentinels, and an unreachable Sentinel is skipped")
  func findsPrimary() throws {
    let service = try Service()
    let mneme = Mneme(url: "redis+sentinel://127.0.0.1:\(try freePort()),\(service.hosts)/main", prefix: "p")
    try mneme.run("put", "q", "the answer")
    #expect(try mneme.run("get", "q").outputText == "the answer\n")
    #expect(try Mneme(service.servers[0], prefix: "p").run("get", "q").outputText == "the answer\n")
    let told = try mneme.run(["-v", "stats"]).expecting(0)
    #expect(told.errorText.contains("redis://127.0.0.1:\(service.servers[0].port!)/0 is "), "\(told)")

    let other = Mneme(url: "redis+sentinel://\(service.hosts)/other", prefix: "p")
    let unknown = try refusal(status: 69) { try other.run(["stats"] + $0) }
    #expect(unknown.message.contains("does not know the service 'other'"), "\(unknown)")
    #expect(unknown.remediation.contains("SENTINEL MASTERS"), "\(unknown)")

    // The URL names a Sentinel as a server. The right URL in the message can be pasted.
    let wrong = Mneme(url: "redis://127.0.0.1:\(service.sentinels[0].port!)", prefix: "p")
    for words in [["stats"], ["put", "q2", "r"], ["get", "q"]] {
      let refused = try refusal(status: 69) { try wrong.run(words + $0) }
      #expect(refused.message.contains("is a Sentinel"), "\(refused)")
      let url = try #require(refused.remediation.firstMatch(of: #/redis\+sentinel:[^ ']*/#)).output
      #expect(try Mneme(url: String(url), prefix: "p").run("get", "q").outputText == "the answer\n")
    }
  }

  @Test(
    "after a failover a writing command continues, or ends with that reason",
    arguments: [
      "import", "vacuum --pace 20ms --batch-size 4", "clear --yes --all", "set-ttl 2h --yes -n default",
    ])
  func failover(words: String) throws {
    let service = try Service()
    let (first, second) = (service.servers[0], service.servers[1])
    let fixture = try CacheFixture(on: first, prefix: "p")
    let lines = importLines(1...4000, ttl: 3600)
    if words != "import" {
      try fixture.mneme.run(["import"], input: lines).expecting(0)
      if words.hasPrefix("vacuum") { try fixture.age(by: 7200) }
      #expect(try fixture.redis.send("WAIT", "1", "10000").integer == 1)
    }
    let version = try fixture.version()
    let run = try service.mneme.start(words.split(separator: " ").map(String.init))
    let key = fixture.key("version")
    let dies = Thread {
      // Waits until the command has begun to write.
      try? eventually("the command to write") {
        try (first.connect().send("GET", key).integer ?? 0) > version
      }
      try? first.crash()
    }
    dies.start()
    let outcome = try run.finish(input: words == "import" ? lines : [], within: .seconds(120))
    try service.awaitFailover(from: first.port!)
    let after = try CacheFixture(on: second, prefix: "p")
    switch outcome.status {
    case 0:
      let expected = ["import": 4000, "set-ttl 2h --yes -n default": 4000][words] ?? 0
      #expect(try after.entryCount() == expected, "\(outcome)")
    case 69:
      #expect(
        outcome.errorText.contains("Another server answers") || outcome.errorText.contains("lost"),
        "\(outcome)")
    default: Issue.record("\(outcome)")
    }
    // Running the command again does the rest.
    if words == "import" {
      try service.mneme.run(["import", "--on-conflict", "skip"], input: lines).expecting(0)
      #expect(try after.entryCount() == 4000)
    } else {
      let again = try service.mneme.run(words.split(separator: " ").map(String.init))
      #expect([0, 1].contains(again.status), "\(again)")
    }
    try after.mneme.run("inspect-keys", "--check")
  }

  @Test("after a failover puts are sent to the new primary, and only puts during the failover may fail")
  func puts() throws {
    let service = try Service()
    try service.mneme.run("put", "q1", "r")
    try service.servers[0].crash()
    // Waits for the Sentinels to agree on another.
    try service.mneme.run("put", "q2", "r")
    #expect(try CacheFixture(on: service.servers[1], prefix: "p").entryCount() >= 1)
    #expect(try service.mneme.run("get", "q2").outputText == "r\n")
  }
}
