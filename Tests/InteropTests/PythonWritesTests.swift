import Foundation
import TestSupport
import Testing

/// Every command reads, counts, changes and deletes what the Python library wrote.
@Suite(.needsPythonPeer) struct PythonWritesTests {
  /// Names that Python lets pass, and that its own keys and members put to the test.
  static let namespaces = [
    "faq", "a:b", "a:b:hits_exact", "a|b", "|", "7", "a|7", ":", "*", "[x]", "a b ", "line\nline",
    "caf\u{e9}",
    "cafe\u{301}", "\u{1F9E0}",
  ]

  @Test("an answer that Python put is served as an exact and as a semantic hit")
  func get() throws {
    let cache = try CacheFixture("get")
    try cache.python(
      """
      cache = open_cache()
      cache.put("  Where is\\tMy CARD? ", "On its way.", metadata={"source": "faq", "n": 1.0})
      """)
    let hit = try cache.mneme.run("get", "--json", "where is my card?").json()
    #expect(hit["layer"].string == "exact")
    #expect(hit["query"].string == "  Where is\tMy CARD? ")
    #expect(hit["response"].string == "On its way.")
    #expect("\(hit["metadata"])" == #"{"source":"faq","n":1.0}"#)
    let near = try cache.mneme.run("get", "--json", "where is my card").json()
    #expect(near["layer"].string == "semantic")
    #expect(near["response"].string == "On its way.")
    // The accesses as Python sees them.
    #expect(try cache.python("cache._store.get_by_id(1).access_count").int == 2)
  }

