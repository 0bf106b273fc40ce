import Mneme

/// What to look at, and how closely.
public struct KeySurveyOptions: Sendable {
  /// How many keys of each family have their memory measured.
  public enum Sample: Sendable, Hashable {
    case count(Int)
    case all
  }

  /// Only keys of this namespace, and the entries in it; nil: every key of the prefix.
  public var namespace: Namespace?
  /// Only keys of this family; nil: every one.
  public var family: KeyFamily?
  /// 100 keys of each family unless set.
  public var sample = Sample.count(100)
  /// How many of the largest keys to name, among those that were measured.
  public var top = 0
  /// Asked before each page; true ends the survey with what it has.
  public var shouldStop: @Sendable () -> Bool = { false }
  /// Called with the number of keys seen so far.
  public var progress: @Sendable (Int) -> Void = { _ in }

  public init() {}
}

/// One key, as it was seen.
public struct KeyRecord: Sendable, Equatable {
  /// The name, as bytes: a neighbour's need not be text.
  public var key: [UInt8]
  /// nil for a key that is no part of the layout.
  public var family: KeyFamily?
  /// As Redis's `TYPE` names it.
  public var type: String
  /// Seconds that Redis gives it, rounded up; nil: for ever.
  public var ttl: Seconds?
  /// nil where it was not measured.
  public var memoryBytes: Int?
  /// It was to be measured, and the server keeps `MEMORY` from this user or from everyone.
  public var memoryIsWithheld = false
  /// nil for keys of the cache as a whole, and for entries unless a namespace was asked for.
  public var namespace: Namespace?
}

/// The keys of a prefix by family.
public struct KeySurvey: Sendable, Equatable {
  /// A family's share.
  public struct Family: Sendable, Equatable {
    /// nil stands for the keys that are no part of the layout.
    public var family: KeyFamily?
    /// The types that were seen, sorted; more than one, or another than the layout's, is damage.
    public var types: [String] = []
    /// How many there are.
    public var keys = 0
    /// How many of them Redis itself will expire.
    public var withTTL = 0
    /// Measured, or scaled up from a sample; nil where the server does not tell.
    public var memoryBytes: Int?
    /// Whether the memory of each of the keys was measured.
    public var memoryIsExact = true
  }

  /// How many were seen.
  public var keys = 0
  /// In the order of `KeyFamily`, the unknown ones last; only those that have keys.
  public var families: [Family] = []
  /// The first of the keys that are no part of the layout, at most `unknownLimit`.
  public var unknown: [[UInt8]] = []
  /// The largest keys that were measured, largest first.
  public var largest: [KeyRecord] = []
  /// Whether each key's memory was measured.
  public var memoryIsExact = true
  /// The server keeps `MEMORY` from this user or from everyone.
  public var memoryIsWithheld = false
  /// Whether every key was seen.
  public var complete = true
  /// The server keeps `SCAN` from this user or from everyone: seen are the keys that the cache's indexes name.
  public var scanIsWithheld = false

  /// How many unknown keys are named.
  public static let unknownLimit = 100

  /// nil where the server does not tell.
  public var memoryBytes: Int? {
    families.reduce(0) { sum, family in sum.flatMap { sum in family.memoryBytes.map { sum + $0 } } }
  }
}

/// How a walk over keys ended.
public struct KeyWalk: Sendable, Equatable {
  /// Whether it came to its end.
  public var complete = true
  /// As in `KeySurvey`.
  public var scanIsWithheld = false
}

extension RedisStore {
  /// Goes through the keys of the prefix with `SCAN`, a page at a time, and measures a sample of each family.
  ///
  /// `SCAN` walks the whole server, neighbours' keys too, without reading them. A key that is written or removed
  /// meanwhile may be missed or, while Redis resizes its table, seen twice. Where the server withholds `SCAN` it goes
  /// through the keys that the cache's indexes name, and the survey says so.
  public func surveyKeys(_ options: KeySurveyOptions) throws -> KeySurvey {
    var tally = SurveyTally(options)
    let walk = try forEachKey(options, measuring: options.sample == .all) { record in
      tally.add(record)
    }
    try measureSamples(&tally)
    return tally.survey(walk)
  }

