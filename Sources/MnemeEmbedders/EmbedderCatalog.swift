import Mneme

/// From the spec that a user names, or the fingerprint that a cache has, to an embedder.
public enum EmbedderCatalog {
  /// The embedder of a new cache if none is named.
  public static let defaultSpec = HashedNgramEmbedder.fingerprint

  /// The embedder for a cache. It connects to a server only when there is a text to embed.
  /// - Parameters:
  ///   - spec: the user's choice; nil for the embedder of the cache, or for the default if there is no cache yet.
  ///   - cache: the identity of the cache, nil if there is none.
  ///   - settings: where servers are; with a command, that makes the vectors, under the fingerprint named or stored.
  /// - Returns: for a fingerprint of someone else's, an `AbsentEmbedder`: exact answers can be served, vectors have
  ///   to come from elsewhere.
  /// - Throws: `InvalidInputError` for a spec that names no dimension where the cache does not either, and for a
  ///   command where no vectors but the built-in ones, or none, can be stored.
  public static func embedder(
    spec: String?, cache: CacheIdentity?, settings: EmbedderSettings = .init()
  ) throws -> any Embedder {
    let identity = try identity(spec: spec, cache: cache, takesForeignVectors: settings.command != nil)
    if let command = settings.command {
      return CommandEmbedder(
        command, fingerprint: identity.fingerprint, dimension: identity.dimension,
        environment: settings.commandEnvironment, timeLimit: settings.timeLimit)
    }
    if identity.fingerprint == HashedNgramEmbedder.fingerprint { return HashedNgramEmbedder() }
    switch Service(fingerprint: identity.fingerprint) {
    case .openAI(let model): return HTTPEmbedder.openAI(model, identity, settings)
    case .ollama(let model): return HTTPEmbedder.ollama(model, identity, settings)
    case nil: return AbsentEmbedder(fingerprint: identity.fingerprint, dimension: identity.dimension)
    }
  }

  /// The identity that is recorded with the vectors.
  /// - Parameter takesForeignVectors: they come from a program or a file of the user's.
  /// - Throws: as `embedder(spec:cache:settings:)`.
  public static func identity(
    spec: String?, cache: CacheIdentity?, takesForeignVectors: Bool = false
  ) throws -> CacheIdentity {
    let fingerprint = spec ?? cache?.fingerprint ?? defaultSpec
    let builtIn = [
      HashedNgramEmbedder.fingerprint: HashedNgramEmbedder.dimension, AbsentEmbedder.none.fingerprint: 0,
    ]
    if let dimension = builtIn[fingerprint] {
      guard !takesForeignVectors else {
        throw InvalidInputError(
          "Vectors that you provide cannot have the fingerprint '\(fingerprint)'.",
          about: .embedder(fingerprint), remedy: .nameEmbedder)
      }
      return CacheIdentity(fingerprint: fingerprint, dimension: dimension)
    }
    if let cache, cache.fingerprint.utf8.elementsEqual(fingerprint.utf8) { return cache }
    guard let dimension = dimension(in: fingerprint) else {
      if hasLargeDimension(fingerprint) {
        throw InvalidInputError(
          "The dimension in the embedder '\(fingerprint)' is too large.",
          about: .embedder(fingerprint), remedy: .lowerDimension)
      }
      throw InvalidInputError(
        "The embedder '\(fingerprint)' does not say the dimension of its vectors.",
        about: .embedder(fingerprint), remedy: .endInDimension)
    }
    return CacheIdentity(fingerprint: fingerprint, dimension: dimension)
  }

  private static let largestDimension = 65_536

  /// Whether it ends in a dimension that is beyond what is possible.
  private static func hasLargeDimension(_ fingerprint: String) -> Bool {
    guard let last = fingerprint.split(separator: ":").last, last.utf8.starts(with: "dim".utf8) else {
      return false
    }
    let digits = last.utf8.dropFirst(3)
    return digits.count >= 5 && digits.first != UInt8(ascii: "0") && digits.allSatisfy { 48...57 ~= $0 }
  }

  /// The N of a fingerprint that ends in `:dimN`.
  static func dimension(in fingerprint: String) -> Int? {
    let marker = ":dim"
    guard let last = fingerprint.split(separator: ":", omittingEmptySubsequences: false).last,
      last.utf8.starts(with: marker.utf8.dropFirst()), fingerprint.utf8.count > last.utf8.count
    else { return nil }
    let digits = last.dropFirst(marker.utf8.count - 1)
    // Spelled in one way, or one embedder would have many names.
    return Int(digits).flatMap { (1...largestDimension).contains($0) && String($0) == digits ? $0 : nil }
  }
}

/// A protocol and the model to ask for, as a fingerprint `PROTOCOL:MODEL:dimN` has them. The model may itself hold
/// colons, as Ollama's tags do.
enum Service: Equatable {
  case openAI(model: String)
  case ollama(model: String)

  init?(fingerprint: String) {
    guard EmbedderCatalog.dimension(in: fingerprint) != nil else { return nil }
    let parts = fingerprint.split(separator: ":", omittingEmptySubsequences: false)
    let model = parts.dropFirst().dropLast().joined(separator: ":")
    guard !model.isEmpty else { return nil }
    switch parts[0] {
    case "openai": self = .openAI(model: model)
    case "ollama": self = .ollama(model: model)
    default: return nil
    }
  }
}
