import Foundation
import TestSupport
import Testing

/// Tests of the answers of a server that is in trouble: each has its own message and exit status.
@Suite("Errors of a server")
struct ConnectionAnswerTests {
  private func complaint(
    _ status: Int32, _ url: String, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Complaint {
    let mneme = Mneme(url: url, prefix: "p")
    return try refusal(status: status, type: "StoreBackendError", sourceLocation: sourceLocation) {
      try mneme.run(words + $0)
    }
  }

  private func expect(
    _ complaint: Complaint, _ message: String, cause: String, _ remediation: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(complaint.message.contains(message), "\(complaint)", sourceLocation: sourceLocation)
    #expect(
      complaint.causes.contains { $0.contains(cause) }, "\(complaint)", sourceLocation: sourceLocation)
    #expect(complaint.remediation.contains(remediation), "\(complaint)", sourceLocation: sourceLocation)
  }

  @Test("NOAUTH: 77, the server requires a password")
  func noAuth() throws {
    let server = try RedisServer()
    try server.connect().send("CONFIG", "SET", "requirepass", "s3cret")
    let mneme = Mneme(server)
    for words in [["stats"], ["put", "q", "r"]] {
      let complaint = try refusal(status: 77) { try mneme.run(words + $0) }
      expect(complaint, "requires a password", cause: "NOAUTH", "--password-file")
    }
  }

  @Test("WRONGPASS: 77, the user and the password are not accepted")
  func wrongPass() throws {
    let server = try RedisServer()
    try server.connect().send("CONFIG", "SET", "requirepass", "s3cret")
    for credentials in [":hunter2@", "default:hunter2@", "nobody:hunter2@"] {
      let url = server.url.replacing("unix://", with: "unix://" + credentials)
      let refused = try complaint(77, url, "stats")
      expect(refused, "did not accept", cause: "WRONGPASS", "Check user and password")
      #expect(!"\(refused)".contains("hunter2"))
    }
  }

  @Test("NOPERM: 77, with the command and the key")
  func noPerm() throws {
    let server = try RedisServer(configuration: [
      "user reader on nopass ~p:* +@read +@connection +@transaction"
    ])
    let url = server.url.replacing("unix://", with: "unix://reader@")
    let writing = try complaint(77, url, "put", "q", "r")
    expect(writing, "permission denied", cause: "NOPERM", "ACL SETUSER")
    #expect(writing.message.contains(/\b[A-Z]+ p:[a-z_]+/), "\(writing)")
    let elsewhere = try complaint(77, url, "get", "--exact", "q", "-p", "other")
    #expect(elsewhere.message.contains(/\b[A-Z]+ other:[a-z]+/), "\(elsewhere)")
    // The right to EXEC is missing: the server refuses the transaction as a whole.
    try server.connect().send("ACL", "SETUSER", "reader", "+@all", "-exec")
    let transaction = try complaint(77, url, "put", "q", "r")
    expect(transaction, "permission denied", cause: "NOPERM", "ACL SETUSER reader +exec")
  }

  @Test("LOADING: 75, the server is still loading its data")
  func loading() throws {
    let server = try RedisServer(configuration: [
      "key-load-delay 50000", "loading-process-events-interval-bytes 1024", "rdbcompression no",
    ])
    let admin = try server.connect()
    for index in 0..<500 { try admin.send("SET", "key:\(index)", String(repeating: "x", count: 100)) }
    try admin.send("SAVE")
    try server.crash()
    Thread.detachNewThread { try? server.start() }
    var seen: Complaint?
    try eventually("the server to be loading") {
      let outcome = try Mneme(server).run(["stats"])
      if outcome.errorText.contains("LOADING") { seen = try Complaint(text: outcome.expecting(75)) }
      return seen != nil || outcome.status == 1
    }
    // It would load for half a minute. With the server the thread ends too.
    try server.crash()
    let told = try #require(seen)
    expect(told, "still loading its data", cause: "LOADING", "Try again")
  }

