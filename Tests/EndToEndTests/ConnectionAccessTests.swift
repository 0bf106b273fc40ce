import Foundation
import TestSupport
import Testing

/// Tests of connecting with the command: passwords from every source, users, databases, Unix sockets, names.
@Suite("Authentication, through the command")
struct ConnectionAccessTests {
  private static let locked = Result {
    let server = try RedisServer(
      tcp: true, configuration: ["user alice on >w0nder ~* &* +@all -client|setname"])
    try server.connect().send("CONFIG", "SET", "requirepass", "s3cret")
    return server
  }

  private func mneme(_ credentials: String = "", _ environment: [String: String] = [:]) throws -> Mneme {
    let port = try Self.locked.get().port!
    var mneme = Mneme(url: "redis://\(credentials)127.0.0.1:\(port)", prefix: uniquePrefix())
    mneme.environment = environment
    return mneme
  }

  private func expectToWork(_ mneme: Mneme, _ options: String...) throws {
    try mneme.run(["put", "q", "the answer"] + options).expecting(0)
    #expect(try mneme.run(["get", "q"] + options).expecting(0).outputText == "the answer\n")
  }

  @Test("The password from the URL, a file or the environment, for the default user and for one of the ACL's")
  func passwords() throws {
    let directory = try TemporaryDirectory()
    let file = try directory.write("s3cret\n".utf8, to: "password")
    let aliceFile = try directory.write("w0nder\n".utf8, to: "alice")
    try expectToWork(mneme(":s3cret@"))
    try expectToWork(mneme("default:s3cret@"))
    try expectToWork(mneme("alice:w0nder@"))
    try expectToWork(mneme(), "--password-file", file)
    try expectToWork(mneme("alice@"), "--password-file", aliceFile)
    try expectToWork(mneme("", ["MNEME_PASSWORD": "s3cret"]))
    try expectToWork(mneme("", ["REDISCLI_AUTH": "s3cret"]))
    let port = try Self.locked.get().port!
    let inQuery = "redis://127.0.0.1:\(port)?username=alice&password=w0nder"
    try expectToWork(Mneme(url: inQuery, prefix: uniquePrefix()))
  }

  @Test("A file comes before MNEME_PASSWORD, that before REDISCLI_AUTH, and all of them before the URL's")
  func order() throws {
    let file = try TemporaryDirectory()
    let right = try file.write("s3cret".utf8, to: "right")
    try expectToWork(
      mneme(":n0t@", ["MNEME_PASSWORD": "n0t", "REDISCLI_AUTH": "n0t"]), "--password-file", right)
    try expectToWork(mneme(":n0t@", ["MNEME_PASSWORD": "s3cret", "REDISCLI_AUTH": "n0t"]))
    try expectToWork(mneme(":n0t@", ["REDISCLI_AUTH": "s3cret"]))
    try mneme(":s3cret@", ["REDISCLI_AUTH": "n0t"]).run("stats", expecting: 77)
  }

  @Test("A password with every special character works in the URL if it is percent-encoded")
  func oddPassword() throws {
    let server = try RedisServer()
    let password = "p/w?#@:%+ &é[]"
    try server.connect().send("CONFIG", "SET", "requirepass", password)
    let encoded = password.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    try expectToWork(
      Mneme(url: server.url.replacing("unix://", with: "unix://:\(encoded)@"), prefix: uniquePrefix()))
  }

