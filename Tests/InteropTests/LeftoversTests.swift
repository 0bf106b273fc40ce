import Foundation
import TestSupport
import Testing

/// The leftovers of Redis's own expiry, which the Python library's `vacuum()` does not see.
@Suite(.needsPythonPeer) struct LeftoversTests {
  /// The contents of a cache at one moment, in numbers.
  struct Tally: Equatable {
    var entries = 0
    var hashKeys = 0
    var byID = 0
    var lru = 0
    var byTTL = 0
    /// The result of Python's `count()`.
    var pythonCount = 0

    init(_ cache: CacheFixture) throws {
      for key in try cache.dump().keys {
        let name = String(decoding: key.name, as: UTF8.self).dropFirst(cache.prefix.count + 1)
        if name.hasPrefix("entry:") { entries += 1 }
        if name.hasPrefix("hash:") { hashKeys += 1 }
        if name == "by_id" { byID = key.content.count / 2 }
        if name == "by_ttl" { byTTL = key.content.count / 2 }
        if name.hasPrefix("lru:") { lru += key.content.count / 2 }
      }
      pythonCount = try cache.python("cache._store.count()").int ?? -1
    }

    func row(_ moment: String) -> String {
      "\(moment)@\(entries)@\(hashKeys)@\(byID)@\(lru)@\(byTTL)@\(pythonCount)"
    }
  }

  @Test(
    "vacuum removes what Python's vacuum leaves for ever: index members and hash keys of entries that Redis has expired"
  )
  func table() throws {
    let cache = try CacheFixture("leftovers")
    // A process that closes leaves its counters, which are not leftover.
    try cache.python(
      """
      cache = open_cache(Scattered("application:own"))
      for number in range(1000):
          cache.put(f"question {number}", "answer", namespace=f"tenant {number % 4}", ttl=None if number % 4 == 0 else 3600)
      """)
    let filled = try Tally(cache)
    #expect(filled.hashKeys == 1000 && filled.byID == 1000)

    try cache.age(by: 7200)
    _ = try cache.redis.pipeline(
      (1...1000).map { ["PEXPIRE", cache.key("entry:\($0)"), "1", "XX"].map { Array($0.utf8) } })
    try eventually("Redis has expired them") { try Tally(cache).entries == 250 }
    let expired = try Tally(cache)
    #expect(expired.hashKeys == 1000 && expired.byID == 1000 && expired.lru == 1000 && expired.byTTL == 750)
    #expect(expired.pythonCount == 1000)

    #expect(try cache.python("cache.vacuum()").int == 0)
    let afterPython = try Tally(cache)
    #expect(afterPython == expired)

    let dry = try cache.mneme.run("vacuum", "--dry-run", "--json").json()
    #expect(dry["leftovers"].int == 750)
    #expect(try Tally(cache) == afterPython)

    let report = try cache.mneme.run("vacuum", "--json").json()
    #expect(report["expired"].int == 0)
    #expect(report["leftovers"].int == 750)
    let afterOurs = try Tally(cache)
    #expect(
      afterOurs.entries == 250 && afterOurs.hashKeys == 250 && afterOurs.byID == 250 && afterOurs.lru == 250)
    #expect(afterOurs.byTTL == 0 && afterOurs.pythonCount == 250)
    #expect(try cache.python("cache.list_namespaces()").description == #"["tenant 0"]"#)
    #expect(try CacheCheck(cache).problems.isEmpty)
    #expect(try cache.mneme.run("vacuum", "--json").json()["leftovers"].int == 0)

