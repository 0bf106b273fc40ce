/// A function from texts to vectors, which makes the vectors of texts with similar meaning similar.
///
/// Texts arrive normalised, as the query hash is taken of them (see `QueryNormalizer`). Embedders are used from
/// several threads.
public protocol Embedder: Sendable {
  /// Names the vectors: two embedders with one fingerprint give the same vector for the same text, in every
  /// release and on every machine. A cache keeps the fingerprint of who filled it and refuses others.
  var fingerprint: String { get }

  /// The length of every vector.
  var dimension: Int { get }

  /// One vector of `dimension` numbers for each text, in the order of the texts. They need not be of length 1,
  /// because a cache normalises them before it stores or compares them.
  /// - Throws: `EmbedderError` if there is no answer, or one without such vectors.
  func embed(_ texts: [String]) throws -> [[Float]]
}

extension Embedder {
  /// The vector of one text: `dimension` numbers, not necessarily of length 1.
  /// - Throws: `EmbedderError`, also when the embedder breaks its own contract and answers with another
  ///   number of vectors.
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
