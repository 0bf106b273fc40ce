import Mneme

/// An embedder with vectors that were made before. Other texts cannot be embedded.
public struct PrecomputedEmbedder: Embedder {
  public let fingerprint: String
  public let dimension: Int
  private let source: String
  private var vectors: [[UInt8]: [Float]] = [:]

  /// - Parameters:
  ///   - fingerprint: the fingerprint of the vectors. It is not checked.
  ///   - dimension: the length of each vector.
  ///   - source: the source of the vectors, for messages.
  public init(fingerprint: String, dimension: Int, source: String) {
    self.fingerprint = fingerprint
    self.dimension = dimension
    self.source = source
  }

  /// Adds a line: `{"text":"…","embedding":[…]}`, or one of an export with vectors as arrays, whose text is its
  /// `query`. If two lines have the same text, the last one is used. The settings at the beginning of an export are
  /// skipped.
  /// - Throws: `EmbedderError`.
  public mutating func add(line: [UInt8]) throws {
    let object = try? JSONText(parsing: line)
    guard object?["mneme_export"] == nil else { return }
    guard let text = (object?["text"] ?? object?["query"])?.string, let vector = object?["embedding"] else {
      throw EmbedderError(
        "\(source) holds a line without a text and its vector.",
        remedy: .writeTextAndVector)
    }
    let received = ReceivedVectors(source: source, dimension: dimension)
    let numbers = try received.numbers(in: vector)
    try received.check(numbers)
    // Stored under the normalized text, which a cache embeds, and under the text itself, for caches that do not
    // normalize.
    vectors[Array(QueryNormalizer.normalize(text).utf8)] = numbers
    vectors[Array(text.utf8)] = numbers
  }

  public func embed(_ texts: [String]) throws -> [[Float]] {
    try texts.enumerated().map { index, text in
      guard let vector = vectors[Array(text.utf8)] else {
        var error = EmbedderError(
          "\(source) has no vector for the text.",
          remedy: .addVector)
        error.textIndex = index
        throw error
      }
      return vector
    }
  }
}
