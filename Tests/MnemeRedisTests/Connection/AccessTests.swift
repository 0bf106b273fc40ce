import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

@Suite("Authentication")
struct AccessTests {
  private static let locked = Result {
    let server = try RedisServer(
      tcp: true,
      configuration: [
        "user alice on >w0nder %RW~alice:* +@all",
        "user guest on nopass ~* +@read +@connection +@transaction",
        "user mute on >hush ~* +get",
      ])
    try server.connect().send("CONFIG", "SET", "requirepass", "s3cret")
    return server
  }

  private func url(_ credentials: String) throws -> String {
    "redis://\(credentials)127.0.0.1:\(try Self.locked.get().port!)"
  }

  @Test(
    "A password in the URL, a user with one, and a user without one are accepted",
    arguments: [
      ":s3cret@", "default:s3cret@", "alice:w0nder@", "guest@", "guest:anything@", "mute:hush@",
    ])
  func right(credentials: String) throws {
    #expect(try RedisClient(url(credentials)).ask("GET", "alice:missing").isNull)
  }

  @Test("The caller's credentials come before those of the URL")
  func overrides() throws {
    let client = try RedisClient(url("alice:wrong@")) {
      $0.username = "default"
      $0.password = "s3cret"
    }
    #expect(try client.ask("GET", "k").isNull)
    #expect(client.address.hasPrefix("redis://default:***@"))
  }

  @Test("No password, a wrong one, and an unwanted one have different errors; none of them is shown")
  func wrong() throws {
    expectFailure(.accessDenied, "requires a password", "NOAUTH", "Provide a password") {
      _ = try RedisClient(url("")).ask("GET", "k")
    }
    for credentials in [":n0t@", "alice:n0t@", "nobody:n0t@", "alice@"] {
      expectFailure(.accessDenied, "did not accept", "WRONGPASS") {
        _ = try RedisClient(url(credentials)).ask("GET", "k")
      }
      expectFailure(.accessDenied, "did not accept", "WRONGPASS") {
        try RedisClient(url(credentials)).tell("SET", "k", "v")
      }
    }
    let open = try RedisServer(tcp: true)
    expectFailure(.accessDenied, "did not accept") {
      _ = try RedisClient("redis://:n0t@127.0.0.1:\(open.port!)").ask("PING")
    }
  }

  @Test("No error contains the password", arguments: [":n0tit@", "alice:n0tit@", "nobody:n0tit@"])
  func keepsSecret(credentials: String) throws {
    let error = #expect(throws: StoreBackendError.self) { try RedisClient(url(credentials)).ask("GET", "k") }
    let text = "\(String(describing: error)) \(String(reflecting: error)) \(error?.causes ?? [])"
    #expect(!text.contains("n0tit"))
  }

  @Test("A command that a user may not run is named with its key")
  func noPermission() throws {
    let alice = try RedisClient(url("alice:w0nder@"))
    try alice.tell("SET", "alice:k", "v")
    expectFailure(.accessDenied, "GET bob:k", "NOPERM") { _ = try alice.ask("GET", "bob:k") }
    expectFailure(.accessDenied, "SET guest:k", "NOPERM", "Grant the user") {
      try RedisClient(url("guest@")).tell("SET", "guest:k", "v")
    }
    expectFailure(.accessDenied, "HSET k") {
      _ = try RedisClient(url("guest@")).transaction { transaction -> Transaction.Outcome<Void> in
        var write = Pipeline()
        write.append("GET", "k")
        write.append("HSET", "k", "field", "value")
        return try transaction.commit(write) == nil ? .retry : .done(())
      }
    }
  }

