/// A connection that could not be made, or that is of no more use. Never leaves this module as it is:
/// `ConnectionFailure+Translation.swift` says it in the words of the one who meets it.
struct ConnectionFailure: Error {
  enum Cause: Error {
    /// The name of the host has no address.
    case resolver(ResolverError)
    /// The kernel said so.
    case system(SystemError)
    case tls(TLSError)
    /// The server closed the connection.
    case closed
    case timedOut(Duration)
    /// The server sent what no Redis server sends.
    case violation(ProtocolViolation)
    /// Built without the backend.
    case notBuilt
  }

  /// The step of connecting at which it failed.
  enum Stage: Comparable {
    /// The addresses of the host's name were asked for.
    case resolving
    /// The socket: no command was under way.
    case connecting
    /// Connected; TLS was being agreed on.
    case securing
    /// No answer to the greeting yet, and nothing that follows it was asked for.
    case greeting
    /// A command was under way.
    case exchange
  }

  /// The part of the commands that had left this process.
  enum Sent {
    case nothing
    /// Not the last byte, so that the last command cannot have been run.
    case partly
    case all
  }

  var cause: Cause
  var stage: Stage
  var sent: Sent
  /// All that the server said before it hung up on a new connection: "max number of clients reached", say.
  var serverSaid: ServerError?

  /// Whether the commands may have run. Set for commands that write.
  var mayHaveRun = false

  init(_ cause: Cause, stage: Stage = .connecting, sent: Sent = .nothing) {
    self.cause = cause
    self.stage = stage
    self.sent = sent
  }

  /// A stop request has ended the wait for the server.
  var isTimeout: Bool { if case .timedOut = cause { true } else { false } }

  var isStopped: Bool { if case .system(.stopped) = cause { true } else { false } }

  /// The connection broke, as against one that is slow or speaks nonsense: a new one may do.
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
  /// The first bytes of what came instead of a reply; empty where the fault was further in.
  let opening: [UInt8]
}

extension ConnectionFailure.Cause {
  /// It came from the server, and tells more than that a write failed before it.
  var isMoreSpecific: Bool {
    switch self {
    case .tls, .violation: true
    case .resolver, .system, .closed, .timedOut, .notBuilt: false
    }
  }
}

/// The error underneath a connection that ended without one of the system's.
struct ConnectionClosed: Error, Sendable, CustomStringConvertible {
  var description: String { "the server closed the connection" }
}
