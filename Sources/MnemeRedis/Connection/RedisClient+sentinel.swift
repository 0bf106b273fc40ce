import Mneme

// Sentinels monitor a primary and its replicas, and know which server is the primary now. They are asked for each new
// connection, so that a failover between two round trips is followed. See "Sentinel client guidelines" of Redis.
extension RedisClient {
  /// Connects to the primary. During a failover it waits for one, at most for the time limit of a command.
  /// - Throws: `StoreBackendError` if no Sentinel answers, none knows the service, or no primary appears.
  func findPrimary(_ sentinels: Sentinels) throws -> Connection {
    let deadline = Deadline.after(connector.limits.command)
    while true {
      let failure: any Error
      do {
        let primary = try askForPrimary(sentinels)
        let connection = try connector.connect(to: primary)
        try connection.greet()
        // A Sentinel may not know yet that the server was demoted.
        if connection.role.isReplica != true {
          endpoint = primary
          return connection
        }
        failure = noPrimary(sentinels, "\(primary), which they name, is a replica", nil)
      } catch let error as ConnectionFailure {
        if error.isStopped { throw error }
        guard error.isLoss || error.isTimeout else { throw error }
        let cause = error.translated(server: description, url: connector.url)
        failure = noPrimary(sentinels, "the server that they name cannot be reached", cause)
      }
      guard deadline.remaining > .zero else { throw failure }
      guard !StopRequest.hasCome else { throw ConnectionFailure(.system(.stopped)) }
      StopRequest.sleep(for: .milliseconds(100))
    }
  }

  /// Asks one Sentinel after the other.
  private func askForPrimary(_ sentinels: Sentinels) throws -> Endpoint {
    var question = Pipeline()
    let answer = question.append("SENTINEL", "get-master-addr-by-name", sentinels.service)
    var refusal: (any Error)?
    for sentinel in sentinels.endpoints {
      do {
        let reply = try sentinelConnector(sentinels).connect(to: sentinel).exchange(question)[answer]
        if let host = reply[0].string, let port = reply[1].integer.flatMap(UInt16.init(exactly:)),
          let primary = Endpoint(host: host, port: port, from: sentinel)
        {
          endpoint = primary
          return primary
        }
        refusal =
          reply.error.map { refused(by: sentinel, $0.hiding(sentinels.password)) }
          ?? StoreBackendError(
            .refused, "The Sentinel \(sentinel) does not know the service '\(visible(sentinels.service))'.",
            about: .server(sentinel.description), remedy: .checkSentinelService)
      } catch let failure as ConnectionFailure {
        if failure.isStopped { throw failure }
        refusal =
          refusal ?? failure.translated(server: "the Sentinel \(sentinel)", url: connector.url)
      } catch let error as GreetingRefused {
        refusal = refused(by: sentinel, error.error.withoutText, isPassword: true)
      }
    }
    throw refusal ?? noPrimary(sentinels, "no Sentinel is named", nil)
  }

  /// The error of a Sentinel that does not answer. The user and the password of the server are not its own.
  private func refused(
    by sentinel: Endpoint, _ error: ServerError, isPassword: Bool = false
  ) -> StoreBackendError {
    let explanation = error.explanation
    let isDenied = isPassword || explanation.reason == .accessDenied
    return StoreBackendError(
      isDenied ? .accessDenied : explanation.reason,
      "The Sentinel \(sentinel) does not answer: \(explanation.text).", about: .server(sentinel.description),
      remedy: isDenied ? .provideSentinelPassword : explanation.remedy, cause: error)
  }

  /// Makes the connector for Sentinels. They have their own users. TLS settings and time limits are those of the
  /// primary.
  private func sentinelConnector(_ sentinels: Sentinels) -> Connector {
    var url = RedisURL(endpoint: sentinels.endpoints[0], usesTLS: connector.url.usesTLS)
    (url.username, url.password) = (sentinels.username, sentinels.password)
    (url.tls, url.connectTimeout, url.commandTimeout) = (
      connector.url.tls, connector.limits.connect, connector.limits.connect
    )
    return Connector(url: url, options: ConnectionOptions())
  }

  private func noPrimary(_ sentinels: Sentinels, _ reason: String, _ cause: (any Error)?) -> StoreBackendError
  {
    StoreBackendError(
      .notReady, "The Sentinels of '\(visible(sentinels.service))' have no primary: \(reason).",
      about: .server(connector.url.description), remedy: .tryLater, cause: cause)
  }

  /// Refuses a Sentinel that a URL names as if it were a server with data. One round trip, to name its service.
  func refuseSentinel(_ connection: Connection) throws {
    var question = Pipeline()
    let masters = question.append("SENTINEL", "masters")
    let reply = (try? connection.exchange(question))?[masters]
    let service = reply?[0][1].string ?? "SERVICE"
    let scheme = connector.url.usesTLS ? "rediss" : "redis"
    throw StoreBackendError(
      .refused, "\(description) is a Sentinel, which has no data and names the server that has.",
      about: .url("\(scheme)+sentinel://\(connection.endpoint)/\(visible(service))"), remedy: .useSentinelURL)
  }
}
