import Foundation
import TestSupport
import Testing

/// Tests of `export --format sqlite` and of `import` of a SQLite cache of the Python library. In
/// `InteropTests/SQLiteInteropTests` Python opens such files.
@Suite("SQLite caches")
struct SQLiteTests {
  private static let interpreter = "python3"

  /// Runs a snippet of Python with `db` connected to the file, and returns what it prints.
  @discardableResult
  private func python(_ path: String, _ code: String) throws -> String {
    let script =
      "import sqlite3, sys, json\ndb = sqlite3.connect(sys.argv[1])\n" + code + "\ndb.commit()\ndb.close()\n"
    return try ChildProcess([Self.interpreter, "-c", script, path]).finish().expecting(0).outputText
  }

  /// A cache with data that is difficult to copy.
  private func sample(_ name: String = "source") throws -> CacheFixture {
    let fixture = try CacheFixture(name)
    let texts = ["plain", "nul \0 in it", "e\u{301} \u{1F9E0}", "", "[ERROR] no"]
    for (index, text) in texts.enumerated() {
      let namespace = index.isMultiple(of: 2) ? "default" : "a:b|*"
      try fixture.mneme.run(
        "put", "-n", namespace, "query \(index)", "--metadata", #"{"n":1e400,"b":12345678901234567890}"#, "r",
        "--ttl", "\(1000 + index)")
      try fixture.redis.send("HSET", fixture.key("entry:\(index + 1)"), "response", text)
    }
    try fixture.mneme.run("put", "without a limit", "r")
    try fixture.mneme.run("get", "--exact", "query 0")
    try fixture.mneme.run("set-quota", "default", "70")
    return fixture
  }

  private func export(_ fixture: CacheFixture, _ path: String, _ words: String...) throws -> Outcome {
    try fixture.mneme.run(["export", "--format", "sqlite", "-o", path] + words)
  }

  // MARK: There and back

  @Test("every field, quotas and counters are restored from a SQLite file")
  func roundTrip() throws {
    let (fixture, copy) = (try sample(), try CacheFixture("copy"))
    // The last id is free, and must not be used again.
    try fixture.mneme.run("put", "last", "r")
    try fixture.mneme.run("delete", "last")
    let directory = try TemporaryDirectory()
    let path = directory.path("cache.db")
    let report = try export(fixture, path).expecting(0)
    #expect(report.outputText.hasPrefix("exported 6 entries to "))
    #expect(try directory.names() == ["cache.db"])
    var status = stat()
    #expect(lstat(path, &status) == 0 && status.st_mode == S_IFREG | 0o600)
    #expect(try python(path, "print(db.execute('PRAGMA integrity_check').fetchone()[0])") == "ok\n")
    let sequence = try python(path, "print(db.execute('SELECT seq FROM sqlite_sequence').fetchall())")
    #expect(sequence == "[(7,)]\n")
    let imported = try copy.mneme.run(["import", path]).expecting(0)
    #expect(
      imported.outputText == "imported 6 entries, set 1 quota, restored the counters of 1 namespace\n",
      "\(imported)")
    for id in 1...6 { #expect(try copy.fields(of: id) == fixture.fields(of: id), "entry \(id)") }
    let trial = try copy.mneme.run("import", "--dry-run", "--json", path).json()
    #expect(trial["same"].int == 6 && trial["new"].int == 0 && trial["changed"].int == 0)
    // An earlier file is replaced, and its permissions stay.
    chmod(path, 0o640)
    try export(fixture, path).expecting(0)
    #expect(lstat(path, &status) == 0 && status.st_mode == S_IFREG | 0o640)
    #expect(try directory.names() == ["cache.db"])
  }