  @Test("No output of any command, and no list of processes, contains a password, after any error")
  func keepsSecret() throws {
    let server = try Self.locked.get()
    let directory = try TemporaryDirectory()
    let silent = try ScriptedProxy(to: server, .stall(after: 0))
    let cut = try ScriptedProxy(to: server, .cut(after: 5))
    let garbage = try ScriptedProxy(to: server, .garbage(after: 0))
    let secret = "hunter2hunter2"
    let file = try directory.write(secret.utf8, to: "password")
    var lines: [(url: String, words: [String])] = []
    for form in [
      "redis://:\(secret)@HOST", "redis://alice:\(secret)@HOST/1", "rediss://:\(secret)@HOST",
      "redis://HOST?password=\(secret)", "redis://:\(secret)@HOST/nonsense", "redis://HOST",
    ] {
      // Nobody listens on port 1.
      for port in [server.port!, silent.port, cut.port, garbage.port, 1] {
        let url = form.replacing("HOST", with: "127.0.0.1:\(port)")
        for words in [["stats", "-v"], ["put", "q", "r", "--json"]] { lines.append((url, words)) }
      }
    }
    // Ten lines have the same form of a URL, so every third has each of them with three ports at least.
    for (url, words) in Effort.some(lines, every: 3) {
      var mneme = Mneme(url: "", prefix: "p")
      mneme.environment = url.contains(secret) ? [:] : ["MNEME_PASSWORD": secret]
      let outcome = try mneme.run(words + ["-u", url, "--connect-timeout", "100ms"])
      #expect(outcome.status >= 64, "\(outcome)")
      #expect(!(outcome.outputText + outcome.errorText).contains(secret), "\(outcome)")
    }
    // Another silent proxy: the first may still come upon connections of the commands above.
    let mute = try ScriptedProxy(to: server, .stall(after: 0))
    let waiting = try Mneme(url: "", prefix: "p").start([
      "stats", "-u", "redis://alice:\(secret)@127.0.0.1:\(mute.port)", "--connect-timeout", "1h",
    ])
    let other = try Mneme(url: mute.url, prefix: "p").start([
      "stats", "--password-file", file, "--connect-timeout", "1h",
    ])
    try eventually("both to wait") { mute.conversations.count == 2 }
    let list = try ChildProcess(["ps", "-ww", "-o", "args=", "-p", "\(waiting.pid),\(other.pid)"]).finish()
    #expect(list.outputText.contains("alice:**************@"), "\(list)")
    #expect(list.outputLines.count == 2 && !list.outputText.contains(secret), "\(list)")
    for program in [waiting, other] { program.signal(SIGKILL) }
  }

