/// The tables of a SQLite cache of the Python library, version 1 of its schema.
enum SQLiteSchema {
  static let version = 1

  /// The first bytes of every SQLite file.
  static let magic = "SQLite format 3\u{0}"

  /// The keys of `schema_meta`; those of the identity are `CacheIdentity.Field`.
  static let counters = "counters"

  /// The statements with which the Python library creates the tables. `sqlite_schema` keeps their text, so it is copied
  /// to the letter.
  static let tables = [
    "CREATE TABLE schema_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        namespace TEXT NOT NULL DEFAULT 'default',
        query_hash TEXT NOT NULL,
        query TEXT NOT NULL,
        response TEXT NOT NULL,
        embedding BLOB NOT NULL,
        metadata TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_accessed_at INTEGER NOT NULL,
        ttl INTEGER,
        access_count INTEGER NOT NULL DEFAULT 0,
        UNIQUE(namespace, query_hash)
    )
    """,
    """
    CREATE TABLE cache_counters (
        namespace TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (namespace, name)
    )
    """,
    "CREATE TABLE namespace_quotas (namespace TEXT PRIMARY KEY, max_entries INTEGER NOT NULL)",
    "CREATE TABLE multi_process_state (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
  ]

  /// The statements that create the indices. They run after the entries are stored, which is faster.
  static let indices = [
    "CREATE INDEX idx_entries_ns_hash ON entries(namespace, query_hash)",
    "CREATE INDEX idx_entries_ns_lru ON entries(namespace, last_accessed_at)",
    "CREATE INDEX idx_entries_created_at ON entries(created_at)",
    "CREATE INDEX idx_entries_id ON entries(id)",
  ]

  /// The columns of an entry, in the order in which they are read and written.
  enum Column: Int32, CaseIterable {
    case id, namespace
    case queryHash = 2
    case query, response, embedding, metadata
    case createdAt = 7
    case lastAccessedAt = 8
    case ttl
    case accessCount = 10

    var name: String { SQLiteSchema.columnNames[Int(rawValue)] }
    /// The position of its value in an `INSERT` of all columns.
    var place: Int32 { rawValue + 1 }
  }

  static let columnNames = [
    "id", "namespace", "query_hash", "query", "response", "embedding", "metadata", "created_at",
    "last_accessed_at", "ttl", "access_count",
  ]
}