  @Test("a selection, and a cache without settings, are written as requested")
  func selection() throws {
    let fixture = try sample()
    let directory = try TemporaryDirectory()
    let path = directory.path("part.db")
    try export(fixture, path, "-n", "a:b|*", "--no-settings").expecting(0)
    let rows = try python(
      path,
      """
      print(db.execute("SELECT id, namespace FROM entries").fetchall())
      print(db.execute("SELECT count(*) FROM namespace_quotas").fetchone())
      print(db.execute("SELECT value FROM schema_meta WHERE key = 'counters'").fetchone())
      """)
    #expect(rows == "[(2, 'a:b|*'), (4, 'a:b|*')]\n(0,)\n('{}',)\n")
    #expect(try export(fixture, path, "-n", "nosuch").status == 1)
    #expect(try python(path, "print(db.execute('SELECT count(*) FROM entries').fetchone())") == "(2,)\n")
  }

  @Test("thousands of entries go both ways in little memory")
  func many() throws {
    let count = Effort.isThorough ? 15_000 : 5000
    let server = try RedisServer()
    defer { withExtendedLifetime(server) {} }
    let (fixture, copy) = (try CacheFixture("many", on: server), try CacheFixture("back", on: server))
    try fixture.mneme.run(["import", "--embedder", "none"], input: importLines(1...count)).expecting(0)
    let directory = try TemporaryDirectory()
    let path = directory.path("many.db")
    // Address space, most of which is never used: the libraries and the stacks of threads. The C library would reserve
    // 64 MB more for each thread that allocates while another one does.
    func limited(_ mneme: Mneme, _ words: [String]) throws -> ChildProcess {
      var mneme = mneme
      mneme.environment["MALLOC_ARENA_MAX"] = "1"
      return try mneme.start(words, memoryLimit: 400)
    }
    let export = try limited(fixture.mneme, ["export", "--format", "sqlite", "-o", path])
    try export.finish().expecting(0)
    let imported = try limited(copy.mneme, ["import", "--json", path])
    #expect(try imported.finish().expecting(0).json()["imported"].int == count)
    #expect(try copy.fields(of: count)["response"] == "answer \(count)")
  }

  // MARK: What a SQLite cache cannot hold

