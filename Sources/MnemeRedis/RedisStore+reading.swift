import Mneme

extension RedisStore {
  /// Reads the entry of a query. Two round trips: the `hash:` key, then the entry.
  public func entry(namespace: Namespace, queryHash: String) throws -> StoredEntry? {
    guard let id = try indexedID(namespace, queryHash), let entry = try entry(id: id) else { return nil }
    // A `hash:` key that leads to another query's entry must not return its response.
    return entry.namespace == namespace && entry.queryHash == queryHash ? entry : nil
  }

  /// The ids of the entries of these queries; nil if there is none. Two round trips for each 64.
  package func ids(namespace: Namespace, queryHashes: [String]) throws -> [EntryID?] {
    try claims(of: queryHashes.map { QueryKey(namespace: namespace, queryHash: $0) }).map { claim in
      claim.flatMap { $0.exists ? $0.id : nil }
    }
  }

  /// Reads the entries to which the `hash:` keys of queries lead; nil for a query without one, and for an entry that
  /// cannot be read. Two round trips for each 64, and those of `forEachEntry`.
  package func entries(
    ofQueries queries: [(namespace: Namespace, queryHash: String)]
  ) throws -> [(id: EntryID, entry: StoredEntry?)?] {
    let claims = try claims(of: queries.map { QueryKey(namespace: $0.namespace, queryHash: $0.queryHash) })
    let ids = claims.map { claim in claim.flatMap { $0.exists ? $0.id : nil } }
    var selection = Selection.everything
    selection.ids = Set(ids.compactMap(\.self))
    var entries: [EntryID: StoredEntry] = [:]
    try forEachEntry(in: selection, reading: .all, whenCorrupt: { _, _ in }) { entries[$0.id] = $0 }
    return ids.map { id in id.map { ($0, entries[$0]) } }
  }

  /// The claims of `hash:` keys on queries; nil for none, and for the entry of another query. Two round trips for
  /// each 64, without `WATCH`.
  func claims(of keys: [QueryKey]) throws -> [Claim?] {
    try keys.slices(of: Batch.keys).flatMap { keys -> [Claim?] in
      var request = Pipeline()
      let pointers = keys.map { request.append("GET", layout.hash($0.namespace, $0.queryHash)) }
      let pointed = try read(request)
      let named = zip(keys, pointers).map { (id: EntryID(member: pointed[$1].bytes), key: $0) }
      var heads = Pipeline()
      let claims = named.map { id, key in id.map { appendClaimQuestion(about: $0, key, to: &heads) } }
      if heads.isEmpty { return claims.map { _ in nil } }
      let replies = try read(heads)
      return try claims.map { try $0.flatMap { try replies[$0] } }
    }
  }

  /// The id that the `hash:` key of a query holds.
  func indexedID(_ namespace: Namespace, _ queryHash: String) throws -> EntryID? {
    EntryID(member: try answer { $0.append("GET", layout.hash(namespace, queryHash)) }.bytes)
  }

  /// One round trip.
  public func entry(id: EntryID) throws -> StoredEntry? { try entries(ids: [id])[0] }

