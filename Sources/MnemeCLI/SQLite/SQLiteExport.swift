import Glibc
import Mneme
import MnemeRedis

/// Writes a SQLite cache of the Python library.
///
/// The file is written under a temporary name and without a journal, since an incomplete file is of no use.
final class SQLiteExport: ExportWriter {
  private let path: String
  private let file: AtomicFile
  private var database: SQLiteDatabase?
  private var insertion: SQLiteStatement?
  private let store: RedisStore
  private let identity: CacheIdentity
  /// Entries that the library cannot read, and entries whose query another entry has.
  private(set) var leftOut: [(id: EntryID, reason: Reason)] = []

  enum Reason: String, CaseIterable {
    case text = "with text that is not valid UTF-8"
    case metadata = "with metadata that Python cannot read"
    case shadowed = "whose query leads to another entry"
  }

  /// - Throws: `FileError` if the file cannot be made, or if SQLite's `-wal`, `-shm` or `-journal` file of it exists.
  init(_ path: String, of store: RedisStore, _ identity: CacheIdentity) throws {
    (self.path, self.store, self.identity) = (path, store, identity)
    try Self.checkSideFiles(of: path)
    file = try AtomicFile(path, isNamed: true)
    guard let temporary = file.temporaryPath else {
      throw FileError(
        status: .cannotCreate, message: "'\(path)' is not a file, and a SQLite cache is written to a file.",
        remediation: "Name a file: -o cache.db")
    }
    database = try SQLiteDatabase(temporary, name: path, isReadOnly: false)
  }

  /// Refuses to write if there is a log of the same name, because SQLite would apply it to the new file.
  private static func checkSideFiles(of path: String) throws {
    for suffix in ["-wal", "-shm", "-journal"] where access(path + suffix, F_OK) == 0 {
      throw FileError(
        status: .cannotCreate,
        message: "'\(path)\(suffix)' belongs to a cache in '\(path)' that is in use, or was not closed.",
        remediation: "Write to another file, or close the application that uses this one first.")
    }
  }

  func begin(_ settings: ExportSettings?) throws {
    guard let database else { return }
    for pragma in [
      "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-16000", "temp_store=FILE",
    ] {
      try database.run("PRAGMA \(pragma)")
    }
    try database.run("BEGIN")
    for table in SQLiteSchema.tables { try database.run(table) }
    let meta = try database.prepare("INSERT INTO schema_meta (key, value) VALUES (?, ?)")
    for (key, value) in [
      (CacheIdentity.Field.schemaVersion, String(SQLiteSchema.version)),
      (CacheIdentity.Field.fingerprint, identity.fingerprint),
      (CacheIdentity.Field.dimension, String(identity.dimension)),
      (SQLiteSchema.counters, Counters.pythonText(of: settings?.counters ?? [:])),
    ] {
      try meta.bind(key, at: 1)
      try meta.bind(value, at: 2)
      _ = try meta.store()
    }
    let state = try database.prepare(
      "INSERT INTO multi_process_state (key, value) VALUES ('version_counter', ?)")
    try state.bind(String(try version()), at: 1)
    _ = try state.store()
    let quotas = try database.prepare("INSERT INTO namespace_quotas (namespace, max_entries) VALUES (?, ?)")
    for (namespace, quota) in settings?.quotas ?? [:] {
      try quotas.bind(namespace.name, at: 1)
      try quotas.bind(Int64(quota), at: 2)
      _ = try quotas.store()
    }
    let columns = SQLiteSchema.columnNames
    insertion = try database.prepare(
      "INSERT INTO entries (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"
    )
  }

  private func version() throws -> Int64 {
    do {
      return try store.versionCounter()
    } catch is CorruptCacheError {
      return 0
    }
  }

  func write(_ entry: StoredEntry) throws -> Bool {
    if entry.raw != nil { return leaveOut(entry, .text) }
    if Metadata.pythonObstacle(entry.metadata) != nil { return leaveOut(entry, .metadata) }
    if try insert(entry) { return true }
    // If two entries have one query, an application finds the one that the `hash:` key names.
    let named = try store.ids(namespace: entry.namespace, queryHashes: [entry.queryHash])[0]
    guard named == entry.id, let database else { return leaveOut(entry, .shadowed) }
    let condition = "FROM entries WHERE namespace = ? AND query_hash = ?"
    for statement in [
      try database.prepare("SELECT id \(condition)"), try database.prepare("DELETE \(condition)"),
    ] {
      try statement.bind(entry.namespace.name, at: 1)
      try statement.bind(entry.queryHash, at: 2)
      while try statement.step() { leftOut.append((EntryID(statement.integer(0)), .shadowed)) }
    }
    _ = try insert(entry)
    return false
  }

  private func leaveOut(_ entry: StoredEntry, _ reason: Reason) -> Bool {
    leftOut.append((entry.id, reason))
    return false
  }

  private func insert(_ entry: StoredEntry) throws -> Bool {
    guard let row = insertion else { return false }
    typealias Column = SQLiteSchema.Column
    try row.bind(entry.id.rawValue, at: Column.id.place)
    try row.bind(entry.namespace.name, at: Column.namespace.place)
    try row.bind(entry.queryHash, at: Column.queryHash.place)
    try row.bind(entry.query, at: Column.query.place)
    try row.bind(entry.response, at: Column.response.place)
    try row.bind(entry.embedding.bytes, at: Column.embedding.place)
    try row.bind(entry.metadata, at: Column.metadata.place)
    try row.bind(entry.createdAt.rawValue, at: Column.createdAt.place)
    try row.bind(entry.lastAccessedAt.rawValue, at: Column.lastAccessedAt.place)
    try row.bind(entry.ttl?.rawValue, at: Column.ttl.place)
    try row.bind(entry.accessCount, at: Column.accessCount.place)
    return try row.store()
  }

  func commit() throws -> Int {
    guard let database else { return 0 }
    for index in SQLiteSchema.indices { try database.run(index) }
    // The sequence is set so that no id is used again.
    try database.run("DELETE FROM sqlite_sequence WHERE name = 'entries'")
    let sequence = try database.prepare(
      "INSERT INTO sqlite_sequence (name, seq) SELECT 'entries', max(?, coalesce(max(id), 0)) FROM entries")
    try sequence.bind(try store.lastID().rawValue, at: 1)
    _ = try sequence.store()
    try database.run("COMMIT")
    insertion = nil
    self.database = nil
    try Self.checkSideFiles(of: path)
    try file.commit()
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  var unreadableCount: Int { leftOut.count { $0.reason != .shadowed } }

  func warn(_ context: Context) {
    for reason in Reason.allCases {
      let ids = leftOut.filter { $0.reason == reason }.map(\.id)
      guard !ids.isEmpty else { continue }
      let more = ids.count > 20 ? " and \(grouped(ids.count - 20)) more" : ""
      context.warn(
        "left out \(entryCount(ids.count)) \(reason.rawValue): \(ids.count == 1 ? "id" : "ids") "
          + "\(list(ids.prefix(20).map(\.description)))\(more)")
    }
  }
}
