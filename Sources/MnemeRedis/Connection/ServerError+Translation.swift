import Mneme

extension ServerError {
  /// The error as the user meets it.
  /// - Parameters:
  ///   - command: the one that was refused.
  ///   - server: the address, with the password masked.
  ///   - detail: what the server says about the trouble when asked.
  func translated(command: CommandText?, server: String, detail: String? = nil) -> any MnemeError {
    if code == "WRONGTYPE" {
      return CorruptCacheError(
        "The key \(command?.key ?? "?") at \(server) has another type than the cache's layout gives it.",
        remediation: "Look at it with redis-cli TYPE; where another program owns it, use another key prefix.",
        cause: self)
    }
    let subject = command.map { "\($0) at \(server)" } ?? server
    let more = detail.map { " (\($0))" } ?? ""
    let explanation = explanation
    let remediation =
      code == "NOPERM" ? ServerError.granting(command?.name.lowercased()) : explanation.remediation
    return StoreBackendError(
      explanation.reason, "\(subject): \(explanation.text)\(more).", remediation: remediation, cause: self)
  }

  private static func granting(_ command: String?) -> String {
    "Ask for the right: redis-cli ACL SETUSER USER +\(command ?? "COMMAND") '~PREFIX:*'."
  }

  /// The last word of a server that then closed the connection: too many clients, or protected mode.
  func translatedAsFarewell(server: String) -> StoreBackendError {
    let explanation = explanation
    guard explanation.reason == .refused else {
      return StoreBackendError(
        explanation.reason, "\(server): \(explanation.text).", remediation: explanation.remediation,
        cause: self)
    }
    return StoreBackendError(
      .notReady, "\(server) turned the connection away.",
      remediation: "Where it has too many clients, wait for some to leave or raise its 'maxclients'.",
      cause: self)
  }

  /// What an error means and what to do about it.
  struct Explanation {
    let reason: StoreBackendError.Reason
    let text: String
    let remediation: String

    init(_ reason: StoreBackendError.Reason, _ text: String, _ remediation: String) {
      self.reason = reason
      self.text = text
      self.remediation = remediation
    }
  }

  /// The one table of server errors.
  var explanation: Explanation {
    switch code {
    case "NOAUTH":
      Explanation(
        .accessDenied, "the server wants a password",
        "Give one: in the URL, with --password-file or --askpass, or in MNEME_PASSWORD.")
    case "WRONGPASS":
      Explanation(
        .accessDenied, "the server did not accept the user and password", "Check user and password.")
    case "NOPERM":
      Explanation(
        .accessDenied, "this user may not do that",
        ServerError.granting(nil))
    case "DENIED":
      Explanation(
        .accessDenied, "the server takes only local clients (protected mode)",
        "Give the server a password or a 'bind' address, or connect from its own machine.")
    case "LOADING":
      Explanation(.notReady, "the server is still loading its data", "Try again in a while.")
    case "BUSY":
      Explanation(
        .notReady, "the server is busy with a script", "Wait for it, or end it with redis-cli SCRIPT KILL.")
    case "MASTERDOWN":
      Explanation(
        .notReady, "this replica has lost its primary and serves no old data",
        "Wait until the link is back, or connect to the primary.")
    case "NOREPLICAS":
      Explanation(
        .notReady, "the server has too few replicas in sync to accept writes",
        "Wait until its replicas are back.")
    case "CLUSTERDOWN":
      Explanation(
        .notReady, "the cluster is not serving this slot", "Look at redis-cli CLUSTER INFO, and try again.")
    case "TRYAGAIN":
      Explanation(.notReady, "the cluster is moving this slot to another node", "Try again when it is done.")
    case "OOM":
      Explanation(
        .outOfMemory, "the server has reached its 'maxmemory'",
        "Raise maxmemory, run vacuum or set quotas, or choose an eviction policy.")
    case "READONLY":
      Explanation(
        .readOnly, "the server is a read-only replica",
        "Connect to the primary; to look something up here, 'get --peek' writes nothing.")
    case "MISCONF":
      Explanation(
        .readOnly, "the server cannot save to its disk and refuses writes",
        "Free the disk, or look at the server's log.")
    case "EXECABORT":
      Explanation(
        .refused, "the server took none of the transaction, because it could not take one of its commands",
        "Nothing was written. See the server's log for the command.")
    case "CROSSSLOT":
      Explanation(
        .needsHashTag, "the keys are in different slots of the cluster",
        "Use a key prefix with a hash tag, such as {mneme}.")
    case "MOVED", "ASK":
      Explanation(
        .refused, "the nodes of the cluster send us from one to the other",
        "Look at redis-cli --cluster check.")
    default:
      Explanation(
        .refused, "the server answered with an error", "See the cause; the server's log may say more.")
    }
  }
}

extension GreetingRefused {
  func translated(server: String, url: RedisURL) -> any MnemeError {
    let error = error.withholding(url.password)
    if error.explanation.reason == .notReady { return error.translated(command: nil, server: server) }
    switch step {
    case .authentication:
      let who = url.username.map { "user '\(visible($0))'" } ?? "password"
      return StoreBackendError(
        .accessDenied, "\(server) did not accept the \(who).",
        remediation: "Check user and password; a server without one wants none.", cause: error)
    case .database where error.code == "NOPERM":
      return error.translated(command: CommandText(name: "SELECT", key: nil), server: server)
    case .database:
      return StoreBackendError(
        .refused, "\(server) has no database \(url.database) for us.",
        remediation: "Use a lower number than the server's 'databases'; a cluster has database 0 alone.",
        cause: error)
    }
  }
}

extension CommandText: CustomStringConvertible {
  var description: String { key.map { "\(name) \($0)" } ?? name }
}
