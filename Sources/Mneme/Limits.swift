/// The largest sizes of the parts of an entry, in bytes of UTF-8.
public struct Limits: Sendable {
  /// 32 KiB.
  public var queryBytes = 32_768
  /// 4 MiB.
  public var responseBytes = 4 * 1_048_576
  /// 64 KiB, of JSON as it is written.
  public var metadataBytes = 65_536

  /// Makes the default limits.
  public init() {}

  /// - Parameter allowsNaN: see `Metadata.check`.
  /// - Throws: `InvalidInputError` naming the part that is too large, or metadata that is not a JSON object.
  package func check(query: String, response: String, metadata: String, allowsNaN: Bool = false) throws {
    try check(query.utf8.count, queryBytes, "query")
    try check(response.utf8.count, responseBytes, "response")
    try check(metadata.utf8.count, metadataBytes, "metadata")
    try Metadata.check(metadata, allowsNaN: allowsNaN)
  }

  private func check(_ count: Int, _ limit: Int, _ part: String) throws {
    guard count <= limit else {
      throw InvalidInputError(
        "The \(part) has \(count) bytes; the limit is \(limit).", remedy: .shorten)
    }
  }
}
