import Mneme

/// The commands that a new connection begins with, and what their answers mean.
///
/// They are sent in one write with the first reading commands, so that a `get` needs no round trip for them. Before a
/// command that writes, their replies are awaited.
struct Greeting {
  private enum Step { case authenticate, select, nameClient, hello }

  private var steps: [Step] = []
  private(set) var pipeline = Pipeline()

  init(url: RedisURL, clientName: String) {
    if url.username != nil || url.password != nil {
      let password = url.password?.text ?? ""
      if let user = url.username {
        pipeline.append("AUTH", user, password)
      } else {
        pipeline.append("AUTH", password)
      }
      steps.append(.authenticate)
    }
    if url.database != 0 {
      pipeline.append("SELECT", url.database)
      steps.append(.select)
    }
    pipeline.append("CLIENT", "SETNAME", clientName)
    steps.append(.nameClient)
    // The reply shows whether this is a cluster and whether it is a replica. Redis 5 replies with an error, which is
    // ignored.
    pipeline.append("HELLO", 2)
    steps.append(.hello)
  }

  /// Reads the answers, the first replies of an exchange.
  /// - Throws: `GreetingRefused` for a password or a database that was not accepted. Errors of `CLIENT SETNAME` and
  ///   `HELLO` are ignored.
  func digest(_ replies: Replies) throws(GreetingRefused) -> ServerRole {
    var role = ServerRole()
    for (step, reply) in zip(steps, replies) {
      switch step {
      case .authenticate:
        if let error = reply.error { throw GreetingRefused(step: .authentication, error: error) }
      case .select:
        if let error = reply.error { throw GreetingRefused(step: .database, error: error) }
      case .nameClient: break
      case .hello: role = ServerRole(hello: reply)
      }
    }
    return role
  }
}

/// A greeting that the server has refused.
struct GreetingRefused: Error {
  enum Step { case authentication, database }
  let step: Step
  let error: ServerError
}

/// The identity and the role of a server, as it reports them. A property is nil if it does not.
package struct ServerRole: Sendable, Equatable {
  /// The name of the program: `Redis`, `Valkey`.
  package internal(set) var program: String?
  /// The version as in `INFO`: `7.0.15`.
  package internal(set) var version: String?
  /// Whether it is a node of a Redis Cluster.
  package internal(set) var isCluster: Bool?
  /// Whether it is a replica.
  package internal(set) var isReplica: Bool?
  /// Whether it is a Sentinel, which knows the address of a primary and has no data.
  var isSentinel = false

  init() {}

  /// The program and its version for messages: `Valkey 8.1.8`. If the server reports no program, it is taken for Redis.
  package var name: String { "\(program ?? "Redis") \(version ?? "of an unknown version")" }

  /// - Parameter hello: the reply to `HELLO 2`, names and values in turn; or an error.
  init(hello: Reply) {
    var elements = hello.elements
    while let name = elements.next(), let value = elements.next() {
      switch name.string {
      case "server": program = value.string.map { visible($0.prefix(1).uppercased() + $0.dropFirst()) }
      case "version": version = value.string.map { visible($0) }
      case "mode":
        isCluster = value.string.map { $0 == "cluster" }
        isSentinel = value.string == "sentinel"
      case "role": isReplica = value.string.map { $0 != "master" }
      default: break
      }
    }
  }
}
