import Mneme

/// The embedders, by the spec that a user names or the fingerprint of a cache.
public enum EmbedderCatalog {
  /// The embedder of a new cache if none is named.
  public static let defaultSpec = HashedNgramEmbedder.fingerprint

  /// The embedder for a cache. It connects to a server only when there is a text to embed.
  /// - Parameters:
  ///   - spec: the user's choice; nil for the embedder of the cache, or for the default if there is no cache yet.
  ///   - cache: the identity of the cache, nil if there is none.
  ///   - settings: the addresses of servers. If they have a command, it makes the vectors, under the named or the
  ///     stored fingerprint.
  /// - Returns: the embedder. For an unknown fingerprint it is an `AbsentEmbedder`: exact hits can be served, and
  ///   vectors have to come from elsewhere.
  /// - Throws: `InvalidInputError` for a spec without a dimension if the cache has none either, and for a command if
  ///   the fingerprint is that of the built-in embedder or `none`.
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
  /// - Parameter takesForeignVectors: whether the vectors come from a program or a file of the user.
  /// - Throws: the errors of `embedder(spec:cache:settings:)`.
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

  /// Whether it ends in a dimension that is too large.
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
    // Only one spelling is accepted, so that an embedder has only one name.
    return Int(digits).flatMap { (1...largestDimension).contains($0) && String($0) == digits ? $0 : nil }
  }
}

/// The protocol and the model of a fingerprint `PROTOCOL:MODEL:dimN`. The model may contain colons, as Ollama's tags
/// do.
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