  /// Hands over each key of the prefix that the options let pass, one or more times. Whose cache it is plays no part, so
  /// a damaged one can be looked at too.
  /// - Parameter measuring: ask for the memory of each.
  @discardableResult
  public func forEachKey(
    _ options: KeySurveyOptions, measuring: Bool, _ body: (KeyRecord) throws -> Void
  ) throws -> KeyWalk {
    try checkOpen()
    var walk = KeyWalk()
    var seen = 0
    func handle(_ page: KeyPages.Page) throws {
      for record in records(in: page, options, measuring: measuring) { try body(record) }
      seen += page.keys.count
      options.progress(seen)
      if !page.isLast, options.shouldStop() { throw Stopped() }
    }
    let pages = KeyPages(self, options, measuring: measuring)
    do {
      if options.shouldStop() { throw Stopped() }
      do {
        try forEachReadAhead(pages.next, handle)
      } catch is ScanWithheld {
        walk.scanIsWithheld = true
        try forEachNamedKey(options.family) { try handle(pages.page(of: $0)) }
      }
    } catch is Stopped {
      walk.complete = false
    }
    return walk
  }

  private func records(in page: KeyPages.Page, _ options: KeySurveyOptions, measuring: Bool) -> [KeyRecord] {
    var next = page.replies.makeIterator()
    return zip(page.keys, page.names).compactMap { key, name in
      guard let type = next.next()?.string, let ttl = next.next()?.integer else { return nil }
      let memory = measuring ? next.next() : nil
      var namespace = name?.namespace
      if options.namespace != nil, name?.family == .entry {
        namespace = next.next()?.string.flatMap { try? Namespace($0) }
      }
      // Gone between the scan and the question.
      guard type != "none", options.namespace == nil || namespace == options.namespace else { return nil }
      return KeyRecord(
        key: key, family: name?.family, type: type,
        ttl: ttl < 0 ? nil : Seconds(ttl / 1000 + (ttl % 1000 > 0 ? 1 : 0)),
        memoryBytes: memory?.size,
        memoryIsWithheld: memory?.error?.isWithholding == true, namespace: namespace)
    }
  }

  /// Of how many members Redis looks at the size: every field of an entry, and of an index, whose members are much alike,
  /// so few that a million of them do not hold the server up.
  fileprivate static let nestedSamples = 100

  /// Measures the keys that were drawn. A server that withholds `MEMORY` leaves the figures out.
  private func measureSamples(_ tally: inout SurveyTally) throws {
    for family in tally.families.keys {
      let keys = tally.families[family]?.drawn ?? []
      try inSlices(keys, of: Batch.keys) { batch in
        let replies = try client.read(
          pipeline {
            for record in batch { $0.append("MEMORY", "USAGE", record.key, "SAMPLES", Self.nestedSamples) }
          },
          tolerating: true)
        for (var record, reply) in zip(batch, replies) {
          record.memoryBytes = reply.size
          record.memoryIsWithheld = reply.error?.isWithholding == true
          tally.measure(record)
        }
      }
    }
  }
}

/// Whoever asked for a walk wants no more of it.
private struct Stopped: Error {}

/// The server keeps `SCAN` from this user or from everyone.
private struct ScanWithheld: Error {}

/// The pages of a walk over keys. Used by one thread at a time.
private final class KeyPages: @unchecked Sendable {
  struct Page: Sendable {
    var keys: [[UInt8]]
    /// What each is in the layout.
    var names: [ParsedKey?]
    /// The answers about each in turn, and where there is another page that to `SCAN`.
    var replies: Replies
    var isLast: Bool
  }

  private static let start = [UInt8(ascii: "0")]

  private let store: RedisStore
  private let options: KeySurveyOptions
  private let measuring: Bool
  private let pattern: [UInt8]
  private var cursor = KeyPages.start
  /// What the last `SCAN` found; nil before the first.
  private var keys: [[UInt8]]?
  private var isAtEnd = false

  init(_ store: RedisStore, _ options: KeySurveyOptions, measuring: Bool) {
    (self.store, self.options, self.measuring) = (store, options, measuring)
    pattern = options.family.map { store.layout.pattern($0, namespace: nil) } ?? store.layout.everyKey
  }

  /// One round trip, and one more for the first: the questions about a page of keys, and the `SCAN` for the next.
  @Sendable func next() throws -> Page? {
    if isAtEnd { return nil }
    if keys == nil {
      let found = try store.client.read(store.pipeline { appendScan(to: &$0) }, tolerating: true)
      if found[0].error?.isWithholding == true { throw ScanWithheld() }
      try take(found[0])
    }
    let asked = keys ?? []
    let names = asked.map(store.layout.parse)
    isAtEnd = cursor == Self.start
    var request = Pipeline()
    for (key, name) in zip(asked, names) { appendQuestions(about: key, name, to: &request) }
    if !isAtEnd { appendScan(to: &request) }
    let replies = try store.client.read(request, tolerating: true)
    if !isAtEnd { try take(replies[replies.count - 1]) }
    return Page(keys: asked, names: names, replies: replies, isLast: isAtEnd)
  }

