import Foundation
import TestSupport
import Testing

/// A prefix on a server of a test's own, and the command on it.
struct SharedPrefix {
  let server: RedisServer
  let mneme: Mneme
  let redis: RawRedis

  init(_ what: String, configuration: [String] = []) throws {
    server = try RedisServer(configuration: configuration)
    mneme = Mneme(server, prefix: uniquePrefix(what))
    redis = try server.connect()
  }

  private init(server: RedisServer, mneme: Mneme) throws {
    (self.server, self.mneme) = (server, mneme)
    redis = try server.connect()
  }

  /// The same on a connection of its own, for another thread or a server that has come back.
  func again() throws -> SharedPrefix { try SharedPrefix(server: server, mneme: mneme) }

  /// Another prefix on the same server.
  func again(_ prefix: String) throws -> SharedPrefix {
    try SharedPrefix(server: server, mneme: mneme.with(prefix: prefix))
  }

  func key(_ rest: String) -> String { "\(mneme.prefix):\(rest)" }

  func version() throws -> Int { Int(try redis.send("GET", key("version")).text ?? "0") ?? 0 }

  /// What does not fit together, as seen without any code of ours.
  func problems() throws -> [String] {
    try LayoutAudit(redis.dump(prefix: mneme.prefix + ":"), prefix: mneme.prefix).problems
  }

  /// Waits until the server has done, or dropped, all that a client which is gone had sent.
  func awaitNoOtherClients(within limit: Duration = .seconds(20)) throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
      let clients = try redis.send("CLIENT", "LIST").text ?? ""
      if !clients.contains("name=mneme") { return }
      usleep(2000)
    }
    throw TestTimeout("the clients of commands that are gone")
  }
}

/// Lines for `import`: so many different queries, each with an answer that tells who wrote it.
func importLines(_ queries: Range<Int>, namespace: String = "default", ttl: Int? = nil, by writer: String)
  -> [UInt8]
{
  let lifetime = ttl.map { ",\"ttl\":\($0)" } ?? ""
  return Array(
    queries.map { number in
      #"{"namespace":"\#(namespace)","query":"query \#(number)","response":"\#(writer) \#(number)"\#(lifetime)}"#
        + "\n"
    }.joined().utf8)
}
