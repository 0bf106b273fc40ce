import Foundation
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// Random imports, on connections that break and while others write, compared with a model of a file's meaning: Redis
/// has what the command reports.
///
/// A failure names its seed.
@Suite("Imports against a model")
struct ImportModelTests {
  static let count = Effort.rounds(8, thorough: 25)

  @Test(
    "a connection without faults: the import stores, counts and reports what the lines mean")
  func whole() throws {
    let fixture = try CacheFixture("imports")
    for seed in SeededGenerator.seeds(Self.count) {
      var random = SeededGenerator(seed: seed)
      let trial = try ImportTrial(seed, on: fixture, using: &random)
      try trial.expectEnd(of: trial.run(since: 0), since: 0)
    }
  }

  @Test(
    "a connection that breaks: the entries match the report, and a second run stores the rest")
  func broken() throws {
    // Its own server: it waits until no command is connected.
    let fixture = try CacheFixture("imports", on: RedisServer())
    for seed in SeededGenerator.seeds(Self.count) {
      var random = SeededGenerator(seed: seed, stream: 1)
      let trial = try ImportTrial(seed, on: fixture, using: &random)
      // In bytes of answers on one of the connections, which share the lines.
      let place = Int.random(in: 0...300 + 30 * trial.file.lines.count, using: &random)
      let faults: [ScriptedProxy.Script] = [
        .cut(after: place), .reset(after: place), .garbage(after: place), .stall(after: place),
        .behead(after: 6 * place),
      ]
      let fault = faults.randomElement(using: &random) ?? .none
      let times = Bool.random(using: &random) ? 1 : Int.max
      let proxy = try ScriptedProxy(to: trial.fixture.server, fault, times: times)
      let limits =
        if case .stall = fault { ["--connect-timeout", "1s", "--timeout", "1s"] } else { [String]() }
      let outcome = try trial.run(since: 0, through: proxy.url, limits)
      if [69, 75].contains(outcome.status) {
        try trial.expectRest(after: outcome, "\(fault)")
      } else {
        try trial.expectEnd(of: outcome, since: 0)
      }
    }
    // One that breaks with any numbers: the answers to so many lines are longer.
    var random = SeededGenerator(stream: 3)
    let trial = try ImportTrial(
      SeededGenerator.seed, on: fixture, using: &random, policies: ["replace"], breaks: false, count: 257)
    let proxy = try ScriptedProxy(to: fixture.server, .cut(after: 600))
    let outcome = try trial.run(since: 0, through: proxy.url)
    #expect(outcome.status == 69, "\(outcome)")
    try trial.expectRest(after: outcome, "a cut")
  }

  @Test(
    "other clients that write the same queries: every entry is complete and from one of the writers")
  func others() throws {
    let fixture = try CacheFixture("imports")
    for seed in SeededGenerator.seeds(Self.count) {
      var random = SeededGenerator(seed: seed, stream: 2)
      let trial = try ImportTrial(
        seed, on: fixture, using: &random, policies: ["replace", "skip"], breaks: false)
      let stranger = try Stranger(trial, seed: seed)
      let outcome = try trial.run(since: 0)
      try stranger.end()
      guard outcome.status == 0 else {
        Issue.record("seed \(seed): \(outcome)")
        continue
      }
      let report = try outcome.json()
      let counts = ["imported", "skipped"].map { report[$0].int ?? -1 }
      #expect(counts.reduce(0, +) == trial.file.lines.count { $0.kind != .blank }, "seed \(seed): \(outcome)")
      let answers = Dictionary(grouping: trial.file.lines.filter { $0.kind == .sound }, by: \.place)
        .mapValues { Set($0.map(\.response)) }
      for (place, entry) in try trial.entries() {
        let isOurs = answers[place]?.contains(entry.response) == true
        let isTheirs = entry.response == "theirs" || trial.before[place] == entry.response
        #expect(isOurs || isTheirs, "seed \(seed): \(place) \(entry)")
        #expect(stranger.places[entry.id].map { $0 == place } ?? true, "seed \(seed): \(place) \(entry)")
      }
      #expect(try trial.fixture.problems() == [], "seed \(seed)")
    }
  }
}

/// A file for `import`, as lines and as what they mean.
private struct ImportFile {
  struct Place: Hashable {
    var namespace: String
    var query: Int
  }

  struct Line {
    enum Kind { case sound, expired, broken, blank }
    var kind: Kind
    var place: Place
    var response: String
  }

