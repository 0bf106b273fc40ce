import Mneme

/// Entries to put into a store.
enum Sample {
  static let identity = CacheIdentity(fingerprint: "sample:embedder:dim4", dimension: 4)

  /// An hour ahead, so that no store with an expiry of its own drops in the meantime what a case still wants.
  static let start = systemClock() + Seconds(3600)

  static let here = Namespace.default
  static let there = Namespace(unchecked: "there")

  /// An entry that tells itself apart from every other by its query.
  static func entry(
    _ query: String, in namespace: Namespace = here, response: String? = nil, metadata: String = "{}",
    at time: UnixTime = start, usedAt: UnixTime? = nil, ttl: Seconds? = nil, accessCount: Int64 = 0
  ) -> StoredEntry {
    StoredEntry(
      namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query,
      response: response ?? "answer to \(query)", embedding: embedding(query), metadata: metadata,
      createdAt: time, lastAccessedAt: usedAt ?? time, ttl: ttl, accessCount: accessCount)
  }

  /// Four numbers of length 1 that depend on the text.
  static func embedding(_ text: String) -> Embedding {
    let sum = text.utf8.reduce(into: UInt32(17)) { $0 = $0 &* 31 &+ UInt32($1) }
    let angle = Float(sum % 1000) / 1000
    let rest = (1 - angle * angle).squareRoot()
    return Embedding([angle, -0.0, rest, 0])
  }

  /// `q1`, `q2`, … up to and with `count`.
  static func queries(_ count: Int, prefix: String = "q") -> [String] { (1...count).map { "\(prefix)\($0)" } }
}

extension Store {
  /// Inserts an entry for each query, in order.
  @discardableResult
  func insertAll(
    _ queries: [String], in namespace: Namespace = Sample.here, ttl: Seconds? = nil
  ) throws -> [EntryID] {
    try queries.map { try insert(Sample.entry($0, in: namespace, ttl: ttl)) }
  }

  /// Every entry, in the order in which the store hands them over.
  func allEntries(after id: EntryID? = nil, in namespace: Namespace? = nil) throws -> [StoredEntry] {
    var entries: [StoredEntry] = []
    try forEachEntry(after: id, in: namespace) { entries.append($0) }
    return entries
  }

  func entry(_ query: String, in namespace: Namespace = Sample.here) throws -> StoredEntry? {
    try entry(namespace: namespace, queryHash: QueryNormalizer.queryHash(query))
  }

  /// Every way of asking how many there are gives this number.
  func expectCount(
    _ expected: Int, in namespace: Namespace? = nil, file: String = #fileID, line: Int = #line
  ) throws {
    try expectEqual(try count(in: namespace), expected, "count", file: file, line: line)
    try expectEqual(
      try allEntries(in: namespace).count, expected, "entries walked through", file: file, line: line)
    try expectEqual(
      try leastRecentlyUsed(expected + 10, in: namespace).count, expected, "entries in order of use",
      file: file, line: line)
  }
}

extension UnixTime {
  /// So many seconds after the start of the case.
  static func after(_ seconds: Int64) -> UnixTime { Sample.start + Seconds(seconds) }
}
