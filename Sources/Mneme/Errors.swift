/// An error that a user of the library or of the command can get.
///
/// Each says what happened (`message`), to what (`object`), what can be done about it (`remedy`), and which error
/// it is caused by (`cause`), link by link. None contains a password, query or response.
public protocol MnemeError: Error, Sendable, CustomStringConvertible {
  /// The name of the error.
  static var kind: ErrorKind { get }
  /// The contents of the error.
  var report: ErrorReport { get }
}

/// The errors by name: a closed list, so that code that maps them (to exit statuses, say) cannot forget one.
public enum ErrorKind: String, Sendable, CaseIterable {
  case storeBackend = "StoreBackendError"
  case checkpoint = "CheckpointError"
  case embedderMismatch = "EmbedderMismatchError"
  case embedderDimension = "EmbedderDimensionError"
  case corruptCache = "CorruptCacheError"
  case cacheClosed = "CacheClosedError"
  case namespaceQuotaExceeded = "NamespaceQuotaExceededError"
  case quantization = "QuantizationError"
  case schemaMigration = "SchemaMigrationError"
  case invalidInput = "InvalidInputError"
  case embedder = "EmbedderError"
}

/// The contents of an error.
public struct ErrorReport: Sendable {
  /// The event, and the object that it concerns. One line.
  public let message: String
  /// The object that the error concerns; nil for a value that the caller passed.
  public let object: ErrorObject?
  /// A step that can be taken.
  public let remedy: Remedy
  /// The error that caused this one, if there is one.
  public let cause: (any Error)?
}

/// The object of an error, with the names that its remedy needs.
public enum ErrorObject: Sendable, Hashable {
  case entry(EntryID)
  case namespace(Namespace)
  /// A key in Redis, as it may be shown.
  case key(String)
  case keyPrefix(String)
  /// A server's address, the password masked.
  case server(String)
  /// The URL to use, without a password.
  case url(String)
  /// A right that a user of the server lacks. `keys` is the pattern of the keys, nil if the command is not about keys.
  case right(command: String, user: String, keys: String?)
  /// An embedder, by its fingerprint.
  case embedder(String)
  /// The expected number of components of an embedding.
  case dimension(Int)
}

extension MnemeError {
  /// The event, and the object that it concerns. One line.
  public var message: String { report.message }
  /// The object that the error concerns; nil for a value that the caller passed.
  public var object: ErrorObject? { report.object }
  /// A step that can be taken.
  public var remedy: Remedy { report.remedy }
  /// The error that caused this one, if there is one.
  public var cause: (any Error)? { report.cause }

  /// The messages of the errors underneath, outermost first.
  public var causes: [String] {
    var texts: [String] = []
    var next = cause
    while let error = next {
      let known = error as? any MnemeError
      texts.append(known?.message ?? String(describing: error))
      next = known?.cause
    }
    return texts
  }

  /// The message alone: the remedy and the causes are fields of their own.
  public var description: String { "\(Self.kind.rawValue): \(message)" }
}

/// An error that its name alone describes.
public protocol NamedError: MnemeError {
  init(report: ErrorReport)
}

extension NamedError {
  /// Makes an error.
  public init(
    _ message: String, about object: ErrorObject? = nil, remedy: Remedy, cause: (any Error)? = nil
  ) {
    self.init(report: ErrorReport(message: message, object: object, remedy: remedy, cause: cause))
  }

  /// Returns the error with a sentence added to its message.
  package func adding(_ sentence: String) -> Self {
    Self("\(message) \(sentence)", about: object, remedy: remedy, cause: cause)
  }
}

/// A failure of the backend: it is unreachable, ended during a call, refused, or out of memory.
public struct StoreBackendError: MnemeError {
  public static let kind = ErrorKind.storeBackend

