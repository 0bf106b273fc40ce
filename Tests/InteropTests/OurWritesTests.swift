import Foundation
import TestSupport
import Testing

/// The Python library opens, reads, counts, changes and deletes what `mneme` wrote.
@Suite(.needsPythonPeer) struct OurWritesTests {
  /// The writer that sets `EXPIREAT`: mneme with `--native-ttl`, Python by default.
  struct NativeTTL: CustomTestStringConvertible, Sendable {
    var ours: Bool
    var python: Bool

    var option: [String] { ours ? ["--native-ttl"] : [] }
    var setting: String { python ? "True" : "False" }
    var testDescription: String { "native TTL here: \(ours), there: \(python)" }

    static let all = [(false, false), (false, true), (true, false), (true, true)].map(NativeTTL.init)
  }

  @Test("Python opens a cache of mneme, and serves exact and semantic hits from it")
  func get() throws {
    let cache = try CacheFixture("opens")
    let metadata = #"{"b":[1.0,-0.0,1e400,12345678901234567890,null],"a":"\u00e9 🧠","":{}}"#
    try cache.mneme.run("put", "  Where is\tMY card? ", "On its\r\nway. 🧠 ", "--metadata", metadata)
    try cache.python("cache = open_cache()")
    let hit = try cache.python("hit = cache.get('where IS my card?'); hit.layer, hit.response")
    #expect(hit[0].string == "exact")
    #expect(hit[1].string == "On its\r\nway. 🧠 ")
    #expect(
      try cache.python("repr(cache.get('where is my card?').metadata)").string
        == "{'b': [1.0, -0.0, inf, 12345678901234567890, None], 'a': 'é 🧠', '': {}}")
    let near = try cache.python("hit = cache.get('where is my card'); hit.layer, hit.response")
    #expect(near[0].string == "semantic")
    #expect(near[1].string == "On its\r\nway. 🧠 ")
    #expect(try cache.python("cache.get('how do I cook rice')").isNull)
    // The accesses as mneme sees them.
    #expect(try cache.mneme.run("export", "--no-settings").jsonLines()[0]["access_count"].int == 3)
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("both embedders give the same vector, byte for byte")
  func vectors() throws {
    let cache = try CacheFixture("vectors")
    for text in ["Where is my card?", "WO IST MEINE KARTE", "1234 🧠", "?"] {
      try cache.mneme.run("put", "-n", "ours", text, "r")
      try cache.python("cache = open_cache(); cache.put(\(pythonLiteral(text)), 'r', namespace='theirs')")
    }
    let same = try cache.python(
      """
      both = [[e.embedding for e in cache._store.iter_all() if e.namespace == ns] for ns in ("ours", "theirs")]
      both[0] == both[1], len(both[0])
      """)
    #expect(same.description == "[true,4]")
  }

  @Test("Python iterates over mneme's entries and reads every field", arguments: NativeTTL.all)
  func iterate(native: NativeTTL) throws {
    let cache = try CacheFixture("iterate")
    for (number, namespace) in PythonWritesTests.namespaces.enumerated() {
      let ttl = number % 2 == 0 ? ["--ttl", "1h"] : []
      try cache.mneme.run(
        ["put", "--namespace=\(namespace)", "Q \(number)", "r\(number)", "--metadata", "{\"n\":\(number)}"]
          + ttl
          + native.option
      ).expecting(0)
    }
    let lines = try cache.mneme.run("export", "--no-settings", "--embeddings", "array").jsonLines()
    let entries = try #require(
      try cache.python(
        """
        cache = open_cache(native=\(native.setting))
        [e | {"embedding": numpy.frombuffer(bytes.fromhex(e["embedding"]), "<f4").tolist()} for e in entries(cache)]
        """
      ).array)
    #expect(lines.count == entries.count && lines.count == PythonWritesTests.namespaces.count)
    for (line, entry) in zip(lines, entries) {
      for field in [
        "id", "namespace", "query", "query_hash", "response", "metadata", "created_at", "last_accessed_at",
        "ttl",
        "access_count",
      ] {
        #expect("\(line[field])" == "\(entry[field])")
      }
      let (here, there) = try (#require(line["embedding"].array), #require(entry["embedding"].array))
      #expect(here.compactMap(\.double).map(Float.init) == there.compactMap(\.double).map(Float.init))
    }
    let counts = try cache.python(
      "sorted(cache.list_namespaces()), [cache._store.count(ns) for ns in cache.list_namespaces()], cache._store.count(), cache._index.size, cache.health().entries"
    )
    #expect(counts[0].array?.count == lines.count)
    #expect(counts[1].array?.allSatisfy { $0.int == 1 } == true)
    #expect([2, 3, 4].allSatisfy { counts[$0].int == lines.count }, "\(counts)")
  }

