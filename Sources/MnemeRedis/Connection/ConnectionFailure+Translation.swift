import Glibc
import Mneme

extension ConnectionFailure {
  /// Returns the error for the user.
  /// - Parameter server: the address, with the password masked.
  func translated(server: String, url: RedisURL) -> StoreBackendError {
    if let serverSaid, isLoss {
      return serverSaid.hiding(url.password).translatedBeforeClosing(server: server)
    }
    switch cause {
    case .notBuilt: return .redisNotBuilt
    case .resolver(let error):
      return StoreBackendError(
        .unreachable, "Cannot connect to \(server): the host name could not be resolved.",
        about: .server(server), remedy: .checkHostName, cause: error)
    case .tls(let error): return error.translated(server: server)
    case .violation(let violation): return violation.translated(server: server, aftermath: aftermath)
    case .timedOut(let limit): return timeOut(server: server, limit: limit)
    case .closed, .system: break
    }
    switch stage {
    case .resolving, .connecting:
      return StoreBackendError(
        .unreachable, "Cannot connect to \(server).",
        about: .server(server),
        remedy: url.remedy(forUnreachable: systemError),
        cause: underlying)
    case .securing:
      return StoreBackendError(
        .unreachable, "\(server) closed the connection during the TLS handshake.",
        about: .server(server), remedy: .checkTLSPort,
        cause: underlying)
    case .greeting:
      return StoreBackendError(
        .unreachable, "\(server) accepted the connection and closed it without an answer.",
        about: .server(server), remedy: .checkListener, cause: underlying)
    case .exchange:
      return StoreBackendError(
        .connectionLost, "The connection to \(server) was lost while a command was under way.\(aftermath)",
        about: .server(server), remedy: mayHaveRun ? .verifyAndRepeat : .repeatCommand,
        cause: underlying)
    }
  }

  /// Returns the error for a connection that the server has closed although it is running.
  func translatedAsCut(server: String) -> StoreBackendError {
    StoreBackendError(
      .connectionLost,
      "\(server) is up, and closed the connection while a command was under way.\(aftermath)",
      about: .server(server), remedy: .raiseServerLimits, cause: underlying)
  }

  private var underlying: any Error { systemError ?? ConnectionClosed() }

  private var systemError: SystemError? { if case .system(let error) = cause { error } else { nil } }

  private var aftermath: String { mayHaveRun ? " What it writes may have been written." : "" }

  private func timeOut(server: String, limit: Duration) -> StoreBackendError {
    let time = limit.formatted
    func error(_ message: String, _ remedy: Remedy) -> StoreBackendError {
      StoreBackendError(.timedOut, message, about: .server(server), remedy: remedy)
    }
    return switch stage {
    case .resolving:
      error(
        "Cannot connect to \(server): no name server has resolved the host name within \(time).",
        .checkHostName)
    case .connecting: error("Cannot connect to \(server) within \(time).", .checkNetwork)
    case .securing:
      error("\(server) accepted the connection and did not answer in TLS within \(time).", .checkTLSPort)
    case .greeting:
      error("\(server) accepted the connection and gave no answer within \(time).", .checkListener)
    case .exchange: error("\(server) gave no answer within \(time).\(aftermath)", .allowMoreTime)
    }
  }
}

extension ProtocolViolation {
  fileprivate func translated(server: String, aftermath: String) -> StoreBackendError {
    let remedy: Remedy
    switch opening.prefix(5) {
    // Some HTTP servers reply to other protocols with a page and no header.
    case let bytes where bytes.elementsEqual("HTTP/".utf8) || bytes.first == UInt8(ascii: "<"):
      remedy = .checkPort
    // A TLS alert, or a handshake record: content type, then version 3.x.
    case let bytes where bytes.count > 1 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 3:
      remedy = .useTLS
    default:
      remedy = .checkURL
    }
    return StoreBackendError(
      .protocolViolation, "\(server) does not speak the Redis protocol: it sent \(description).\(aftermath)",
      about: .server(server), remedy: remedy, cause: self)
  }
}

extension RedisURL {
  fileprivate func remedy(forUnreachable error: SystemError?) -> Remedy {
    switch (endpoint, error?.code) {
    case (.unix, ENOENT): .checkSocket
    case (.unix, EACCES): .checkSocketPermissions
    case (_, ECONNREFUSED): .startServer
    default: .checkServer
    }
  }
}

extension Duration {
  /// The duration in the form of the options: `5s`, `1s 500ms`, `250ms`.
  fileprivate var formatted: String {
    let (seconds, attoseconds) = components
    let milliseconds = attoseconds / 1_000_000_000_000_000
    if milliseconds == 0 { return "\(seconds)s" }
    if seconds == 0 { return "\(milliseconds)ms" }
    return "\(seconds)s \(milliseconds)ms"
  }
}

extension StoreBackendError {
  /// The error of making a store if the package was built without its `Redis` trait.
  public static var redisNotBuilt: StoreBackendError {
    StoreBackendError(
      .notBuilt, "RedisStore requires the optional 'redis' extra, which this build was made without.",
      remedy: .buildWithRedis)
  }
}
