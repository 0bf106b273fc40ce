/// An embedder that cannot run here: its fingerprint and dimension are known, and its vectors come from
/// elsewhere. With the fingerprint `none` there are no vectors, and only exact hits.
public struct AbsentEmbedder: Embedder {
  public let fingerprint: String
  public let dimension: Int

  /// The fingerprint of a cache without vectors.
  public static let none = AbsentEmbedder(fingerprint: "none", dimension: 0)

  /// Makes a placeholder for an embedder that cannot run in this process.
  public init(fingerprint: String, dimension: Int) {
    self.fingerprint = fingerprint
    self.dimension = dimension
  }

  public func embed(_ texts: [String]) throws -> [[Float]] {
    guard dimension > 0 else { return texts.map { _ in [] } }
    throw EmbedderError(
      "The embedder '\(fingerprint)' cannot run here.",
      about: .embedder(fingerprint), remedy: .provideEmbedding)
  }
}
