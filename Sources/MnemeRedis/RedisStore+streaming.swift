import Mneme

extension RedisStore {
  /// Passes all entries to `body`. One round trip for a page of entries, 32 or fewer if they are large. The ids of the
  /// next page are read together with the entries of this one.
  public func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws {
    var selection = Selection.everything
    if let namespace { selection.namespaces = [namespace] }
    try forEachEntry(in: selection, after: id, reading: .all, whenCorrupt: { throw $1 }, body)
  }

  /// Passes the entries of a selection to `body` in the order of their ids, and those that cannot be read to
  /// `whenCorrupt`.
  ///
  /// One round trip for a page of entries, 32 or fewer if they are large. If an index can tell which entries
  /// these are, only those are read. The index is walked first, with one round trip for each 200 members and a few
  /// bytes of memory for each.
  /// - Parameters:
  ///   - id: only entries with a greater one.
  ///   - fields: the large fields that `body` needs. Others may be empty.
  package func forEachEntry(
    in selection: Selection, after id: EntryID? = nil, at now: UnixTime = systemClock(),
    reading fields: Selection.Fields, whenCorrupt: (EntryID, CorruptCacheError) throws -> Void,
    _ body: (StoredEntry) throws -> Void
  ) throws {
    let source = IDSource(self, ids: try ids(for: selection, at: now), after: id)
    let reader = EntryReader(self, selection.fields.union(fields))
    try forEachPage(of: source, beginningWith: 4) { pipeline, id in
      reader.append(id, to: &pipeline)
    } handle: { id, reply in
      // Decoded here and not in the thread that reads ahead, because memory that one thread allocates and another
      // frees takes longer.
      let entry: StoredEntry?
      do {
        entry = try reader.entry(id, in: reply)
      } catch let error as CorruptCacheError {
        return try whenCorrupt(id, error)
      }
      if let entry, selection.matches(entry, at: now) { try body(entry) }
    }
  }

  /// Passes the vectors of a namespace to `body`. One round trip, and one for each page of vectors, 256 or fewer if
  /// they are large.
  ///
  /// If a namespace has nine tenths of all entries or more, the vectors of all namespaces are read. That takes the
  /// server less time than listing the namespace's members, because `ZSCAN` returns a score with each.
  package func forEachEmbedding(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let (own, all) = try read { pipeline in
      let own = pipeline.append("ZCARD", layout.lru(namespace))
      let all = pipeline.append("ZCARD", layout.byID)
      return Question { replies in (replies[own].size ?? 0, replies[all].size ?? 0) }
    }
    if 10 * own >= 9 * all {
      return try forEachEmbeddingAmongAll(in: namespace, whenDamaged: whenDamaged, body)
    }
    let source = IDSource(self, ids: try memberIDs(of: layout.lru(namespace)), after: nil)
    try forEachPage(of: source, beginningWith: 64, upTo: Batch.vectors) { [layout] pipeline, id in
      pipeline.append("HGET", layout.entry(id), EntryField.embedding)
    } handle: { id, reply in
      try handleEmbedding(id, reply, whenDamaged, body)
    }
  }