  /// The end of a run.
  struct End {
    enum Reason: Equatable { case done, broken, conflict }
    var reason = Reason.done
    /// The line that ended it.
    var line = 0
    /// The last line that is in.
    var stored: Int
    var imported = 0
    var replaced = 0
    var skipped = 0
    /// After each transaction: the last line of it, and what is there then.
    var states: [(line: Int, entries: [Place: String])]
  }

  var lines: [Line] = []
  var policy: String

  /// - Parameter size: the number of lines; nil: any.
  init(using random: inout SeededGenerator, policies: [String], breaks: Bool, count size: Int?) {
    policy = policies.randomElement(using: &random) ?? "replace"
    let drawn =
      Bool.random(using: &random)
      ? [1, 2, 63, 64, 65, 127, 128, 129, 192, 257].randomElement(using: &random) ?? 1
      : Int.random(in: 1...400, using: &random)
    let count = size ?? drawn
    let variety = [count * 40, count, count / 2 + 1].randomElement(using: &random) ?? 1
    let namespaces = Int.random(in: 1...3, using: &random)
    let expiring = [0, 0, 5, 40].randomElement(using: &random) ?? 0
    for number in 1...count {
      let kind: Line.Kind =
        Int.random(in: 0..<100, using: &random) < expiring
        ? .expired : Int.random(in: 0..<60, using: &random) == 0 ? .blank : .sound
      lines.append(
        Line(
          kind: kind,
          place: Place(
            namespace: "n\(Int.random(in: 0..<namespaces, using: &random))",
            query: Int.random(in: 0..<variety, using: &random)),
          response: "line \(number)"))
    }
    // A whole batch of them, now and then.
    if Int.random(in: 0..<4, using: &random) == 0 {
      let start = Int.random(in: 0..<count, using: &random)
      for index in start..<min(count, start + 130) { lines[index].kind = .expired }
    }
    if breaks, Int.random(in: 0..<4, using: &random) == 0 {
      lines[Int.random(in: 0..<count, using: &random)].kind = .broken
    }
  }

  var text: [UInt8] {
    var text = ""
    for line in lines {
      switch line.kind {
      case .blank: text += " \n"
      case .broken: text += "{\"query\":\n"
      case .sound, .expired:
        let times = line.kind == .expired ? #","created_at":1000,"ttl":10"# : #","ttl":100000"#
        text +=
          #"{"namespace":"\#(line.place.namespace)","query":"q\#(line.place.query)","response":"\#(line.response)""#
          + times + "}\n"
      }
    }
    return Array(text.utf8)
  }

  /// The result of the lines after `since`, on these entries.
  func end(since: Int, on entries: [Place: String]) -> End {
    var end = End(stored: since, states: [(since, entries)])
    var batch: [(number: Int, line: Line)] = []
    var now = entries
    /// - Returns: whether to continue.
    func store() -> Bool {
      for (number, line) in batch {
        if line.kind == .expired {
          end.skipped += 1
        } else if now[line.place] == nil {
          now[line.place] = line.response
          end.imported += 1
        } else if policy == "fail" {
          (end.reason, end.line) = (.conflict, number)
          end.states.append((end.stored, now))
          return false
        } else if policy == "skip" {
          end.skipped += 1
        } else {
          now[line.place] = line.response
          end.replaced += 1
        }
        end.stored = number
      }
      batch = []
      end.states.append((end.stored, now))
      return true
    }
    for (number, line) in zip(1..., lines) where number > since && line.kind != .blank {
      if line.kind == .broken {
        if store() { (end.reason, end.line) = (.broken, number) }
        return end
      }
      if batch.count == 64, !store() { return end }
      batch.append((number, line))
    }
    _ = store()
    return end
  }
}

/// A file, and a cache on which it is imported.
private final class ImportTrial {
  typealias Place = ImportFile.Place

  let seed: UInt64
  let file: ImportFile
  let fixture: CacheFixture
  /// The entries before the import.
  let before: [Place: String]
  /// Every id that was met, with its place.
  private var places: [Int64: Place] = [:]

  init(
    _ seed: UInt64, on fixture: CacheFixture, using random: inout SeededGenerator,
    policies: [String] = ["replace", "skip", "fail"], breaks: Bool = true, count: Int? = nil
  ) throws {
    self.seed = seed
    self.fixture = try fixture.again(uniquePrefix("import"))
    let file = ImportFile(using: &random, policies: policies, breaks: breaks, count: count)
    self.file = file
    let store = try RedisStore(url: fixture.server.url, keyPrefix: self.fixture.mneme.prefix)
    defer { store.close() }
    try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
    // The cache has few, many or one of its questions, and others.
    let share = [0, 0, 1, 20].randomElement(using: &random) ?? 0
    var before = [Place(namespace: "n0", query: -1): "before"]
    for line in file.lines where Int.random(in: 0..<100, using: &random) < share {
      before[line.place] = "before"
    }
    self.before = before
    for place in before.keys { try store.insert(entry(at: place, "before")) }
    _ = try entries()
  }

