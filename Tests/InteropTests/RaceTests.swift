import TestSupport
import Testing

/// The damage that races between Python processes leave, each made to happen, and repaired by us.
@Suite(.needsPythonPeer) struct RaceTests {
  /// The actions of two processes, `one` and `two`, at the same time.
  struct Race: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var python: String
    var leaves: Set<CacheCheck.Kind>
    /// The answer to `q` when all is repaired; nil for a miss.
    var answer: String?
  }

  static let races = [
    Race(
      testDescription: "two put one new question, and each takes an id",
      python: """
        before("incr", one, lambda: two.put("q", "second"))
        one.put("q", "first")
        """, leaves: [.shadowedEntry], answer: "first"),
    Race(
      testDescription: "the shadowed entry is deleted, and the hash key of the other with it",
      python: """
        before("incr", one, lambda: two.put("q", "second"))
        one.put("q", "first")
        one._store.delete_by_id(1)
        """, leaves: [.unindexedEntry], answer: "first"),
    Race(
      testDescription: "a hit on an entry that is being deleted makes a hash of two fields",
      python: """
        one.put("q", "gone")
        before("pipeline", one, lambda: two.delete("q"))
        one.get("q")
        """, leaves: [.damagedEntry], answer: nil),
    Race(
      testDescription: "a put into a namespace that is just being emptied is taken off the list",
      python: """
        one.put("old", "r")
        before("srem", one, lambda: two.put("q", "kept"))
        one.delete("old")
        """, leaves: [.wrongNamespace], answer: "kept"),
    Race(
      testDescription: "a replacement that stays keeps the old member of by_ttl",
      python: """
        one.put("q", "mortal", ttl=3600)
        two.put("q", "lasting")
        """, leaves: [.danglingMember], answer: "lasting"),
  ]

  @Test(
    "each race leaves its known damage, which a check names and a repair repairs",
    arguments: races)
  func race(race: Race) throws {
    let cache = try CacheFixture("race")
    try cache.python("one, two = open_cache(native=False), open_cache(native=False)\n" + race.python)
    let damage = try CacheCheck(cache)
    #expect(Set(damage.problems.map(\.kind)) == race.leaves, "\(damage.problems)")

    let check = try cache.mneme.run("inspect-keys", "--check", "--json", expecting: 1).json()
    #expect((check["problems"].array ?? []).isEmpty == false)
    try cache.mneme.run("vacuum", "--repair")
    #expect(try CacheCheck(cache).problems.isEmpty)
    try cache.mneme.run("inspect-keys", "--check")
    let served = try cache.mneme.run(["get", "--exact", "q"])
    #expect(served.status == (race.answer == nil ? 1 : 0), "\(served)")
    #expect(served.outputText == (race.answer.map { $0 + "\n" } ?? ""))
    let python = try cache.python("[hit and hit.response for hit in [open_cache().get('q')]]")
    #expect(python[0].string == race.answer)
  }

  @Test("a replacement by Python leaves mneme's member of by_ttl until it is due or a repair removes it")
  func memberOfOurs() throws {
    let cache = try CacheFixture("members")
    try cache.mneme.run("put", "q", "ours", "--ttl", "1h")
    try cache.python("open_cache(native=False).put('q', 'theirs', ttl=7200)")
    #expect(try CacheCheck(cache).problems.map(\.kind) == [.wrongMember])
    try cache.mneme.run("vacuum", "--repair")
    #expect(try CacheCheck(cache).problems.isEmpty)
    #expect(try cache.mneme.run("get", "q").outputText == "theirs\n")
  }
}
