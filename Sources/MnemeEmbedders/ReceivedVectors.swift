import Mneme

/// Vectors from outside, checked: one for each text, of the right length, with finite numbers, and none all
/// zeros. They can be stored.
struct ReceivedVectors {
  /// The source as the subject of a message: `The embedding server http://…`.
  let source: String
  let dimension: Int

  /// - Throws: `EmbedderError` with the vector that is wrong and the reason.
  func check(_ vectors: [[Float]], count: Int) throws(EmbedderError) {
    guard vectors.count == count else {
      throw EmbedderError(
        "\(source) gave \(vectors.count) vectors for \(count) text\(count == 1 ? "" : "s").",
        remedy: .checkEmbedder)
    }
    for (index, vector) in vectors.enumerated() {
      do {
        try check(vector)
      } catch {
        var error = error
        error.textIndex = index
        throw error
      }
    }
  }

  /// - Throws: `EmbedderError`.
  func check(_ vector: [Float]) throws(EmbedderError) {
    guard vector.count == dimension else {
      throw EmbedderError(
        "\(source) gave a vector of \(vector.count) numbers, not of \(dimension).",
        about: .dimension(vector.count), remedy: .useModelDimension)
    }
    guard vector.allSatisfy(\.isFinite) else {
      throw EmbedderError(
        "\(source) gave a vector with a number that is not finite.",
        remedy: .checkEmbedder)
    }
    guard vector.contains(where: { $0 != 0 }) else {
      throw EmbedderError(
        "\(source) gave a vector of zeros, which has no direction.",
        remedy: .omitText)
    }
  }

  /// The numbers of a JSON array.
  /// - Throws: `EmbedderError` for any other value.
  func numbers(in value: JSONText?) throws(EmbedderError) -> [Float] {
    let elements = value?.elements ?? []
    let numbers = elements.compactMap { $0.double.map(Float.init) }
    guard value?.kind == .array, numbers.count == elements.count else {
      throw EmbedderError(
        "\(source) gave something that is not an array of numbers.",
        remedy: .writeVector)
    }
    return numbers
  }
}