  /// One round trip, about keys that were found otherwise.
  func page(of keys: [[UInt8]]) throws -> Page {
    let names = keys.map(store.layout.parse)
    var request = Pipeline()
    for (key, name) in zip(keys, names) { appendQuestions(about: key, name, to: &request) }
    return Page(
      keys: keys, names: names, replies: try store.client.read(request, tolerating: true), isLast: false)
  }

  private func appendScan(to pipeline: inout Pipeline) {
    pipeline.append("SCAN", cursor, "MATCH", pattern, "COUNT", Batch.page)
  }

  private func take(_ reply: Reply) throws {
    if let error = reply.error { throw store.client.translate(error, command: "SCAN", key: nil) }
    let page = try reply.elements(expecting: 2)
    cursor = page[0].bytes
    keys = page[1].elements.map(\.bytes)
  }

  private func appendQuestions(about key: [UInt8], _ name: ParsedKey?, to pipeline: inout Pipeline) {
    pipeline.append("TYPE", key)
    pipeline.append("PTTL", key)
    if measuring { pipeline.append("MEMORY", "USAGE", key, "SAMPLES", RedisStore.nestedSamples) }
    if options.namespace != nil, name?.family == .entry {
      pipeline.append("HGET", key, EntryField.namespace)
    }
  }
}

/// Adds records up, keeping a random sample of each family (Vitter's algorithm R) rather than all the names.
private struct SurveyTally {
  struct Family {
    var survey: KeySurvey.Family
    var types: Set<String> = []
    var drawn: [KeyRecord] = []
    var measured = 0
    var measuredBytes = 0.0
  }

  private let options: KeySurveyOptions
  var families: [KeyFamily?: Family] = [:]
  private var unknown: [[UInt8]] = []
  private var largest: [KeyRecord] = []
  private var isWithheld = false

  init(_ options: KeySurveyOptions) { self.options = options }

  mutating func add(_ record: KeyRecord) {
    var family = families[record.family] ?? Family(survey: .init(family: record.family))
    family.survey.keys += 1
    family.types.insert(record.type)
    if record.ttl != nil { family.survey.withTTL += 1 }
    if case .count(let size) = options.sample, size > 0 {
      if family.drawn.count < size {
        family.drawn.append(record)
      } else {
        let place = Int.random(in: 0..<family.survey.keys)
        if place < size { family.drawn[place] = record }
      }
    }
    families[record.family] = family
    if record.memoryBytes != nil || record.memoryIsWithheld { measure(record) }
    if record.family == nil, unknown.count < KeySurvey.unknownLimit { unknown.append(record.key) }
  }

  mutating func measure(_ record: KeyRecord) {
    isWithheld = isWithheld || record.memoryIsWithheld
    guard let bytes = record.memoryBytes else { return }
    families[record.family]?.measured += 1
    families[record.family]?.measuredBytes += Double(bytes)
    guard options.top > 0 else { return }
    let place = largest.firstIndex { ($0.memoryBytes ?? 0) < bytes } ?? largest.count
    largest.insert(record, at: place)
    if largest.count > options.top { largest.removeLast() }
  }

  func survey(_ walk: KeyWalk) -> KeySurvey {
    var survey = KeySurvey()
    (survey.complete, survey.scanIsWithheld) = (walk.complete, walk.scanIsWithheld)
    survey.memoryIsWithheld = isWithheld
    survey.unknown = unknown
    survey.largest = largest
    for family in KeyFamily.allCases.map(Optional.some) + [nil] {
      guard let tallied = families[family] else { continue }
      var row = tallied.survey
      row.types = tallied.types.sorted()
      if tallied.measured > 0 {
        // A double holds every sum of bytes that a server can have to the byte, and any that one can make up.
        let bytes = tallied.measuredBytes / Double(tallied.measured) * Double(row.keys)
        row.memoryBytes = Int(min(bytes.rounded(), Double(Reply.largestSize)))
      }
      row.memoryIsExact = tallied.measured == row.keys
      survey.memoryIsExact = survey.memoryIsExact && row.memoryIsExact
      survey.keys += row.keys
      survey.families.append(row)
    }
    return survey
  }
}