  private func forEachEmbeddingAmongAll(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let name = Array(namespace.name.utf8)
    /// Entries that lack the fields that place them.
    var unreadable: [EntryID] = []
    let source = IDSource(self, ids: nil, after: nil)
    try forEachPage(of: source, beginningWith: 64, upTo: Batch.vectors) { [layout] pipeline, id in
      pipeline.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.embedding)
    } handle: { id, reply in
      if reply.error != nil {
        unreadable.append(id)
      } else if reply[0].withBytes({ $0.elementsEqual(name) }) {
        try handleEmbedding(id, reply[1], whenDamaged, body)
      }
    }
    for slice in unreadable.slices(of: Batch.keys) {
      var request = Pipeline()
      let scores = slice.map { request.append("ZSCORE", layout.lru(namespace), $0.member) }
      let replies = try read(request)
      let members = zip(slice, scores).filter { !replies[$1].isNull }.map(\.0)
      try forEachEmbedding(of: members, whenDamaged: whenDamaged) { id, bytes in
        if let bytes { try body(id, bytes) }
      }
    }
  }

  /// Passes the vectors of some entries to `body`. One round trip for each page of vectors. If they are small, one
  /// page holds all of them.
  package func forEachEmbedding(
    of ids: [EntryID], whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer?) throws -> Void
  ) throws {
    let size = max(1, Batch.bytes / max(1, 4 * (knownIdentity?.dimension ?? 0)))
    for start in stride(from: 0, to: ids.count, by: size) {
      let page = ids[start..<min(start + size, ids.count)]
      var request = Pipeline()
      let vectors = page.map { request.append("HGET", layout.entry($0), EntryField.embedding) }
      let replies = try read(request, tolerating: true)
      for (id, vector) in zip(page, vectors) {
        var isThere = false
        try handleEmbedding(id, replies[vector], whenDamaged) {
          isThere = true
          try body($0, $1)
        }
        if !isThere { try body(id, nil) }
      }
    }
  }

  private func handleEmbedding(
    _ id: EntryID, _ reply: Reply, _ whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    if let error = reply.error {
      let error = client.translate(error, command: "HGET", key: layout.entry(id).text)
      guard let damage = error as? CorruptCacheError else { throw error }
      return try whenDamaged(damage)
    }
    guard !reply.isNull else { return }
    try reply.withBytes { try body(id, $0) }
  }

  /// Reads some fields of every entry, in id order, a page at a time. The size of pages doubles while their bytes
  /// allow it, and shrinks immediately if they do not. The next page is read while one is handled.
  private func forEachPage(
    of source: IDSource, beginningWith firstSize: Int, upTo lastSize: Int = Batch.entries,
    ask: @escaping @Sendable (inout Pipeline, EntryID) -> Slot, handle: (EntryID, Reply) throws -> Void
  ) throws {
    let pages = Pages(self, source, firstSize: firstSize, largestSize: lastSize, ask)
    try forEachReadAhead(pages.next) { page in
      for (id, answer) in page { try handle(id, answer) }
    }
  }
}

/// The pages of a walk over all entries. Used by one thread at a time.
private final class Pages: @unchecked Sendable {
  private let store: RedisStore
  private var source: IDSource
  private var size: Int
  private let largestSize: Int
  private let ask: @Sendable (inout Pipeline, EntryID) -> Slot

  init(
    _ store: RedisStore, _ source: IDSource, firstSize: Int, largestSize: Int,
    _ ask: @escaping @Sendable (inout Pipeline, EntryID) -> Slot
  ) {
    (self.store, self.source, self.ask) = (store, source, ask)
    (size, self.largestSize) = (firstSize, largestSize)
  }

  @Sendable func next() throws -> [(EntryID, Reply)]? {
    guard let ids = try source.page(size) else { return nil }
    var request = Pipeline()
    let answers = ids.map { ask(&request, $0) }
    let following = source.appendQuestion(to: &request, size: size)
    let replies = try store.read(request, tolerating: true)
    if let error = replies[following].error {
      throw store.client.translate(error, command: "ZRANGEBYSCORE", key: store.layout.byID.text)
    }
    source.takeAnswer(replies[following])
    if !ids.isEmpty {
      let weight = max(1, replies.byteCount / ids.count)
      size = max(1, min(largestSize, 2 * size, Batch.bytes / weight))
    }
    return zip(ids, answers).map { ($0, replies[$1]) }
  }
}

/// Reads those fields of entries that are needed.
struct EntryReader: Sendable {
  private let store: RedisStore
  /// The fields to read; nil for all.
  private let places: [EntryFields.Place]?

