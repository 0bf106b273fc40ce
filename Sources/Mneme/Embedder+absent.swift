/// Stands for an embedder that cannot be run here: its fingerprint and dimension are known, its vectors must
/// come from elsewhere. With the fingerprint `none` there are no vectors at all, and only the exact layer works.
public struct AbsentEmbedder: Embedder {
  public let fingerprint: String
  public let dimension: Int

  /// The fingerprint of a cache without a second layer.
  public static let none = AbsentEmbedder(fingerprint: "none", dimension: 0)

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
