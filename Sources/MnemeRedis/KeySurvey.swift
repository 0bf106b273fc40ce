import Mneme

/// The keys to survey, and the number of samples.
package struct KeySurveyOptions {
  /// The number of keys of each family whose memory is measured.
  package enum Sample: Sendable, Hashable {
    case count(Int)
    case all
  }

  /// The namespace whose keys and entries are surveyed; nil for every key of the prefix.
  package var namespace: Namespace?
  /// Whether to read the namespace of each entry even if the survey is not limited to one.
  package var namesNamespaces = false
  /// The family whose keys are surveyed; nil for all.
  package var family: KeyFamily?
  /// The size of the sample; 100 keys of each family by default.
  package var sample = Sample.count(100)
  /// The number of largest keys to list, among those that were measured.
  package var top = 0
  /// The control. If it stops the survey, the result covers the keys seen by then. Progress counts keys.
  package var control = WorkControl()

  package init() {}
}

/// One key, as it was seen.
package struct KeyRecord: Sendable, Equatable {
  /// The name as bytes, since that of another program's key need not be valid UTF-8.
  package var key: [UInt8]
  /// The family; nil for a foreign key.
  package var family: KeyFamily?
  /// The type as Redis's `TYPE` names it.
  package var type: String
  /// The TTL in Redis, rounded up to seconds; nil if it has none.
  package var ttl: Seconds?
  /// The memory use; nil if it was not measured.
  package var memoryBytes: Int?
  /// Whether it could not be measured, because the server does not permit `MEMORY`.
  package var memoryIsNotPermitted = false
  /// The namespace; nil for keys of the whole cache, and for entries unless it was requested.
  package var namespace: Namespace?
  /// The prefix of another cache that the key belongs to; nil for one of this cache, or of none.
  package var otherCache: [UInt8]?
}

/// The keys of a prefix by family.
package struct KeySurvey: Sendable, Equatable {
  /// A family's share.
  package struct Family: Sendable, Equatable {
    /// The family; nil for foreign keys.
    package var family: KeyFamily?
    /// The types that were seen, sorted. More than one, or a type that differs from the layout's, is a problem.
    package var types: [String] = []
    /// The number of keys of the family.
    package var keys = 0
    /// The number of these keys that have a TTL, so that Redis expires them.
    package var withTTL = 0
    /// The memory use, measured or estimated from a sample; nil if the server does not permit `MEMORY`.
    package var memoryBytes: Int?
    /// Whether the memory of each of the keys was measured.
    package var memoryIsExact = true
  }

  /// The number of keys seen.
  package var keys = 0
  /// The families that have keys, in the order of `KeyFamily`, then the foreign keys.
  package var families: [Family] = []
  /// The first of the keys that are not part of the layout, at most `foreignLimit`.
  package var foreign: [[UInt8]] = []
  /// The largest keys that were measured, largest first.
  package var largest: [KeyRecord] = []
  /// Other caches whose prefix begins with this one's. Their keys are in none of the figures.
  package var otherCaches: [OtherCache] = []
  /// Whether each key's memory was measured.
  package var memoryIsExact = true
  /// Whether the server does not permit `MEMORY`.
  package var memoryIsNotPermitted = false
  /// Whether every key was seen.
  package var complete = true

  /// The number of foreign keys that are named.
  package static let foreignLimit = 100

  /// The memory use of all families; nil if the server does not permit `MEMORY`.
  package var memoryBytes: Int? {
    families.reduce(0) { sum, family in sum.flatMap { sum in family.memoryBytes.map { sum + $0 } } }
  }
}

extension RedisStore {
  /// Walks over the keys of the prefix with `SCAN`, a page at a time, and measures a sample of each family.
  ///
  /// `SCAN` walks over the whole server, keys of other programs too, without reading them. A key that is written or
  /// removed during the walk may be missed or, while Redis resizes its table, seen twice.
  /// - Throws: `StoreBackendError` with `accessDenied` if the user may not run `SCAN`.
  package func surveyKeys(_ options: KeySurveyOptions) throws -> KeySurvey {
    var tally = SurveyTally(options)
    let otherCaches = OtherCaches(self)
    let isComplete = try forEachKey(options, measuring: options.sample == .all, otherCaches) { record in
      if record.otherCache == nil { tally.add(record) }
    }
    try measureSamples(&tally)
    var survey = tally.survey(isComplete: isComplete)
    survey.otherCaches = otherCaches.found
    return survey
  }

  /// Passes each key that the options select to the caller, once or more. It does not check the identity of the cache,
  /// so that a damaged cache can be inspected too.
  /// - Parameter measuring: measures the memory of each key.
  /// - Returns: whether every key was seen.
  @discardableResult
  package func forEachKey(
    _ options: KeySurveyOptions, measuring: Bool, _ body: (KeyRecord) throws -> Void
  ) throws -> Bool {
    try forEachKey(options, measuring: measuring, OtherCaches(self), body)
  }

