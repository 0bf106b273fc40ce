#if Redis
  import Mneme

  extension RedisStore {
    /// Three round trips: the index, the entry, the access and the counter.
    public func serve(namespace: Namespace, queryHash: String, at now: UnixTime) throws -> StoredEntry? {
      guard let id = try indexedID(namespace, queryHash) else { return nil }
      let entry = try client.transaction { transaction -> Transaction.Outcome<StoredEntry?> in
        let seen = try transaction.read(
          pipeline {
            $0.append("WATCH", layout.entry(id))
            $0.append("HGETALL", layout.entry(id))
            appendTouchChecks(of: namespace, to: &$0)
          })
        // An index that points at another query's entry must not make that one's answer ours.
        guard let entry = try codec.decode(seen[1], id: id), entry.namespace == namespace,
          entry.queryHash == queryHash
        else { return .done(nil) }
        guard !entry.isExpired(at: now) else { return .done(entry) }
        let written = try transaction.commit(
          pipeline {
            appendTouch(id, in: namespace, at: now, to: &$0)
            appendCount(1, of: .hitsExact, in: namespace, to: &$0)
          })
        return written == nil ? .retry : .done(entry)
      }
      guard let entry, entry.isExpired(at: now) else { return entry }
      try removeExpired(id: id, at: now)
      return nil
    }

    /// Two round trips. The hit is counted also when the entry has gone meanwhile.
    public func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws {
      try touch(entry.id, at: now, counting: (counter, entry.namespace))
    }

    /// Two round trips.
    public func recordAccess(id: EntryID, at now: UnixTime) throws { try touch(id, at: now, counting: nil) }

    private func touch(_ id: EntryID, at now: UnixTime, counting: (Counter, Namespace)?) throws {
      try checkOpen()
      try client.transaction { transaction in
        let seen = try transaction.read(
          pipeline {
            $0.append("WATCH", layout.entry(id))
            appendHeadQuestion(about: id, to: &$0)
            if let (_, namespace) = counting { appendTouchChecks(of: namespace, to: &$0) }
          })
        let head = try head(of: id, in: seen[1])
        guard head != nil || counting != nil else { return .done(()) }
        let written = try transaction.commit(
          pipeline {
            if let head { appendTouch(id, in: head.namespace, at: now, to: &$0) }
            if let (counter, namespace) = counting { appendCount(1, of: counter, in: namespace, to: &$0) }
          })
        return written == nil ? .retry : .done(())
      }
    }

    /// The entry is watched, so none of this can make a key of an entry that is gone.
    private func appendTouch(
      _ id: EntryID, in namespace: Namespace, at now: UnixTime, to pipeline: inout Pipeline
    ) {
      pipeline.append("HSET", layout.entry(id), EntryField.lastAccessedAt, now.rawValue)
      pipeline.append("HINCRBY", layout.entry(id), EntryField.accessCount, 1)
      pipeline.append("ZADD", layout.lru(namespace), now.rawValue, id.member)
    }

    /// Reads that fail where a key that a touch writes has another type.
    private func appendTouchChecks(of namespace: Namespace, to pipeline: inout Pipeline) {
      pipeline.append("ZCARD", layout.lru(namespace))
      pipeline.append("HLEN", layout.counters(namespace))
    }
  }
#endif
