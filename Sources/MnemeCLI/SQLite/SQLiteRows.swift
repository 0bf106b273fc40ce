import Mneme

/// Reads the settings and the entries of a SQLite cache of the Python library, in the order of the ids.
///
/// All rows are in the state in which they were when the first was read, even if an application writes at the same
/// time. The number of a row is the id of its entry. Used by one thread at a time.
final class SQLiteRows: @unchecked Sendable {
  private let database: SQLiteDatabase
  private let rows: SQLiteStatement
  private let identity: CacheIdentity
  private var settings: ExportSettings?
  private let total: Int64
  private var count: Int64 = 0

  /// The most rows, and bytes, that are returned together.
  private static let largestCount = 64
  private static let largestBytes = 4 << 20

  /// - Parameters:
  ///   - sinceID: the last id to skip.
  ///   - readsSettings: reads quotas and counters.
  /// - Throws: `FileError`, `InputError` for a database without the tables of a cache, `SchemaMigrationError`.
  init(_ path: String, sinceID: Int, readsSettings: Bool) throws {
    database = try SQLiteDatabase(path, isReadOnly: true)
    // A transaction sees one state of the file.
    try database.run("BEGIN")
    identity = try Self.identity(in: database)
    var settings = ExportSettings()
    (settings.fingerprint, settings.dimension) = (identity.fingerprint, identity.dimension)
    if readsSettings { try Self.readSettings(in: database, into: &settings) }
    self.settings = settings
    let counting = try database.prepare("SELECT count(*) FROM entries WHERE id > \(sinceID)")
    total = try counting.step() ? counting.integer(0) : 0
    rows = try database.prepare(
      "SELECT \(SQLiteSchema.columnNames.joined(separator: ", ")) FROM entries WHERE id > \(sinceID) ORDER BY id"
    )
  }

  private static func identity(in database: SQLiteDatabase) throws -> CacheIdentity {
    let tables = try database.prepare(
      "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('schema_meta', 'entries')")
    guard try tables.step(), tables.integer(0) == 2 else {
      throw InputError(
        "The file '\(database.name)' is a SQLite database without the tables of a cache.",
        remediation: "Name the file that the application opens its SemanticCache with.")
    }
    typealias Field = CacheIdentity.Field
    guard let fingerprint = try value(of: Field.fingerprint, in: database) else {
      throw InputError(
        "The file '\(database.name)' does not say which embedder made its vectors.",
        remediation: "Open it once with the Python library, which then says so.")
    }
    return try CacheIdentity(
      fingerprint: fingerprint, dimension: try value(of: Field.dimension, in: database),
      schemaVersion: try value(of: Field.schemaVersion, in: database))
  }

  private static func value(of key: String, in database: SQLiteDatabase) throws -> String? {
    let meta = try database.prepare("SELECT value FROM schema_meta WHERE key = ?")
    try meta.bind(key, at: 1)
    return try meta.step() ? meta.text(0) : nil
  }

  private static func readSettings(in database: SQLiteDatabase, into settings: inout ExportSettings) throws {
    let table = try database.prepare(
      "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'namespace_quotas'")
    if try table.step(), table.integer(0) == 1 {
      let quotas = try database.prepare("SELECT namespace, max_entries FROM namespace_quotas")
      while try quotas.step() {
        // Python accepts a quota of 0 or less, which means that there is no limit.
        guard let name = quotas.text(0), quotas.integer(1) > 0 else { continue }
        settings.quotas[Namespace(unchecked: name)] = Int(quotas.integer(1))
      }
    }
    if let text = try value(of: SQLiteSchema.counters, in: database) {
      settings.counters = Counters.namespaces(inPythonText: text)
    }
  }

  /// The id of the last entry.
  func lastNumber() throws -> Int {
    let last = try database.prepare("SELECT coalesce(max(id), 0) FROM entries")
    return try last.step() ? Int(last.integer(0)) : 0
  }

  /// Returns the settings first, then the next rows; nil after the last.
  @Sendable func next() throws -> [DraftReader.Line]? {
    if let settings {
      self.settings = nil
      return [DraftReader.Line(number: 0, byteCount: 0, record: .success(.settings(settings)))]
    }
    var taken: [DraftReader.Line] = []
    var bytes = 0
    while taken.count < Self.largestCount, bytes < Self.largestBytes, try rows.step() {
      count += 1
      let record = Result { EntryLine.Record.entry(try draft()) }
      var line = DraftReader.Line(number: Int(rows.integer(0)), byteCount: 0, record: record)
      if case .success(.entry(let draft)) = record {
        line.byteCount = draft.query.utf8.count + draft.response.utf8.count + draft.metadata.utf8.count
      }
      line.share = total > 0 ? min(1, Double(count) / Double(total)) : nil
      bytes += line.byteCount
      taken.append(line)
      if case .failure = record { break }
    }
    return taken.isEmpty ? nil : taken
  }

  /// Reads the entry of the row.
  /// - Throws: `InputError` for a value of another type, `UnreadableEntry` for one that Python cannot read either.
  private func draft() throws -> EntryLine.Draft {
    func integer(_ column: SQLiteSchema.Column) throws -> Int64 {
      try expect(.integer, column)
      return rows.integer(column.rawValue)
    }
    func text(_ column: SQLiteSchema.Column) throws -> String {
      try expect(.text, column)
      guard let text = rows.text(column.rawValue) else {
        throw UnreadableEntry(reason: "the column '\(column.name)' is not valid UTF-8.")
      }
      return text
    }
    let queryHash = try text(.queryHash)
    guard EntryLine.isQueryHash(queryHash) else { throw wrong(.queryHash, "is not a query hash") }
    try expect(.blob, .embedding)
    let embedding = Embedding(bytes: rows.bytes(SQLiteSchema.Column.embedding.rawValue))
    guard embedding.bytes.count == 4 * identity.dimension else {
      throw UnreadableEntry(
        reason: "the vector has \(embedding.bytes.count) bytes, not \(4 * identity.dimension).")
    }
    let metadata = try text(.metadata)
    guard Metadata.isSound(metadata) else { throw wrong(.metadata, "is not a JSON object") }
    let ttl = rows.kind(of: SQLiteSchema.Column.ttl.rawValue) == .null ? nil : Seconds(try integer(.ttl))
    var draft = EntryLine.Draft(
      namespace: Namespace(unchecked: try text(.namespace)), query: try text(.query), queryHash: queryHash,
      response: try text(.response), metadata: metadata, createdAt: UnixTime(try integer(.createdAt)),
      lastAccessedAt: UnixTime(try integer(.lastAccessedAt)), ttl: ttl,
      accessCount: try integer(.accessCount),
      fingerprint: identity.fingerprint, embedding: embedding)
    draft.flaw = embedding.flaw
    draft.isExported = true
    return draft
  }

  private func expect(_ kind: SQLiteStatement.Kind, _ column: SQLiteSchema.Column) throws {
    let found = rows.kind(of: column.rawValue)
    guard found == kind else { throw wrong(column, "is \(found.rawValue), not \(kind.rawValue)") }
  }

  private func wrong(_ column: SQLiteSchema.Column, _ what: String) -> InputError {
    InputError(
      "the column '\(column.name)' \(what).",
      remediation:
        "Correct or delete the row (id \(rows.integer(0))) of the table 'entries', or leave out such rows with "
        + "--on-invalid skip.")
  }
}

/// An entry that no reader of its file can use. It is left out under every `--on-invalid` policy.
struct UnreadableEntry: Error {
  var reason: String
}
