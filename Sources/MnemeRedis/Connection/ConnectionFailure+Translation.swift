import Glibc
import Mneme

extension ConnectionFailure {
  /// The failure as the user meets it.
  /// - Parameter server: the address, with the password masked.
  func translated(server: String, url: RedisURL) -> StoreBackendError {
    if let serverSaid, isLoss {
      return serverSaid.withholding(url.password).translatedAsFarewell(server: server)
    }
    switch cause {
    case .notBuilt: return .redisNotBuilt
    case .resolver(let error):
      return StoreBackendError(
        .unreachable, "Cannot connect to \(server): the host name could not be resolved.",
        remediation: "Check the host in the URL, and the name service of this machine.", cause: error)
    case .tls(let error): return error.translated(server: server)
    case .violation(let violation): return violation.translated(server: server, aftermath: aftermath)
    case .timedOut(let limit): return timeOut(server: server, limit: limit)
    case .closed, .system: break
    }
    switch stage {
    case .resolving, .connecting:
      return StoreBackendError(
        .unreachable, "Cannot connect to \(server).",
        remediation: url.remediation(forUnreachable: systemError),
        cause: underlying)
    case .securing:
      return StoreBackendError(
        .unreachable, "\(server) closed the connection while TLS was being agreed on.",
        remediation: "Check that the port is one for TLS; a Redis without TLS wants redis:// in the URL.",
        cause: underlying)
    case .greeting:
      return StoreBackendError(
        .unreachable, "\(server) accepted the connection and closed it without an answer.",
        remediation: "Check that a Redis listens there; a TLS port wants rediss://.", cause: underlying)
    case .exchange:
      return StoreBackendError(
        .connectionLost, "The connection to \(server) was lost while a command was under way.\(aftermath)",
        remediation: mayHaveRun
          ? "Check whether Redis is up, look at what is stored, and do it again where it is missing."
          : "Check whether Redis is up, and do it again.",
        cause: underlying)
    }
  }

  private var underlying: any Error { systemError ?? ConnectionClosed() }

  private var systemError: SystemError? { if case .system(let error) = cause { error } else { nil } }

  private var aftermath: String { mayHaveRun ? " What it writes may have been written." : "" }

  private func timeOut(server: String, limit: Duration) -> StoreBackendError {
    let time = limit.formatted
    switch stage {
    case .resolving:
      return StoreBackendError(
        .timedOut, "Cannot connect to \(server): no name server has resolved the host name within \(time).",
        remediation: "Check the host in the URL, and the name service of this machine; or use an address.")
    case .connecting:
      return StoreBackendError(
        .timedOut, "Cannot connect to \(server) within \(time).",
        remediation: "Check the host and port, firewalls in between, and --connect-timeout.")
    case .securing:
      return StoreBackendError(
        .timedOut, "\(server) accepted the connection and did not answer in TLS within \(time).",
        remediation: "A Redis without TLS is silent like that: it wants redis:// in the URL.")
    case .greeting:
      return StoreBackendError(
        .timedOut, "\(server) accepted the connection and gave no answer within \(time).",
        remediation: "Check that a Redis listens there (a TLS port wants rediss://) and that it is not stuck."
      )
    case .exchange:
      return StoreBackendError(
        .timedOut, "\(server) gave no answer within \(time).\(aftermath)",
        remediation: "Check what the server is busy with (redis-cli SLOWLOG GET), or raise --timeout.")
    }
  }
}

extension ProtocolViolation {
  fileprivate func translated(server: String, aftermath: String) -> StoreBackendError {
    let remediation: String
    switch opening.prefix(5) {
    // Some answer what is no HTTP with a page alone.
    case let bytes where bytes.elementsEqual("HTTP/".utf8) || bytes.first == UInt8(ascii: "<"):
      remediation = "A web server answers there. Check the port in the URL."
    // A TLS alert, or a handshake record: content type, then version 3.x.
    case let bytes where bytes.count > 1 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 3:
      remediation = "The port speaks TLS. Use rediss:// in the URL."
    default:
      remediation = "Check that the URL is that of a Redis, and that nothing on the way changes its answers."
    }
    return StoreBackendError(
      .protocolViolation, "\(server) does not speak the Redis protocol: it sent \(description).\(aftermath)",
      remediation: remediation, cause: self)
  }
}

extension RedisURL {
  fileprivate func remediation(forUnreachable error: SystemError?) -> String {
    switch (endpoint, error?.code) {
    case (.unix, ENOENT): "Check the path in the URL, and that Redis is up and has this 'unixsocket'."
    case (.unix, EACCES): "Check the permissions of the socket: the 'unixsocketperm' setting of Redis."
    case (_, ECONNREFUSED): "Check that Redis is up and listens there (its 'bind' and 'port' settings)."
    default: "Check that Redis is up, and the URL."
    }
  }
}

extension Duration {
  /// `5s`, `1.5s`, `250ms`: as the options take it.
  fileprivate var formatted: String {
    let (seconds, attoseconds) = components
    let milliseconds = attoseconds / 1_000_000_000_000_000
    if milliseconds == 0 { return "\(seconds)s" }
    if seconds == 0 { return "\(milliseconds)ms" }
    return "\(seconds)s \(milliseconds)ms"
  }
}

extension StoreBackendError {
  /// What making a store comes to where the package was built without its `Redis` trait.
  public static var redisNotBuilt: StoreBackendError {
    StoreBackendError(
      .notBuilt, "RedisStore requires the optional 'redis' extra, which this build was made without.",
      remediation: "Build with the package trait Redis (it is on by default) and libhiredis-dev.")
  }
}
