#if Redis
  import Mneme

  extension RedisStore {
    /// Three round trips for a new entry or a replacement, one more when another writer takes the next id in
    /// between: what is there, the id, the transaction. A writer who changes the query's index, the entry or the
    /// cache's identity in between makes it start again.
    @discardableResult
    public func insert(_ entry: StoredEntry) throws -> EntryID { try insertCounting(entry).id }

    /// As `insert`; two or three round trips more when something is evicted.
    public func insert(_ entry: StoredEntry, evictingOver maxEntries: Int?) throws -> Insertion {
      let inserted = try insertCounting(entry)
      let quota = try quota(in: inserted.quotaReplies, of: entry.namespace)
      let (count, limit) =
        quota.map { (inserted.namespaceCount, $0) } ?? (inserted.totalCount, maxEntries ?? .max)
      let evicted =
        Eviction.batch(count: count, limit: limit) > 0
        ? try evict(for: entry.namespace, maxEntries: maxEntries) : 0
      return Insertion(id: inserted.id, replaced: inserted.replaced, evicted: evicted)
    }

    /// What the transaction of an insert tells besides.
    private struct Inserted {
      var id: EntryID
      var replaced: Bool
      var quotaReplies: (field: Reply, string: Reply)
      var namespaceCount: Int
      var totalCount: Int
    }

    private func insertCounting(_ entry: StoredEntry) throws -> Inserted {
      try checkOpen()
      /// Ids that were handed out to us and can still be used when the transaction has to start again.
      var spare: EntryID?
      return try client.transaction { transaction in
        // 1. What is there, and whether every key that is about to be written can be.
        let hashKey = layout.hash(entry.namespace, entry.queryHash)
        let seen = try transaction.read(
          pipeline {
            $0.append("WATCH", hashKey, layout.meta)
            appendIdentityQuestion(to: &$0)
            $0.append("GET", hashKey)
            $0.append("GET", layout.nextID)
            appendTypeChecks(of: [entry.namespace], to: &$0)
          })
        let stored = try checkIdentity(seen[1])
        let identity = try stored ?? expectedIdentity()
        try identity.check(entry.embedding)
        try checkVersion(seen[seen.count - 1])
        let indexed = seen[2].isNull ? nil : EntryID(member: seen[2].bytes)

        // 2. The id: the one that the query has, or the next.
        let id: EntryID
        let replaced: Bool
        if let indexed, let found = try claim(indexed, for: entry, transaction) {
          (id, replaced) = (indexed, found)
        } else {
          let last = try integer(seen[3], in: layout.nextID) ?? 0
          id = try allocate(after: last, reusing: spare, transaction)
          (spare, replaced) = (id, false)
        }

        // 3. All of it at once.
        let written = try transaction.commit(
          pipeline {
            if stored == nil { appendStamp(identity, to: &$0) }
            appendWrite(entry, id: id, to: &$0)
            appendQuotaQuestion(for: entry.namespace, to: &$0)
            $0.append("ZCARD", layout.lru(entry.namespace))
            $0.append("ZCARD", layout.byID)
          })
        guard let written else { return .retry }
        let last = written.count - 1
        return .done(
          Inserted(
            id: id, replaced: replaced, quotaReplies: (written[last - 3], written[last - 2]),
            namespaceCount: Int(written[last - 1].integer ?? 0), totalCount: Int(written[last].integer ?? 0)))
      }
    }

    /// Whether the id that the index names may be written for this query: when its entry is this query's, or gone
    /// (expired by Redis itself). An index that points at another query's entry is not followed.
    /// - Returns: whether an entry is there to replace; nil when the id is another's.
    private func claim(_ id: EntryID, for entry: StoredEntry, _ transaction: borrowing Transaction) throws -> Bool? {
      let replies = try transaction.read(
        pipeline {
          $0.append("WATCH", layout.entry(id))
          $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
          $0.append("EXISTS", layout.entry(id))
        })
      guard replies[2].integer != 0 else { return false }
      let isSame =
        replies[1][0].bytes.elementsEqual(entry.namespace.name.utf8)
        && replies[1][1].bytes.elementsEqual(entry.queryHash.utf8)
      return isSame ? true : nil
    }

    /// An id that no entry has. Almost always `last + 1`, whose key is watched in the round trip that takes it;
    /// with `next_id` behind the highest entry, one above that.
    private func allocate(
      after last: Int64, reusing spare: EntryID?, _ transaction: borrowing Transaction
    ) throws -> EntryID {
      var candidate = spare ?? EntryID(last + 1)
      var taken = spare != nil
      var step: Int64 = 1
      while true {
        let replies = try transaction.read(
          pipeline {
            $0.append("WATCH", layout.entry(candidate))
            $0.append("EXISTS", layout.entry(candidate))
            $0.append("ZSCORE", layout.byID, candidate.member)
            if !taken {
              $0.append("INCRBY", layout.nextID, step)
              $0.append("ZREVRANGE", layout.byID, 0, 0)
            }
          })
        let isFree = replies[1].integer == 0 && replies[2].isNull
        if taken {
          if isFree { return candidate }
          taken = false
          (candidate, step) = (EntryID(candidate.rawValue + 1), 1)
          continue
        }
        let handedOut = EntryID(replies[3].integer ?? 0)
        if handedOut == candidate, isFree { return candidate }
        if handedOut != candidate {
          (candidate, taken) = (handedOut, true)
        } else {
          // The number is in use: the counter was set back. Go above every entry at once.
          let highest = replies[4].count > 0 ? EntryID(member: replies[4][0].bytes)?.rawValue ?? 0 : 0
          step = max(1, highest - handedOut.rawValue + 1)
          candidate = EntryID(handedOut.rawValue + step)
        }
      }
    }

    // MARK: Parts of the transaction

    private func appendStamp(_ identity: CacheIdentity, to pipeline: inout Pipeline) {
      typealias Field = KeyLayout.MetaField
      pipeline.append(
        "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
        Field.schemaVersion, identity.schemaVersion)
    }

    /// Everything that an entry is made of. What the id had before goes first, with its expiry.
    func appendWrite(_ entry: StoredEntry, id: EntryID, to pipeline: inout Pipeline) {
      let entryKey = layout.entry(id)
      let hashKey = layout.hash(entry.namespace, entry.queryHash)
      pipeline.append("UNLINK", entryKey)
      codec.appendSet(entry, id: id, to: &pipeline)
      pipeline.append("SET", hashKey, id.member)
      pipeline.append("ZADD", layout.lru(entry.namespace), entry.lastAccessedAt.rawValue, id.member)
      pipeline.append("ZADD", layout.byID, id.rawValue, id.member)
      pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(entry.namespace, id), id.member)
      if let expiry = entry.expiresAt {
        pipeline.append("ZADD", layout.byTTL, expiry.rawValue, id.member)
        if useNativeTTL {
          pipeline.append("EXPIREAT", entryKey, expiry.rawValue)
          pipeline.append("EXPIREAT", hashKey, expiry.rawValue)
        }
      }
      pipeline.append("SADD", layout.namespaces, entry.namespace.name)
      pipeline.append("INCR", layout.version)
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
