import Mneme

extension ServerError {
  /// Returns the error for the user.
  /// - Parameters:
  ///   - command: the command that was refused.
  ///   - server: the address, with the password masked.
  ///   - user: the user, for an operation that is not permitted.
  ///   - keys: the pattern of the keys.
  ///   - detail: the details that the server has reported.
  func translated(
    command: CommandText?, server: String, user: String? = nil, keys: String? = nil,
    detail: String? = nil
  ) -> any MnemeError {
    if code == "WRONGTYPE" {
      return CorruptCacheError(
        "The key \(command?.key ?? "?") at \(server) has another type than the cache's layout gives it.",
        about: command?.key.map { .key($0) }, remedy: .useOtherPrefix, cause: self)
    }
    let subject = command.map { "\($0) at \(server)" } ?? server
    let more = detail.map { " (\($0))" } ?? ""
    let explanation = explanation
    var object = ErrorObject.server(server)
    if code == "NOPERM", let command {
      object = .right(
        command: command.name.lowercased(), user: user ?? "default",
        keys: command.key == nil ? nil : keys)
    }
    return StoreBackendError(
      explanation.reason, "\(subject): \(explanation.text)\(more).", about: object,
      remedy: explanation.remedy, cause: self)
  }

  /// Returns the error of a server that has then closed the connection: too many clients, or protected mode.
  func translatedBeforeClosing(server: String) -> StoreBackendError {
    let explanation = explanation
    guard explanation.reason == .refused else {
      return StoreBackendError(
        explanation.reason, "\(server): \(explanation.text).", about: .server(server),
        remedy: explanation.remedy, cause: self)
    }
    return StoreBackendError(
      .notReady, "\(server) turned the connection away.",
      about: .server(server), remedy: .waitForClients, cause: self)
  }

  /// The meaning of an error, and its remedy.
  struct Explanation {
    let reason: StoreBackendError.Reason
    let text: String
    let remedy: Remedy

    init(_ reason: StoreBackendError.Reason, _ text: String, _ remedy: Remedy) {
      self.reason = reason
      self.text = text
      self.remedy = remedy
    }
  }

  /// The one table of server errors.
  var explanation: Explanation {
    switch code {
    case "NOAUTH":
      Explanation(.accessDenied, "the server requires a password", .providePassword)
    case "WRONGPASS":
      Explanation(.accessDenied, "the server did not accept the user and password", .checkPassword)
    case "NOPERM":
      Explanation(.accessDenied, "permission denied", .grantRight)
    case "DENIED":
      Explanation(
        .accessDenied, "the server accepts only local clients (protected mode)", .leaveProtectedMode)
    case "LOADING":
      Explanation(.notReady, "the server is still loading its data", .tryLater)
    case "BUSY":
      Explanation(.notReady, "the server is busy with a script", .endScript)
    case "MASTERDOWN":
      Explanation(.notReady, "this replica has lost its primary and serves no old data", .waitForPrimary)
    case "NOREPLICAS":
      Explanation(.notReady, "the server has too few replicas in sync to accept writes", .waitForReplicas)
    case "CLUSTERDOWN":
      Explanation(.notReady, "the cluster is not serving this slot", .checkCluster)
    case "TRYAGAIN":
      Explanation(.notReady, "the cluster is moving this slot to another node", .tryLater)
    case "OOM":
      Explanation(.outOfMemory, "the server has reached its 'maxmemory'", .makeRoom)
    case "READONLY":
      Explanation(.readOnly, "the server is a read-only replica", .usePrimary)
    case "MISCONF":
      Explanation(.readOnly, "the server cannot save to its disk and refuses writes", .freeDisk)
    case "EXECABORT":
      Explanation(
        .refused, "the server discarded the transaction, because it refused one of its commands",
        .readServerLogForCommand)
    case "CROSSSLOT":
      Explanation(.needsHashTag, "the keys are in different slots of the cluster", .tagKeyPrefix)
    case "MOVED", "ASK":
      Explanation(.refused, "the nodes of the cluster redirect each other's commands", .checkClusterSlots)
    default:
      Explanation(.refused, "the server answered with an error", .readServerLog)
    }
  }
}

extension GreetingRefused {
  func translated(server: String, url: RedisURL) -> any MnemeError {
    let error = step == .authentication ? error.withoutText : error.hiding(url.password)
    if error.explanation.reason == .notReady { return error.translated(command: nil, server: server) }
    switch step {
    case .authentication:
      let who = url.username.map { "user '\(visible($0))'" } ?? "password"
      return StoreBackendError(
        .accessDenied, "\(server) did not accept the \(who).",
        about: .server(server), remedy: .checkPassword, cause: error)
    case .database where error.code == "NOPERM":
      return error.translated(
        command: CommandText(name: "SELECT", key: nil), server: server,
        user: url.username.map { visible($0) })
    case .database:
      return StoreBackendError(
        .refused, "\(server) has no database \(url.database).",
        about: .server(server), remedy: .useLowerDatabase, cause: error)
    }
  }
}

extension CommandText: CustomStringConvertible {
  var description: String { key.map { "\(name) \($0)" } ?? name }
}
