import Mneme

/// Rows for a spreadsheet, as RFC 4180 has them: for people, not for `import`.
enum CSV {
  /// One record, with its line end.
  static func record(_ fields: [String]) -> String { fields.map(field).joined(separator: ",") + "\r\n" }

  /// A text that a spreadsheet would take for a formula gets an apostrophe before it, which shows it as text.
  /// (OWASP, "CSV Injection".)
  private static func field(_ text: String) -> String {
    let isFormula = text.utf8.first.map { "=+-@\t\r".utf8.contains($0) } ?? false
    let isNumber = Double(text) != nil
    let safe = isFormula && !isNumber ? "'" + text : text
    guard safe.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return safe }
    return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }

  static let heading = [
    EntryLine.Member.id, EntryLine.Member.namespace, EntryLine.Member.query, EntryLine.Member.queryHash,
    EntryLine.Member.response, EntryLine.Member.metadata, EntryLine.Member.createdAt,
    EntryLine.Member.lastAccessedAt, EntryLine.Member.ttl, EntryLine.Member.accessCount,
    EntryLine.Member.fingerprint, EntryLine.Member.embedding,
  ]

  /// The fields of an entry, in the order of the heading.
  static func fields(of entry: StoredEntry, fingerprint: String, embeddings: EmbeddingForm) -> [String] {
    let embedding =
      switch embeddings {
      case .none: ""
      case .base64: base64(entry.embedding.bytes)
      case .array: "[" + entry.embedding.numbers.map { "\($0)" }.joined(separator: ",") + "]"
      }
    return [
      entry.id.description, entry.namespace.name, entry.query, entry.queryHash, entry.response,
      entry.metadata,
      String(entry.createdAt.rawValue), String(entry.lastAccessedAt.rawValue),
      entry.ttl.map { String($0.rawValue) } ?? "", String(entry.accessCount), fingerprint, embedding,
    ]
  }
}
