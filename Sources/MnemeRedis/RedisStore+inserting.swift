#if Redis
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
    /// Three round trips, one more when another writer takes the next id in between: what is there, the id, the
    /// transaction. A writer who changes the query's index, the entry or the cache's identity in between makes it
    /// start again.
    @discardableResult
    public func insert(_ entry: StoredEntry) throws -> EntryID {
      try insertBatch([entry], onConflict: .replace).outcomes[0].id
    }

    /// As `insert`; when something is evicted, one round trip to see what and three for each 64 entries more.
    public func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
      let batch = try insertBatch([entry], onConflict: .replace)
      var isReplaced = false
      if case .replaced = batch.outcomes[0] { isReplaced = true }
      return Insertion(
        id: batch.outcomes[0].id, replaced: isReplaced,
        evicted: try evict(over: maxEntries, after: batch.fills))
    }

    /// Stores many entries in one transaction, at most a thousand, then evicts where limits are passed.
    /// - Precondition: no two entries have the same namespace and query hash.
    /// - Throws: `ConflictError` for the first query that is there, with `.fail`; nothing is written then.
    public func insert(
      _ entries: [StoredEntry], onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?
    ) throws -> (outcomes: [InsertOutcome], evicted: Int) {
      guard !entries.isEmpty else { return ([], 0) }
      let batch = try insertBatch(entries, onConflict: policy)
      return (batch.outcomes, try evict(over: maxEntries, after: batch.fills))
    }

    // MARK: The transaction

    private struct InsertedBatch {
      var outcomes: [InsertOutcome]
      var fills: [Fill]
    }

    /// How full a namespace and the whole cache are after a batch.
    private struct Fill {
      var namespace: Namespace
      var quota: Int?
      var count: Int
      var total: Int
    }

    private func evict(over maxEntries: Int?, after fills: [Fill]) throws -> Int {
      try fills.reduce(0) { evicted, fill in
        let batch =
          fill.quota.map { Eviction.batch(count: fill.count, limit: $0) }
          ?? maxEntries.map { Eviction.batch(count: fill.total, limit: $0) } ?? 0
        return batch > 0 ? try evicted + evict(for: fill.namespace, maxEntries: maxEntries) : evicted
      }
    }

    private func insertBatch(
      _ entries: [StoredEntry], onConflict policy: ConflictPolicy
    ) throws -> InsertedBatch {
      try checkOpen()
      let namespaces = Set(entries.map(\.namespace)).sorted()
      /// Ids that were handed out to us and can still be used when the transaction has to start again.
      var spare: [EntryID] = []
      return try client.transaction { transaction in
        // 1. What is there, and whether every key that is about to be written can be.
        let seen = try transaction.read(
          pipeline { appendLook(at: entries, in: namespaces, to: &$0) })
        let stored = try checkIdentity(seen[1])
        let identity = try stored ?? expectedIdentity()
        for entry in entries { try identity.check(entry.embedding) }
        try checkVersion(seen[seen.count - 1])
        let last = try integer(seen[2], in: layout.nextID) ?? 0
        let indexed = entries.indices.map { EntryID(member: seen[3 + $0].bytes) }

        // 2. The ids: those that the queries have, or the next.
        let claims = try claim(indexed, for: entries, transaction)
        if policy == .fail, let index = claims.firstIndex(where: { $0?.exists == true }) {
          throw ConflictError(index: index, id: claims[index]?.id ?? EntryID(0))
        }
        let needed = claims.count { $0 == nil }
        if needed > 0 {
          spare = try allocate(needed, after: last, reusing: spare, transaction)
        }
        var fresh = spare.makeIterator()
        let outcomes = claims.map { claim -> InsertOutcome in
          guard let claim else { return .inserted(fresh.next() ?? EntryID(0)) }
          if !claim.exists { return .inserted(claim.id) }
          return policy == .skip ? .skipped(claim.id) : .replaced(claim.id)
        }

        // 3. All of it at once.
        let written = zip(entries, outcomes).filter {
          if case .skipped = $1 { false } else { true }
        }
        guard !written.isEmpty else { return .done(InsertedBatch(outcomes: outcomes, fills: [])) }
        let replies = try transaction.commit(
          pipeline {
            if stored == nil { appendStamp(identity, to: &$0) }
            for (entry, outcome) in written { appendWrite(entry, id: outcome.id, to: &$0) }
            for namespace in namespaces { $0.append("SADD", layout.namespaces, namespace.name) }
            $0.append("INCRBY", layout.version, written.count)
            for namespace in namespaces {
              appendQuotaQuestion(for: namespace, to: &$0)
              $0.append("ZCARD", layout.lru(namespace))
            }
            $0.append("ZCARD", layout.byID)
          })
        guard let replies else { return .retry }
        return .done(InsertedBatch(outcomes: outcomes, fills: try fills(of: namespaces, in: replies)))
      }
    }

    /// The last replies of the transaction: three for each namespace, and the total.
    private func fills(of namespaces: [Namespace], in replies: Replies) throws -> [Fill] {
      let total = Int(replies[replies.count - 1].integer ?? 0)
      let first = replies.count - 1 - 3 * namespaces.count
      return try namespaces.enumerated().map { offset, namespace in
        let base = first + 3 * offset
        return Fill(
          namespace: namespace, quota: try quota(in: (replies[base], replies[base + 1]), of: namespace),
          count: Int(replies[base + 2].integer ?? 0), total: total)
      }
    }

    private func appendLook(
      at entries: [StoredEntry], in namespaces: [Namespace], to pipeline: inout Pipeline
    ) {
      pipeline.begin("WATCH", argumentCount: entries.count + 1)
      pipeline.argument(layout.meta)
      for entry in entries { pipeline.argument(layout.hash(entry.namespace, entry.queryHash)) }
      appendIdentityQuestion(to: &pipeline)
      pipeline.append("GET", layout.nextID)
      for entry in entries { pipeline.append("GET", layout.hash(entry.namespace, entry.queryHash)) }
      appendTypeChecks(of: namespaces, to: &pipeline)
    }

    // MARK: Ids

    /// An id that a query's index names and that may be written for it.
    private struct Claim {
      var id: EntryID
      /// Whether an entry is there to replace.
      var exists: Bool
    }

    /// For each entry the id that its query has: when that entry is this query's, or gone (expired by Redis
    /// itself). An index that points at another query's entry is not followed, so nothing of it is overwritten.
    private func claim(
      _ ids: [EntryID?], for entries: [StoredEntry], _ transaction: borrowing Transaction
    ) throws -> [Claim?] {
      let known = ids.compactMap(\.self)
      guard !known.isEmpty else { return ids.map { _ in nil } }
      let replies = try transaction.read(
        pipeline {
          $0.begin("WATCH", argumentCount: known.count)
          for id in known { $0.argument(layout.entry(id)) }
          for id in known {
            $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
            $0.append("EXISTS", layout.entry(id))
          }
        })
      var next = 1
      return try zip(ids, entries).map { id, entry -> Claim? in
        guard let id else { return nil }
        defer { next += 2 }
        guard replies[next + 1].integer != 0 else { return Claim(id: id, exists: false) }
        let fields = try replies[next].elements(expecting: 2)
        let isSame =
          fields[0].bytes.elementsEqual(entry.namespace.name.utf8)
          && fields[1].bytes.elementsEqual(entry.queryHash.utf8)
        return isSame ? Claim(id: id, exists: true) : nil
      }
    }

    /// Ids that no entry has. Almost always those that follow `last`, whose keys are watched in the round trip that
    /// takes them; with `next_id` behind the highest entry, those above that.
    private func allocate(
      _ count: Int, after last: Int64, reusing spare: [EntryID], _ transaction: borrowing Transaction
    ) throws -> [EntryID] {
      var candidates = spare.count >= count ? Array(spare.prefix(count)) : Self.run(of: count, after: last)
      var isOurs = spare.count >= count
      var step = Int64(count)
      while true {
        let replies = try transaction.read(
          pipeline {
            $0.begin("WATCH", argumentCount: count)
            for id in candidates { $0.argument(layout.entry(id)) }
            $0.begin("EXISTS", argumentCount: count)
            for id in candidates { $0.argument(layout.entry(id)) }
            $0.append("ZREVRANGE", layout.byID, 0, 0)
            for id in candidates { $0.append("ZSCORE", layout.byID, id.member) }
            if !isOurs { $0.append("INCRBY", layout.nextID, step) }
          })
        let areFree = replies[1].integer == 0 && replies[3..<3 + count].allSatisfy(\.isNull)
        let highest = replies[2].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0
        if isOurs, areFree { return candidates }
        if isOurs {
          // They were free when they were handed out and are so no more: the counter was set back.
          isOurs = false
          candidates = Self.run(of: count, after: max(highest, candidates[count - 1].rawValue))
          step = Int64(count)
          continue
        }
        let handedOut = Self.run(of: count, after: (replies[3 + count].integer ?? 0) - Int64(count))
        if handedOut == candidates, areFree { return candidates }
        guard handedOut == candidates else {
          (candidates, isOurs) = (handedOut, true)
          continue
        }
        // The numbers are in use: go above every entry at once.
        let top = candidates[count - 1].rawValue
        step = max(Int64(count), highest - top + Int64(count))
        candidates = Self.run(of: count, after: top + step - Int64(count))
      }
    }

    private static func run(of count: Int, after last: Int64) -> [EntryID] {
      (1...Int64(count)).map { EntryID(last &+ $0) }
    }

    // MARK: Parts of the transaction

    private func appendStamp(_ identity: CacheIdentity, to pipeline: inout Pipeline) {
      typealias Field = KeyLayout.MetaField
      pipeline.append(
        "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
        Field.schemaVersion, identity.schemaVersion)
    }

    /// Everything that an entry is made of. What the id had before goes first, with its expiry.
    private func appendWrite(_ entry: StoredEntry, id: EntryID, to pipeline: inout Pipeline) {
      let entryKey = layout.entry(id)
      let hashKey = layout.hash(entry.namespace, entry.queryHash)
      pipeline.append("UNLINK", entryKey)
      codec.appendSet(entry, id: id, to: &pipeline)
      pipeline.append("SET", hashKey, id.member)
      pipeline.append("ZADD", layout.lru(entry.namespace), entry.lastAccessedAt.rawValue, id.member)
      pipeline.append("ZADD", layout.byID, id.rawValue, id.member)
      pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(entry.namespace, id), id.member)
      guard let expiry = entry.expiresAt else { return }
      pipeline.append("ZADD", layout.byTTL, expiry.rawValue, id.member)
      if useNativeTTL {
        pipeline.append("EXPIREAT", entryKey, expiry.rawValue)
        pipeline.append("EXPIREAT", hashKey, expiry.rawValue)
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
        pipeline.append("HLEN", layout.counters(namespace))
        appendQuotaQuestion(for: namespace, to: &pipeline)
      }
      pipeline.append("GET", layout.version)
    }

    /// Holds the version against what can still grow.
    func checkVersion(_ reply: Reply) throws {
      guard let version = try integer(reply, in: layout.version), version > .max - 1_000_000 else { return }
      throw CorruptCacheError(
        "The key '\(layout.version.text)' holds \(version), which cannot grow any more.",
        remediation: "Set it to a smaller number with 'redis-cli SET'.")
    }
  }
#endif
