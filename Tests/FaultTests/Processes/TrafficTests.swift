import Foundation
import Synchronization
import TestSupport
import Testing

/// Many parallel commands on one prefix. Each reports its work; afterwards the sums must be those in Redis.
@Suite("Traffic")
struct TrafficTests {
  static let workers = 6
  /// Commands of each worker.
  static let commands = Effort.rounds(60, thorough: 120)

  @Test(
    "parallel puts, gets, deletes, evictions, vacuums, imports and clears lose nothing, and every count adds up"
  )
  func everything() throws {
    let fixture = try CacheFixture("traffic")
    // A lookup is counted only where there is a cache.
    var first = Ledger()
    first.written += 1
    try fixture.mneme.run("put", "the first", "makes the cache")
    try fixture.mneme.run("set-quota", "crowded", "10")
    let mneme = fixture.mneme
    let ledgers = try atOnce(Self.workers) { number in
      var worker = Worker(number, mneme)
      for _ in 0..<Self.commands { try worker.act() }
      return worker.ledger
    }
    let sum = ledgers.reduce(first, +)
    // Some of the brief ones have expired now, also if all of this took less than a second.
    try fixture.age(by: 2)
    try fixture.mneme.run("vacuum", "-q")

    let problems = try fixture.problems()
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    let stats = try fixture.mneme.run("stats", "--json").json()
    let expirations = try #require(stats["expirations"].int)
    // Every entry written and removed moved the version by one, and one command reported it.
    #expect(try fixture.version() == sum.written + sum.removed + expirations, "\(sum)")
    #expect(stats["entries"].int == sum.written - sum.replaced - sum.removed - expirations, "\(sum)")
    #expect(stats["evictions"].int == sum.evicted, "\(sum)")
    let lookups = ["hits_exact", "hits_semantic", "misses"].compactMap { stats[$0].int }.reduce(0, +)
    #expect(lookups == sum.gets, "\(sum)")
    // No other worker writes these answers, so the last one is stored.
    for (number, ledger) in ledgers.enumerated() {
      for (query, answer) in ledger.own {
        let outcome = try fixture.mneme.run("get", "-n", "own \(number)", "--exact", "--peek", query)
        #expect(outcome.outputText == answer + "\n", "\(outcome)")
      }
    }
    #expect(sum.replaced > 0 && sum.evicted > 0 && sum.gets > 0 && expirations > 0 && sum.cleared > 0)
  }
}

/// The work that commands reported.
private struct Ledger: Sendable, CustomStringConvertible {
  var written = 0
  var replaced = 0
  var deleted = 0
  var cleared = 0
  var evicted = 0
  var gets = 0
  /// The last answer put for each query that is this worker's alone.
  var own: [String: String] = [:]

  /// Removed entries, without expired ones, which any command may have removed.
  var removed: Int { deleted + cleared + evicted }

  static func + (a: Ledger, b: Ledger) -> Ledger {
    Ledger(
      written: a.written + b.written, replaced: a.replaced + b.replaced, deleted: a.deleted + b.deleted,
      cleared: a.cleared + b.cleared, evicted: a.evicted + b.evicted, gets: a.gets + b.gets)
  }

  var description: String {
    "\(written) written, \(replaced) of them replacing, \(deleted) deleted, \(cleared) cleared, "
      + "\(evicted) evicted, \(gets) gets"
  }
}

/// Works on a thread where no test is known, so that an expectation would fail none: it throws.
private struct Worker {
  private let number: Int
  private let mneme: Mneme
  private var random: SeededGenerator
  private(set) var ledger = Ledger()
  private var step = 0

  init(_ number: Int, _ mneme: Mneme) {
    self.number = number
    self.mneme = mneme
    random = SeededGenerator(stream: UInt64(number + 1))
  }

  mutating func act() throws {
    step += 1
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<4: try put(namespace: "own \(number)", query: "mine \(Int.random(in: 0..<5, using: &random))")
    case 4..<7: try put(namespace: "shared", query: query())
    case 7: try put(namespace: "brief", query: query(), options: ["--ttl", "1s"])
    case 8..<10: try put(namespace: "crowded", query: "query \(number) \(step)")
    case 10..<13: try get(namespace: "shared")
    case 13: try get(namespace: "brief")
    case 14..<16: try delete()
    case 16: try bulk()
    case 17: try clear()
    default: try vacuum()
    }
  }

  /// A vacuum between a put and its eviction evicts in its place.
  private mutating func vacuum() throws {
    ledger.evicted += try mneme.run(["vacuum", "--json"]).expecting(0).json()["evicted"].int ?? 0
  }

  private mutating func query() -> String { "query \(Int.random(in: 0..<12, using: &random))" }

  private mutating func put(namespace: String, query: String, options: [String] = []) throws {
    let answer = "answer of \(number), step \(step)"
    let report = try mneme.run(["put", "--json", "-n", namespace] + options + [query, answer])
      .expecting(0).json()
    ledger.written += 1
    ledger.replaced += report["replaced"].bool == true ? 1 : 0
    ledger.evicted += report["evicted"].int ?? 0
    if namespace.hasPrefix("own") { ledger.own[query] = answer }
  }

  private mutating func get(namespace: String) throws {
    let query = query()
    let outcome = try mneme.run(["get", "--json", "--exact", "-n", namespace, query])
    let report = try outcome.json()
    let isHit = report["hit"].bool == true
    guard outcome.status == (isHit ? 0 : 1), !isHit || report["query"].string == query else {
      throw Unexpected("an answer to the query, or status 1", of: outcome)
    }
    ledger.gets += 1
  }

  private mutating func delete() throws {
    let outcome = try mneme.run(["delete", "--json", "-n", "shared", query()])
    guard [0, 1].contains(outcome.status) else { throw Unexpected("status 0 or 1", of: outcome) }
    ledger.deleted += try outcome.json()["deleted"].array?.count ?? 0
  }

  private mutating func bulk() throws {
    let first = Int.random(in: 0..<6, using: &random)
    let lines = importLines(first..<first + 6, namespace: "shared", by: "import \(number).\(step)")
    let outcome = try mneme.run(["import", "--json"], input: lines).expecting(0)
    let report = try outcome.json()
    let (imported, replaced) = (report["imported"].int ?? 0, report["replaced"].int ?? 0)
    guard imported == 6 else { throw Unexpected("6 entries", of: outcome) }
    ledger.written += imported
    ledger.replaced += replaced
    ledger.evicted += report["evicted"].int ?? 0
  }

  private mutating func clear() throws {
    let outcome = try mneme.run(["clear", "--yes", "--json", "shared"])
    // 1: another worker has cleared the namespace, or nothing has been put there yet.
    guard [0, 1].contains(outcome.status) else { throw Unexpected("status 0 or 1", of: outcome) }
    let report = try outcome.json()
    ledger.cleared += report["cleared"].array?.compactMap { $0["entries"].int }.reduce(0, +) ?? 0
  }
}
