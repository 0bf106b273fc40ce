import Mneme

/// What to do with an entry whose query the namespace already has.
public enum ConflictPolicy: String, Sendable, CaseIterable {
  case replace, skip, fail
}

/// What became of one entry of a batch.
public enum InsertOutcome: Sendable, Equatable {
  case inserted(EntryID)
  case replaced(EntryID)
  /// The query was there, and `ConflictPolicy.skip` left it alone.
  case skipped(EntryID)

  public var id: EntryID {
    switch self {
    case .inserted(let id), .replaced(let id), .skipped(let id): id
    }
  }
}

/// A query that is there already, where `ConflictPolicy.fail` says that it must not be.
public struct ConflictError: Error, Sendable {
  /// The place in the batch.
  public let index: Int
  /// The entry that is there.
  public let id: EntryID

  public init(index: Int, id: EntryID) {
    self.index = index
    self.id = id
  }
}

extension RedisStore {
  /// Three round trips: what is there, the id, the transaction. One more when another writer takes the next id in
  /// between. A writer who changes the query's index, the entry or the cache's identity in between makes it start
  /// again.
  @discardableResult
  public func insert(_ entry: StoredEntry) throws -> EntryID {
    try insertBatch(InsertRequest([entry])).outcomes[0].id
  }

  /// As `insert`. Up to 15 entries over a quota go in the same transaction, for one round trip more; otherwise it
  /// takes two more to see what goes and three for each transaction (`Batch`).
  public func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
    try insertEvicting(InsertRequest([entry], evicts: true), maxEntries)
  }

  public func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion {
    var made: StoredEntry?
    let place = (namespace, queryHash)
    return try withoutActuallyEscaping(make) { make in
      try insertEvicting(
        InsertRequest([place], evicts: true) { identity in
          let entry = try made ?? make(identity)
          made = entry
          return [entry]
        }, maxEntries)
    }
  }

  private func insertEvicting(_ request: InsertRequest, _ maxEntries: Int?) throws -> Insertion {
    let batch = try insertBatch(request)
    var isReplaced = false
    if case .replaced = batch.outcomes[0] { isReplaced = true }
    return Insertion(
      id: batch.outcomes[0].id, replaced: isReplaced,
      evicted: try batch.evicted
        + evict(over: maxEntries, after: batch.fills, sparing: [batch.outcomes[0].id]))
  }

  /// Stores many entries in one transaction, at most a thousand, then evicts where limits are passed.
  /// - Precondition: no two entries have the same namespace and query hash.
  /// - Parameter sparingYounger: an entry that was put no earlier than the one that would take its place stays, and
  ///   counts as skipped.
  /// - Throws: `ConflictError` for the first query that is there, with `.fail`; nothing is written then.
  ///   `StoreBackendError` with `lostWrites` where the batch before is gone again; nothing is written then either.
  public func insert(
    _ entries: [StoredEntry], onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?,
    sparingYounger: Bool = false
  ) throws -> (outcomes: [InsertOutcome], evicted: Int) {
    try insert(
      entries, onConflict: policy, evictingOver: maxEntries, sparingYounger: sparingYounger, spare: [])
  }

  /// - Parameter spare: ids that were handed out to us and not used.
  func insert(
    _ entries: [StoredEntry], onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?,
    sparingYounger: Bool = false, spare: [EntryID]
  ) throws -> (outcomes: [InsertOutcome], evicted: Int) {
    guard !entries.isEmpty else { return ([], 0) }
    var request = InsertRequest(entries, onConflict: policy)
    request.followsBatches = true
    request.sparesYounger = sparingYounger
    request.spare = spare
    let batch = try insertBatch(request)
    let written = Set(batch.outcomes.map(\.id))
    return (batch.outcomes, try evict(over: maxEntries, after: batch.fills, sparing: written))
  }

  // MARK: The transaction

  /// What is to be stored where.
  private struct InsertRequest {
    typealias Place = (namespace: Namespace, queryHash: String)

    var places: [Place]
    var policy = ConflictPolicy.replace
    /// Leaves alone what was put no earlier than what would replace it.
    var sparesYounger = false
    /// Evict in the same transaction where that costs little. For one entry.
    var evicts = false
    /// One of several, of which none may have been lost meanwhile.
    var followsBatches = false
    /// Ids that were handed out to us and not used.
    var spare: [EntryID] = []
    /// The entries of the places, in their order, for a cache of this identity.
    var entries: (CacheIdentity?) throws -> [StoredEntry]

    init(_ entries: [StoredEntry], onConflict policy: ConflictPolicy = .replace, evicts: Bool = false) {
      self.init(
        entries.map { ($0.namespace, $0.queryHash) }, evicts: evicts
      ) { _ in entries }
      self.policy = policy
    }

    init(_ places: [Place], evicts: Bool, entries: @escaping (CacheIdentity?) throws -> [StoredEntry]) {
      self.places = places
      self.evicts = evicts
      self.entries = entries
    }
  }

  private struct InsertedBatch {
    var outcomes: [InsertOutcome]
    var evicted = 0
    var fills: [Fill] = []
  }

  /// How full a namespace and the whole cache are after a batch.
  struct Fill {
    var namespace: Namespace
    var quota: Int?
    var count: Int
    var total: Int

    /// Something is to be evicted.
    func isOver(_ maxEntries: Int?) -> Bool {
      let excess =
        quota.map { Eviction.batch(count: count, limit: $0) }
        ?? maxEntries.map { Eviction.batch(count: total, limit: $0) } ?? 0
      return excess > 0
    }
  }

  func evict(over maxEntries: Int?, after fills: [Fill], sparing written: Set<EntryID>) throws -> Int {
    try fills.filter { $0.isOver(maxEntries) }.reduce(0) { evicted, fill in
      try evicted + evict(for: fill.namespace, maxEntries: maxEntries, sparing: written)
    }
  }

  private func insertBatch(_ request: InsertRequest) throws -> InsertedBatch {
    try checkOpen()
    let namespaces = Set(request.places.map(\.namespace)).sorted()
    /// They can still be used when the transaction has to start again.
    var spare = request.spare
    return try client.transaction { transaction in
      // 1. What is there, and whether every key that is about to be written can be.
      let seen = try transaction.read(
        pipeline {
          appendLook(at: request.places, in: namespaces, to: &$0) { pipeline in
            guard request.evicts else { return }
            appendQuotaQuestion(for: namespaces[0], to: &pipeline)
            pipeline.append("ZCARD", layout.lru(namespaces[0]))
            pipeline.append("ZRANGE", layout.lru(namespaces[0]), 0, Self.readAhead - 1)
          }
        })
      let stored = try checkIdentity(seen[1])
      let entries = try request.entries(stored)
      let identity = try stored ?? expectedIdentity()
      for entry in entries { try identity.check(entry.embedding) }
      try checkNumbers(seen, of: namespaces)
      if request.followsBatches { try checkNothingLost(version: seen[seen.count - 1]) }
      let last = try integer(seen[2], in: layout.nextID) ?? 0
      let indexed = entries.indices.map { EntryID(member: seen[3 + $0].bytes) }

      // 2. The ids: those that the queries have, or the next. With them, what the new entry pushes out.
      var passenger = Passenger()
      let victims =
        request.evicts ? try victims(of: indexed[0], in: namespaces[0], seen, after: 3 + entries.count) : []
      for id in victims { passenger.commands.append("WATCH", layout.entry(id)) }
      for id in victims { appendHeadQuestion(about: id, to: &passenger.commands) }
      let claims = try claim(indexed, for: entries, after: last, transaction, &passenger)
      if request.policy == .fail, let index = claims.firstIndex(where: { $0?.exists == true }) {
        throw ConflictError(index: index, id: claims[index]?.id ?? EntryID(0))
      }
      let needed = claims.count { $0 == nil }
      if needed > 0 {
        try checkGrowth(of: layout.nextID, from: last)
        spare = try allocate(needed, after: last, reusing: spare, transaction, &passenger)
      }
      let spared = zip(claims, entries).map { claim, entry in
        request.sparesYounger && claim?.createdAt.map { $0 >= entry.createdAt } ?? false
      }
      let outcomes = outcomes(of: claims, fresh: spare, sparing: spared, request.policy)
      let written = zip(entries, outcomes).filter {
        if case .skipped = $1 { false } else { true }
      }
      guard !written.isEmpty else { return .done(InsertedBatch(outcomes: outcomes)) }

      // 3. What points at that.
      var going = zip(victims, passenger.replies.dropFirst(victims.count))
        .compactMap { try? head(of: $0, in: $1) }.filter { $0.namespace == namespaces[0] }
      // A leftover, a damaged entry or a stranger among them wants more care, and is left to `evict`.
      if going.count < victims.count { going = [] }
      let pointers =
        going.isEmpty ? Pointers() : try watchPointers(to: going, refilling: namespaces[0], transaction)

      // 4. All of it at once.
      let replies = try transaction.commit(
        pipeline {
          if stored == nil { appendStamp(identity, to: &$0) }
          appendInsertion(
            of: written.map(\.0), under: written.map(\.1.id), in: namespaces, to: &$0
          ) { pipeline in
            guard !going.isEmpty else { return }
            appendRemoval(of: going, pointers, counting: .all(.evictions, namespaces[0]), to: &pipeline)
          }
        })
      guard let replies else { return .retry }
      if request.followsBatches { batchVersion = version(in: replies, of: namespaces) }
      return .done(
        InsertedBatch(
          outcomes: outcomes, evicted: going.count, fills: try fills(of: namespaces, in: replies)))
    }
  }

  private func outcomes(
    of claims: [Claim?], fresh ids: [EntryID], sparing spared: [Bool], _ policy: ConflictPolicy
  ) -> [InsertOutcome] {
    var fresh = ids.makeIterator()
    return zip(claims, spared).map { claim, isSpared in
      guard let claim else { return .inserted(fresh.next() ?? EntryID(0)) }
      if !claim.exists { return .inserted(claim.id) }
      return policy == .skip || isSpared ? .skipped(claim.id) : .replaced(claim.id)
    }
  }

  /// What the version counter came to, in the replies to `appendInsertion` without an eviction.
  func version(in replies: Replies, of namespaces: [Namespace]) -> Int64? {
    replies.dropLast(1 + 3 * namespaces.count).last?.integer
  }

  /// The last replies to `appendInsertion`: three for each namespace, and the total.
  func fills(of namespaces: [Namespace], in replies: some RandomAccessCollection<Reply>) throws -> [Fill] {
    let replies = Array(replies.suffix(1 + 3 * namespaces.count))
    let total = replies[replies.count - 1].size ?? 0
    return try namespaces.enumerated().map { offset, namespace in
      let base = 3 * offset
      return Fill(
        namespace: namespace, quota: try quota(in: (replies[base], replies[base + 1]), of: namespace),
        count: replies[base + 2].size ?? 0, total: total)
    }
  }

  /// In the order in which the answers are taken: the identity, the last id, the index of each place; then what
  /// `between` asks for; then the types.
  func appendLook(
    at places: [(namespace: Namespace, queryHash: String)], in namespaces: [Namespace],
    to pipeline: inout Pipeline, between: (inout Pipeline) -> Void = { _ in }
  ) {
    pipeline.begin("WATCH", argumentCount: places.count + 1)
    pipeline.argument(layout.meta)
    for place in places { pipeline.argument(layout.hash(place.namespace, place.queryHash)) }
    appendIdentityQuestion(to: &pipeline)
    pipeline.append("GET", layout.nextID)
    for place in places { pipeline.append("GET", layout.hash(place.namespace, place.queryHash)) }
    between(&pipeline)
    appendTypeChecks(of: namespaces, to: &pipeline)
  }

  // MARK: Parts of the transaction

  private func appendStamp(_ identity: CacheIdentity, to pipeline: inout Pipeline) {
    typealias Field = KeyLayout.MetaField
    pipeline.append(
      "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
      Field.schemaVersion, identity.schemaVersion)
  }

  /// Entries under their ids, and the questions how full that leaves their namespaces.
  /// - Parameter evicting: appends what goes in their place.
  func appendInsertion(
    of entries: [StoredEntry], under ids: [EntryID], in namespaces: [Namespace], to pipeline: inout Pipeline,
    evicting: (inout Pipeline) -> Void = { _ in }
  ) {
    appendWrites(of: entries, under: ids, in: namespaces, to: &pipeline)
    for namespace in namespaces { pipeline.append("SADD", layout.namespaces, namespace.name) }
    pipeline.append("INCRBY", layout.version, entries.count)
    evicting(&pipeline)
    for namespace in namespaces {
      appendQuotaQuestion(for: namespace, to: &pipeline)
      pipeline.append("ZCARD", layout.lru(namespace))
    }
    pipeline.append("ZCARD", layout.byID)
  }

  /// Everything that entries are made of. What the ids had before goes first, with its expiry. An index takes all of
  /// its members in one command: a command of its own for each would cost the server a third more.
  private func appendWrites(
    of entries: [StoredEntry], under ids: [EntryID], in namespaces: [Namespace], to pipeline: inout Pipeline
  ) {
    pipeline.begin("UNLINK", argumentCount: ids.count)
    for id in ids { pipeline.argument(layout.entry(id)) }
    for index in entries.indices {
      codec.appendSet(entries[index], id: ids[index], to: &pipeline)
      pipeline.append(
        "SET", layout.hash(entries[index].namespace, entries[index].queryHash), ids[index].rawValue)
    }
    for namespace in namespaces {
      let members = entries.indices.filter { entries[$0].namespace == namespace }
      guard !members.isEmpty else { continue }
      pipeline.begin("ZADD", argumentCount: 1 + 2 * members.count)
      pipeline.argument(layout.lru(namespace))
      for index in members {
        pipeline.argument(entries[index].lastAccessedAt.rawValue)
        pipeline.argument(ids[index].rawValue)
      }
    }
    pipeline.begin("ZADD", argumentCount: 1 + 2 * ids.count)
    pipeline.argument(layout.byID)
    for id in ids {
      pipeline.argument(id.rawValue)
      pipeline.argument(id.rawValue)
    }
    pipeline.begin("ZREM", argumentCount: 1 + 2 * ids.count)
    pipeline.argument(layout.byTTL)
    for index in entries.indices {
      pipeline.argument(KeyLayout.pythonTTLMember(entries[index].namespace, ids[index]))
      pipeline.argument(ids[index].rawValue)
    }
    appendExpiry(of: entries, under: ids, to: &pipeline)
  }

  private func appendExpiry(of entries: [StoredEntry], under ids: [EntryID], to pipeline: inout Pipeline) {
    let expiring = entries.indices.filter { entries[$0].ttl != nil }
    guard !expiring.isEmpty else { return }
    pipeline.begin("ZADD", argumentCount: 1 + 2 * expiring.count)
    pipeline.argument(layout.byTTL)
    for index in expiring {
      pipeline.argument(entries[index].expiresAt?.rawValue ?? .max)
      pipeline.argument(ids[index].rawValue)
    }
    guard useNativeTTL else { return }
    // Redis counts in milliseconds; a time that those cannot hold never comes.
    for index in expiring {
      guard let expiry = entries[index].expiresAt?.rawValue, expiry < .max / 2000 else { continue }
      pipeline.append("EXPIREAT", layout.entry(ids[index]), expiry)
      pipeline.append("EXPIREAT", layout.hash(entries[index].namespace, entries[index].queryHash), expiry)
    }
  }

  /// Reads that fail where a key has another type than the layout's, so that a transaction, which Redis does
  /// not roll back, never stops half way. The last one is the version.
  func appendTypeChecks(of namespaces: some Sequence<Namespace>, to pipeline: inout Pipeline) {
    pipeline.append("ZCARD", layout.byID)
    pipeline.append("ZCARD", layout.byTTL)
    pipeline.append("SCARD", layout.namespaces)
    for namespace in namespaces {
      pipeline.append("ZCARD", layout.lru(namespace))
      appendCounterQuestion(for: namespace, to: &pipeline)
      appendQuotaQuestion(for: namespace, to: &pipeline)
    }
    pipeline.append("GET", layout.version)
  }

  /// Holds the numbers among the answers to `appendTypeChecks`, the last of `seen`, against what can still grow.
  func checkNumbers(
    _ seen: some RandomAccessCollection<Reply>, of namespaces: some Collection<Namespace>
  ) throws {
    let answers = Array(seen.suffix(1 + 4 * namespaces.count))
    try checkGrowth(of: layout.version, from: integer(answers[answers.count - 1], in: layout.version) ?? 0)
    for (offset, namespace) in namespaces.enumerated() {
      try checkCounters(answers[4 * offset + 1], of: namespace)
    }
  }

  /// The version counter never goes back while a server keeps what it has stored. Where it has, a server was
  /// restarted without its data, or a replica took over that lacked the latest writes.
  func checkNothingLost(version reply: Reply) throws {
    let version = try integer(reply, in: layout.version) ?? 0
    guard let before = batchVersion, version < before else { return }
    throw StoreBackendError(
      .lostWrites,
      "The server has lost what it had stored: '\(layout.version.text)' went back from \(before) to \(version).",
      remediation: "Look why it was restarted or replaced without its latest data.")
  }

  private func checkGrowth(of key: Key, from number: Int64) throws {
    guard number > Self.largestNumber else { return }
    throw CorruptCacheError(
      "The key '\(key.text)' holds \(number), which cannot grow any more.",
      remediation: "Set it to a smaller number with 'redis-cli SET'.")
  }
}
