import Foundation
import TestSupport
import Testing

/// SQLite caches go both ways between mneme and the Python library: what one writes the other reads, every field equal.
@Suite("SQLite caches shared with Python", .needsPythonPeer)
struct SQLiteInteropTests {
  /// The fields of an entry that is exported as a line and read by Python, the metadata and vector aside.
  private static let fields = [
    "namespace", "query", "query_hash", "response", "created_at", "last_accessed_at", "ttl", "access_count",
  ]

  /// Entries of every kind in a cache of Python's, whatever its store.
  private static let filling = #"""
    for number in range(40):
        cache.put(f"question number {number} about topic {number * 7}\0", f"answer\n{number}\0\u202e \U0001f9e0",
                  metadata={"n": number, "f": 0.1, "big": 10**30, "nested": [{"a": None}], "half": "\ud800"},
                  namespace=f"ns|{number % 3}|", ttl=None if number % 2 else 3600 + number)
    for number in range(10):
        cache.get(f"question number {number} about topic {number * 7}\0", namespace=f"ns|{number % 3}|")
    cache.get("unknown", namespace="ns|0|")
    cache.put("", "for the empty question")
    cache.put("refused", "[ERROR] nobody is served from this")
    cache._store.set_namespace_quota("ns|1|", 300)
    """#

  /// Compares the entries under a prefix with those that Python reads, in the order of the ids.
  private func expectSame(
    _ fixture: CacheFixture, _ entries: JSONValue, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let theirs = try #require(entries.array)
    let ours = try fixture.mneme.run("export", "--no-settings").jsonLines()
    #expect(ours.count == theirs.count, sourceLocation: sourceLocation)
    for (our, their) in zip(ours, theirs) {
      for field in Self.fields {
        #expect("\(our[field])" == "\(their[field])", "\(field)", sourceLocation: sourceLocation)
      }
      let bytes = try #require(Data(base64Encoded: our["embedding"].string ?? ""))
      #expect(
        bytes.map { String(format: "%02x", $0) }.joined() == their["embedding"].string,
        sourceLocation: sourceLocation)
    }
  }

  @Test("Python finds every exported entry, as exact and as semantic hits, and continues to use the file")
  func ours() throws {
    let fixture = try CacheFixture("to-sqlite")
    let directory = try TemporaryDirectory()
    let path = directory.path("cache.db")
    let lines = try (1...30).map { number in
      try jsonLine([
        "namespace": number.isMultiple(of: 2) ? "default" : "a|b",
        "query": "how do I reset item number \(number)?", "response": "answer \(number)",
        "metadata": ["n": number] as [String: Any], "ttl": number * 3600,
      ])
    }
    try fixture.mneme.run("import", input: lines.joined())
    for id in [29, 30] { try fixture.mneme.run("delete", "--id", "\(id)") }
    try fixture.mneme.run("get", "--exact", "how do I reset item number 2?")
    _ = try fixture.mneme.run(["get", "--exact", "unknown"])
    try fixture.mneme.run("set-quota", "a|b", "14")
    try fixture.mneme.run("export", "--format", "sqlite", "-o", path)

    let found = try fixture.python(
      """
      cache = mneme.SemanticCache("\(path)", HashedNgrams())
      def namespace(number): return "default" if number % 2 == 0 else "a|b"
      exact = [cache.get(f"How do I reset  item number {n}?", namespace=namespace(n)) for n in range(1, 29)]
      near = [cache.get(f"please, how do I reset item number {n}?", namespace=namespace(n)) for n in range(1, 29)]
      before = cache.stats()
      [[hit and (hit.layer, hit.response, hit.metadata) for hit in exact],
       [hit and hit.layer for hit in near],
       cache._store.integrity_check(), cache._store.get_namespace_quota("a|b"), cache._store.count()]
      """)
    let exact = try #require(found[0].array)
    #expect(exact.count == 28)
    for (index, hit) in exact.enumerated() {
      let expected = "[\"exact\",\"answer \(index + 1)\",{\"n\":\(index + 1)}]"
      #expect(hit.description == expected)
    }
    #expect(found[1].array?.allSatisfy { $0.string == "semantic" } == true, "\(found[1])")
    #expect(found[2].bool == true && found[3].int == 14 && found[4].int == 28)

    // Python continues to use it: a new entry gets an unused id, and a put of an existing query replaces the entry.
    let after = try fixture.python(
      """
      cache.put("a new question", "new answer")
      cache.put("how do I reset item number 2?", "replaced")
      cache.dumps("\(directory.path("dump.tar.gz"))")
      copy = mneme.SemanticCache.loads("\(directory.path("dump.tar.gz"))", "\(directory.path("loaded.db"))", HashedNgrams())
      same = entries(cache) == entries(copy)
      copy.close()
      [max(entry.id for entry in cache._store.iter_all()), same]
      """)
    #expect(after[0].int == 31 && after[1].bool == true, "\(after)")

    // And back, while Python has it open.
    let back = try fixture.again(uniquePrefix("back"))
    try back.mneme.run("import", path)
    try expectSame(back, try fixture.python("[e | {\"metadata\": None} for e in entries(cache)]"))
    let stats = try fixture.python(
      "cache.close()\nreader = mneme.SemanticCache(\"\(path)\", HashedNgrams())\nreader.stats()")
    let copy = try fixture.again(uniquePrefix("counted"))
    try copy.mneme.run("import", path)
    let figures = try copy.mneme.run("stats", "--json").json()
    for name in ["hits_exact", "hits_semantic", "misses", "evictions", "expirations", "entries"] {
      #expect("\(figures[name])" == "\(stats[name])", "\(name)")
    }
    #expect(stats["hits_exact"].int == 29 && stats["misses"].int == 1, "\(stats)")
    try fixture.python("reader.close()")
  }

  @Test("entries that Python has stored in SQLite are imported with every field equal, live and from dumps")
  func theirs() throws {
    let fixture = try CacheFixture("from-sqlite")
    let directory = try TemporaryDirectory()
    let path = directory.path("cache.db")
    try fixture.python("cache = mneme.SemanticCache(\"\(path)\", HashedNgrams())\n" + Self.filling)
    // The application has it open, and nothing of it may be in the file itself yet.
    let report = try fixture.mneme.run(["import", path]).expecting(0)
    #expect(report.outputText.hasPrefix("imported 42 entries, set 1 quota"), "\(report)")
    try expectSame(fixture, try fixture.python("[e | {\"metadata\": None} for e in entries(cache)]"))
    try fixture.expectSound()
    let metadata = try fixture.python(
      """
      there = open_cache(native=False)
      result = [[repr(e.metadata) for e in sorted(c._store.iter_all(), key=lambda e: e.id)] for c in (cache, there)]
      result[0] == result[1]
      """)
    #expect(metadata.bool == true)
    try fixture.python("cache.dumps(\"\(directory.path("dump.tar.gz"))\")\ncache.close()")
    let advice = try fixture.refusal(of: ["import", directory.path("dump.tar.gz")], status: 65).remediation
    let copy = try fixture.again(uniquePrefix("dumps"))
    let line = advice.replacing("Unpack it: ", with: "")
    try copy.mneme.shell("cd '\(directory.path)' && \(line)").expecting(0)
    let stats = try fixture.python(
      "again = mneme.SemanticCache(\"\(path)\", HashedNgrams())\nagain.stats()")
    let figures = try copy.mneme.run("stats", "--json").json()
    for name in ["hits_exact", "hits_semantic", "misses", "entries"] {
      #expect("\(figures[name])" == "\(stats[name])", "\(name)")
    }
    #expect(try copy.mneme.run("set-quota", "ns|1|", "--json").json()["quota"].int == 300)
    try expectSame(copy, try fixture.python("[e | {\"metadata\": None} for e in entries(again)]"))
    try fixture.python("again.close()")
  }

  @Test(
    "a cache with an application's own model moves from SQLite to Redis with the same semantic hits in Python"
  )
  func move() throws {
    let fixture = try CacheFixture("move")
    let directory = try TemporaryDirectory()
    let path = directory.path("cache.db")
    try fixture.python(
      """
      before = mneme.SemanticCache("\(path)", Scattered("application:own-model"))
      for number in range(100): before.put(f"question {number}", f"answer {number}", namespace=f"n{number % 2}")
      before.close()
      """)
    try fixture.mneme.run("import", path)
    let hits = try fixture.python(
      """
      after = open_cache(Scattered("application:own-model"))
      sum(after.get(f"QUESTION {n}", namespace=f"n{n % 2}").response == f"answer {n}" for n in range(100)), after._index.size
      """)
    #expect(hits.description == "[100,100]")
    // And the way back.
    try fixture.mneme.run("export", "--format", "sqlite", "-o", directory.path("back.db"))
    let back = try fixture.python(
      """
      back = mneme.SemanticCache("\(directory.path("back.db"))", Scattered("application:own-model"))
      sum(back.get(f"QUESTION {n}", namespace=f"n{n % 2}").response == f"answer {n}" for n in range(100))
      """)
    #expect(back.int == 100)
    try fixture.python("back.close()")
  }
}