  func run(since line: Int, through url: String? = nil, _ options: [String] = []) throws -> Outcome {
    let words = [
      "import", "--json", "--batch-size", "64", "--on-conflict", file.policy, "--since-line", "\(line)",
    ]
    return try (url.map { Mneme(url: $0, prefix: fixture.mneme.prefix) } ?? fixture.mneme)
      .run(words + options, input: file.text)
  }

  struct Entry {
    var id: Int64
    var response: String
  }

  /// The entries now, each id still at its place.
  func entries() throws -> [Place: Entry] {
    var entries: [Place: Entry] = [:]
    for member in try fixture.redis.send("ZRANGE", fixture.key("by_id"), "0", "-1").texts {
      let fields = try fixture.redis.send(
        "HMGET", fixture.key("entry:\(member)"), "namespace", "query", "response"
      ).texts
      guard fields.count == 3, let id = Int64(member), let query = Int(fields[1].dropFirst()) else {
        continue
      }
      let place = Place(namespace: fields[0], query: query)
      #expect(places[id].map { $0 == place } ?? true, "seed \(seed): \(id) was \(places[id]!), is \(place)")
      places[id] = place
      entries[place] = Entry(id: id, response: fields[2])
    }
    return entries
  }

  /// Expects the output and the entries of a complete run.
  /// - Parameter start: what was there when it began; nil: what was there before all.
  func expectEnd(of outcome: Outcome, since: Int, startingWith start: [Place: String]? = nil) throws {
    let end = file.end(since: since, on: start ?? before)
    let entries = try entries().mapValues(\.response)
    #expect(
      entries == end.states[end.states.count - 1].entries && said(outcome, end),
      "seed \(seed), since \(since): \(outcome)")
    #expect(try fixture.problems() == [], "seed \(seed)")
  }

  /// Expects that an interrupted run has stored what it reports, and that a second one stores the rest.
  func expectRest(after outcome: Outcome, _ fault: String) throws {
    let since = try expectState(after: outcome, fault)
    let there = try entries().mapValues(\.response)
    try expectEnd(of: run(since: since), since: since, startingWith: there)
  }

  private func said(_ outcome: Outcome, _ end: ImportFile.End) -> Bool {
    if end.reason == .done {
      guard outcome.status == 0, let report = try? outcome.json() else { return false }
      return report["imported"].int == end.imported + end.replaced && report["replaced"].int == end.replaced
        && report["skipped"].int == end.skipped && report["evicted"].int == 0
    }
    guard outcome.status == 65, let complaint = try? Complaint(json: outcome) else { return false }
    return complaint.message.contains(", line \(end.line): ")
      && (stored(complaint) ?? 0) == (complaint.remediation.hasSuffix("Nothing was stored.") ? 0 : end.stored)
  }

  private func stored(_ complaint: Complaint) -> Int? {
    complaint.remediation.firstMatch(
      of:
        #/The lines up to (\d+) (?:are stored|were acknowledged); continue with --since-line (\d+)@[0-9a-f]{8}\.\d+\./#
    )
    .flatMap { $0.1 == $0.2 ? Int($0.1) : nil }
  }

  /// Checks that an interrupted run has stored what it reports, or one transaction more if it says so.
  /// - Returns: the line after which to continue.
  private func expectState(after outcome: Outcome, _ fault: String) throws -> Int {
    let what = "seed \(seed), \(fault): \(outcome)"
    let complaint = try Complaint(json: outcome)
    let stored = stored(complaint) ?? 0
    let isUnsure = complaint.message.contains("may have been written")
    if stored == 0, complaint.message.hasPrefix("standard input") {
      let state =
        isUnsure
        ? #/(It is not known whether any is stored|import the whole file again)\.$/# : #/(stored|again)\.$/#
      #expect(complaint.remediation.firstMatch(of: state) != nil, "\(what)")
    }
    let states = file.end(since: 0, on: before).states
    let sure = try #require(states.lastIndex { $0.line <= stored }, "\(what)")
    #expect(states[sure].line == stored || stored == 0, "\(what)")
    try fixture.awaitNoOtherClients()
    let found = try entries().mapValues(\.response)
    let allowed = allowedStates(behind: states[sure].line, on: states[sure].entries, complaint)
    #expect(allowed.contains(found), "\(what)\n\(found.count) entries, not \(allowed.map(\.count))")
    #expect(try fixture.problems() == [], "\(what)")
    return stored
  }
}

