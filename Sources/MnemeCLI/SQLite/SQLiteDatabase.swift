internal import CRuntimeLibraries
import Glibc
import Mneme

/// SQLite's functions. `CRuntimeLibraries` loads them.
extension SQLite {
  /// The functions. They are loaded when the first SQLite file is opened.
  fileprivate static let shared = Result { () throws(FileError) in
    var reason: UnsafePointer<CChar>?
    guard let functions = mneme_load_SQLite(&reason) else {
      throw FileError(
        status: .unavailable, message: "SQLite cannot be loaded.",
        remediation: "Install it: 'apt install libsqlite3-0' on Debian and Ubuntu.",
        cause: reason.map { String(cString: $0) })
    }
    return UnsafeFunctions(pointer: functions)
  }

  /// The functions are loaded once and never change.
  fileprivate struct UnsafeFunctions: @unchecked Sendable {
    let pointer: UnsafePointer<SQLite>
  }
}

/// A file that SQLite reads or writes. Used by one thread at a time.
final class SQLiteDatabase {
  /// The name for messages.
  let name: String
  fileprivate let sqlite: UnsafePointer<SQLite>
  private var handle: OpaquePointer?
  /// The path of the file; nil if it is open for writing or already had a log.
  private var fileWithoutLog: String?

  /// The time to wait for another program that writes.
  private static let patience: Int32 = 5000

  /// - Parameter name: the name for messages if the path is that of a temporary file.
  /// - Throws: `FileError` if SQLite is not installed or cannot open the file.
  init(_ path: String, name: String? = nil, isReadOnly: Bool) throws {
    self.name = name ?? path
    sqlite = try SQLite.shared.get().pointer
    // To SQLite, names that begin with `file:` are URLs, and `:memory:` is a database in memory.
    let file = path.hasPrefix("/") ? path : "./" + path
    let mode = isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
    if isReadOnly, access(file + "-wal", F_OK) != 0 { fileWithoutLog = file }
    try check(sqlite.pointee.sqlite3_open_v2(file, &handle, mode, nil))
    _ = sqlite.pointee.sqlite3_busy_timeout(handle, Self.patience)
  }

  deinit {
    _ = sqlite.pointee.sqlite3_close_v2(handle)
    removeEmptyLog()
  }

  /// Removes the empty log that a reader leaves next to a file in WAL mode. A connection that may write removes it
  /// when it closes. SQLite's locks prevent that while another program has the file open.
  private func removeEmptyLog() {
    var log = stat()
    guard let file = fileWithoutLog, stat(file + "-wal", &log) == 0, log.st_size == 0,
      let database = try? SQLiteDatabase(file, isReadOnly: false)
    else { return }
    try? database.run("SELECT count(*) FROM sqlite_master")
  }

  /// Runs a statement and ignores its rows.
  func run(_ sql: String) throws {
    let statement = try prepare(sql)
    while try statement.step() {}
  }

  func prepare(_ sql: String) throws -> SQLiteStatement {
    var statement: OpaquePointer?
    try check(sqlite.pointee.sqlite3_prepare_v2(handle, sql, -1, &statement, nil))
    return SQLiteStatement(self, statement)
  }

  /// - Throws: `FileError` for a code that is an error.
  fileprivate func check(_ code: Int32) throws {
    if code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE { throw failure(code) }
  }