  @Test("entries that Python could not read, and doubles, are left out with their ids")
  func leftOut() throws {
    let fixture = try CacheFixture("left-out")
    for number in 1...6 { try fixture.mneme.run("put", "q\(number)", "r\(number)") }
    func set(_ id: Int, _ field: String, _ value: [UInt8]) throws {
      try fixture.redis.send(["HSET", fixture.key("entry:\(id)"), field].map { Array($0.utf8) } + [value])
    }
    try set(2, "response", [0x63, 0xE9])
    try set(3, "metadata", Array("{\"n\":\(String(repeating: "9", count: 5000))}".utf8))
    try set(4, "embedding", [0, 0, 0, 0])
    // Entry 5 has entry 1's query and its hash key. Entry 6 has that query too, and no hash key.
    for (id, query) in [(5, "q1"), (6, "q1")] {
      let hash = try #require(try fixture.fields(of: 1)["query_hash"])
      try set(id, "query", Array(query.utf8))
      try set(id, "query_hash", Array(hash.utf8))
    }
    let hash = try #require(try fixture.fields(of: 1)["query_hash"])
    try fixture.redis.send("SET", fixture.key("hash:default:\(hash)"), "5")
    let directory = try TemporaryDirectory()
    let path = directory.path("cache.db")
    let outcome = try export(fixture, path)
    #expect(outcome.status == 65, "\(outcome)")
    #expect(
      outcome.errorText.contains("left out 1 entry with text that is not valid UTF-8: id 2\n"), "\(outcome)")
    #expect(outcome.errorText.contains("left out 1 entry with metadata that Python cannot read: id 3\n"))
    #expect(outcome.errorText.contains("Entry 4"))
    #expect(outcome.errorText.contains("left out 2 entries whose query leads to another entry: ids 1, 6\n"))
    #expect(outcome.outputText.hasPrefix("exported 1 entry to "), "\(outcome)")
    #expect(try python(path, "print(db.execute('SELECT id FROM entries').fetchall())") == "[(5,)]\n")
  }

  @Test("a log next to the file, a pipe, and standard output are refused")
  func refused() throws {
    let fixture = try sample()
    let directory = try TemporaryDirectory()
    let path = try directory.write("precious".utf8, to: "cache.db")
    for suffix in ["-wal", "-shm", "-journal"] {
      try directory.write("".utf8, to: "cache.db\(suffix)")
      let complaint = try fixture.refusal(
        of: ["export", "--format", "sqlite", "-o", path], status: 73, type: "FileError")
      #expect(complaint.message.contains("cache.db\(suffix)"), "\(complaint)")
      unlink(path + suffix)
    }
    try fixture.refusal(of: ["export", "--format", "sqlite", "-o", "/dev/null"], status: 73)
    try fixture.refusal(of: ["export", "--format", "sqlite"], status: 64)
    try fixture.refusal(
      of: ["export", "--format", "sqlite", "--embeddings", "none", "-o", path], status: 64)
    #expect(try directory.read("cache.db") == Array("precious".utf8))
    #expect(try directory.names() == ["cache.db"])
  }

  @Test("a limit on the size of files is status 74, and the old file stays")
  func fullDisk() throws {
    let fixture = try CacheFixture("full")
    try fixture.mneme.run(["import"], input: importLines(0..<500)).expecting(0)
    let directory = try TemporaryDirectory()
    let path = try directory.write("yesterday".utf8, to: "cache.db")
    let outcome = try fixture.mneme.shell("ulimit -f 64; mneme export --format sqlite -o '\(path)'")
    #expect(outcome.status == 74, "\(outcome)")
    #expect(try directory.names() == ["cache.db"], "\(outcome)")
    #expect(try directory.read("cache.db") == Array("yesterday".utf8))
  }

  @Test(
    "after an interrupt and a flush the old file stays, without other files",
    arguments: ["interrupt", "flush"])
  func interrupted(how: String) throws {
    let fixture = try CacheFixture("interrupted", configuration: [])
    try fixture.mneme.run(["import"], input: importLines(1...2000)).expecting(0)
    let directory = try TemporaryDirectory()
    let path = try directory.write("yesterday".utf8, to: "cache.db")
    let command = try fixture.mneme.startWork(
      ["export", "--format", "sqlite", "-o", path, "--pace", "200ms"], on: fixture.server, untilEntry: 300)
    #expect(try directory.names().count == 2)
    if how == "flush" { try fixture.redis.send("FLUSHALL") } else { command.signal(SIGINT) }
    let outcome = try command.finish()
    #expect(outcome.status == (how == "flush" ? 69 : 130), "\(outcome)")
    #expect(try directory.names() == ["cache.db"])
    #expect(try directory.read("cache.db") == Array("yesterday".utf8))
  }

  // MARK: Files that are read

  /// A file that `export` has written.
  private func file(_ directory: TemporaryDirectory, _ name: String = "cache.db") throws -> String {
    let path = directory.path(name)
    try export(try sample(), path).expecting(0)
    return path
  }

  @Test(
    "a database that is not a complete cache is refused, and nothing is stored",
    arguments: [
      ("DROP TABLE entries", 65, "without the tables of a cache"),
      ("DROP TABLE schema_meta", 65, "without the tables of a cache"),
      ("DELETE FROM schema_meta WHERE key = 'embedder_fingerprint'", 65, "which embedder"),
      ("UPDATE schema_meta SET value = '2' WHERE key = 'schema_version'", 78, "schema 2"),
      ("UPDATE schema_meta SET value = 'x' WHERE key = 'embedder_dim'", 65, "embedder_dim"),
      ("ALTER TABLE entries RENAME COLUMN ttl TO lifetime", 65, "cache.db"),
      ("UPDATE entries SET created_at = 1.5 WHERE id = 3", 65, "row 3: the column 'created_at' is REAL"),
      ("UPDATE entries SET ttl = 'soon' WHERE id = 3", 65, "row 3: the column 'ttl' is TEXT"),
      ("UPDATE entries SET query = x'00' WHERE id = 3", 65, "row 3: the column 'query' is BLOB"),
      ("UPDATE entries SET embedding = 'abcd' WHERE id = 3", 65, "row 3: the column 'embedding' is TEXT"),
      ("UPDATE entries SET metadata = '[1]' WHERE id = 3", 65, "row 3: the column 'metadata'"),
      ("UPDATE entries SET query_hash = 'x' WHERE id = 3", 65, "row 3: the column 'query_hash'"),
    ])
  func wrongDatabase(change: String, status: Int32, mentions: String) throws {
    let directory = try TemporaryDirectory()
    let path = try file(directory)
    try python(path, "db.execute(sys.argv[2] if len(sys.argv) > 2 else \"\"\"\(change)\"\"\")")
    let fixture = try CacheFixture("wrong")
    let outcome = try fixture.mneme.run(["import", path])
    #expect(outcome.status == status, "\(outcome)")
    #expect(outcome.errorText.contains(mentions), "\(outcome)")
    guard mentions.contains("row 3") else {
      #expect(try fixture.dump().isEmpty)
      return
    }
    // The rows before it are stored, and the rest can be imported afterwards.
    #expect(try fixture.entryCount() == 2 && outcome.errorText.contains("--since-line 2"), "\(outcome)")
    let rest = try fixture.mneme.run(["import", "--on-invalid", "skip", "--since-line", "2", path]).expecting(
      0)
    #expect(rest.outputText.contains("imported 3 entries, left out 1 that cannot be stored"), "\(rest)")
  }

  @Test("rows that Python cannot read are left out with their ids")
  func unreadableRows() throws {
    let directory = try TemporaryDirectory()
    let path = try file(directory)
    try python(
      path,
      """
      db.execute("UPDATE entries SET response = CAST(x'63E9' AS TEXT) WHERE id = 2")
      db.execute("UPDATE entries SET embedding = x'00000000' WHERE id = 4")
      """)
    let fixture = try CacheFixture("unreadable")
    let outcome = try fixture.mneme.run(["import", path]).expecting(0)
    #expect(outcome.outputText.contains("imported 4 entries, left out 2 that cannot be stored"), "\(outcome)")
    #expect(outcome.errorText.contains("left out 2 entries"), "\(outcome)")
    #expect(outcome.errorText.contains("row 2, 4: "), "\(outcome)")
  }

  @Test("a file that is truncated, locked, unreadable or a pipe is refused, each with its own status")
  func badFiles() throws {
    let directory = try TemporaryDirectory()
    let path = try file(directory)
    let fixture = try CacheFixture("bad")
    let bytes = try directory.read("cache.db")
    for length in [50, 3000, bytes.count / 2] {
      let cut = try directory.write(bytes.prefix(length), to: "cut.db")
      let complaint = try fixture.refusal(of: ["import", cut], status: 65)
      #expect(complaint.message.contains("cut.db"), "\(length): \(complaint)")
    }
    let script = """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      db.execute("BEGIN EXCLUSIVE")
      print("locked", flush=True)
      sys.stdin.read()
      """
    let locking = try ChildProcess([Self.interpreter, "-c", script, path])
    _ = try locking.readLine()
    let locked = try fixture.mneme.run(["import", path])
    #expect(locked.status == 75 && locked.errorText.contains("locked"), "\(locked)")
    try locking.finish().expecting(0)
    let piped = try fixture.refusal(of: ["import"], input: bytes, status: 65)
    #expect(piped.remediation.contains("mneme import FILE"), "\(piped)")
    #expect(try fixture.dump().isEmpty)
  }

  @Test("a file that an application has open is read with its log, and no other file is left")
  func liveFile() throws {
    let directory = try TemporaryDirectory()
    let path = try file(directory)
    let script = """
      import sqlite3, sys
      db = sqlite3.connect(sys.argv[1], isolation_level=None)
      db.execute("PRAGMA journal_mode=WAL")
      db.execute("PRAGMA wal_autocheckpoint=0")
      db.execute("UPDATE entries SET response = 'from the log' WHERE id = 1")
      print("open", flush=True)
      sys.stdin.read()
      """
    let application = try ChildProcess([Self.interpreter, "-c", script, path])
    _ = try application.readLine()
    let fixture = try CacheFixture("live")
    try fixture.mneme.run(["import", path]).expecting(0)
    #expect(try fixture.fields(of: 1)["response"] == "from the log")
    try application.finish().expecting(0)
    #expect(try directory.names() == ["cache.db"])
    // The file of an application that has ended is in WAL mode.
    let before = try directory.read("cache.db")
    try fixture.mneme.run(["import", path]).expecting(0)
    #expect(try directory.read("cache.db") == before)
    let names = try directory.names()
    #expect(names == ["cache.db"], "\(names)")
  }

  @Test("a tar archive is recognized, compressed or not, and the message has the command that unpacks it")
  func archives() throws {
    let directory = try TemporaryDirectory()
    _ = try file(directory, "store")
    let fixture = try CacheFixture("archive")
    for (name, options) in [("dump.tar.gz", "-czf"), ("dump", "-czf"), ("dump.tar", "-cf")] {
      let tar = "cd '\(directory.path)' && tar \(options) \(name) store && rm store"
      try ChildProcess(["sh", "-c", tar]).finish().expecting(0)
      var complaint = try fixture.refusal(of: ["import", directory.path(name)], status: 65)
      if name == "dump" {
        #expect(complaint.remediation.contains("gzip -dc"), "\(complaint)")
        let line = complaint.remediation.replacing("Convert it: ", with: "")
        let second = try fixture.mneme.shell(line)
        #expect(second.status == 65, "\(second)")
        #expect(second.errorText.contains("Unpack it: tar -xf FILE store && mneme import store"), "\(second)")
        complaint.remediation = "Unpack it: tar -xf \(directory.path(name)) store && mneme import store"
      }
      let line = complaint.remediation.replacing("Unpack it: ", with: "")
      try fixture.mneme.shell("cd '\(directory.path)' && \(line)").expecting(0)
      #expect(try fixture.entryCount() == 6)
    }
  }

  @Test("SQLite is loaded for its files and for nothing else")
  func loaded() throws {
    let fixture = try sample()
    var mneme = fixture.mneme
    mneme.environment["LD_DEBUG"] = "files"
    let directory = try TemporaryDirectory()
    for (words, isLoaded) in [
      (["export", "--format", "sqlite", "-o", directory.path("x.db")], true),
      (["import", directory.path("x.db")], true), (["get", "--exact", "query 0"], false), (["export"], false),
      (["stats"], false),
    ] {
      let outcome = try mneme.run(words).expecting(0)
      let lines = outcome.errorText.split(separator: "\n").filter { $0.contains("calling init:") }
      #expect(!lines.isEmpty && lines.contains { $0.contains("libsqlite3") } == isLoaded, "\(words)")
    }
  }

  @Test("a SQLite that cannot be loaded is an error with the package to install")
  func missingLibrary() throws {
    let files = try TemporaryDirectory()
    try files.write("".utf8, to: "libsqlite3.so.0")
    var mneme = try sample().mneme
    mneme.environment["LD_LIBRARY_PATH"] = files.path
    let complaint = try refusal(status: 69, type: "FileError") {
      try mneme.run(["export", "--format", "sqlite", "-o", files.path("x.db")] + $0)
    }
    #expect(complaint.remediation.contains("libsqlite3-0"), "\(complaint)")
    #expect(try files.names() == ["libsqlite3.so.0"])
  }
}