  init(_ store: RedisStore, _ fields: Selection.Fields) {
    self.store = store
    places =
      fields == .all
      ? nil
      : EntryFields.Place.allCases.filter { place in
        switch place {
        case .query: fields.contains(.query)
        case .response: fields.contains(.response)
        case .metadata: fields.contains(.metadata)
        case .embedding: fields.contains(.embedding)
        case .namespace, .queryHash, .createdAt, .lastAccessedAt, .ttl, .accessCount: true
        }
      }
  }

  func append(_ id: EntryID, to pipeline: inout Pipeline) -> Slot {
    places.map { store.codec.appendGet($0, of: id, to: &pipeline) }
      ?? pipeline.append("HGETALL", store.layout.entry(id))
  }

  /// - Returns: nil if the entry is gone.
  /// - Parameter translate: makes the user's error of the server's; nil if the client is not in use.
  func entry(
    _ id: EntryID, in reply: Reply,
    translating translate: ((ServerError, String, String) -> any MnemeError)? = nil
  ) throws -> StoredEntry? {
    if let error = reply.error {
      let (command, key) = (places == nil ? "HGETALL" : "HMGET", store.layout.entry(id).text)
      throw translate?(error, command, key) ?? store.client.translate(error, command: command, key: key)
    }
    let dimension = store.knownIdentity?.dimension
    return try places.map { try store.codec.decode(reply, of: $0, id: id, dimension: dimension) }
      ?? store.codec.decode(reply, id: id, dimension: dimension)
  }
}

/// A source of ids in order: those of the whole cache from `by_id`, a page at a time, or those of a list.
struct IDSource {
  private let store: RedisStore
  /// The ids of the list that are still to come; nil for the whole cache.
  private var remaining: ArraySlice<EntryID>?
  /// The page that the last answer brought, and whether it was the end.
  private var answered: [EntryID]?
  private var isAtEnd = false
  /// The next place in `by_id`, as `ZRANGEBYSCORE` takes it: by score, which a damaged cache cannot make go
  /// backwards.
  private var from: String

  /// - Parameter ids: nil for those of the whole cache.
  init(_ store: RedisStore, ids: Set<EntryID>?, after id: EntryID?) {
    self.store = store
    from = id.map { "(\($0)" } ?? "-inf"
    remaining = ids.map { ids in ids.filter { member in id.map { member > $0 } ?? true }.sorted()[...] }
  }

  /// The next page; empty if a page held no ids; nil after the last.
  mutating func page(_ size: Int) throws -> [EntryID]? {
    if let rest = remaining {
      guard !rest.isEmpty else { return nil }
      remaining = rest.dropFirst(size)
      return Array(rest.prefix(size))
    }
    if answered == nil, !isAtEnd {
      var question = Pipeline()
      let page = appendQuestion(to: &question, size: size)
      takeAnswer(try store.read(question)[page])
    }
    defer { answered = nil }
    return isAtEnd ? nil : answered
  }

  /// Appends the read of the next page. For a list of ids nothing has to be read. Then a command that costs nothing is
  /// sent, so that every request has a reply in the same place. It is not `PING`, which an ACL with `+@read` alone
  /// does not allow.
  func appendQuestion(to pipeline: inout Pipeline, size: Int) -> Slot {
    guard remaining == nil else { return pipeline.append("EXISTS", store.layout.byID) }
    return pipeline.append(
      "ZRANGEBYSCORE", store.layout.byID, from, "+inf", "WITHSCORES", "LIMIT", 0, size)
  }

  mutating func takeAnswer(_ reply: Reply) {
    guard remaining == nil else { return }
    var ids: [EntryID] = []
    var elements = reply.elements.makeIterator()
    while let member = elements.next(), let score = elements.next()?.string {
      if let id = EntryID(member: member.bytes) { ids.append(id) }
      from = "(\(score)"
    }
    isAtEnd = reply.count == 0
    answered = ids
  }
}