  @Test("-v prints the sources of the server's address and of the password")
  func verbose() throws {
    let outcome = try mneme(":s3cret@").run("stats", "-v", expecting: 1)
    #expect(outcome.errorText.contains("redis://:***@127.0.0.1"), "\(outcome)")
    #expect(outcome.errorText.contains("password from the URL"), "\(outcome)")
    let fromVariable = try mneme("", ["MNEME_PASSWORD": "s3cret"]).run("stats", "-v", expecting: 1)
    #expect(fromVariable.errorText.contains("password from MNEME_PASSWORD"), "\(fromVariable)")
    for one in [outcome, fromVariable] { #expect(!one.errorText.contains("s3cret"), "\(one)") }
  }

  @Test(
    "In CLIENT LIST the command has the name mneme, or the one in the URL, with its user and database"
  )
  func clientName() throws {
    let server = try RedisServer(tcp: true, configuration: ["user alice on >w0nder ~* &* +@all"])
    let admin = try server.connect()
    try admin.send("CLIENT", "PAUSE", "600000", "WRITE")
    let url = "redis://alice:w0nder@127.0.0.1:\(server.port!)/5"
    let programs = try [url, url + "?client_name=nightly"].map {
      try Mneme(url: $0, prefix: "p").start(["put", "q", "r"])
    }
    for name in ["mneme", "nightly"] {
      try eventually("\(name) to be there") {
        try admin.send("CLIENT", "LIST").text?.contains(
          try Regex("name=\(name) .* db=5 .* user=alice ")) == true
      }
    }
    try admin.send("CLIENT", "UNPAUSE")
    for program in programs { try program.finish().expecting(0) }
  }

  @Test("A user without the right to name the connection can still connect")
  func namelessClient() throws { try expectToWork(mneme("alice:w0nder@")) }

  @Test("Every command works on a server without HELLO, CLIENT, CLUSTER, CONFIG and INFO")
  func withoutIntroduction() throws {
    let missing = ["HELLO", "CLIENT", "CLUSTER", "CONFIG", "INFO"].map { "rename-command \($0) \"\"" }
    let server = try RedisServer(configuration: missing)
    try expectTourToWork(Mneme(server, prefix: "p"))
    let verbose = try Mneme(server, prefix: "p").run(["-v", "stats"]).expecting(0)
    #expect(verbose.errorText.contains("Redis of an unknown version"), "\(verbose)")
  }

  @Test("A Valkey server is reported as Valkey")
  func valkey() throws {
    let server = try RedisServer()
    try Mneme(server, prefix: "p").run("put", "q", "r")
    let words = ["server", "valkey", "version", "9.1.2", "proto", "mode", "standalone", "role", "master"]
    let hello = words.map { $0 == "proto" ? "$5\r\nproto\r\n:2\r\n" : "$\($0.count)\r\n\($0)\r\n" }
    // The reply after that to CLIENT SETNAME.
    let forgery = ScriptedProxy.Script.forge(
      reply: 1, .bytes(Array("*\(words.count + 1)\r\n\(hello.joined())".utf8)))
    let proxy = try ScriptedProxy(to: server, forgery)
    let told = try Mneme(url: proxy.url, prefix: "p").run(["-v", "health"]).expecting(0)
    #expect(told.outputText.contains("Valkey 9.1.2") && told.errorText.contains("is Valkey 9.1.2"), "\(told)")
  }

  @Test("The database is that of the URL, in the path or in the query, over TCP and over a Unix socket")
  func database() throws {
    let server = try RedisServer(tcp: true)
    let redis = try server.connect()
    for (url, number) in [
      (server.tcpURL.replacing("/0", with: "/3"), "3"), (server.tcpURL + "?db=4", "4"),
      (server.url + "?db=5", "5"),
      ("REDIS://127.0.0.1:\(server.port!)/%36", "6"),
    ] {
      try expectToWork(Mneme(url: url, prefix: "p"))
      try redis.send("SELECT", number)
      #expect(try redis.send("EXISTS", "p:meta").integer == 1, "\(url)")
    }
    try redis.send("SELECT", "0")
    #expect(try redis.send("DBSIZE").integer == 0)
  }

  @Test("A Unix socket with a blank in its name, with a user; a missing one is named with its path")
  func unixSocket() throws {
    let directory = try TemporaryDirectory()
    let socket = directory.path("my redis.sock")
    let server = try RedisServer(configuration: ["user alice on >w0nder ~* &* +@all"])
    try FileManager.default.createSymbolicLink(atPath: socket, withDestinationPath: server.socketPath)
    let path = socket.replacing(" ", with: "%20")
    try expectTourToWork(Mneme(url: "unix://alice:w0nder@\(path)?db=2", prefix: "p"))
    let none = Mneme(url: "unix://\(directory.path("none.sock"))", prefix: "p")
    let complaint = try refusal(status: 69, type: "StoreBackendError") { try none.run(["stats"] + $0) }
    #expect(complaint.message.contains(directory.path("none.sock")), "\(complaint)")
    #expect(complaint.causes == ["No such file or directory"])
    #expect(complaint.remediation.contains("unixsocket"))
  }

  @Test("Each address of a host name is tried, so the server may listen on only one of them")
  func hostName() throws {
    let server = try RedisServer(tcp: true)
    try expectToWork(Mneme(url: "redis://localhost:\(server.port!)", prefix: "p"))
  }

  @Test("An IPv6 address is in brackets", .enabled(if: hasIPv6, "no IPv6 on this machine"))
  func ipv6() throws {
    let server = try RedisServer(tcp: true, configuration: ["bind ::1"])
    try expectToWork(Mneme(url: "redis://[::1]:\(server.port!)", prefix: "p"))
  }
}

/// Whether ::1 can be bound to.
private let hasIPv6: Bool = {
  let probe = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(probe) }
  var address = sockaddr_in6()
  address.sin6_family = sa_family_t(AF_INET6)
  address.sin6_addr = in6addr_loopback
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
    }
  }
}()