  private func forEachKey(
    _ options: KeySurveyOptions, measuring: Bool, _ otherCaches: OtherCaches,
    _ body: (KeyRecord) throws -> Void
  ) throws -> Bool {
    try checkOpen()
    let (layout, namingNamespace) = (layout, options.namespace != nil || options.namesNamespaces)
    let pattern = options.family.map { layout.pattern($0, namespace: nil) } ?? layout.everyKey
    let pages = CursorPages(self, .keys(matching: pattern)) { page in
      page.map { (name: $0.bytes, parsed: layout.parse($0.bytes)) }
    } ask: { key, pipeline in
      KeyQuestion(
        about: key.name, key.parsed, measuring: measuring, namingNamespace: namingNamespace, in: &pipeline)
    }
    var seen = 0
    do {
      if options.control.shouldStop() { throw Stopped() }
      try pages.forEach { page in
        let owners = try otherCaches.owners(of: page.items.map(\.item.name))
        for (((name, parsed), question), owner) in zip(page.items, owners) {
          guard
            let record = question.record(of: name, owner == nil ? parsed : nil, in: page.replies, owner)
          else { continue }
          if options.namespace == nil || record.namespace == options.namespace { try body(record) }
        }
        seen += page.items.count
        options.control.progress(WorkProgress(done: seen))
        if !page.isLast, options.control.shouldStop() { throw Stopped() }
      }
    } catch is Stopped {
      return false
    }
    return true
  }

  /// The number of members of a key that Redis measures (`SAMPLES`). It covers every field of an entry, and is small
  /// enough that an index of a million members takes the server no time.
  fileprivate static let nestedSamples = 100

  /// Measures the keys that were drawn. If the server does not permit `MEMORY`, the figures are left out.
  private func measureSamples(_ tally: inout SurveyTally) throws {
    for family in tally.families.keys {
      let keys = tally.families[family]?.drawn ?? []
      for batch in keys.slices(of: Batch.keys) {
        var request = Pipeline()
        let sizes = batch.map { request.append("MEMORY", "USAGE", $0.key, "SAMPLES", Self.nestedSamples) }
        let replies = try client.read(request, tolerating: true)
        for (var record, size) in zip(batch, sizes) {
          record.memoryBytes = replies[size].size
          record.memoryIsNotPermitted = replies[size].error?.isNotPermitted == true
          tally.measure(record)
        }
      }
    }
  }
}

/// Ends the walk after a stop request.
private struct Stopped: Error {}

/// The reads about one key.
private struct KeyQuestion: Sendable {
  private let type, timeLeft: Slot
  private let memory, namespace: Slot?

  init(
    about key: [UInt8], _ parsed: ParsedKey?, measuring: Bool, namingNamespace: Bool,
    in pipeline: inout Pipeline
  ) {
    type = pipeline.append("TYPE", key)
    timeLeft = pipeline.append("PTTL", key)
    memory =
      measuring ? pipeline.append("MEMORY", "USAGE", key, "SAMPLES", RedisStore.nestedSamples) : nil
    namespace =
      namingNamespace && parsed?.family == .entry ? pipeline.append("HGET", key, EntryField.namespace) : nil
  }

  /// - Returns: nil for a key that is gone by now.
  func record(
    of key: [UInt8], _ parsed: ParsedKey?, in replies: Replies, _ otherCache: [UInt8]?
  ) -> KeyRecord? {
    guard let type = replies[type].string, type != "none", let ttl = replies[timeLeft].integer else {
      return nil
    }
    let size = memory.map { replies[$0] }
    return KeyRecord(
      key: key, family: parsed?.family, type: type,
      ttl: ttl < 0 ? nil : Seconds(ttl / 1000 + (ttl % 1000 > 0 ? 1 : 0)), memoryBytes: size?.size,
      memoryIsNotPermitted: size?.error?.isNotPermitted == true,
      namespace: namespace.map { replies[$0].string.flatMap { Namespace(unchecked: $0) } }
        ?? parsed?.namespace,
      otherCache: otherCache)
  }
}

/// The sums over records, with a random sample of each family (Vitter's algorithm R) instead of all names.
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
  private var foreign: [[UInt8]] = []
  private var largest: [KeyRecord] = []
  private var isNotPermitted = false

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
    if record.memoryBytes != nil || record.memoryIsNotPermitted { measure(record) }
    if record.family == nil, foreign.count < KeySurvey.foreignLimit { foreign.append(record.key) }
  }

  mutating func measure(_ record: KeyRecord) {
    isNotPermitted = isNotPermitted || record.memoryIsNotPermitted
    guard let bytes = record.memoryBytes else { return }
    families[record.family]?.measured += 1
    families[record.family]?.measuredBytes += Double(bytes)
    guard options.top > 0 else { return }
    // Keys of one size are sorted by name: the order of a walk differs from one to the next.
    let place =
      largest.firstIndex {
        let other = $0.memoryBytes ?? 0
        return other < bytes || other == bytes && record.key.lexicographicallyPrecedes($0.key)
      } ?? largest.count
    largest.insert(record, at: place)
    if largest.count > options.top { largest.removeLast() }
  }

  func survey(isComplete: Bool) -> KeySurvey {
    var survey = KeySurvey()
    survey.complete = isComplete
    survey.memoryIsNotPermitted = isNotPermitted
    survey.foreign = foreign
    survey.largest = largest
    for family in KeyFamily.allCases.map(Optional.some) + [nil] {
      guard let tallied = families[family] else { continue }
      var row = tallied.survey
      row.types = tallied.types.sorted()
      if tallied.measured > 0 {
        // A double is exact for every size that a server can have, and does not overflow for false ones.
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