    let rows = [
      filled.row("filled"), expired.row("expired by Redis"),
      afterPython.row("after Python's vacuum()"), afterOurs.row("after mneme vacuum"),
    ]
    // `Tests/Interop/leftovers` prints them from here.
    print(rows.joined(separator: "\n"))
    let page = try Documents.manual("mneme-keys.7")
    #expect(page.contains(rows.joined(separator: "\n")), "mneme-keys(7) shows other figures")
  }

  @Test("leftovers of mneme's own native expiry are removed in the same way")
  func ours() throws {
    let cache = try CacheFixture("leftovers")
    for number in 1...8 { try cache.mneme.run("put", "q\(number)", "r", "--ttl", "1s", "--native-ttl") }
    try cache.mneme.run("put", "-n", "other", "stays", "r")
    sleep(2)
    try cache.python("cache = open_cache()")
    let expired = try Tally(cache)
    #expect(expired.entries == 1 && expired.hashKeys == 1)
    #expect(expired.byID == 9 && expired.lru == 9 && expired.byTTL == 8 && expired.pythonCount == 9)
    #expect(try cache.mneme.run("vacuum", "--json").json()["leftovers"].int == 8)
    #expect(try Tally(cache).pythonCount == 1)
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("a query whose entry Redis has expired is a miss, can be put again, and has nothing of the old entry")
  func again() throws {
    let cache = try CacheFixture("again")
    try cache.python("cache = open_cache()\ncache.put('q', 'old', ttl=1)\ncache.put('q2', 'old', ttl=1)")
    sleep(2)
    try cache.mneme.run("get", "q", expecting: 1)
    let json = try cache.mneme.run("put", "q", "new", "--json").json()
    #expect(json["replaced"].bool == false)
    #expect(try cache.python("cache.get('q').response").string == "new")
    try cache.python("cache.put('q2', 'new', ttl=3600)")
    #expect(try cache.mneme.run("get", "--exact", "q2").outputText == "new\n")
    #expect(try cache.mneme.run("vacuum", "--json").json()["leftovers"].int == 0)
    #expect(try CacheCheck(cache).problems.isEmpty)
    #expect(try cache.mneme.run("stats", "--json").json()["entries"].int == 2)
  }

  @Test("a Python reader has a semantic hit for an entry that is put again after Redis has expired it")
  func againByMeaning() throws {
    let cache = try CacheFixture("again")
    try cache.python(
      """
      cache = open_cache()
      cache.put('where is my card', 'old', ttl=1)
      cache.put('how do I cook rice', 'in water')
      reader = open_cache(multi_process_mode='stale-tolerant')
      """)
    sleep(2)
    // It drops what it finds expired, and later asks for higher ids alone.
    #expect(try cache.python("reader.get('where is my card?')").isNull)
    let id = try cache.mneme.run("put", "where is my card", "new", "--json").json()["id"].int
    #expect(id == 3)
    #expect(try cache.python("reader.get('where is my card?').response").string == "new")
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("an entry that Python replaces by one without a time to live still expires by the old native expiry")
  func inheritedExpiry() throws {
    // Why --native-ttl is not the default: Python's put leaves the expiry of the key on it.
    let cache = try CacheFixture("inherited")
    func lifetime(of key: String) throws -> Int64 {
      try cache.redis.send("TTL", cache.key(key)).integer ?? -2
    }
    try cache.mneme.run("put", "q", "ours", "--ttl", "1h", "--native-ttl")
    try cache.mneme.run("put", "safe", "ours", "--ttl", "1h")
    try cache.python("cache = open_cache()\ncache.put('q', 'theirs')\ncache.put('safe', 'theirs')")
    // The hour is over, for those that have an expiry still.
    for key in ["entry:1", "entry:2"] where try lifetime(of: key) > 0 {
      try cache.redis.send("PEXPIRE", cache.key(key), "1")
    }
    try eventually("Redis has expired it") { try lifetime(of: "entry:1") == -2 }
    #expect(
      try cache.python("[cache.get(q) and cache.get(q).response for q in ('q', 'safe')]").description
        == "[null,\"theirs\"]")
    // The other way about, replacing takes the expiry with it.
    try cache.python("cache.put('back', 'theirs', ttl=3600)")
    #expect(try lifetime(of: "entry:3") > 0)
    try cache.mneme.run("put", "back", "ours")
    #expect(try lifetime(of: "entry:3") == -1)
    #expect(try cache.mneme.run("get", "--exact", "back").outputText == "ours\n")
    // In the index too the hours are over.
    for member in try cache.scores("by_ttl").keys {
      try cache.redis.send("ZADD", cache.key("by_ttl"), "1", member)
    }
    try cache.mneme.run("vacuum")
    #expect(try CacheCheck(cache).problems.isEmpty)
  }
}
