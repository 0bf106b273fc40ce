import CommandGrammar
import Mneme

/// The columns of a table of questions and answers, and entries from its rows.
struct CSVColumns {
  /// A column that is read.
  private enum Column: String, CaseIterable {
    case query, response, namespace, ttl, metadata
    case createdAt = "created_at"
  }

  let separator: UInt8
  /// The names of columns that are not read.
  let unknown: [String]
  private let columns: [Column?]

  private static let separators = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]

  /// Reads the heading. Its separator is that of all rows.
  /// - Throws: `InputError` if it lacks a required column.
  init(heading: ArraySlice<UInt8>) throws {
    let text = try Self.text(heading)
    let separator = Self.separators.max { a, b in
      Self.columns(of: text, a).compactMap(\.self).count < Self.columns(of: text, b).compactMap(\.self).count
    }
    self.separator = separator ?? UInt8(ascii: ",")
    columns = Self.columns(of: text, self.separator)
    for column in [Column.query, .response] where !columns.contains(column) {
      throw InputError(
        "the heading names no column '\(column.rawValue)'.",
        remediation: "Give the table a first row such as query,response.")
    }
    for column in Column.allCases where columns.count(where: { $0 == column }) > 1 {
      throw InputError(
        "the heading names the column '\(column.rawValue)' twice.", remediation: "Rename one of them.")
    }
    unknown = zip(CSV.fields(of: text, separator: self.separator), columns).filter { $1 == nil }.map(\.0)
  }

  /// Whether a line is the heading of a table that can be read.
  static func areNamed(in line: String) -> Bool {
    separators.contains { separator in
      let columns = columns(of: line, separator)
      return columns.contains(.query) && columns.contains(.response)
    }
  }

  private static func columns(of text: String, _ separator: UInt8) -> [Column?] {
    CSV.fields(of: text, separator: separator).map { name in
      let bytes = name.utf8.filter { $0 != 0x20 }
      return Column(rawValue: String(decoding: bytes, as: UTF8.self).lowercased())
    }
  }

  private static func text(_ row: ArraySlice<UInt8>) throws -> String {
    guard let text = String(validating: row, as: UTF8.self) else {
      throw InputError(
        "the row is not valid UTF-8.",
        remediation: "Save the table as 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8.")
    }
    return text
  }

  /// The entry of a row.
  /// - Throws: `InputError` that says what is wrong with it.
  func record(of row: ArraySlice<UInt8>) throws -> EntryLine.Record {
    let fields = CSV.fields(of: try Self.text(row), separator: separator)
    guard fields.count <= columns.count else {
      throw InputError(
        "the row has \(fields.count) fields, and the heading \(columns.count).",
        remediation: "Put a field that holds a separator in double quotes.")
    }
    func field(_ column: Column) -> String? {
      columns.firstIndex(of: column).flatMap { fields.indices.contains($0) ? fields[$0] : nil }
        .flatMap { $0.isEmpty ? nil : $0 }
    }
    func required(_ column: Column) throws -> String {
      guard let text = field(column) else {
        throw InputError(
          "the field '\(column.rawValue)' is empty.", remediation: "Give each row a query and a response.")
      }
      return text
    }
    return .entry(
      EntryLine.Draft(
        namespace: field(.namespace).map { Namespace(unchecked: $0) }, query: try required(.query),
        response: try required(.response), metadata: field(.metadata).map(JSONOutput.onOneLine) ?? "{}",
        createdAt: try field(.createdAt).map(time), ttl: try field(.ttl).map(timeToLive), accessCount: 0))
  }

  private func time(_ text: String) throws -> UnixTime {
    guard let seconds = Double(text), seconds.magnitude < 0x1p50 else {
      throw InputError(
        "the field 'created_at' is not a time in Unix seconds.", remediation: "Correct or remove the row.")
    }
    return UnixTime(Int64(seconds.rounded(.down)))
  }

  /// A number of seconds, or a duration as {option:ttl} takes it.
  private func timeToLive(_ text: String) throws -> Seconds {
    let allowed = Duration.seconds(1)...(.seconds(SemanticCache.longestTTL.rawValue))
    guard let duration = try? ValueKind.duration(in: allowed).parse(text) else {
      throw InputError(
        "the field 'ttl' is not a duration from one second to 100 years.",
        remediation: "Write seconds, or for example 12h or 7d.")
    }
    return Seconds(duration)
  }
}