  /// The reasons that callers handle differently.
  public enum Reason: Sendable, Hashable, CaseIterable {
    /// No connection could be made.
    case unreachable
    /// The connection ended while a command was under way.
    case connectionLost
    /// The server has lost stored data: it was restarted without the data, or a replica without it became the primary.
    case lostWrites
    /// The time limit for a connection or a command passed.
    case timedOut
    /// The server is loading its data, busy with a script, or a replica without its primary: try later.
    case notReady
    /// The password is missing or wrong, or the user may not run the command.
    case accessDenied
    /// The server's TLS certificate, or the client's, was not accepted.
    case certificate
    /// A file for TLS could not be used: authorities, a certificate or a key.
    case unusableFile
    /// The server has reached `maxmemory`.
    case outOfMemory
    /// A replica, or a server that refuses writes until its disk works again.
    case readOnly
    /// A Redis Cluster, and a key prefix without a hash tag.
    case needsHashTag
    /// Other clients changed the watched keys of a transaction at each attempt.
    case contention
    /// The reply did not follow the Redis protocol.
    case protocolViolation
    /// The library was built without the backend.
    case notBuilt
    /// The backend answered with an error that has no name of its own here.
    case refused
  }

  /// The reason, for code that acts on it.
  public let reason: Reason
  public let report: ErrorReport

  /// Makes an error.
  public init(
    _ reason: Reason, _ message: String, about object: ErrorObject? = nil, remedy: Remedy,
    cause: (any Error)? = nil
  ) {
    self.reason = reason
    report = ErrorReport(message: message, object: object, remedy: remedy, cause: cause)
  }

  /// Returns the error with a sentence added to its message.
  package func adding(_ sentence: String) -> StoreBackendError {
    StoreBackendError(reason, "\(message) \(sentence)", about: object, remedy: remedy, cause: cause)
  }
}

/// A snapshot or a restore was requested of a store whose backend makes them itself.
public struct CheckpointError: NamedError {
  public static let kind = ErrorKind.checkpoint
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// The cache was filled by another embedder than the one offered.
public struct EmbedderMismatchError: NamedError {
  public static let kind = ErrorKind.embedderMismatch
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// An embedding, or an embedder, has another dimension than the cache.
public struct EmbedderDimensionError: NamedError {
  public static let kind = ErrorKind.embedderDimension
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// Stored data does not follow the layout: a field is missing, a number is not one, a key has a wrong type.
public struct CorruptCacheError: NamedError {
  public static let kind = ErrorKind.corruptCache
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// A method was called after `close()`.
public struct CacheClosedError: NamedError {
  public static let kind = ErrorKind.cacheClosed
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// A namespace is over its quota after eviction. For stores of other packages; the stores here evict enough.
public struct NamespaceQuotaExceededError: NamedError {
  public static let kind = ErrorKind.namespaceQuotaExceeded
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// A vector cannot be used: all zeros, or a component that is not a finite number.
public struct QuantizationError: NamedError {
  public static let kind = ErrorKind.quantization
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// The cache has a schema that this version does not know.
public struct SchemaMigrationError: NamedError {
  public static let kind = ErrorKind.schemaMigration
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// A value of the caller cannot be stored: it is over a limit, empty, or refused by the validator. (The Python library
/// raises `ValueError` here.)
public struct InvalidInputError: NamedError {
  public static let kind = ErrorKind.invalidInput
  public let report: ErrorReport
  public init(report: ErrorReport) { self.report = report }
}

/// A failure of an embedder: it is unreachable, has refused the request, or its answer is not a vector.
public struct EmbedderError: NamedError {
  public static let kind = ErrorKind.embedder
  public let report: ErrorReport
  /// The place of the faulty text among those that were passed, if one of them is at fault.
  public var textIndex: Int?
  /// Whether the server has reported that a later attempt may succeed.
  public var isTemporary = false
  public init(report: ErrorReport) { self.report = report }
}

extension CacheClosedError {
  init() { self.init("The cache is closed.", remedy: .reopen) }
}
