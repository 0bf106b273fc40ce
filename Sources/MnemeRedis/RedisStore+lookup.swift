import Mneme

extension RedisStore {
  /// Finds an entry by its exact query. One round trip. For up to 16 entries `members` is set too, because comparing
  /// all of them then takes less time than an index.
  package func locate(namespace: Namespace, queryHash: String) throws -> Location {
    let fewest = 16
    var request = Pipeline()
    let pointer = request.append("GET", layout.hash(namespace, queryHash))
    let listed = request.append("ZRANGE", layout.lru(namespace), 0, fewest)
    let meta = request.append("EXISTS", layout.meta)
    let server = isComparisonOld ? request.append("INFO", "server") : nil
    let replies = try read(request, tolerating: true)
    for (slot, command, key) in [
      (pointer, "GET", layout.hash(namespace, queryHash)), (listed, "ZRANGE", layout.lru(namespace)),
    ] {
      if let error = replies[slot].error { throw client.translate(error, command: command, key: key.text) }
    }
    // After a flush or `drop` by another process, nothing may be counted in a cache that is gone.
    if replies[meta].integer == 0 { forgetIdentity() }
    // It costs no round trip of its own here, and not all may ask for it.
    if let server { note(serverInformation: replies[server].information) }
    let members = replies[listed].elements.compactMap { EntryID(member: $0.bytes) }.sorted()
    let exact = EntryID(member: replies[pointer].bytes)
    guard exact != nil || replies[pointer].isNull else {
      throw CorruptCacheError(
        "The key '\(layout.hash(namespace, queryHash).text)' does not hold an id.",
        about: .key(layout.hash(namespace, queryHash).text), remedy: .putAgain)
    }
    return Location(exact: exact, members: replies[listed].count <= fewest ? members : nil)
  }

  /// Serves an entry. Two round trips: the entries under `WATCH`, then the access and the counter.
  package func serve(
    ids: [EntryID], in namespace: Namespace, counting counter: Counter, at now: UnixTime,
    whenDamaged: (CorruptCacheError) throws -> Void, choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry? {
    guard !ids.isEmpty else {
      _ = try choose([])
      return nil
    }
    try checkOpen()
    typealias Served = (entry: StoredEntry?, damaged: [CorruptCacheError])
    let served: Served = try client.change(tolerating: true) { pipeline in
      let watched = pipeline.append("WATCH", each: ids.map(layout.entry))
      let entries = ids.map { pipeline.append("HGETALL", layout.entry($0)) }
      let touched = appendTouchCheck(of: namespace, to: &pipeline)
      return Question { replies in
        let touch = Result { () -> UnixTime? in
          if let error = replies[watched].error {
            throw TouchCheckFailure(reply: error, key: self.layout.entry(ids[0]))
          }
          return try replies[touched]
        }
        return (entries.map { replies[$0] }, touch)
      }
    } decide: { transaction, seen -> Plan<Served> in
      // If the entry's key has another type, the entry is damaged. If an index has another type, the lookup fails.
      let latest: UnixTime?
      do {
        latest = try seen.1.get()
      } catch let error as TouchCheckFailure {
        throw transaction.translate(error.reply, command: "WATCH", key: error.key.text)
      }
      var damaged: [CorruptCacheError] = []
      let entries = try zip(ids, seen.0).map { id, reply in
        do {
          return try decode(reply, id: id) { transaction.translate($0, command: $1, key: $2) }
        } catch let error as CorruptCacheError {
          damaged.append(error)
          return nil
        }
      }
      guard let place = try choose(entries), let entry = entries[place] else { return .done((nil, damaged)) }
      let accessed = try accessTime(now, after: latest, transaction)
      return .write { pipeline in
        appendTouch(
          entry.id, in: entry.namespace, after: entry.accessCount, at: accessed, to: &pipeline)
        appendCount(1, of: counter, in: entry.namespace, to: &pipeline)
        return Question { [damaged] _ in (entry, damaged) }
      }
    }
    try served.damaged.forEach(whenDamaged)
    return served.entry
  }

  /// Records a hit. It is counted even if the entry is gone by then. Two round trips.
  package func recordHit(_ entry: StoredEntry, counting counter: Counter, at now: UnixTime) throws {
    try touch(entry.id, at: now, counting: (counter, entry.namespace))
  }

  /// Two round trips.
  public func recordAccess(id: EntryID, at now: UnixTime) throws { try touch(id, at: now, counting: nil) }

  private func touch(_ id: EntryID, at now: UnixTime, counting: (Counter, Namespace)?) throws {
    try checkOpen()
    try client.change { pipeline in
      pipeline.append("WATCH", layout.entry(id))
      let head = appendHeadQuestion(about: id, to: &pipeline)
      let count = pipeline.append("HGET", layout.entry(id), EntryField.accessCount)
      let touched = counting.map { appendTouchCheck(of: $1, to: &pipeline) }
      return Question { replies in
        let latest = try touched.flatMap { try replies[$0] }
        return (head: try replies[head], count: replies[count].integer, latest: latest)
      }
    } decide: { transaction, seen -> Plan<Void> in
      guard seen.head != nil || counting != nil else { return .done(()) }
      let accessed = try accessTime(now, after: seen.latest, transaction)
      return .write { pipeline in
        if let head = seen.head {
          appendTouch(
            id, in: head.namespace, after: seen.count, at: accessed, to: &pipeline)
        }
        if let (counter, namespace) = counting { appendCount(1, of: counter, in: namespace, to: &pipeline) }
        return .nothing
      }
    }
  }

  /// Appends the commands that record an access. The entry is watched, so they cannot create the key of a removed
  /// entry.
  /// - Parameter count: the number of accesses so far; nil if it is not a number. A count that cannot grow is not
  ///   changed, so that no command fails in the middle of the transaction.
  private func appendTouch(
    _ id: EntryID, in namespace: Namespace, after count: Int64?, at now: UnixTime,
    to pipeline: inout Pipeline
  ) {
    pipeline.append("HSET", layout.entry(id), EntryField.lastAccessedAt, now.rawValue)
    if let count, count < .max { pipeline.append("HINCRBY", layout.entry(id), EntryField.accessCount, 1) }
    pipeline.append("ZADD", layout.lru(namespace), now.rawValue, id.member)
  }

  /// Appends reads that fail if a key that an access writes has another type, or if a counter cannot grow.
  /// - Returns: the time of the latest access in the namespace.
  private func appendTouchCheck(of namespace: Namespace, to pipeline: inout Pipeline) -> Question<UnixTime?> {
    let lru = appendLatestAccess(in: namespace, to: &pipeline)
    let counters = appendCounterQuestion(for: namespace, to: &pipeline)
    return Question { replies in
      for (slot, key) in [(lru, self.layout.lru(namespace)), (counters, self.layout.counters(namespace))] {
        if let error = replies[slot].error { throw TouchCheckFailure(reply: error, key: key) }
      }
      self.checkCounters(replies[counters], of: namespace)
      return replies[lru].latestAccess
    }
  }
}

/// A server error for a key that an access writes. It has not been translated yet.
private struct TouchCheckFailure: Error {
  let reply: ServerError
  let key: Key
}
