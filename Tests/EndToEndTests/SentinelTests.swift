import Foundation
import TestSupport
import Testing

/// Tests of a primary that three Sentinels monitor.
@Suite struct SentinelTests {
  /// A primary, a replica and three Sentinels, each a process of its own.
  private struct Service {
    let servers: [RedisServer]
    let sentinels: [RedisServer]

    /// - Parameter isGuarded: all connections use TLS. The servers have the password `s3rv`, and the Sentinels have the
    ///   user `watcher` with the password `s3nt`.
    init(isGuarded: Bool = false) throws {
      var (common, credentials): ([String], [String]) = ([], [])
      if isGuarded {
        let certificates = try Certificates.shared
        let identity = certificates.identity("server")
        common = [
          "tls-cert-file \(identity.certificate)", "tls-key-file \(identity.key)", "tls-auth-clients no",
          "tls-ca-cert-file \(certificates.path("ca.pem"))", "tls-replication yes",
        ]
        credentials = [
          "sentinel auth-pass main s3rv", "sentinel sentinel-user watcher", "sentinel sentinel-pass s3nt",
          "user watcher on >s3nt allchannels +@all",
        ]
      }
      func start(_ settings: [String], isSentinel: Bool = false) throws -> RedisServer {
        try RedisServer(
          tcp: !isGuarded, tls: isGuarded, configuration: common + settings, isSentinel: isSentinel)
      }
      let primary = try start(["repl-diskless-sync-delay 0"])
      let replica = try start([])
      servers = [primary, replica]
      let port = primary.port!
      for server in servers where isGuarded {
        let link = try server.connect()
        for setting in ["masterauth", "requirepass"] { try link.send("CONFIG", "SET", setting, "s3rv") }
      }
      let copy = try Self.link(to: replica)
      // A password that is set in the middle of its first connection to the primary can stall it for a minute.
      try copy.send("REPLICAOF", "127.0.0.1", "\(port)")
      // After a split vote, Sentinels wait for twice the `failover-timeout`. A Sentinel that was stalled for two seconds
      // waits for the `tilt-period`, which is 30 seconds by default.
      let settings = [
        "sentinel monitor main 127.0.0.1 \(port) 2",
        "sentinel down-after-milliseconds main 300000", "sentinel failover-timeout main 1000",
      ]
      sentinels = try (0..<3).map { _ in try start(settings + credentials, isSentinel: true) }
      for sentinel in sentinels {
        let link = try sentinel.connect()
        // Redis 6.2 does not have this command.
        _ = try? link.send("SENTINEL", "DEBUG", "TILT-PERIOD", "1000")
        if isGuarded { try link.send("ACL", "SETUSER", "default", "off") }
      }
      let link = try Self.link(to: sentinels[0])
      try eventually("the Sentinels to know each other and the replica") {
        let fields = try link.send("SENTINEL", "MASTER", "main").pairs
        return fields["num-other-sentinels"] == "2" && fields["num-slaves"] == "1"
          && fields["flags"] == "master"
      }
      try eventually("the replica to be in step") {
        try copy.send("INFO", "replication").text?.contains("master_link_status:up") == true
      }
    }

    /// A connection of the test, with the password of a server or a Sentinel if it has one.
    private static func link(to server: RedisServer) throws -> RawRedis {
      let link = try server.connect()
      _ = try? link.send("AUTH", "s3rv")
      _ = try? link.send("AUTH", "watcher", "s3nt")
      return link
    }

    var hosts: String { sentinels.map { "127.0.0.1:\($0.port!)" }.joined(separator: ",") }
    var mneme: Mneme { Mneme(url: "redis+sentinel://\(hosts)/main", prefix: "p") }

    /// The port that the Sentinels name.
    func primaryPort() throws -> Int? {
      try Self.link(to: sentinels[0]).send("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").items.last?.integer
        .map { Int($0) }
    }

    /// Kills the primary. Only from now on a silent one counts as failed after two seconds: before, it may just get no
    /// processor for so long.
    func killPrimary() throws {
      try servers[0].crash()
      for sentinel in sentinels {
        try Self.link(to: sentinel).send("SENTINEL", "SET", "main", "down-after-milliseconds", "2000")
      }
    }