  private func failure(_ code: Int32) -> FileError {
    let cause = handle.flatMap { sqlite.pointee.sqlite3_errmsg($0) }.map { String(cString: $0) }
    // The lowest byte is the error; the others are details.
    switch code & 0xFF {
    case SQLITE_BUSY, SQLITE_LOCKED:
      return FileError(
        status: .tryLater, message: "The file '\(name)' is locked by another program.",
        remediation: "Run the command again when that has finished writing.", cause: cause)
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      return FileError(
        status: .badData, message: "The file '\(name)' is not a whole SQLite database.",
        remediation:
          "Copy it again. What is left of it can be saved: sqlite3 \(shellQuoted(name)) .recover | sqlite3 recovered.db",
        cause: cause)
    case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM:
      return FileError(
        status: .noInput, message: "The file '\(name)' cannot be read.",
        remediation:
          "Check its permissions. If it was in use, SQLite also writes in its directory: copy the file, and "
          + "its -wal if there is one, to a directory of yours.",
        cause: cause)
    case SQLITE_FULL, SQLITE_IOERR:
      let number = handle.map { sqlite.pointee.sqlite3_system_errno($0) } ?? 0
      return .unwritten("the file '\(name)'", errno: number == 0 ? ENOSPC : number)
    default:
      return FileError(
        status: .badData, message: "SQLite cannot use the file '\(name)'.",
        remediation: "See the cause. 'sqlite3 \(shellQuoted(name)) .schema' shows what the file has.",
        cause: cause)
    }
  }
}

/// A prepared SQL statement, with its bound values and its current row.
final class SQLiteStatement {
  /// The type of a value in a row.
  enum Kind: String {
    case integer = "INTEGER"
    case real = "REAL"
    case text = "TEXT"
    case blob = "BLOB"
    case null = "NULL"
  }

  private let database: SQLiteDatabase
  private let statement: OpaquePointer?
  private var isDone = false
  private var sqlite: UnsafePointer<SQLite> { database.sqlite }

  fileprivate init(_ database: SQLiteDatabase, _ statement: OpaquePointer?) {
    (self.database, self.statement) = (database, statement)
  }

  deinit { _ = sqlite.pointee.sqlite3_finalize(statement) }

  // MARK: Values, counted from 1

  func bind(_ number: Int64?, at place: Int32) throws {
    try database.check(
      number.map { sqlite.pointee.sqlite3_bind_int64(statement, place, $0) }
        ?? sqlite.pointee.sqlite3_bind_null(statement, place))
  }

  func bind(_ text: String, at place: Int32) throws {
    var text = text
    try database.check(
      text.withUTF8 { sqlite_bind_text(sqlite, statement, place, $0.baseAddress, Int32(clamping: $0.count)) })
  }

  func bind(_ bytes: [UInt8], at place: Int32) throws {
    try database.check(
      bytes.withUnsafeBytes {
        sqlite_bind_blob(sqlite, statement, place, $0.baseAddress, Int32(clamping: $0.count))
      })
  }

  // MARK: Running

  /// Advances to the next row.
  /// - Returns: false after the last.
  func step() throws -> Bool {
    // SQLite would start the statement again.
    guard !isDone else { return false }
    let code = sqlite.pointee.sqlite3_step(statement)
    try database.check(code)
    isDone = code == SQLITE_DONE
    return !isDone
  }

  /// Runs a statement that stores a row, and resets it for the next row.
  /// - Returns: false if the row violates a constraint of the table, such as a unique index.
  func store() throws -> Bool {
    let code = sqlite.pointee.sqlite3_step(statement)
    _ = sqlite.pointee.sqlite3_reset(statement)
    if code & 0xFF == SQLITE_CONSTRAINT { return false }
    try database.check(code)
    return true
  }

  // MARK: Columns, counted from 0

  func kind(of column: Int32) -> Kind {
    switch sqlite.pointee.sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: .integer
    case SQLITE_FLOAT: .real
    case SQLITE_TEXT: .text
    case SQLITE_BLOB: .blob
    default: .null
    }
  }

  func integer(_ column: Int32) -> Int64 { sqlite.pointee.sqlite3_column_int64(statement, column) }

  func bytes(_ column: Int32) -> [UInt8] {
    let start = sqlite.pointee.sqlite3_column_blob(statement, column)
    let count = Int(sqlite.pointee.sqlite3_column_bytes(statement, column))
    return Array(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
  }

  /// Returns the text of a column; nil if it is not valid UTF-8.
  func text(_ column: Int32) -> String? {
    let start = sqlite.pointee.sqlite3_column_text(statement, column)
    let count = Int(sqlite.pointee.sqlite3_column_bytes(statement, column))
    return String(
      validating: UnsafeBufferPointer(start: start, count: start == nil ? 0 : count), as: UTF8.self)
  }
}
