import Mneme

/// Rows for a spreadsheet, as RFC 4180 has them.
enum CSV {
  /// One record, with its line end.
  static func record(_ fields: [String]) -> String {
    var bytes: [UInt8] = []
    append(fields, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends one record, with its line end.
  static func append(_ fields: [String], to bytes: inout [UInt8]) {
    for (index, field) in fields.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      append(field: field, to: &bytes)
    }
    bytes.append(contentsOf: "\r\n".utf8)
  }

  /// Characters with which a spreadsheet begins a formula, and their full-width forms.
  private static let formulaSigns: Set<Unicode.Scalar> = [
    "=", "+", "-", "@", "\t", "\r", "\n", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}",
  ]

  /// A text that a spreadsheet would take for a formula gets an apostrophe before it, which shows it as text.
  /// (OWASP, "CSV Injection".)
  private static func append(field: String, to bytes: inout [UInt8]) {
    let isFormula = field.unicodeScalars.first.map { formulaSigns.contains($0) } ?? false
    var text = isFormula && !isNumber(field) ? "'" + field : field
    // Compares bytes, because Swift takes a quote and a combining accent after it for one character, which is not a
    // quote.
    text.withUTF8 { utf8 in
      let quote = UInt8(ascii: "\"")
      guard
        utf8.contains(where: {
          $0 == quote || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n")
        })
      else { return bytes.append(contentsOf: utf8) }
      bytes.append(quote)
      // In runs that end with a quote, which is written twice.
      var rest = utf8[...]
      while let end = rest.firstIndex(of: quote) {
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: rest[...end]))
        bytes.append(quote)
        rest = rest[(end + 1)...]
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: rest))
      bytes.append(quote)
    }
  }

  private static func isNumber(_ text: String) -> Bool {
    text.utf8.allSatisfy { "0123456789.eE+-".utf8.contains($0) } && Double(text) != nil
  }

  /// The fields of one record.
  static func fields(of record: String, separator: UInt8) -> [String] {
    records(of: record, separator: separator).first ?? []
  }

  /// The records of a text; quoted fields may hold separators, line breaks and doubled quotes.
  static func records(of text: String, separator: UInt8 = UInt8(ascii: ",")) -> [[String]] {
    var records: [[String]] = []
    var record: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var bytes = text.utf8.makeIterator()
    var pending: UInt8?
    func next() -> UInt8? {
      defer { pending = nil }
      return pending ?? bytes.next()
    }
    func endField() {
      record.append(String(decoding: field, as: UTF8.self))
      field = []
    }
    func endRecord() {
      endField()
      if record != [""] { records.append(record) }
      record = []
    }
    while let byte = next() {
      switch byte {
      case UInt8(ascii: "\"") where isQuoted:
        pending = bytes.next()
        if pending == UInt8(ascii: "\"") {
          field.append(byte)
          pending = nil
        } else {
          isQuoted = false
        }
      case UInt8(ascii: "\"") where field.isEmpty: isQuoted = true
      case separator where !isQuoted: endField()
      case UInt8(ascii: "\n") where !isQuoted: endRecord()
      case UInt8(ascii: "\r") where !isQuoted: break
      default: field.append(byte)
      }
    }
    if !field.isEmpty || !record.isEmpty { endRecord() }
    return records
  }

  static let heading = EntryLine.Member.regular.map(\.rawValue)

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
