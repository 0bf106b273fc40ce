/// A file made from the grammar: to be committed, and compared with what the grammar makes now.
public struct GeneratedFile: Sendable, Equatable {
  /// Without a directory: `mneme-put.1`.
  public let name: String
  /// All of it.
  public let text: String
}
