import Mneme

/// The commands that a new connection begins with, and what their answers mean.
///
/// They travel in the same write as the first commands that only read, so that a `get` costs no round trip for
/// them; before a command that writes their answers are awaited.
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
    // Says without a further round trip whether this is a cluster and whether it is a replica. Redis 5 does not
    // know it, which does no harm.
    pipeline.append("HELLO", 2)
    steps.append(.hello)
  }

  /// Reads the answers, the first replies of an exchange.
  /// - Throws: `GreetingRefused` for a password or a database that was not accepted. That the connection has no
  ///   name, or that the server does not introduce itself, is not an error.
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

/// The server did not let us in.
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
  /// One of the nodes of a Redis Cluster.
  package internal(set) var isCluster: Bool?
  /// A copy that takes no writes.
  package internal(set) var isReplica: Bool?
  /// A Sentinel, which knows where a primary is and has no data.
  var isSentinel = false

  init() {}

  /// The program and its version, for people: `Valkey 8.1.8`. A server that does not say is taken for Redis.
  package var name: String { "\(program ?? "Redis") \(version ?? "of an unknown version")" }

  /// - Parameter hello: the reply to `HELLO 2`, names and values by turns; or an error.
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
