/// The fields of an entry that an audit keeps while it compares many.
package struct AuditedEntry: Sendable, Equatable {
  package var id: EntryID
  package var createdAt: UnixTime
  /// A hash of the response's bytes, which differs from process to process. The chance that two of a million responses
  /// have the same hash is one in thirty million.
  package var response: Int
  /// The bytes of its texts.
  package var byteCount: Int

  /// - Parameter entry: with its query, response and metadata.
  package init(_ entry: StoredEntry) {
    (id, createdAt) = (entry.id, entry.createdAt)
    response = Self.hash(of: entry)
    byteCount = entry.query.utf8.count + entry.responseByteCount + entry.metadata.utf8.count
  }

  package static func hash(of entry: StoredEntry) -> Int {
    var hasher = Hasher()
    if let raw = entry.raw?.response {
      raw.withUnsafeBytes { hasher.combine(bytes: $0) }
    } else {
      var response = entry.response
      response.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
    return hasher.finalize()
  }

  /// Whether an entry was put before another one. If both were put in the same second, the lower id is older.
  static func isOlder(_ a: AuditedEntry, _ b: AuditedEntry) -> Bool {
    (a.createdAt, a.id) < (b.createdAt, b.id)
  }
}

/// Two entries that are so similar that each could be served for the query of the other.
package struct AuditedPair: Sendable, Equatable {
  /// The older one.
  package var a: EntryID
  /// The younger one.
  package var b: EntryID
  /// The cosine similarity of the two.
  package var similarity: Double

  static func precedes(_ first: AuditedPair, _ second: AuditedPair) -> Bool {
    (-first.similarity, first.a, first.b) < (-second.similarity, second.a, second.b)
  }
}

/// The options of an audit.
package struct AuditOptions: Sendable {
  /// The similarity from which two entries are a pair.
  package var threshold = 0.85
  /// The number of entries that are compared with all others; nil: all of them.
  package var sample: Int? = 20_000
  /// The number of pairs of each kind to report.
  package var pairs = 20
  /// The thresholds of the leave-one-out table.
  package var thresholds = LeaveOneOut.defaultThresholds
  /// The most pairs that wait for their vectors, 12 bytes each.
  var mostPending = 1 << 20

  package init() {}
}

/// The conflicts and the duplicates of one namespace.
package struct NamespaceAudit: Sendable {
  /// The entries that were chosen.
  package var entries: Int
  /// The entries that were compared with all others.
  package var compared = 0
  /// The most similar pairs with different responses.
  package var conflicts: [AuditedPair] = []
  package var conflictCount = 0
  /// The most similar pairs with the same response.
  package var duplicates: [AuditedPair] = []
  package var duplicateCount = 0
  /// The younger entries of duplicate pairs. Their older ones are not among them.
  package var redundant = RedundantEntries()
  package var leaveOneOut = LeaveOneOut([])
  /// The entries that could not be compared.
  package var damaged: [CorruptCacheError] = []
  /// Whether it was not ended early.
  package var isComplete = true

  package init(entries: Int) { self.entries = entries }
}

/// Entries that can be removed because another entry has the same response.
package struct RedundantEntries: Sendable {
  /// The entry that stays, for each one that can go.
  package private(set) var keepers: [EntryID: EntryID] = [:]
  /// The entries that can be removed and those that stay, as they were compared.
  private var seen: [EntryID: AuditedEntry] = [:]
  /// The bytes of the texts of the entries that can be removed.
  package private(set) var byteCount = 0

  package init() {}

  mutating func add(_ entry: AuditedEntry, keeping keeper: AuditedEntry) {
    keepers[entry.id] = keeper.id
    seen[entry.id] = entry
    seen[keeper.id] = keeper
    byteCount += entry.byteCount
  }

  package mutating func formUnion(_ other: RedundantEntries) {
    keepers.merge(other.keepers) { $1 }
    seen.merge(other.seen) { $1 }
    byteCount += other.byteCount
  }

  /// Whether an entry is unchanged: put at the same time, with the same response.
  /// - Parameter entry: with its response.
  package func isUnchanged(_ entry: StoredEntry) -> Bool {
    guard let known = seen[entry.id] else { return false }
    return known.createdAt == entry.createdAt && known.response == AuditedEntry.hash(of: entry)
  }
}

/// The most similar of many pairs.
struct MostSimilarPairs {
  let limit: Int
  private var kept: [AuditedPair] = []
  /// The least similarity of these pairs.
  private(set) var bar: Double

  /// - Parameter bar: the similarity of the last of as many pairs that are known already.
  init(limit: Int, bar: Double = -.infinity) {
    self.limit = limit
    self.bar = limit == 0 ? .infinity : bar
  }

  mutating func insert(_ pair: AuditedPair) {
    guard pair.similarity >= bar else { return }
    kept.append(pair)
    // Twice as many as needed, so that each is sorted a few times only.
    if kept.count >= 2 * limit + 1024 { trim() }
  }

  private mutating func trim() {
    kept.sort(by: AuditedPair.precedes)
    guard kept.count >= limit else { return }
    kept.removeSubrange(limit...)
    if let last = kept.last { bar = last.similarity }
  }

  mutating func formUnion(_ other: MostSimilarPairs) {
    for pair in other.kept { insert(pair) }
  }

  var sorted: [AuditedPair] {
    mutating get {
      trim()
      return kept
    }
  }
}
