import Mneme

extension RedisClient {
  /// Converts a server's error to one for the user. If the server can report details, they are read. Errors while
  /// reading them are ignored.
  func translated(_ error: ServerError, of command: CommandText?) -> any MnemeError {
    let error = error.hiding(connector.url.password)
    if let command, error.isUnknownCommand { return missing(command, error) }
    switch error.code {
    case "CROSSSLOT":
      for keyspace in keyspaces where KeyHashTag.ofKeys(under: keyspace.prefix) == nil {
        return StoreBackendError.needsHashTag(prefix: keyspace.prefix, server: description, cause: error)
      }
      return error.translated(command: command, server: description)
    case "NOPERM":
      return error.translated(
        command: command, server: description, user: user,
        keys: keyspaces.first?.pattern)
    case "OOM": return error.translated(command: command, server: description, detail: memoryPolicy)
    case "READONLY": return error.translated(command: command, server: description, detail: primary)
    default: return error.translated(command: command, server: description)
    }
  }

  /// Returns the error for a command that the server does not have and that mneme needs.
  private func missing(_ command: CommandText, _ error: ServerError) -> StoreBackendError {
    StoreBackendError(
      .accessDenied,
      "\(command) at \(description): the server does not offer \(command.name), which mneme needs.",
      about: .server(description), remedy: .enableCommand, cause: error)
  }

  /// The user of the connection.
  private var user: String { visible(connector.url.username ?? "default") }

  /// `maxmemory is 100.00M, with the policy noeviction`
  private var memoryPolicy: String? {
    let info = information("memory")
    guard let limit = info["maxmemory_human"], let policy = info["maxmemory_policy"] else { return nil }
    return "maxmemory is \(limit), with the policy \(policy)"
  }

  /// `its primary is 10.0.0.1:6379`
  private var primary: String? {
    let info = information("replication")
    guard let host = info["master_host"], let port = info["master_port"].flatMap(UInt16.init) else {
      return nil
    }
    return "its primary is \(Endpoint.tcp(host: host, port: port))"
  }

  /// Whether the server was already running before the connection was lost, and so has closed it. Redis does that if a
  /// reply, a client's buffer or a value is larger than its limits. One round trip on a new connection, with a time
  /// limit of three seconds, since the user waits for the error.
  var serverIsUp: Bool {
    let patience = min(connector.limits.connect, .seconds(3))
    // A server that has never replied may not be a Redis server.
    guard connector.meter.traffic.connections > 1,
      let new = try? connector.connect(to: endpoint, limits: .init(connect: patience, command: patience))
    else {
      return false
    }
    var question = Pipeline()
    question.append("INFO", "server")
    let uptime = (try? new.exchange(question)[0])?.information["uptime_in_seconds"].flatMap { Int($0) }
    return uptime.map { $0 > 1 } ?? false
  }

  /// A section of `INFO`. One round trip.
  private func information(_ section: String) -> [String: String] {
    guard let connection, connection.isAlive else { return [:] }
    var question = Pipeline()
    question.append("INFO", section)
    return (try? connection.exchange(question)[0])?.information ?? [:]
  }

  /// Returns the error after too many redirections.
  func tooManyRedirections(of redirection: Redirection) -> StoreBackendError {
    switch redirection {
    case .moved, .asked:
      StoreBackendError(
        .refused, "The nodes of the cluster at \(description) redirect the client in a circle.",
        about: .server(description), remedy: .checkClusterSlots)
    case .later, .demoted:
      StoreBackendError(
        .notReady,
        "The cluster at \(description) is moving the keys to another node, or has no node for them.",
        about: .server(description), remedy: .checkCluster)
    }
  }
}
