import Mneme

extension RedisStore {
  /// Stores an entry. Three round trips: the reads, the id, the transaction. One more if another client allocates the
  /// next id in between. If a client changes the `hash:` key, the entry or the cache's identity in between, it starts
  /// again.
  @discardableResult
  public func insert(_ entry: StoredEntry) throws -> EntryID {
    try insertBatch(InsertRequest([entry])).outcomes[0].id
  }

  /// Inserts an entry. An error of an eviction after that says that the entry was stored. Up to 15 entries over a quota are evicted in the same transaction, for one round trip more. If
  /// there are more, it takes two round trips to choose them and three for each transaction (`Batch.removed`).
  package func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
    try insertEvicting(InsertRequest([entry], evicts: true), maxEntries)
  }

  package func insert(
    namespace: Namespace, queryHash: String, evictingOver maxEntries: Int?,
    make: (CacheIdentity?) throws -> StoredEntry
  ) throws -> Insertion {
    var made: StoredEntry?
    let key = QueryKey(namespace: namespace, queryHash: queryHash)
    return try withoutActuallyEscaping(make) { make in
      try insertEvicting(
        InsertRequest([key], evicts: true) { identity in
          let entry = try made ?? make(identity)
          made = entry
          return [entry]
        }, maxEntries)
    }
  }

  private func insertEvicting(_ request: InsertRequest, _ maxEntries: Int?) throws -> Insertion {
    let batch = try insertBatch(request)
    let outcome = batch.outcomes[0]
    let state = "The entry was stored with the id \(outcome.id)."
    do {
      return Insertion(
        id: outcome.id, replaced: !outcome.isInserted,
        evicted: try batch.evicted + evict(over: maxEntries, after: batch.fills, sparing: [outcome.id]))
    } catch let error as StoreBackendError {
      throw error.adding(state)
    } catch let error as CorruptCacheError {
      throw error.adding(state)
    }
  }

  /// Stores at most a thousand entries in one transaction, then evicts entries over the limits. A query that occurs
  /// twice is stored once.
  /// - Parameter sparingYounger: keeps an entry that is at least as young as the one that would replace it, and counts
  ///   it as skipped.
  /// - Throws: With `.fail`, `ConflictError` for the first query that has an entry. `StoreBackendError` with
  ///   `lostWrites` if the server has lost the batch before. In both cases nothing is written.
  package func insert(
    _ entries: [StoredEntry], onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?,
    sparingYounger: Bool = false
  ) throws -> (outcomes: [InsertOutcome], evicted: Int) {
    guard !entries.isEmpty else { return ([], 0) }
    let options = InsertOptions(policy: policy, sparesYounger: sparingYounger)
    let distinct = try DistinctQueries(entries, options)
    var request = InsertRequest(distinct.entries, options)
    request.followsBatches = true
    let batch = try insertBatch(request)
    let written = Set(batch.outcomes.map(\.id))
    return (
      distinct.outcomes(from: batch.outcomes),
      try evict(over: maxEntries, after: batch.fills, sparing: written)
    )
  }

  /// Stores at most a thousand entries in one transaction.
  @discardableResult
  package func insert(_ entries: [StoredEntry]) throws -> [EntryID] {
    try insert(entries, onConflict: .replace, evictingOver: nil).outcomes.map(\.id)
  }

  /// Evicts if a batch has passed a limit.
  func evict(over maxEntries: Int?, after fills: [Fill], sparing written: Set<EntryID>) throws -> Int {
    try fills.filter { $0.excess(over: maxEntries) > 0 }.reduce(0) { evicted, fill in
      try evicted + evict(for: fill.namespace, maxEntries: maxEntries, sparing: written)
    }
  }

  // MARK: The change

  /// The entries to store, and how.
  struct InsertRequest {
    var keys: [QueryKey]
    var options = InsertOptions()
    /// Whether to evict in the same transaction if few entries are over the limit. For one entry only.
    var evicts = false
    /// Whether this is one of several batches, none of which may have been lost in between.
    var followsBatches = false
    /// Ids that were allocated for these entries, or by an earlier attempt.
    var ids = AllocatedIDs()
    /// Makes the entries of the keys, in their order, for a cache of this identity.
    var entries: (CacheIdentity?) throws -> [StoredEntry]

    init(_ entries: [StoredEntry], _ options: InsertOptions = InsertOptions(), evicts: Bool = false) {
      self.init(entries.map(\.queryKey), evicts: evicts) { _ in entries }
      self.options = options
    }

    init(_ keys: [QueryKey], evicts: Bool, entries: @escaping (CacheIdentity?) throws -> [StoredEntry]) {
      self.keys = keys
      self.evicts = evicts
      self.entries = entries
    }

    var namespaces: [Namespace] { Set(keys.map(\.namespace)).sorted() }
  }

  struct InsertedBatch: Sendable {
    var outcomes: [InsertOutcome]
    var evicted = 0
    var fills: [Fill] = []
  }

  private func insertBatch(_ request: InsertRequest) throws -> InsertedBatch {
    try checkOpen()
    let change = insertion(request)
    return try client.perform(change, looked: nil, upcoming: { nil }).result
  }

  /// The state of the keys that an insertion will write.
  struct InsertionLook {
    var stored: CacheIdentity?
    var ids: IDLook
    /// The id that the `hash:` key of each query holds.
    var indexed: [EntryID?]
    var quotas: [Namespace: Int]
    var version: Int64
    /// The entries that a put may evict in its transaction, the least recently used first, and the number in the
    /// namespace.
    var evictable: (count: Int, oldest: [EntryID]) = (0, [])
    /// The time of the latest access in the namespace of a put.
    var latestAccess: UnixTime?
  }

  func insertion(_ request: InsertRequest) -> Change<InsertionLook, InsertedBatch> {
    Change(
      look: { Look { self.appendLook(for: request, to: &$0) } },
      decide: { transaction, seen in try self.decide(request, seen, transaction) })
  }

  private func appendLook(for request: InsertRequest, to pipeline: inout Pipeline) -> Question<InsertionLook>
  {
    let namespaces = request.namespaces
    pipeline.append(
      "WATCH", each: [layout.meta] + request.keys.map { layout.hash($0.namespace, $0.queryHash) })
    let identity = appendIdentityQuestion(to: &pipeline)
    let ids = appendIDLook(request.ids.prefix(request.keys.count), to: &pipeline)
    let indexed = request.keys.map { pipeline.append("GET", layout.hash($0.namespace, $0.queryHash)) }
    let version = appendVersionQuestion(to: &pipeline)
    appendTypeQuestions(of: namespaces, to: &pipeline)
    let quotas = namespaces.map { appendQuotaQuestion(for: $0, to: &pipeline) }
    var evictable: Question<(count: Int, oldest: [EntryID])>?
    var latest: Slot?
    if request.evicts {
      latest = appendLatestAccess(in: namespaces[0], to: &pipeline)
      let count = pipeline.append("ZCARD", layout.lru(namespaces[0]))
      let oldest = pipeline.append("ZRANGE", layout.lru(namespaces[0]), 0, Self.evictedAlong)
      evictable = Question { replies in
        (replies[count].size ?? 0, replies[oldest].elements.compactMap { EntryID(member: $0.bytes) })
      }
    }
    return Question { replies in
      InsertionLook(
        stored: try replies[identity], ids: try replies[ids],
        indexed: indexed.map { EntryID(member: replies[$0].bytes) },
        quotas: Dictionary(
          uniqueKeysWithValues: try zip(namespaces, quotas).compactMap { namespace, quota in
            try replies[quota].map { (namespace, $0) }
          }),
        version: try replies[version], evictable: try evictable.map { try replies[$0] } ?? (0, []),
        latestAccess: latest.flatMap { replies[$0].latestAccess })
    }
  }

  private func decide(
    _ request: InsertRequest, _ seen: InsertionLook, _ transaction: borrowing Transaction
  ) throws -> Plan<InsertedBatch> {
    var entries = try request.entries(seen.stored)
    // This is a put, and not an imported entry with its own times.
    if request.evicts, entries[0].lastAccessedAt == entries[0].createdAt {
      entries[0].lastAccessedAt = try accessTime(
        entries[0].lastAccessedAt, after: seen.latestAccess, transaction)
    }
    let identity = try seen.stored ?? expectedIdentity()
    for entry in entries {
      try QueryNormalizer.check(hash: entry.queryHash)
      try identity.check(entry.embedding)
    }
    if request.followsBatches { try checkNothingLost(version: seen.version) }

    // Reads the ids that the queries have or allocates new ones, and reads the entries that the new one evicts.
    let namespace = request.namespaces[0]
    let victims = request.evicts ? victims(of: seen, in: namespace) : []
    var claims = [Claim?](repeating: nil, count: entries.count)
    let indexed = seen.indexed.indices.filter { seen.indexed[$0] != nil }
    var heads: [EntryHead] = []
    var leftovers: [Leftover] = []
    request.ids.keepUsable(seen.ids)
    let unknown = entries.count - indexed.count
    let allocates = unknown > request.ids.count
    if !indexed.isEmpty || !victims.isEmpty || allocates {
      let seen = try transaction.read { pipeline -> Question<([Claim?], [EntryHead?], IDAllocation?)> in
        let claims = appendClaimLook(
          at: indexed.map { (seen.indexed[$0] ?? EntryID(0), entries[$0].queryKey) }, to: &pipeline)
        let heads = appendHeadLook(at: victims, to: &pipeline)
        let allocation =
          try allocates ? appendAllocation(unknown, after: seen.ids, to: &pipeline) : nil
        return Question { replies in
          (try replies[claims], try replies[heads], try allocation.map { try replies[$0] })
        }
      }
      for (place, claim) in zip(indexed, seen.0) {
        if let claim, !claim.exists {
          leftovers.append(Leftover(id: claim.id, namespace: entries[place].namespace))
        } else {
          claims[place] = claim
        }
      }
      heads = seen.1.compactMap(\.self).filter { $0.namespace == namespace }
      if let allocation = seen.2 { try settle(allocation, of: request.ids, transaction) }
    }
    // An index that leads to another query's entry, or to one that Redis has expired: that query needs an id as well.
    // A reader that has dropped an entry does not ask for its id again, only for higher ones.
    let needed = claims.count { $0 == nil }
    if needed > request.ids.count {
      try allocate(needed, for: request.ids, after: seen.ids, transaction)
    }
    if seen.stored == nil, try !watchAllocation(of: request.ids.unused, transaction) { return .lookAgain }
    let plan = try InsertionPlan(
      claims: claims, created: entries.map(\.createdAt), fresh: request.ids.prefix(needed), request.options)
    guard !plan.written.isEmpty else { return .done(InsertedBatch(outcomes: plan.outcomes)) }

    // If a victim is a leftover, damaged or in another namespace, `evict` handles all of them.
    if heads.count < victims.count { heads = [] }
    let removal = heads.isEmpty ? nil : try removal(of: heads, refilling: namespace, transaction)

    return .write { pipeline in
      if seen.stored == nil { appendStamp(identity, to: &pipeline) }
      appendSweep(leftovers, to: &pipeline)
      let written = plan.written.count == entries.count ? entries : plan.written.map { entries[$0] }
      let version = appendInsertion(
        of: written, under: plan.written.map { plan.outcomes[$0].id }, to: &pipeline)
      if let removal {
        appendRemoval(removal, to: &pipeline)
        append(removal.record(.all(.evictions, namespace)), to: &pipeline)
      }
      let fills = appendFillQuestion(of: Set(written.map(\.namespace)).sorted(), seen.quotas, to: &pipeline)
      let evicted = removal?.heads.count ?? 0
      return Question { replies in
        request.ids.use(plan.usedIDs)
        if request.followsBatches { self.batchVersion = replies[version].integer }
        return InsertedBatch(outcomes: plan.outcomes, evicted: evicted, fills: try replies[fills])
      }
    }
  }

  /// Checks that the version counter has not gone back. If it has, a server was restarted without its data, or a
  /// replica without the latest writes has become the primary.
  private func checkNothingLost(version: Int64) throws {
    guard let before = batchVersion, version < before else { return }
    throw StoreBackendError(
      .lostWrites,
      "The server has lost stored data: '\(layout.version.text)' went back from \(before) to \(version).",
      about: .key(layout.version.text), remedy: .findLostWrites)
  }

  // MARK: Commands

  func appendStamp(_ identity: CacheIdentity, to pipeline: inout Pipeline) {
    typealias Field = KeyLayout.MetaField
    pipeline.append(
      "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
      Field.schemaVersion, identity.schemaVersion)
  }

  private func appendFillQuestion(
    of namespaces: [Namespace], _ quotas: [Namespace: Int], to pipeline: inout Pipeline
  ) -> Question<[Fill]> {
    let counts = namespaces.map { pipeline.append("ZCARD", layout.lru($0)) }
    let total = pipeline.append("ZCARD", layout.byID)
    return Question { replies in
      zip(namespaces, counts).map { namespace, count in
        Fill(
          namespace: namespace, quota: quotas[namespace], count: replies[count].size ?? 0,
          total: replies[total].size ?? 0)
      }
    }
  }

  /// Writes entries under their ids, and in every index. Old entries of the ids are removed first, with their
  /// expiry. An index takes all of its members in one command: a command for each would cost the server a third more.
  /// - Returns: the new version.
  private func appendInsertion(
    of entries: [StoredEntry], under ids: [EntryID], to pipeline: inout Pipeline
  ) -> Slot {
    pipeline.append("UNLINK", each: ids.map(layout.entry))
    for place in entries.indices {
      codec.appendSet(entries[place], id: ids[place], to: &pipeline)
      pipeline.append(
        "SET", layout.hash(entries[place].namespace, entries[place].queryHash), ids[place].rawValue)
    }
    // Entries are large to copy, so the code below uses their positions.
    let places = Dictionary(grouping: entries.indices) { entries[$0].namespace }
    for (namespace, places) in places.sorted(by: { $0.key < $1.key }) {
      pipeline.append(
        "ZADD", to: layout.lru(namespace),
        places.map { (entries[$0].lastAccessedAt.rawValue, ids[$0].rawValue) })
      pipeline.append("SADD", layout.namespaces, namespace.name)
    }
    pipeline.append("ZADD", to: layout.byID, ids.map { ($0.rawValue, $0.rawValue) })
    pipeline.begin("ZREM", argumentCount: 1 + 2 * ids.count)
    pipeline.argument(layout.byTTL)
    for (place, id) in ids.enumerated() {
      pipeline.argument(KeyLayout.pythonTTLMember(entries[place].namespace, id))
      pipeline.argument(id.rawValue)
    }
    appendExpiry(of: entries, under: ids, to: &pipeline)
    return pipeline.append("INCRBY", layout.version, entries.count)
  }

  private func appendExpiry(
    of entries: [StoredEntry], under ids: [EntryID], to pipeline: inout Pipeline
  ) {
    let places = entries.indices.filter { entries[$0].ttl != nil }
    guard !places.isEmpty else { return }
    pipeline.append(
      "ZADD", to: layout.byTTL,
      places.map { (entries[$0].expiresAt?.rawValue ?? .max, ids[$0].rawValue) })
    guard useNativeTTL else { return }
    // Redis counts in milliseconds. A time beyond their range is never reached, so it is not set.
    for place in places {
      guard let expiry = entries[place].expiresAt?.rawValue, expiry < .max / 2000 else { continue }
      pipeline.append("EXPIREAT", layout.entry(ids[place]), expiry)
      pipeline.append(
        "EXPIREAT", layout.hash(entries[place].namespace, entries[place].queryHash), expiry)
    }
  }
}

extension Pipeline {
  /// Appends a command for scores and members of a sorted set, if there are any.
  fileprivate mutating func append(_ name: StaticString, to key: Key, _ members: [(Int64, Int64)]) {
    begin(name, argumentCount: 1 + 2 * members.count)
    argument(key)
    for (score, member) in members {
      argument(score)
      argument(member)
    }
  }
}