  @Test("every entry is exported as Python reads it, with metadata of every JSON kind")
  func export() throws {
    let cache = try CacheFixture("export")
    try cache.python(
      #"""
      cache = open_cache(native=False)
      kinds = [
          {}, {"a": None, "b": True, "c": False}, {"i": 12345678901234567890, "j": -0, "k": 10**300},
          {"f": 0.1, "g": 1e308, "h": 5e-324, "i": -0.0, "j": 1e16, "k": 1.0}, {"": "", " ": "\0\x1f\x7f\x9f"},
          {"nested": [[], {}, [[1], {"x": [None]}]]}, {"text": "e\u0301\u00e9\U0001f9e0\u202e\ufeff\u2028"},
          {1: "a", True: "b", None: "c", 2.5: "d"}, {"half": "\ud800", "\udfff": 1}, {"z": 1, "a": 2, "z ": 3},
      ]
      for number, metadata in enumerate(kinds):
          cache.put(f"question {number}\0", f"answer\n{number}\0\u202e ", metadata=metadata, namespace="a|b",
                    ttl=None if number % 2 else 3600 + number)
      cache.get("question 3\0", namespace="a|b")
      cache.put("", "for the empty question")
      cache.put("empty", "")
      """#)
    let lines = try cache.mneme.run("export", "--no-settings").jsonLines()
    let entries = try #require(
      try cache.python("[entry | {\"metadata\": None} for entry in entries(cache)]").array)
    #expect(lines.count == entries.count && lines.count == 12)
    for (line, entry) in zip(lines, entries) {
      for field in ["id", "namespace", "query", "query_hash", "response", "created_at", "last_accessed_at"]
        + ["ttl", "access_count"]
      {
        #expect("\(line[field])" == "\(entry[field])")
      }
      let bytes = try #require(Data(base64Encoded: line["embedding"].string ?? ""))
      #expect(bytes.map { String(format: "%02x", $0) }.joined() == entry["embedding"].string)
    }
    // Metadata comes out with its numbers as they were written; what not every JSON parser reads, as a string.
    for (index, line) in try cache.mneme.run("export", "--no-settings").outputLines.prefix(10).enumerated() {
      let isSame = """
        metadata = json.loads(\(try pythonLiteral(line)))["metadata"]
        if isinstance(metadata, str): metadata = json.loads(metadata)
        repr(metadata) == repr(cache._store.get_by_id(\(index + 1)).metadata)
        """
      #expect(try cache.python(isSame).bool == true, "\(line)")
    }
  }

  @Test("NaN and infinities, which only Python's JSON has, are exported as valid JSON and restored")
  func notANumber() throws {
    let cache = try CacheFixture("nan")
    try cache.python(
      #"""
      cache = open_cache(native=False)
      cache.put("nan", "r", metadata={"score": float("nan"), "list": [float("inf"), -float("inf")], "s": "NaN"})
      cache.put("plain", "r", metadata={"score": 1})
      """#)
    let outcome = try cache.mneme.run("export", "--no-settings")
    let lines = try outcome.jsonLines()
    #expect(lines[0]["metadata"].string == #"{"score": NaN, "list": [Infinity, -Infinity], "s": "NaN"}"#)
    #expect(
      try cache.mneme.run("get", "--json", "nan").json()["metadata"].string == lines[0]["metadata"].string)
    try cache.mneme.run("clear", "--yes", "--all")
    try cache.mneme.run(["import"], input: outcome.output).expecting(0)
    let back = try cache.python("[repr(e.metadata) for e in cache._store.iter_all()]")
    #expect(
      back.array?.compactMap(\.string) == [
        "{'score': nan, 'list': [inf, -inf], 's': 'NaN'}", "{'score': 1}",
      ])
  }

  @Test("quotas that Python stores are shown, enforced, changed and removed for both sides")
  func quotas() throws {
    let cache = try CacheFixture("quotas")
    try cache.python(
      """
      cache = open_cache(native=False, namespace_quotas={"faq": 2, "a:b": 7})
      cache.put("one", "r", namespace="a:b")
      for number in range(3): open_cache(native=False).put(f"q{number}", "r", namespace="faq")
      """)
    #expect(try cache.mneme.run("set-quota", "--json", "faq").json()["quota"].int == 2)
    let rows = try #require(try cache.mneme.run("stats", "--json").json()["namespaces"].array)
    #expect(rows.map { $0["namespace"].string } == ["a:b", "faq"])
    #expect(rows.map { $0["quota"].int } == [7, 2])
    #expect(rows.map { $0["entries"].int } == [1, 3])
    #expect(try cache.mneme.run("put", "-n", "faq", "q9", "r", "--json").json()["evicted"].int == 2)

    try cache.mneme.run("set-quota", "faq", "5")
    #expect(try cache.python("cache._store.get_namespace_quota('faq')").int == 5)
    // A quota that Python sets later is in force.
    try cache.python("cache._store.set_namespace_quota('faq', 4)")
    #expect(try cache.mneme.run("set-quota", "--json", "faq").json()["quota"].int == 4)
    try cache.mneme.run("set-quota", "--remove", "faq")
    #expect(try cache.python("cache._store.get_namespace_quota('faq')").isNull)
    try cache.mneme.run("set-quota", "faq", expecting: 1)
  }

  @Test(
    "Python's counters and mneme's add up for each namespace, with any name", arguments: namespaces)
  func counters(namespace: String) throws {
    let cache = try CacheFixture("counters")
    let name = try pythonLiteral(namespace)
    try cache.python(
      """
      cache = open_cache(native=False, namespace_quotas={\(name): 2})
      for number in range(3): cache.put(f"q{number}", "r", namespace=\(name))
      cache.get("q2", namespace=\(name))
      cache.get("q2", namespace=\(name))
      cache.get("Q2!", namespace=\(name))
      cache.get("nothing of the kind", namespace=\(name))
      cache.put("soon over", "r", namespace=\(name), ttl=0)
      cache.vacuum()
      cache.get("other", namespace="other")
      cache.close()
      """)
    let here = "--namespace=\(namespace)"
    try cache.mneme.run("get", here, "q2")
    try cache.mneme.run("get", here, "--exact", "not there", expecting: 1)
    let rows = try #require(try cache.mneme.run("stats", "--json").json()["namespaces"].array)
    let row = try #require(
      rows.first { Array(($0["namespace"].string ?? "").utf8) == Array(namespace.utf8) }, "\(rows)")
    #expect(row["hits_exact"].int == 3, "\(row)")
    #expect(row["hits_semantic"].int == 1, "\(row)")
    #expect(row["misses"].int == 2, "\(row)")
    #expect(row["evictions"].int == 2, "\(row)")
    #expect(row["expirations"].int == 1, "\(row)")
    #expect(rows.count == 2)
    // mneme's never change Python's, which counts a name with colons under the part before the first.
    let blob = try cache.redis.send("HGET", cache.key("meta"), "counters").text
    try cache.python("cache = open_cache(); cache.close()")
    #expect(try cache.redis.send("HGET", cache.key("meta"), "counters").text == blob)
  }

  @Test(
    "vacuum removes Python's expired entries, in the requested namespace and then in all, and nothing else",
    arguments: namespaces)
  func vacuum(namespace: String) throws {
    let cache = try CacheFixture("vacuum")
    let name = try pythonLiteral(namespace)
    try cache.python(
      """
      cache = open_cache(native=False)
      for number in range(3):
          cache.put(f"old {number}", "r", namespace=\(name), ttl=60 + number)
          cache.put(f"young {number}", "r", namespace=\(name), ttl=7200)
          cache.put(f"lasting {number}", "r", namespace=\(name))
          cache.put(f"old {number}", "r", namespace="other", ttl=60)
      """)
    try cache.age(by: 3600)
    #expect(try cache.mneme.run("stats", "--json").json()["expired_pending"].int == 6)
    #expect(
      try cache.mneme.run("get", "--namespace=\(namespace)", "--exact", "old 1", expecting: 1).output.isEmpty)
    let one = try cache.mneme.run("vacuum", "--json", "--namespace=\(namespace)").json()
    #expect(one["expired"].int == 2)
    #expect(try cache.mneme.run("vacuum", "--json").json()["expired"].int == 3)
    #expect(
      try cache.python(
        "[cache._store.count(), cache._store.count(\(name)), cache.list_namespaces() == [\(name)]]"
      )
      .description == "[6,6,true]")
    let members = try cache.scores("by_ttl").keys.sorted()
    #expect(members.count == 3 && members.allSatisfy { $0.hasPrefix(namespace + "|") }, "\(members)")
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("inspect-keys recognizes every key that Python writes")
  func inspectKeys() throws {
    let cache = try CacheFixture("inspect")
    for namespace in PythonWritesTests.namespaces {
      let name = try pythonLiteral(namespace)
      try cache.python(
        """
        cache = open_cache(namespace_quotas={\(name): 5})
        cache.put("q", "r", namespace=\(name), ttl=3600)
        cache.close()
        """)
    }
    let report = try cache.mneme.run("inspect-keys", "--json").json()
    let count = PythonWritesTests.namespaces.count
    #expect(report["foreign"].array?.isEmpty == true, "\(report)")
    let families = try #require(report["families"].array)
    func keys(_ family: String) -> Int? { families.first { $0["family"].string == family }?["keys"].int }
    for family in ["entry", "hash", "lru", "quota"] { #expect(keys(family) == count, "\(family)") }
    for family in ["meta", "version", "next_id", "by_id", "by_ttl", "namespaces"] {
      #expect(keys(family) == 1, "\(family)")
    }
    #expect(families.first { $0["family"].string == "entry" }?["with_ttl"].int == count)
    for namespace in PythonWritesTests.namespaces {
      let one = try cache.mneme.run("inspect-keys", "--json", "--namespace=\(namespace)").json()
      #expect(one["keys"].int == 4, "\(namespace)")
    }
  }

  @Test("delete and clear remove Python's entries completely", arguments: namespaces)
  func delete(namespace: String) throws {
    let cache = try CacheFixture("delete")
    let name = try pythonLiteral(namespace)
    try cache.python(
      """
      cache = open_cache()
      for number in range(6): cache.put(f"q{number}", "r", namespace=\(name), ttl=3600)
      cache.put("q0", "r", namespace="other")
      """)
    try cache.mneme.run("delete", "--namespace=\(namespace)", " Q0  ")
    try cache.mneme.run("delete", "--id", "2")
    #expect(try CacheCheck(cache).problems.isEmpty)
    #expect(try cache.python("cache._store.count(\(name))").int == 4)
    try cache.mneme.run("clear", "--yes", "--", namespace)
    #expect(try cache.python("cache.list_namespaces()").description == #"["other"]"#)
    #expect(try cache.scores("by_ttl").isEmpty)
    #expect(try CacheCheck(cache).problems.isEmpty)
    try cache.mneme.run("clear", "--yes", "--all")
    #expect(try CacheCheck(cache).entries.isEmpty)
  }

  @Test(
    "a replacement of Python's entry keeps the id and nothing else, and removes its native expiry"
  )
  func replace() throws {
    let cache = try CacheFixture("replace")
    try cache.python(
      """
      cache = open_cache()
      cache.put("q", "old", namespace="a|b", ttl=3600, metadata={"old": 1})
      """)
    let json = try cache.mneme.run("put", "-n", "a|b", "Q", "new", "--json").json()
    #expect(json["id"].int == 1)
    #expect(json["replaced"].bool == true)
    #expect(try cache.redis.send("TTL", cache.key("entry:1")).integer == -1)
    #expect(try cache.scores("by_ttl").isEmpty)
    let entry = try cache.python("cache.get('q', namespace='a|b')")
    #expect(entry["response"].string == "new")
    #expect(entry["metadata"].keys == [])
    try cache.mneme.run("put", "-n", "a|b", "q", "newer", "--ttl", "1h")
    #expect(try cache.scores("by_ttl").keys.sorted() == ["1"])
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("an entry whose writer's clock runs ahead is served, kept and exported")
  func future() throws {
    let cache = try CacheFixture("future")
    try cache.python(
      """
      cache = open_cache(native=False)
      cache.put("q", "r", ttl=60)
      """)
    try cache.age(by: -86_400)
    let hit = try cache.mneme.run("get", "--json", "q").json()
    #expect(hit["age_seconds"].int == 0)
    #expect(hit["confidence"].double == 1)
    #expect(try cache.mneme.run("vacuum", "--json").json()["expired"].int == 0)
    #expect(try cache.mneme.run("export", "--no-settings").jsonLines().count == 1)
  }

  @Test("an export of Python's cache, imported under a new prefix, reads the same in Python")
  func copy() throws {
    let cache = try CacheFixture("source")
    let copy = try CacheFixture("copy")
    try cache.python(
      """
      cache = open_cache(Scattered("application:own-model"))
      for number in range(200):
          cache.put(f"question {number}", f"answer {number}", namespace=f"ns|{number % 3}", metadata={"n": number},
                    ttl=None if number % 3 else 3600)
      cache.get("question 7", namespace="ns|1")
      """)
    let lines = try cache.mneme.run("export", "--no-settings").output
    let report = try copy.mneme.run(["import", "--json"], input: lines).expecting(0).json()
    #expect(report["imported"].int == 200)
    let equal = try cache.python(
      """
      there = open_cache(Scattered("application:own-model"), prefix="\(copy.prefix)")
      (entries(cache) == entries(there), there._index.size, there.get("QUESTION 7", namespace="ns|1").response)
      """)
    #expect(equal.description == #"[true,200,"answer 7"]"#)
  }
}

/// A text as a Python expression.
func pythonLiteral(_ text: String) throws -> String {
  // A JSON string is a Python string, as long as nothing above ASCII has to be escaped.
  let json = try JSONSerialization.data(
    withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
  return String(decoding: json, as: UTF8.self).replacing("\u{7f}", with: "\\x7f")
}
