/// A connection that could not be made, or that cannot be used any more. It never leaves this module:
/// `ConnectionFailure+Translation.swift` converts it to an error for the user.
struct ConnectionFailure: Error {
  enum Cause: Error {
    /// The name of the host has no address.
    case resolver(ResolverError)
    /// A system call failed.
    case system(SystemError)
    case tls(TLSError)
    /// The server closed the connection.
    case closed
    case timedOut(Duration)
    /// The server sent bytes that no Redis server sends.
    case violation(ProtocolViolation)
    /// The package was built without the `Redis` trait.
    case notBuilt
  }

  /// The step of connecting at which it failed.
  enum Stage: Comparable {
    /// The host's name was being resolved.
    case resolving
    /// The socket was being connected.
    case connecting
    /// The socket was connected, and the TLS handshake was under way.
    case securing
    /// The greeting was sent and not answered yet, and no command was sent after it.
    case greeting
    /// A command was under way.
    case exchange
  }

  /// The part of the commands that had left this process.
  enum Sent {
    case nothing
    /// Some bytes, but not the last, so that the last command cannot have been run.
    case partly
    case all
  }

  var cause: Cause
  var stage: Stage
  var sent: Sent
  /// The error that the server sent before it closed a new connection, such as "max number of clients reached".
  var serverSaid: ServerError?

  /// Whether the commands may have been run. It is set for commands that write.
  var mayHaveRun = false

  init(_ cause: Cause, stage: Stage = .connecting, sent: Sent = .nothing) {
    self.cause = cause
    self.stage = stage
    self.sent = sent
  }

  var isTimeout: Bool { if case .timedOut = cause { true } else { false } }

  /// A stop request has ended the wait for the server.
  var isStopped: Bool { if case .system(.stopped) = cause { true } else { false } }

  /// Whether the connection was lost, so that a new one may work. It is false for a timeout and for invalid replies.
  var isLoss: Bool {
    switch cause {
    case .system(.stopped): false
    case .closed, .system: true
    case .resolver, .tls, .timedOut, .violation, .notBuilt: false
    }
  }
}

/// A fault in the bytes that arrived.
struct ProtocolViolation: Error, Sendable, CustomStringConvertible {
  let description: String
  /// The first bytes that came instead of a reply; empty if the fault was not at the beginning.
  let opening: [UInt8]
}

extension ConnectionFailure.Cause {
  /// Whether the cause comes from the server, and so explains more than a failed write.
  var isMoreSpecific: Bool {
    switch self {
    case .tls, .violation: true
    case .resolver, .system, .closed, .timedOut, .notBuilt: false
    }
  }
}

/// The cause of a lost connection without a system error.
struct ConnectionClosed: Error, Sendable, CustomStringConvertible {
  var description: String { "the server closed the connection" }
}
