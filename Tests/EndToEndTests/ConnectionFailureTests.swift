import Foundation
import TestSupport
import Testing

/// Tests of the failure table of the contract, row by row, and of each way in which a server is unreachable.
@Suite("The failure table")
struct ConnectionFailureTests {
  @Test("Redis is unreachable on open: StoreBackendError with the URL in the message, the password masked")
  func unreachable() throws {
    // Nobody listens on port 1.
    let mneme = Mneme(url: "redis://user:hunter2@127.0.0.1:1/3", prefix: "p")
    let complaint = try refusal(status: 69, type: "StoreBackendError") { try mneme.run(["stats"] + $0) }
    #expect(complaint.message.contains("redis://user:***@127.0.0.1:1/3"), "\(complaint)")
    #expect(complaint.causes == ["Connection refused"])
    #expect(complaint.remediation.contains("'bind' and 'port'"))
  }

  @Test(
    "Redis ends in the middle of a write: StoreBackendError with its cause, and that the write may have been done"
  )
  func diesInWrite() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "before")
    // A write that has arrived now waits, and is lost with the server.
    let admin = try server.connect()
    try admin.send("CLIENT", "PAUSE", "600000", "WRITE")
    let put = try fixture.mneme.start(["put", "q", "after"])
    try eventually("the transaction to have arrived") {
      try admin.send("CLIENT", "LIST").text?.contains(/name=mneme .*flags=[A-Za-z]*b/) == true
    }
    try server.crash()
    let complaint = try Complaint(text: try put.finish().expecting(69))
    #expect(complaint.type == "StoreBackendError")
    #expect(complaint.message.contains("was lost while a command was under way"), "\(complaint)")
    #expect(complaint.message.contains("What it writes may have been written"), "\(complaint)")
    #expect(complaint.causes.count == 1 && !complaint.causes[0].isEmpty, "\(complaint)")
  }

  @Test("Redis ends in the middle of a read: one more attempt, then StoreBackendError with its cause")
  func diesInRead() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    try fixture.mneme.run("put", "q", "a")
    let admin = try server.connect()
    try admin.send("CLIENT", "PAUSE", "600000", "ALL")
    // The server, which answers nobody, does not show that the command has connected. The proxy does.
    let proxy = try ScriptedProxy(to: server)
    let stats = try Mneme(url: proxy.url, prefix: fixture.prefix).start(["stats", "--connect-timeout", "1h"])
    try eventually("the command to connect") { proxy.conversations.count == 1 }
    try server.crash()
    let complaint = try Complaint(text: try stats.finish().expecting(69))
    #expect(complaint.type == "StoreBackendError")
    #expect(complaint.message.contains(proxy.url), "\(complaint)")
    #expect(complaint.causes.count == 1, "\(complaint)")
    #expect(proxy.conversations.count >= 2, "\(complaint)")
  }

  @Test("A TLS certificate is not accepted: StoreBackendError, status 77, with OpenSSL's reason as the cause")
  func certificate() throws {
    let server = try TLSServer("server")
    let mneme = Mneme(url: server.url(), prefix: "p")
    let complaint = try refusal(status: 77, type: "StoreBackendError") { try mneme.run(["stats"] + $0) }
    #expect(complaint.message.contains(server.url()), "\(complaint)")
    #expect(complaint.causes.count == 1 && complaint.causes[0].contains("certificate verify failed"))
    #expect(complaint.remediation.contains("--cacert"))
  }

  @Test(
    "Built without the trait Redis: every command that needs a server requires the optional 'redis' extra",
    .needsBuildWithoutRedis,
    arguments: CommandExample.oneEach)
  func withoutTrait(line: CommandExample) throws {
    let complaint = try refusal(status: 69, type: "StoreBackendError") { extra in
      try ChildProcess(
        [Repository.mnemeWithoutRedis] + line.words(file: "/dev/null", other: "other") + extra,
        environment: Mneme.plainEnvironment
      ).finish(input: line.input)
    }
    #expect(complaint.message.contains("requires the optional 'redis' extra"), "\(complaint)")
  }

  @Test("A host name without an address is reported as the cause")
  func unknownHost() throws {
    let mneme = Mneme(url: "redis://nobody.invalid", prefix: "p")
    let outcome = try mneme.run(["stats", "--connect-timeout", "20s"])
    #expect(outcome.status == 69, "\(outcome)")
    let message = try Complaint(text: outcome).message
    #expect(message.contains("redis://nobody.invalid:6379/0"), "\(outcome)")
    // If no name server answers, the time runs out.
    #expect(
      message.contains("the host name could not be resolved")
        || message.contains("no name server has resolved the host name"), "\(outcome)")
  }

  @Test(
    "A server that never replies, or drops packets, ends stats with 69 after --connect-timeout"
  )
  func blackHole() throws {
    let silent = try ScriptedProxy(to: RedisServer.shared(), .stall(after: 0))
    let swallowing = try SwallowingListener()
    for (port, words) in [(silent.port, "gave no answer within 1s"), (swallowing.port, "within 1s")] {
      let start = ContinuousClock.now
      let mneme = Mneme(url: "redis://127.0.0.1:\(port)", prefix: "p")
      // The other limit is one hour, and the default is five seconds.
      let outcome = try mneme.run(["stats", "--connect-timeout", "1s", "--timeout", "1h"])
      #expect(try Complaint(text: outcome.expecting(69)).message.contains(words))
      #expect(ContinuousClock.now - start >= .seconds(1))
    }
  }

  @Test(
    "A name server that does not answer: 69 after --connect-timeout, with the name as the cause",
    .enabled(if: canHideNameServers, "user namespaces are not to be had on this machine"))
  func silentNameServer() throws {
    let directory = try TemporaryDirectory()
    let settings = try directory.write("nameserver 127.0.0.1\n".utf8, to: "resolv.conf")
    let mneme = Mneme(url: "redis://cache.example.com", prefix: "p")
    let outcome = try mneme.shell(
      """
      \(withoutNameServers("'\(settings)'")) '\(Mneme.binary)' stats --connect-timeout 1s --timeout 1h
      """)
    let complaint = try Complaint(text: outcome.expecting(69))
    #expect(complaint.message.contains("no name server has resolved the host name within 1s"), "\(complaint)")
  }

  @Test("The time limits of the URL are used, and an option overrides them")
  func limitsOfURL() throws {
    let silent = try ScriptedProxy(to: RedisServer.shared(), .stall(after: 0))
    let mneme = Mneme(url: silent.url + "?socket_connect_timeout=0.2&socket_timeout=3600", prefix: "p")
    #expect(try mneme.run("stats", expecting: 69).errorText.contains("within 200ms"))
    let typed = try mneme.run("stats", "--connect-timeout", "250ms", expecting: 69)
    #expect(typed.errorText.contains("within 250ms"))
  }

  @Test(
    "A server that restarts without its data in the middle of an import: 69, with the advice to import everything again"
  )
  func restartsEmpty() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    let lines = (1...300).map { "{\"query\":\"q\($0)\",\"response\":\"r\"}\n" }
    let importing = try fixture.mneme.start(["import"])
    try importing.write(lines[..<150].joined().utf8)
    // Lines without vectors are embedded 64 together, and the rest waits for more: nothing is under way then.
    try eventually("all whole batches to be in") { try fixture.entryCount() >= 128 }
    // It may still look whether the server is the same.
    usleep(200_000)
    try server.crash()
    try server.start()
    let complaint = try Complaint(
      text: importing.finish(input: Array(lines[150...].joined().utf8)).expecting(69))
    #expect(complaint.type == "StoreBackendError")
    // The loss is seen before a batch, or on the new connection in the middle of one.
    #expect(
      complaint.message.contains(
        #/version' went back from \d+ to 0|or it was restarted, and/#),
      "\(complaint)")
    #expect(complaint.remediation.contains("mport the whole file again."), "\(complaint)")
    let again = try CacheFixture(on: server, prefix: fixture.prefix)
    try again.mneme.run("import", input: lines.joined())
    #expect(try again.entryCount() == 300)
  }

  @Test("A connection that is lost between two commands is made again, for writes too")
  func lostBetween() throws {
    let server = try RedisServer()
    let fixture = try CacheFixture(on: server)
    let importing = try fixture.mneme.start(["import"])
    func write(_ numbers: ClosedRange<Int>) throws {
      try importing.write(numbers.flatMap { "{\"query\":\"q\($0)\",\"response\":\"r\"}\n".utf8 })
    }
    try write(1...150)
    // Lines without vectors are embedded 64 together, and the rest waits for more: nothing is under way then.
    try eventually("all whole batches to be in") { try fixture.entryCount() >= 128 }
    try fixture.redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try write(151...300)
    let outcome = try importing.finish().expecting(0)
    #expect(outcome.errors.isEmpty || !outcome.errorText.contains("Error"), "\(outcome)")
    #expect(try fixture.entryCount() == 300)
    #expect(try fixture.version() == 300)
  }
}

/// The beginning of a shell command line that runs a command with a silent socket as its only name server.
/// - Parameter settings: the file used instead of `/etc/resolv.conf`.
private func withoutNameServers(_ settings: String) -> String {
  let silence = """
    import fcntl, socket, struct, subprocess, sys
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    up = struct.pack("16sh14x", b"lo", 0x41)
    fcntl.ioctl(port, 0x8914, up)
    port.bind(("127.0.0.1", 53))
    sys.exit(subprocess.run(sys.argv[1:]).returncode)
    """
  return "unshare --map-root-user --mount --net sh -c 'mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"' "
    + "\(settings) python3 -c '\(silence)'"
}

private let canHideNameServers: Bool = {
  let trial = try? ChildProcess([
    "sh", "-c", withoutNameServers("/etc/resolv.conf") + " true",
  ]).finish()
  return trial?.status == 0
}()