  @Test("BUSY: 75, the server is busy with a script")
  func busy() throws {
    let server = try RedisServer(configuration: ["busy-reply-threshold 1"])
    Thread.detachNewThread { _ = try? server.connect().send("EVAL", "while true do end", "0") }
    var seen: Complaint?
    try eventually("the script to run") {
      let outcome = try Mneme(server).run(["stats"])
      if outcome.status == 75 { seen = try Complaint(text: outcome) }
      return seen != nil
    }
    try server.connect().send("SCRIPT", "KILL")
    expect(try #require(seen), "busy with a script", cause: "BUSY", "SCRIPT KILL")
  }

  @Test("MASTERDOWN: 75, a replica that has lost its primary and serves no old data")
  func primaryDown() throws {
    let replica = try RedisServer(configuration: ["replica-serve-stale-data no"])
    // There is no server at this port.
    try replica.connect().send("REPLICAOF", "127.0.0.1", "1")
    expect(try complaint(75, replica.url, "stats"), "lost its primary", cause: "MASTERDOWN", "primary")
  }

  @Test("OOM: 69, with maxmemory and the policy")
  func outOfMemory() throws {
    let server = try RedisServer(configuration: ["maxmemory-policy noeviction"])
    let admin = try server.connect()
    // So far above the limit that no buffer which the server frees later makes room.
    try admin.send("SET", "filler", String(repeating: "x", count: 8 << 20))
    try admin.send("CONFIG", "SET", "maxmemory", "3mb")
    let full = try complaint(69, server.url, "put", "q", "r")
    expect(full, "maxmemory is 3.00M, with the policy noeviction", cause: "OOM", "vacuum")
    // A user without the right to read the details gets the rest of the message.
    try admin.send("ACL", "SETUSER", "blind", "on", "nopass", "~*", "&*", "+@all", "-info")
    let blind = try complaint(69, server.url.replacing("unix://", with: "unix://blind@"), "put", "q", "r")
    expect(blind, "the server has reached its 'maxmemory'.", cause: "OOM", "vacuum")
    // Reading still works.
    try Mneme(server).run("stats", expecting: 1)
  }

  @Test("READONLY: a replica is read from; a write is 69, with where the primary is")
  func readOnly() throws {
    let primary = try RedisServer(tcp: true, configuration: ["repl-diskless-sync-delay 0"])
    let replica = try RedisServer(tcp: true, configuration: ["replicaof 127.0.0.1 \(primary.port!)"])
    try Mneme(primary, prefix: "p").run("put", "q", "the answer", "--ttl", "1h")
    let reader = Mneme(url: replica.tcpURL, prefix: "p")
    try eventually("the replica to be in step") { try reader.run(["get", "--peek", "q"]).status == 0 }
    for words in [
      "get --peek q", "stats", "inspect-keys", "export", "vacuum --dry-run", "set-quota default",
      "clear --dry-run default", "delete --dry-run q",
    ] {
      let outcome = try reader.run(words.split(separator: " ").map(String.init))
      #expect(outcome.status == (words.hasPrefix("set-quota") ? 1 : 0), "\(outcome)")
    }
    for words in [
      ["put", "q2", "r"], ["delete", "q"], ["clear", "--yes", "default"], ["set-quota", "default", "5"],
    ] {
      let complaint = try refusal(status: 69, type: "StoreBackendError") { try reader.run(words + $0) }
      #expect(complaint.message.contains("read-only replica"), "\(complaint)")
      #expect(complaint.message.contains("its primary is 127.0.0.1:\(primary.port!)"), "\(complaint)")
      #expect(complaint.remediation.contains("primary"))
    }
    // An answer is printed nevertheless, and a miss is a miss.
    try expectServed(by: reader, "read-only replica")
    let writer = try CacheFixture(on: primary, prefix: "p")
    try writer.mneme.run("put", "gone", "an answer", "--ttl", "1h")
    try eventually("the replica to be in step") { try reader.run(["get", "--peek", "gone"]).status == 0 }
    try writer.age([2], by: 7200)
    try eventually("the entry to be old") {
      try reader.run(["get", "--peek", "--exact", "gone"]).status == 1
    }
    let expired = try reader.run(["get", "gone"]).expecting(1)
    #expect(expired.errorText.contains("was not recorded"), "\(expired)")
  }

  /// A hit and a miss on a server that records neither: the answer, and one warning each.
  private func expectServed(by reader: Mneme, _ reason: String) throws {
    let hit = try reader.run(["get", "q"]).expecting(0)
    #expect(hit.outputText == "the answer\n")
    let near = try reader.run(["get", "--threshold", "-1", "--min-confidence", "0", "what is q"]).expecting(0)
    #expect(near.outputText == "the answer\n")
    let miss = try reader.run(["get", "--exact", "nothing"]).expecting(1)
    for outcome in [hit, near, miss] {
      #expect(outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errorText.hasPrefix("mneme: warning: this lookup was not recorded"), "\(outcome)")
      #expect(outcome.errorText.contains(reason), "\(outcome)")
    }
  }

  @Test("a full server serves its entries, and a miss does not change one of two counters")
  func servesWhileFull() throws {
    let server = try RedisServer(configuration: ["maxmemory-policy noeviction"])
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "the answer")
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "1")
    try fixture.expectUnchanged { try expectServed(by: fixture.mneme, "maxmemory") }
    #expect(try fixture.mneme.run("health", expecting: 1).outputText.contains("puts are refused"))
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "0")
    try fixture.mneme.run("get", "--exact", "nothing", expecting: 1)
    try fixture.expectSound()
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("reading from a replica that has lost its primary gives a warning, and an export is refused with 75")
  func lostPrimary() throws {
    let server = try RedisServer(tcp: true)
    try Mneme(server, prefix: "p").run("put", "q", "the answer")
    let reader = Mneme(url: server.tcpURL, prefix: "p")
    // There is no server at this port.
    try server.connect().send("REPLICAOF", "127.0.0.1", "1")
    for words in ["get --peek q", "stats", "list", "show 1", "inspect-keys"] {
      let outcome = try reader.run(words.split(separator: " ").map(String.init)).expecting(0)
      let warnings = outcome.errorLines.filter { $0.hasPrefix("mneme: warning: the replica redis://") }
      #expect(warnings.count == 1 && outcome.errorLines.count == 1, "\(outcome)")
    }
    let file = server.directory + "/backup.jsonl"
    let refused = try refusal(status: 75) { try reader.run(["export", "-o", file] + $0) }
    #expect(refused.message.contains("primary"), "\(refused)")
    #expect(!FileManager.default.fileExists(atPath: file))
    let health = try reader.run(["health"]).expecting(1)
    #expect(health.outputText.contains("critical  replication") && health.errors.isEmpty, "\(health)")
  }

  @Test(
    "a command that the server does not offer is 77, by its name",
    arguments: ["UNLINK", "WATCH", "SCAN"])
  func missingCommand(name: String) throws {
    let server = try RedisServer(configuration: ["rename-command \(name) \"\""])
    let url = server.url
    let words = name == "SCAN" ? ["inspect-keys", "--discover"] : ["delete", "q"]
    if name != "SCAN" {
      // Made on another server, since this one accepts no writes.
      let elsewhere = try RedisServer()
      let fixture = try CacheFixture(on: elsewhere, prefix: "p")
      try fixture.mneme.run("put", "q", "r")
      try PreparedCache(of: fixture).copy(to: CacheFixture(on: server, prefix: "p"))
    }
    let refused = try complaint(77, url, words[0], words[1])
    #expect(refused.message.contains("does not offer \(name)"), "\(refused)")
    #expect(refused.remediation.contains("rename-command"), "\(refused)")
  }

  @Test(
    "a server that refuses transactions: 77, and none of their commands is run",
    arguments: ["MULTI", "EXEC"],
    ["rename-command", "ACL"])
  func noTransactions(name: String, way: String) throws {
    let isRenamed = way == "rename-command"
    let server = try RedisServer(configuration: isRenamed ? ["rename-command \(name) \"\""] : [])
    let elsewhere = try CacheFixture(on: RedisServer(), prefix: "p")
    try CommandExample.sampleCache(elsewhere)
    let fixture = try CacheFixture(on: server, prefix: "p")
    try PreparedCache(of: elsewhere).copy(to: fixture)
    if !isRenamed { try fixture.redis.send("ACL", "SETUSER", "default", "-\(name)") }
    let before = try fixture.dump()
    // Each of the four cases of this test has another share of the lines.
    let turn = (name == "MULTI" ? 0 : 1) + (isRenamed ? 0 : 2)
    let lines = CommandExample.withServer.filter { $0.use == .writes }
    for line in Effort.share(of: lines, turn: turn) {
      let words = line.words(file: server.directory + "/file", other: "other")
      let outcome = try fixture.mneme.run(words, input: line.input).expecting(77)
      let reason = isRenamed ? "\(name) at \(server.url): the server does not offer" : "permission denied"
      #expect(outcome.errorText.contains(reason), "\(line): \(outcome)")
      #expect(isRenamed || outcome.errorText.contains("+\(name.lowercased())"), "\(line): \(outcome)")
    }
    // An id may be allocated and not used.
    let changes = try fixture.dump().changes(since: before).split(separator: "\n").filter {
      !$0.contains(fixture.key("next_id"))
    }
    #expect(changes.isEmpty, "\(changes)")
    try fixture.mneme.run("get", "--peek", "question 7")
  }

  @Test("MISCONF: 69, a server that cannot save to its disk")
  func cannotSave() throws {
    let server = try RedisServer(configuration: ["save 3600 1"])
    // The file's name is that of a directory.
    try FileManager.default.createDirectory(
      atPath: server.directory + "/dump.rdb/x", withIntermediateDirectories: true)
    let admin = try server.connect()
    try admin.send("SET", "k", "v")
    try admin.send("BGSAVE")
    try eventually("the save to fail") {
      try admin.send("INFO", "persistence").text?.contains("rdb_last_bgsave_status:err") == true
    }
    expect(try complaint(69, server.url, "put", "q", "r"), "cannot save", cause: "MISCONF", "disk")
    try admin.send("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    try Mneme(server, prefix: "p").run("put", "q", "the answer")
    try admin.send("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    try expectServed(by: Mneme(server, prefix: "p"), "cannot save")
  }

  @Test("NOREPLICAS: 75, too few replicas are up to date for a write")
  func noReplicas() throws {
    let server = try RedisServer()
    try Mneme(url: server.url, prefix: "p").run("put", "there", "the answer")
    try server.connect().send("CONFIG", "SET", "min-replicas-to-write", "1")
    // An answer that is there is served, although its use cannot be counted.
    let answer = try Mneme(url: server.url, prefix: "p").run("get", "there")
    #expect(answer.outputText == "the answer\n" && answer.errorText.contains("not recorded"), "\(answer)")
    expect(
      try complaint(75, server.url, "put", "q", "r"), "too few replicas", cause: "NOREPLICAS", "replicas")
  }

  @Test("CLUSTERDOWN: 75, a cluster without a node for the keys, after the time limit of a command")
  func clusterDown() throws {
    let node = try RedisServer(
      tcp: true, configuration: ["cluster-enabled yes", "cluster-config-file nodes.conf"])
    let mneme = Mneme(url: node.tcpURL, prefix: "{p}")
    // All wait for the limit at the same time. It is long, since a reply that takes longer is another error.
    let started = try [["stats"], ["put", "q", "r"]].map { words in
      try [[], ["--json"]].map { try mneme.start(words + ["--timeout", "3s"] + $0) }
    }
    for programs in started {
      let complaint = try refusal(status: 75) { try programs[$0.isEmpty ? 0 : 1].finish() }
      #expect(complaint.message.contains("cluster"), "\(complaint)")
      #expect(complaint.remediation.contains("CLUSTER INFO"), "\(complaint)")
    }
  }

  @Test("Too many clients: 75, the connection is refused")
  func tooManyClients() throws {
    let full = try RedisServer(tcp: true)
    let first = try full.connect()
    defer { withExtendedLifetime(first) {} }
    try first.send("CONFIG", "SET", "maxclients", "1")
    let turned = try complaint(75, full.tcpURL, "stats")
    expect(turned, "turned the connection away", cause: "max number of clients reached", "maxclients")
  }

  @Test(
    "A web server, a TLS port used without TLS, and a plain port used with TLS are named as such"
  )
  func noRedis() throws {
    let web = try ChildProcess([
      "python3", "-u", "-c",
      "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.BaseHTTPRequestHandler); "
        + "print(s.server_port); s.serve_forever()",
    ])
    let port = try #require(try web.readLine())
    let http = try complaint(69, "redis://127.0.0.1:\(port)", "stats")
    #expect(http.remediation.contains("A web server answers there"), "\(http)")
    let inTLS = try complaint(69, "rediss://127.0.0.1:\(port)", "stats", "--insecure")
    #expect(inTLS.message.contains("does not speak TLS"), "\(inTLS)")

    let secure = try TLSServer("server")
    let inPlain = try complaint(69, "redis://127.0.0.1:\(secure.port)", "stats")
    #expect(inPlain.remediation.contains("rediss://"), "\(inPlain)")

    let plain = try RedisServer(tcp: true)
    let reverse = try complaint(
      69, "rediss://127.0.0.1:\(plain.port!)", "stats", "--connect-timeout", "300ms")
    #expect(reverse.message.contains("did not answer in TLS"), "\(reverse)")
    #expect(reverse.remediation.contains("redis://"), "\(reverse)")
  }

  @Test("A database that the server does not have: 69, with its number")
  func noDatabase() throws {
    let refused = try complaint(69, RedisServer.shared().url + "?db=99", "stats")
    expect(refused, "no database 99", cause: "out of range", "'databases'")
  }
}
