import Mneme

/// From the spec that a user names, or the fingerprint that a cache has, to an embedder.
public enum EmbedderCatalog {
  /// What a new cache takes when nothing is said.
  public static let defaultSpec = HashedNgramEmbedder.fingerprint

  /// The embedder for a cache.
  /// - Parameters:
  ///   - spec: what the user asked for; nil leaves it to the cache, and to the default where there is none yet.
  ///   - cache: the identity of the cache, nil where there is none.
  /// - Returns: for a fingerprint of someone else's, an `AbsentEmbedder`: exact answers can be served, vectors have
  ///   to come from elsewhere.
  /// - Throws: `InvalidInputError` for a spec that names no dimension where the cache does not either.
  public static func embedder(spec: String?, cache: CacheIdentity?) throws -> any Embedder {
    let fingerprint = spec ?? cache?.fingerprint ?? defaultSpec
    if fingerprint == HashedNgramEmbedder.fingerprint { return HashedNgramEmbedder() }
    if fingerprint == AbsentEmbedder.none.fingerprint { return AbsentEmbedder.none }
    if let cache, cache.fingerprint.utf8.elementsEqual(fingerprint.utf8) {
      return AbsentEmbedder(fingerprint: fingerprint, dimension: cache.dimension)
    }
    guard let dimension = dimension(in: fingerprint) else {
      throw InvalidInputError(
        "The embedder '\(fingerprint)' does not say the dimension of its vectors.",
        remediation: "End it in ':dimN', as in 'openai:text-embedding-3-small:dim1536'.")
    }
    return AbsentEmbedder(fingerprint: fingerprint, dimension: dimension)
  }

  /// The N of a fingerprint that ends in `:dimN`.
  static func dimension(in fingerprint: String) -> Int? {
    let marker = ":dim"
    guard let last = fingerprint.split(separator: ":", omittingEmptySubsequences: false).last,
      last.utf8.starts(with: marker.utf8.dropFirst()), fingerprint.utf8.count > last.utf8.count
    else { return nil }
    return Int(last.dropFirst(marker.utf8.count - 1)).flatMap { (1...65_536).contains($0) ? $0 : nil }
  }
}