    func awaitFailover() throws {
      try eventually("a failover") { try primaryPort() != servers[0].port }
    }
  }

  /// So long a command waits for a primary. Sentinels that cannot agree try again and again.
  private static let patient = ["--timeout", "150s"]

  @Test("the primary is found through the Sentinels, and an unreachable Sentinel is skipped")
  func findsPrimary() throws {
    let service = try Service()
    let mneme = Mneme(url: "redis+sentinel://127.0.0.1:1,\(service.hosts)/main", prefix: "p")
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
      #expect(try fixture.redis.send("WAIT", "1", "200000").integer == 1)
    }
    let version = try fixture.version()
    let run = try service.mneme.start(Self.patient + words.split(separator: " ").map(String.init))
    let key = fixture.key("version")
    let dies = Thread {
      // Waits until the command has begun to write.
      try? eventually("the command to write") {
        try (first.connect().send("GET", key).integer ?? 0) > version
      }
      try? service.killPrimary()
    }
    dies.start()
    let outcome = try run.finish(input: words == "import" ? lines : [])
    try service.awaitFailover()
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
      try service.mneme.run(Self.patient + ["import", "--on-conflict", "skip"], input: lines).expecting(0)
      #expect(try after.entryCount() == 4000)
    } else {
      let again = try service.mneme.run(Self.patient + words.split(separator: " ").map(String.init))
      #expect([0, 1].contains(again.status), "\(again)")
    }
    try after.mneme.run("inspect-keys", "--check")
  }

  @Test("after a failover puts are sent to the new primary, and only puts during the failover may fail")
  func puts() throws {
    let service = try Service()
    try service.mneme.run("put", "q1", "r")
    try service.killPrimary()
    // Waits for the Sentinels to agree on another.
    try service.mneme.run(Self.patient + ["put", "q2", "r"]).expecting(0)
    #expect(try CacheFixture(on: service.servers[1], prefix: "p").entryCount() >= 1)
    #expect(try service.mneme.run("get", "q2").outputText == "r\n")
  }

  @Test("Sentinels work over TLS, with a password for the servers and a user for the Sentinels")
  func guarded() throws {
    let service = try Service(isGuarded: true)
    let ca = try Certificates.shared.path("ca.pem")
    func run(
      _ words: [String], _ question: String, server: String = ":s3rv@", ca: String = ca
    ) throws -> Outcome {
      let url = "rediss+sentinel://\(server)\(service.hosts)/main\(question)"
      return try Mneme(url: url, prefix: "p").run(words + ["--cacert", ca])
    }
    let user = "?sentinel_username=watcher&sentinel_password=s3nt"
    try run(["put", "q", "the answer"], user).expecting(0)
    #expect(try run(["get", "q"], user).outputText == "the answer\n")

    for (question, reason) in [
      ("", "requires a password"), ("?sentinel_username=watcher&sentinel_password=hunter2", "did not accept"),
    ] {
      let refused = try refusal(status: 77) { try run(["stats"] + $0, question) }
      #expect(refused.message.contains("The Sentinel 127.0.0.1:"), "\(refused)")
      #expect(refused.message.contains(reason), "\(refused)")
      #expect(refused.remediation.contains("sentinel_password="), "\(refused)")
      #expect(!"\(refused)".contains("hunter2") && !"\(refused)".contains("s3rv"), "\(refused)")
    }
    let server = try refusal(status: 77) { try run(["stats"] + $0, user, server: "") }
    #expect(server.message.contains("requires a password"), "\(server)")
    #expect(server.remediation.contains("--password-file"), "\(server)")
    let stranger = try Certificates.shared.path("other-ca.pem")
    let untrusted = try refusal(status: 77) { try run(["stats"] + $0, user, ca: stranger) }
    #expect(untrusted.causes.contains { $0.contains("certificate verify failed") }, "\(untrusted)")

    try service.killPrimary()
    try run(Self.patient + ["put", "q2", "after the failover"], user).expecting(0)
    #expect(try run(["get", "q2"], user).outputText == "after the failover\n")
  }
}