extension ImportTrial {
  /// The states that are allowed if the lines up to one are in: with the batches that are reported as stored out of
  /// turn, and with or without each of those that may be.
  private func allowedStates(
    behind line: Int, on entries: [Place: String], _ complaint: Complaint
  ) -> [[Place: String]] {
    func ranges(_ text: Substring?) -> [ClosedRange<Int>] {
      (text ?? "").matches(of: #/(\d+) to (\d+)/#).compactMap { match in
        Int(match.1).flatMap { first in Int(match.2).map { first...$0 } }
      }
    }
    let said = complaint.remediation
    let sure = ranges(
      said.firstMatch(of: #/The later lines (.*?) (?:are stored|were acknowledged) too\./#)?.1)
    var unsure = ranges(said.firstMatch(of: #/The lines ([^.]*?) may be stored\./#)?.1)
    // The error's own text names the batch that failed first.
    // A batch ends before a line that cannot be read.
    let next = file.lines.indices.filter { $0 + 1 > line && file.lines[$0].kind != .blank }
      .prefix { file.lines[$0].kind != .broken }.prefix(64).map { $0 + 1 }
    if complaint.message.contains("may have been written"), let first = next.first, let last = next.last {
      unsure.append(first...last)
    }
    return (0..<1 << unsure.count).map { choice in
      let chosen = unsure.indices.filter { choice >> $0 & 1 == 1 }.map { unsure[$0] }
      var now = entries
      for range in (sure + chosen).sorted(by: { $0.lowerBound < $1.lowerBound }) {
        for line in file.lines[range.lowerBound - 1..<range.upperBound] where line.kind == .sound {
          // The lines before a conflict are stored, and nothing after it.
          if file.policy == "fail", now[line.place] != nil { return now }
          if file.policy != "skip" || now[line.place] == nil { now[line.place] = line.response }
        }
      }
      return now
    }
  }
}

private func entry(at place: ImportFile.Place, _ response: String) -> StoredEntry {
  let query = "q\(place.query)"
  return StoredEntry(
    namespace: Namespace(unchecked: place.namespace), queryHash: QueryNormalizer.queryHash(query),
    query: query,
    response: response, embedding: .empty, createdAt: systemClock(), lastAccessedAt: systemClock(), ttl: nil)
}

/// Another process's writes, on a thread. They are few, so that an import that is slow does not lose all of its 100
/// attempts at a batch to them.
private final class Stranger: Sendable {
  private let isOver = Atomic(false)
  private let failure = Mutex<(any Error)?>(nil)
  private let found = Mutex<[Int64: ImportFile.Place]>([:])
  private let thread = DispatchSemaphore(value: 0)

  /// The places of its ids.
  var places: [Int64: ImportFile.Place] { found.withLock { $0 } }

  init(_ trial: ImportTrial, seed: UInt64) throws {
    let fixture = try trial.fixture.again()
    let store = try RedisStore(url: fixture.server.url, keyPrefix: fixture.mneme.prefix)
    let places = trial.file.lines.map(\.place)
    nonisolated(unsafe) let raw = fixture
    Thread.detachNewThread { [self] in
      defer {
        store.close()
        thread.signal()
      }
      var random = SeededGenerator(seed: seed)
      do {
        for _ in 0..<150 where !isOver.load(ordering: .relaxed) {
          let place = places.randomElement(using: &random) ?? places[0]
          let namespace = Namespace(unchecked: place.namespace)
          switch Int.random(in: 0..<20, using: &random) {
          case 0..<10:
            let id = try store.insert(entry(at: place, "theirs"))
            found.withLock { $0[id.rawValue] = place }
          case 10..<14:
            let id = try store.entry(
              namespace: namespace, queryHash: QueryNormalizer.queryHash("q\(place.query)"))
            if let id { try store.remove(id: id.id) }
          case 14: try raw.redis.send("HSET", raw.key("meta"), "a stranger's", "\(random.next())")
          case 15: try store.setQuota(Bool.random(using: &random) ? nil : 100_000, for: namespace)
          case 16: try raw.redis.send("INCRBY", raw.key("next_id"), "3")
          case 17: _ = try store.removeAll(in: namespace)
          default: usleep(UInt32.random(in: 0...3000, using: &random))
          }
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }
  }

  func end() throws {
    isOver.store(true, ordering: .relaxed)
    thread.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
