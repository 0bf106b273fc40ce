import Foundation
import TestSupport
import Testing

/// An hour's traffic in a minute: programs of both languages put, get, delete, evict and vacuum on one prefix.
@Suite(.needsPythonPeer, .thorough, .serialized) struct TrafficTests {
  /// The damage that Python's own races leave, and how.
  static let racesOfPython: [CacheCheck.Kind: String] = [
    .damagedEntry:
      "a hit on an entry that is being deleted, or that expires, makes a hash of the two fields of a touch",
    .shadowedEntry: "two who put one new question each take an id, and the hash key goes to the later one",
    .unindexedEntry: "who deletes a shadowed entry deletes the hash key, which is the other's",
    .danglingMember: "native expiry, and a replacement that stays, leave members of the indexes",
    .danglingHashKey: "native expiry leaves the hash key",
    .wrongMember: "a replacement writes its own member of by_ttl in addition to one in the other form",
    .wrongNamespace:
      "a namespace is taken off the list after the transaction that emptied it, and by nobody when Redis does",
  ]

  /// The result of a run of traffic.
  struct Report {
    var pythonDid = 0
    var pythonFailed: [String: Int] = [:]
    var oursDid = 0
    /// Faults: another question's answer, a version that fell, a command that failed.
    var faults: [String] = []
  }

  @Test("mneme alone leaves no damage, with any mix of processes")
  func oursAlone() throws {
    let cache = try CacheFixture("ours")
    let report = try run(on: cache, python: 0, ours: 3, seconds: 8)
    #expect(report.faults.isEmpty, "\(report.faults.count): \(report.faults.prefix(5))")
    #expect(report.oursDid > 0)
    try sleepPastExpiry()
    // Only leftovers of Redis's own expiry, which --native-ttl asks for, are allowed.
    let expired: Set<CacheCheck.Kind> = [.danglingMember, .wrongNamespace]
    let before = try CacheCheck(cache)
    #expect(before.problems.allSatisfy { expired.contains($0.kind) }, "\(before.problems)")
    try cache.mneme.run("vacuum", "--repair")
    #expect(try CacheCheck(cache).problems.isEmpty)
    try expectSameCounts(cache)
  }

  @Test(
    "Python and mneme together: no answer to another query, no decrease of the version, and after a repair a valid cache with equal counts"
  )
  func together() throws {
    let alone = try CacheFixture("python")
    let python = try run(on: alone, python: 3, ours: 0, seconds: 8)
    #expect(python.faults.isEmpty, "\(python.faults.count): \(python.faults.prefix(5))")
    let cache = try CacheFixture("both")
    let both = try run(on: cache, python: 3, ours: 3, seconds: 20)
    #expect(both.faults.isEmpty, "\(both.faults.count): \(both.faults.prefix(5))")
    #expect(both.pythonDid > 0 && both.oursDid > 0)
    try sleepPastExpiry()

    let lasting = try [alone, cache].map { try CacheCheck($0) }
    for (check, what) in zip(lasting, ["Python alone", "both"]) {
      let kinds = check.counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key.rawValue)" }
      print("traffic, \(what): \(check.entries.count) entries, \(kinds.joined(separator: ", "))")
      #expect(check.problems.allSatisfy { Self.racesOfPython[$0.kind] != nil }, "\(check.problems)")
    }
    print(
      "traffic: \(both.pythonDid) calls of Python, \(both.oursDid) of mneme; raised: \(both.pythonFailed)")

    for cache in [alone, cache] {
      try cache.mneme.run("vacuum", "--repair")
      let check = try CacheCheck(cache)
      #expect(check.problems.isEmpty, "\(check.problems)")
      try cache.mneme.run("inspect-keys", "--check")
      try expectSameCounts(cache)
    }
  }

  // MARK: Traffic

  private func run(on cache: CacheFixture, python: Int, ours: Int, seconds: Int) throws -> Report {
    try cache.python("open_cache().close()")
    let environment = Mneme.plainEnvironment.merging([
      "MNEME_URL": cache.mneme.url, "MNEME_KEY_PREFIX": cache.prefix,
    ]) { $1 }
    let peers = try (0..<python).map { number in
      try PythonPeer.start("traffic.py", cache.mneme.url, cache.prefix, "\(number)", "\(seconds)")
    }
    let operators = try (0..<ours).map { number in
      try ChildProcess(
        [Repository.top + "/Tests/Interop/traffic", Mneme.binary, "\(number)", "\(seconds)"],
        environment: environment)
    }
    var report = Report()
    try watchVersion(of: cache, seconds: seconds, &report)
    for peer in peers {
      let outcome = try peer.finish(within: .seconds(seconds + 300)).expecting(0)
      let json = try outcome.json()
      report.faults += (json["wrong"].array ?? []).compactMap(\.string)
      report.faults += (json["backward"].array ?? []).map { "the version fell, as Python saw it: \($0)" }
      for name in json["done"].keys ?? [] { report.pythonDid += json["done"][name].int ?? 0 }
      for name in json["failed"].keys ?? [] {
        report.pythonFailed[name, default: 0] += json["failed"][name].int ?? 0
      }
    }
    for process in operators {
      let lines = try process.finish(within: .seconds(seconds + 300)).expecting(0).outputLines
      // An entry of two fields, which a race of Python's leaves, is reported by an export, which continues.
      let isTruth = { (line: String) in
        line.starts(with: "status 65: export") && line.contains("lacks the field 'namespace'")
      }
      report.faults += lines.dropLast().filter { python == 0 || !isTruth($0) }
      report.oursDid += lines.last.flatMap { Int($0.replacing(" commands", with: "")) } ?? 0
    }
    return report
  }

  private func watchVersion(of cache: CacheFixture, seconds: Int, _ report: inout Report) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    var last: Int64 = 0
    while ContinuousClock.now < end {
      let version = try cache.redis.send("GET", cache.key("version")).integer ?? 0
      if version < last { report.faults.append("the version fell from \(last) to \(version)") }
      last = Int64(version)
      usleep(1000)
    }
  }

  /// The longest time to live that the traffic gives is two seconds.
  private func sleepPastExpiry() throws { sleep(3) }

  /// Entries, namespaces and what is in each, as Python, mneme and a look at the keys count them.
  private func expectSameCounts(_ cache: CacheFixture) throws {
    let check = try CacheCheck(cache)
    let python = try cache.python(
      """
      cache = open_cache()
      names = cache.list_namespaces()
      cache._store.count(), cache._index.size, cache.stats().entries, names, [cache._store.count(n) for n in names]
      """)
    let stats = try cache.mneme.run("stats", "--json").json()
    for place in 0..<3 { #expect(python[place].int == check.entries.count, "\(python)") }
    #expect(stats["entries"].int == check.entries.count)
    let rows = (stats["namespaces"].array ?? []).filter { $0["entries"].int != 0 }
    #expect(rows.map { $0["namespace"].string } == python[3].array?.map(\.string))
    #expect(rows.map { $0["entries"].int } == python[4].array?.map(\.int))
    #expect(try cache.mneme.run("export", "--no-settings").jsonLines().count == check.entries.count)
  }
}