  /// One round trip for all.
  package func entries(
    ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [StoredEntry?] {
    guard !ids.isEmpty else { return [] }
    var request = Pipeline()
    let hashes = ids.map { request.append("HGETALL", layout.entry($0)) }
    let replies = try read(request, tolerating: true)
    return try zip(ids, hashes).map { id, hash in
      do {
        return try decode(replies[hash], id: id)
      } catch let error as CorruptCacheError {
        try whenDamaged(error)
        return nil
      }
    }
  }

  /// The entry in a reply to `HGETALL`; nil if the key is gone.
  func decode(_ reply: Reply, id: EntryID) throws -> StoredEntry? {
    try decode(reply, id: id) { client.translate($0, command: $1, key: $2) }
  }

  /// Decodes an entry while the client is in use.
  /// - Parameter translate: makes the user's error of the server's. It was tolerated among the replies: a key of
  ///   another type is one damaged entry, and does not end the reading.
  func decode(
    _ reply: Reply, id: EntryID, translating translate: (ServerError, String, String) -> any MnemeError
  ) throws -> StoredEntry? {
    if let error = reply.error { throw translate(error, "HGETALL", layout.entry(id).text) }
    return try codec.decode(reply, id: id, dimension: knownIdentity?.dimension)
  }

  /// Whether there is an entry with this id, damaged or not.
  package func holdsEntry(_ id: EntryID) throws -> Bool {
    try answer { $0.append("EXISTS", layout.entry(id)) }.integer == 1
  }

  /// Counts entries. Leftovers are counted until a vacuum removes them. One round trip.
  public func count(in namespace: Namespace?) throws -> Int {
    try answer { $0.append("ZCARD", namespace.map(layout.lru) ?? layout.byID) }.size ?? 0
  }

  /// One round trip for each 200.
  public func namespaces() throws -> [Namespace] {
    var found: Set<Namespace> = []
    guard isSound(layout.namespaces) else { return [] }
    try forEachPage(of: .set(layout.namespaces)) { page in
      for name in page.compactMap(\.string) { found.insert(Namespace(unchecked: name)) }
    }
    return found.sorted()
  }

  /// One round trip, and one more for each 200 namespaces when all are asked for.
  ///
  /// Entries of one second are ordered as in the Python library, so that both evict the same: those of a
  /// namespace in the order of the sorted set, which is that of the ids' text; over all namespaces by id, among the
  /// first of each.
  public func leastRecentlyUsed(_ limit: Int, in namespace: Namespace?) throws -> [EntryID] {
    guard limit > 0 else { return [] }
    let scopes = try namespace.map { [$0] } ?? namespaces()
    var oldest: [(score: Double, id: EntryID)] = []
    for slice in scopes.slices(of: Batch.keys) {
      var request = Pipeline()
      let pages = slice.map {
        request.append("ZRANGE", layout.lru($0), 0, limit == .max ? -1 : limit - 1, "WITHSCORES")
      }
      let replies = try read(request)
      for page in pages {
        var elements = replies[page].elements.makeIterator()
        while let member = elements.next(), let score = elements.next()?.string.flatMap(Double.init) {
          if let id = EntryID(member: member.bytes) { oldest.append((score, id)) }
        }
      }
      guard namespace == nil else { break }
      oldest.sort { ($0.score, $0.id) < ($1.score, $1.id) }
      if oldest.count > limit { oldest.removeSubrange(limit...) }
    }
    return oldest.map(\.id)
  }

  /// One round trip.
  /// - Throws: `CorruptCacheError` if the key holds no whole number.
  public func versionCounter() throws -> Int64 {
    try integer(answer { $0.append("GET", layout.version) }, in: layout.version) ?? 0
  }

  /// Counts the due members of `by_ttl`. Leftovers are included, entries missing from `by_ttl` are not. One round trip.
  package func expiredCount(at now: UnixTime) throws -> Int {
    try answer { $0.append("ZCOUNT", layout.byTTL, "-inf", now.rawValue) }.size ?? 0
  }

  /// Checks that Redis answers and that the cache's counters are numbers. Entries are not checked. Two
  /// round trips at most.
  public func integrityCheck() throws -> Bool {
    try checkOpen()
    do {
      _ = try identity()
      _ = try versionCounter()
      return true
    } catch is any MnemeError {
      return false
    }
  }

  /// Reads a string key that must hold an integer.
  func integer(_ reply: Reply, in key: Key) throws -> Int64? {
    if reply.isNull { return nil }
    guard let number = reply.integer else {
      throw CorruptCacheError(
        "The key '\(key.text)' does not hold a whole number.",
        about: .key(key.text), remedy: .restoreNumber)
    }
    return number
  }
}