  @Test(
    "Python's put replaces mneme's entry, its vacuum removes it, and mneme's vacuum then removes the rest",
    arguments: NativeTTL.all)
  func vacuum(native: NativeTTL) throws {
    let cache = try CacheFixture("vacuum")
    for number in 1...3 {
      try cache.mneme.run(["put", "q\(number)", "r", "--ttl", "2h"] + native.option).expecting(0)
    }
    for number in 4...6 { try cache.mneme.run(["put", "q\(number)", "r"] + native.option).expecting(0) }
    try cache.python(
      """
      cache = open_cache(native=\(native.setting))
      cache.put("q3", "theirs", ttl=7200)
      cache.put("q4", "theirs", ttl=7200)
      """)
    try cache.age(by: 3 * 3600)
    try cache.mneme.run(["put", "q2", "fresh", "--ttl", "2h"] + native.option).expecting(0)
    // The entry's own fields have the last word, whatever an old member says.
    #expect(try cache.python("cache.vacuum()").int == 3)
    #expect(
      try cache.python("sorted(e.query for e in cache._store.iter_all())").description == #"["q2","q5","q6"]"#
    )
    // Python takes out its own form of the member alone.
    #expect(try cache.scores("by_ttl").keys.sorted() == ["1", "2", "3"])
    #expect(try cache.mneme.run("vacuum", "--json").json()["leftovers"].int == 2)
    #expect(try cache.scores("by_ttl").keys.sorted() == ["2"])
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test(
    "Python evicts mneme's entries by the quota and by the total, the least recently used first",
    arguments: NativeTTL.all)
  func evict(native: NativeTTL) throws {
    let cache = try CacheFixture("evict")
    // In ten years, so that Python's own entries are the oldest.
    let later = Int(Date.now.timeIntervalSince1970) + 10 * 365 * 86_400
    for (number, second) in zip(1...5, [50, 10, 40, 20, 30]) {
      try cache.mneme.run(["put", "-n", "faq", "q\(number)", "r", "--ttl", "2h"] + native.option).expecting(0)
      try cache.mneme.run(["put", "other \(number)", "r"] + native.option).expecting(0)
      for id in [2 * number - 1, 2 * number] {
        let time = "\(later + second)"
        try cache.redis.send("HSET", cache.key("entry:\(id)"), "last_accessed_at", time)
        try cache.redis.send("ZADD", cache.key(id % 2 == 0 ? "lru:default" : "lru:faq"), time, "\(id)")
      }
    }
    let faq = try cache.python(
      """
      cache = open_cache(native=\(native.setting), namespace_quotas={"faq": 4})
      assert [*cache._store.iter_lru_ids(5, "faq")] == [3, 7, 9, 5, 1]
      assert [*cache._store.iter_lru_ids(4)] == [3, 4, 7, 8]
      cache.put("new", "r", namespace="faq")
      sorted(e.query for e in cache._store.iter_all() if e.namespace == "faq")
      """)
    // The new one is the oldest by these clocks, and one more goes.
    #expect(faq.description == #"["q1","q3","q4","q5"]"#)
    let rest = try cache.python(
      """
      cache = open_cache(native=\(native.setting), max_entries=6)
      cache.put("newer", "r", namespace="third")
      sorted(e.namespace + " " + e.query for e in cache._store.iter_all())
      """)
    #expect(rest.array?.count == 6, "\(rest)")
    #expect(try cache.mneme.run("stats", "--json").json()["entries"].int == 6)
    try cache.mneme.run("vacuum", "--json")
    #expect(try CacheCheck(cache).problems.filter { $0.kind != .danglingMember }.isEmpty)
  }

