import Mneme

extension RedisStore {
  /// One round trip. `members` is set up to 16 entries: what they weigh is then less than a round trip.
  public func locate(namespace: Namespace, queryHash: String) throws -> Location {
    let fewest = 16
    let replies = try read(
      pipeline {
        $0.append("GET", layout.hash(namespace, queryHash))
        $0.append("GET", layout.version)
        $0.append("ZRANGE", layout.lru(namespace), 0, fewest)
      })
    let members = replies[2].elements.compactMap { EntryID(member: $0.bytes) }.sorted()
    let exact = EntryID(member: replies[0].bytes)
    guard exact != nil || replies[0].isNull else {
      throw CorruptCacheError(
        "The key '\(layout.hash(namespace, queryHash).text)' holds no id.",
        remediation: "Put the answer again, or delete the key with 'redis-cli DEL'.")
    }
    return Location(
      exact: exact, members: replies[2].count <= fewest ? members : nil,
      version: try integer(replies[1], in: layout.version) ?? 0)
  }

  /// Two round trips: the entries under `WATCH`, then the access and the counter.
  public func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry? {
    guard !ids.isEmpty else {
      _ = try choose([])
      return nil
    }
    try checkOpen()
    let served: (entry: StoredEntry?, damaged: [CorruptCacheError]) = try client.transaction { transaction in
      let seen = try transaction.read(
        pipeline {
          $0.begin("WATCH", argumentCount: ids.count)
          for id in ids { $0.argument(layout.entry(id)) }
          for id in ids { $0.append("HGETALL", layout.entry(id)) }
          appendTouchChecks(of: namespace, to: &$0)
        }, tolerating: true)
      // An entry of another type is damaged; an index of another type ends it.
      for (reply, key) in zip(seen.suffix(2), [layout.lru(namespace), layout.counters(namespace)]) {
        if let error = reply.error { throw transaction.translate(error, command: "WATCH", key: key.text) }
      }
      var damaged: [CorruptCacheError] = []
      let entries = try ids.enumerated().map { place, id in
        do {
          return try decode(seen[1 + place], id: id) { transaction.translate($0, command: $1, key: $2) }
        } catch let error as CorruptCacheError {
          damaged.append(error)
          return nil
        }
      }
      guard let place = try choose(entries), let entry = entries[place] else { return .done((nil, damaged)) }
      let written = try transaction.commit(
        pipeline { appendHit(entry, counting: counter, at: now, to: &$0) })
      return written == nil ? .retry : .done((entry, damaged))
    }
    try served.damaged.forEach(whenDamaged)
    return served.entry
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

  private func appendHit(
    _ entry: StoredEntry, counting counter: Counter, at now: UnixTime, to pipeline: inout Pipeline
  ) {
    appendTouch(entry.id, in: entry.namespace, at: now, to: &pipeline)
    appendCount(1, of: counter, in: entry.namespace, to: &pipeline)
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
