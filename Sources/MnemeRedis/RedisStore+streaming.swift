import Mneme

extension RedisStore {
  /// One round trip for a page of entries, 32 or fewer where they are large. The ids of the next page come along with the
  /// entries of this one.
  public func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, _ body: (StoredEntry) throws -> Void
  ) throws {
    try forEachEntry(after: id, in: namespace, whenCorrupt: { throw $1 }, body)
  }

  /// The same, telling of an entry that cannot be read instead of ending there.
  public func forEachEntry(
    after id: EntryID?, in namespace: Namespace?, whenCorrupt: (EntryID, CorruptCacheError) throws -> Void,
    _ body: (StoredEntry) throws -> Void
  ) throws {
    try forEachPage(after: id, in: namespace, beginningWith: 4) { [layout] pipeline, id in
      pipeline.append("HGETALL", layout.entry(id))
    } read: { [self] id, reply in
      // In the thread that reads ahead: the caller's has its hands full with what becomes of the entries.
      Result { try decode(reply, id: id) }
    } handle: { id, entry in
      do {
        if let entry = try entry.get(), namespace.map({ entry.namespace == $0 }) ?? true { try body(entry) }
      } catch let error as CorruptCacheError {
        try whenCorrupt(id, error)
      }
    }
  }

  /// One round trip, and one for each page of vectors, 256 or fewer where they are large.
  ///
  /// A namespace that has nine tenths of all entries or more is read along with the others: to list its own members takes
  /// the server longer than the rest of the vectors, because `ZSCAN` writes a score beside each.
  public func forEachEmbedding(
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
    try forEachPage(after: nil, in: namespace, beginningWith: 64, upTo: Batch.vectors) {
      [layout] pipeline, id in
      pipeline.append("HGET", layout.entry(id), EntryField.embedding)
    } read: {
      $1
    } handle: { id, reply in
      try handleEmbedding(id, reply, whenDamaged, body)
    }
  }

  private func forEachEmbeddingAmongAll(
    in namespace: Namespace, whenDamaged: (CorruptCacheError) throws -> Void,
    _ body: (EntryID, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let name = Array(namespace.name.utf8)
    /// Entries that do not say where they belong.
    var unreadable: [EntryID] = []
    try forEachPage(after: nil, in: nil, beginningWith: 64, upTo: Batch.vectors) { [layout] pipeline, id in
      pipeline.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.embedding)
    } read: {
      $1
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

  /// One round trip for each page of vectors, as many as are asked for where they are small.
  public func forEachEmbedding(
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

  /// Asks one question about every entry, in id order, a page at a time. Pages grow twofold while their weight
  /// allows, and shrink at once. The next page is asked for, and its replies are read, while one is handled.
  private func forEachPage<Answer: Sendable>(
    after id: EntryID?, in namespace: Namespace?, beginningWith firstSize: Int,
    upTo lastSize: Int = Batch.entries, ask: @escaping @Sendable (inout Pipeline, EntryID) -> Slot,
    read: @escaping @Sendable (EntryID, Reply) -> Answer, handle: (EntryID, Answer) throws -> Void
  ) throws {
    let source = try IDSource(self, after: id, in: namespace)
    let pages = Pages(self, source, firstSize: firstSize, largestSize: lastSize, ask, read)
    try forEachReadAhead(pages.next) { page in
      for (id, answer) in page { try handle(id, answer) }
    }
  }
}

/// The pages of a walk over all entries. Used by one thread at a time.
private final class Pages<Answer: Sendable>: @unchecked Sendable {
  private let store: RedisStore
  private var source: IDSource
  private var size: Int
  private let largestSize: Int
  private let ask: @Sendable (inout Pipeline, EntryID) -> Slot
  private let read: @Sendable (EntryID, Reply) -> Answer

  init(
    _ store: RedisStore, _ source: IDSource, firstSize: Int, largestSize: Int,
    _ ask: @escaping @Sendable (inout Pipeline, EntryID) -> Slot,
    _ read: @escaping @Sendable (EntryID, Reply) -> Answer
  ) {
    (self.store, self.source, self.ask, self.read) = (store, source, ask, read)
    (size, self.largestSize) = (firstSize, largestSize)
  }

  @Sendable func next() throws -> [(EntryID, Answer)]? {
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
    return zip(ids, answers).map { ($0, read($0, replies[$1])) }
  }
}

/// Where ids come from, in order: of the whole cache from `by_id` a page at a time; of a namespace all at once
/// and sorted, because `lru:` is in another order and moves while it is read. (Eight bytes an entry.)
private struct IDSource {
  private let store: RedisStore
  /// The ids of a namespace that are still to come; nil for the whole cache.
  private var remaining: ArraySlice<EntryID>?
  /// The page that the last answer brought, and whether it was the end.
  private var answered: [EntryID]?
  private var isAtEnd = false
  /// From where to go on in `by_id`, as `ZRANGEBYSCORE` takes it: by score, which a damaged cache cannot make
  /// go backwards.
  private var from: String

  init(_ store: RedisStore, after id: EntryID?, in namespace: Namespace?) throws {
    self.store = store
    from = id.map { "(\($0)" } ?? "-inf"
    guard let namespace else { return }
    var ids: Set<EntryID> = []
    try store.forEachPairPage(of: .sortedSet(store.layout.lru(namespace))) { page in
      for case let member? in page.map({ EntryID(member: $0.name.bytes) })
      where id.map({ member > $0 }) ?? true {
        ids.insert(member)
      }
    }
    remaining = ids.sorted()[...]
  }

  /// The next page; empty where a page held no ids at all; nil after the last.
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

  /// Asks for the page after this one. A namespace's ids are at hand; the question is then one that costs
  /// nothing, so that every request has an answer in the same place. It is no `PING`, which is not among the
  /// commands that an ACL's `+@read` allows.
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