  @Test(
    "Python deletes and clears mneme's entries, and vacuum removes the leftovers",
    arguments: NativeTTL.all)
  func clear(native: NativeTTL) throws {
    let cache = try CacheFixture("clear")
    for namespace in PythonWritesTests.namespaces {
      for query in ["one", "two", "three"] {
        try cache.mneme.run(["put", "--namespace=\(namespace)", query, "r", "--ttl", "1h"] + native.option)
          .expecting(0)
      }
    }
    let cleared = try cache.python(
      """
      cache = open_cache(native=\(native.setting))
      assert cache.delete(" ONE", namespace="a:b") and not cache.delete("one", namespace="a:b")
      cache.clear_namespace("a|b"), cache.clear(), cache.list_namespaces(), cache._store.count()
      """)
    #expect(cleared.description == "[3,\(3 * PythonWritesTests.namespaces.count - 4),[],0]")
    // Members of by_ttl in our own form, which go when their time has come.
    try cache.age(by: 7200)
    try cache.mneme.run("vacuum")
    let check = try CacheCheck(cache)
    #expect(check.problems.isEmpty && check.entries.isEmpty, "\(check.problems)")
  }

  @Test("a stale-tolerant Python process sees mneme's puts, replacements and deletions")
  func staleTolerant() throws {
    let cache = try CacheFixture("stale")
    try cache.python("cache = open_cache(multi_process_mode='stale-tolerant')")
    try cache.mneme.run("put", "where is my card", "on its way")
    #expect(try cache.python("cache.get('where is my card?').response").string == "on its way")
    try cache.mneme.run("put", "where is my card", "lost")
    #expect(try cache.python("cache.get('where is my card?').response").string == "lost")
    try cache.mneme.run("delete", "where is my card")
    #expect(try cache.python("cache.get('where is my card?')").isNull)
    try cache.mneme.run("put", "how do I cook rice", "in water")
    #expect(try cache.python("cache.get('how do I cook rice?').response").string == "in water")
  }

  /// Metadata, told apart by its first bytes in a report.
  struct Metadata: CustomTestStringConvertible, Sendable {
    var text: String
    var testDescription: String { "\(text.prefix(20))…, \(text.utf8.count) bytes" }

    /// Arrays in arrays, in an object.
    static func nested(_ depth: Int) -> Metadata {
      Metadata(
        text: #"{"n":"# + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
          + "}")
    }

    static func digits(_ count: Int, sign: String = "", rest: String = "") -> Metadata {
      Metadata(text: #"{"n":\#(sign)\#(String(repeating: "9", count: count))\#(rest)}"#)
    }
  }

  @Test(
    "metadata that Python could not read, so that it could not open the cache, is refused",
    arguments: [Metadata.digits(4301), .digits(4301, sign: "-"), .nested(257), .nested(2000)])
  func unreadableMetadata(metadata: Metadata) throws {
    let cache = try CacheFixture("metadata")
    try cache.mneme.run("put", "q", "r")
    let before = try cache.dump()
    let put = try cache.mneme.run("put", "other", "r", "--metadata", metadata.text, expecting: 65)
    #expect(put.errorText.contains("the limit is"), "\(put)")
    let line = #"{"query":"other","response":"r","metadata":\#(metadata.text)}"#
    try cache.mneme.run("import", input: line, expecting: 65)
    #expect(try cache.dump() == before)
  }

  @Test(
    "the deepest metadata and the longest numbers that are stored can be read by Python",
    arguments: [
      Metadata.digits(4300), .digits(4300, sign: "-"), .digits(9000, rest: ".5"), .digits(9000, rest: "e3"),
      .nested(256),
    ])
  func readableMetadata(metadata: Metadata) throws {
    let cache = try CacheFixture("metadata")
    try cache.mneme.run("put", "q", "r", "--metadata", metadata.text)
    #expect(try cache.python("open_cache().get('q').response").string == "r")
  }
}
