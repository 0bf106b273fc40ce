/// A function from texts to vectors, which makes the vectors of texts with similar meaning similar.
///
/// Texts are normalized as for the query hash (see `QueryNormalizer`). Embedders are used from several threads.
public protocol Embedder: Sendable {
  /// The name of the vectors. Two embedders with the same fingerprint give the same vector for the same text, in every
  /// release and on every machine. A cache keeps the fingerprint of the embedder that filled it and refuses others.
  var fingerprint: String { get }

  /// The length of every vector.
  var dimension: Int { get }

  /// One vector of `dimension` numbers for each text, in the order of the texts. They need not be of length 1,
  /// because a cache normalizes them before it stores or compares them.
  /// - Throws: `EmbedderError` if the embedder does not answer, or if its answer does not have such vectors.
  func embed(_ texts: [String]) throws -> [[Float]]
}

extension Embedder {
  /// The vector of one text: `dimension` numbers, not necessarily of length 1.
  /// - Throws: `EmbedderError`, also if the embedder returns another number of vectors.
  public func embed(_ text: String) throws -> [Float] {
    let vectors = try embed([text])
    guard vectors.count == 1 else {
      throw EmbedderError(
        "The embedder '\(fingerprint)' gave \(vectors.count) vectors for one text.",
        about: .embedder(fingerprint), remedy: .checkEmbedder)
    }
    return vectors[0]
  }
}
