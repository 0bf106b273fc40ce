import CommandGrammar
import Mneme

/// The exit status of the command. Scripts rely on the numbers (those of `sysexits.h` if it has one).
enum ExitStatus: Int32, CaseIterable {
  case done = 0
  /// The answer is no: a miss, no cache, no such entry, a problem found.
  case no = 1
  case usage = 64
  case badData = 65
  case noInput = 66
  case unavailable = 69
  case bug = 70
  case cannotCreate = 73
  case writeFailed = 74
  case tryLater = 75
  case refused = 77
  case misconfigured = 78
  case hungUp = 129
  case interrupted = 130
  case terminated = 143

  /// Maps an error to its status. No other code does.
  init(_ error: any Error) {
    switch error {
    case let error as any MnemeError: self.init(error)
    case is UsageError: self = .usage
    case let error as FileError: self = error.status
    case is InputError: self = .badData
    case let error as LineError: self = ExitStatus(error.underlying)
    case let error as Interruption: self = error.status
    case is WaitStopped: self = Interrupt().status ?? .interrupted
    default: self = .bug
    }
  }

  private init(_ error: any MnemeError) {
    switch type(of: error).kind {
    case .storeBackend: self = (error as? StoreBackendError).map { ExitStatus($0.reason) } ?? .unavailable
    case .checkpoint, .namespaceQuotaExceeded: self = .unavailable
    case .embedder: self = (error as? EmbedderError)?.isTemporary == true ? .tryLater : .unavailable
    case .embedderMismatch, .embedderDimension, .schemaMigration: self = .misconfigured
    case .corruptCache, .quantization, .invalidInput: self = .badData
    case .cacheClosed: self = .bug
    }
  }

  private init(_ reason: StoreBackendError.Reason) {
    switch reason {
    case .unreachable, .connectionLost, .lostWrites, .timedOut, .outOfMemory, .readOnly, .protocolViolation,
      .notBuilt, .refused:
      self = .unavailable
    // The server has reported that a later attempt may succeed. A server that does not answer has not.
    case .notReady, .contention: self = .tryLater
    case .accessDenied, .certificate: self = .refused
    case .unusableFile: self = .noInput
    case .needsHashTag: self = .misconfigured
    }
  }
}