  @Test("An error names no value of its command")
  func keepsValues() throws {
    let error = #expect(throws: StoreBackendError.self) {
      try RedisClient(url("guest@")).tell("SET", "k", "private answer")
    }
    #expect(error.map { !"\($0.message) \($0.causes)".contains("private") } == true)
  }

  @Test("A connection has the cache's name in CLIENT LIST, or the one of the URL")
  func clientName() throws {
    let server = try RedisServer()
    let client = try RedisClient(server.url)
    let list = try client.ask("CLIENT", "LIST").string ?? ""
    #expect(list.contains("name=mneme "))
    let named = try RedisClient(server.url + "?client_name=nightly")
    #expect(try named.ask("CLIENT", "GETNAME").string == "nightly")
    // Redis does not accept a name with a space, which is what the plus sign means.
    #expect(throws: RedisURL.ParseError.self) { try RedisClient(server.url + "?client_name=a+b") }
  }

  @Test("The database of the URL is the one that is used, also after a reconnection")
  func database() throws {
    let server = try RedisServer()
    let client = try RedisClient(server.url + "?db=3")
    try client.tell("SET", "k", "three")
    #expect(try RedisClient(server.url).ask("EXISTS", "k").integer == 0)
    try server.connect().send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    #expect(try client.ask("GET", "k").string == "three")
    expectFailure(.refused, "database 99", "out of range") {
      _ = try RedisClient(server.url + "?db=99").ask("PING")
    }
    expectFailure(.refused, "database 99") { try RedisClient(server.url + "?db=99").tell("SET", "k", "v") }
    #expect(try RedisClient(server.url).ask("EXISTS", "k").integer == 0)
  }

  @Test("A server with too many clients says so")
  func turnedAway() throws {
    let full = try RedisServer(tcp: true)
    let first = try full.connect()
    defer { withExtendedLifetime(first) {} }
    try first.send("CONFIG", "SET", "maxclients", "1")
    expectFailure(.notReady, "turned the connection away", "max number of clients", "maxclients") {
      _ = try RedisClient("redis://127.0.0.1:\(full.port!)").ask("GET", "k")
    }
    expectFailure(.notReady, "max number of clients") {
      try RedisClient("redis://:secret@127.0.0.1:\(full.port!)").tell("SET", "k", "v")
    }
  }

  @Test("If a server repeats the password, the message does not show it, at any time")
  func repeatedPassword() throws {
    func answer(_ name: String, to script: @escaping @Sendable (Peer) throws -> Void) throws {
      let server = try ScriptedServer { peer, _ in try script(peer) }
      let client = try RedisClient(server.url.replacing("//", with: "//user:hunter2@"))
      let error = #expect(throws: StoreBackendError.self, "\(name)") { _ = try client.ask("GET", "k") }
      let words = error.map { [$0.message, $0.remedy.description, "\($0.object as Any)"] + $0.causes } ?? []
      #expect(words.contains { $0.contains("is not shown") }, "\(name): \(words)")
      #expect(!words.contains { $0.contains("hunter2") || $0.contains("know") }, "\(name): \(words)")
    }
    for command in ["AUTH", "GET"] {
      try answer(command) { peer in
        peer.serve { $0[0] == command ? "-ERR I know hunter2 well\r\n" : "+OK\r\n" }
      }
    }
    try answer("farewell") { peer in
      peer.receive()
      peer.send("-ERR I know hunter2 well\r\n")
    }
  }

  /// A password as it is typed in a URL.
  private func escaped(_ password: String) -> String {
    password.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test(
    "A refused password is not in any message about it, however short or common it is",
    arguments: ["p", " ", "user", "password", "ERR", "invalid", "WRONGPASS"])
  func shortPassword(password: String) throws {
    let server = try RedisServer()
    try server.connect().send("ACL", "SETUSER", "default", "resetpass", ">another")
    let url = server.url.replacing("://", with: "://:\(escaped(password))@")
    func said(_ url: String) -> [String] {
      let error = #expect(throws: StoreBackendError.self) { _ = try RedisClient(url).ask("GET", "k") }
      return error.map { [$0.message, $0.remedy.description] + $0.causes } ?? []
    }
    // They are those for a password that none of them contains.
    let other = server.url.replacing("://", with: "://:0x9999@")
    #expect(said(url) == said(other))
  }

  @Test(
    "A password that is a word of Redis's messages is not revealed by them",
    arguments: ["p", "permissions", "run the"])
  func ownWords(password: String) throws {
    for name in [password, "0x9999"] {
      let server = try RedisServer()
      try server.connect().send("ACL", "SETUSER", "alice", "on", ">\(name)", "~*", "+@all", "-get")
      let client = try RedisClient(server.url.replacing("://", with: "://alice:\(escaped(name))@"))
      let error = #expect(throws: StoreBackendError.self) { _ = try client.ask("GET", "k") }
      #expect(error?.causes.first?.contains("has no permissions to run the 'get' command") == true)
    }
  }

  @Test("A new connection costs no extra round trip for reads, and one for writes")
  func roundTrips() throws {
    let server = try RedisServer(configuration: ["user alice on >w0nder ~* +@all"])
    let proxy = try ScriptedProxy(to: server)
    let url = proxy.url.replacing("://", with: "://alice:w0nder@") + "?db=2"
    let reader = try RedisClient(url)
    _ = try reader.ask("GET", "k")
    _ = try reader.ask("GET", "k")
    #expect(proxy.roundTrips().map(\.description) == ["AUTH SELECT CLIENT HELLO GET", "GET"])
    let writer = try RedisClient(url)
    try writer.tell("SET", "k", "v")
    #expect(proxy.roundTrips().map(\.description) == ["SET"])
  }
}
