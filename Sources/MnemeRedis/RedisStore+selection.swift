import Mneme

extension RedisStore {
  /// Returns the ids among which the entries of a selection are, if an index limits them.
  /// - Returns: nil if every entry has to be read.
  func ids(for selection: Selection, at now: UnixTime) throws -> Set<EntryID>? {
    if let ids = selection.ids { return ids }
    switch selection.expiry {
    case .expired: return try memberIDs(of: layout.byTTL, scores: nil, now)
    case .by(let moment): return try memberIDs(of: layout.byTTL, scores: now, moment)
    case .notExpired, .any, .never: break
    }
    let isByUse = selection.usedAfter != nil || selection.usedUntil != nil
    guard isByUse || !selection.namespaces.isEmpty else { return nil }
    let names = try selection.namespaces.isEmpty ? namespaces() : selection.namespaces.sorted()
    return try names.reduce(into: []) { ids, namespace in
      let key = layout.lru(namespace)
      ids.formUnion(
        try isByUse
          ? memberIDs(of: key, scores: selection.usedAfter, selection.usedUntil) : memberIDs(of: key))
    }
  }

  /// Counts the entries that a selection can have at most, if an index limits them. One round trip.
  package func count(of selection: Selection) throws -> Int? {
    if let ids = selection.ids { return ids.count }
    guard !selection.namespaces.isEmpty else { return try count(in: nil) }
    return try read { pipeline in
      let counts = selection.namespaces.map { pipeline.append("ZCARD", layout.lru($0)) }
      return Question { replies in counts.reduce(0) { $0 + (replies[$1].size ?? 0) } }
    }
  }

  /// The ids that a sorted set names. One round trip for each 200 members.
  func memberIDs(of key: Key) throws -> Set<EntryID> {
    var ids: Set<EntryID> = []
    try forEachPairPage(of: .sortedSet(key)) { page in
      ids.formUnion(page.compactMap { EntryID(member: $0.name.bytes) })
    }
    return ids
  }

  /// The ids that a sorted set names with scores after one moment and up to another.
  ///
  /// One round trip, and one for each 200 members. A page is read by its rank, which costs the server the same
  /// however many members precede it. Members that come or go in the meantime may be missed.
  func memberIDs(of key: Key, scores after: UnixTime?, _ until: UnixTime?) throws -> Set<EntryID> {
    var ids: Set<EntryID> = []
    var rank =
      try after.map { after in
        try read { pipeline in
          let count = pipeline.append("ZCOUNT", key, "-inf", after.rawValue)
          return Question { $0[count].size ?? 0 }
        }
      } ?? 0
    while true {
      let first = rank
      let members = try read { pipeline in
        let page = pipeline.append("ZRANGE", key, first, first + Batch.page - 1, "WITHSCORES")
        return Question { replies in
          let elements = Array(replies[page].elements)
          return stride(from: 0, to: elements.count - 1, by: 2).map {
            (id: KeyLayout.parseTTLMember(elements[$0].bytes)?.id, score: CheckRun.score(elements[$0 + 1]))
          }
        }
      }
      let inRange = members.prefix { member in
        until.map { (member.score ?? 0) <= Double($0.rawValue) } ?? true
      }
      ids.formUnion(inRange.compactMap(\.id))
      guard inRange.count == Batch.page else { return ids }
      rank += Batch.page
    }
  }

  // MARK: Removing

  /// Removes the entries of a selection, those with the lowest ids first.
  ///
  /// Each is read again in the transaction that removes it, so that one that was replaced is removed only if it
  /// still matches. Round trips as for `forEachEntry`, and two for each 16 entries, over several connections that
  /// take turns.
  /// - Parameter whenDamaged: called for entries that cannot be read. They stay.
  /// - Returns: the number of removed entries.
  package func remove(
    _ selection: Selection, at now: UnixTime, _ control: WorkControl,
    whenDamaged: (EntryID, CorruptCacheError) throws -> Void
  ) throws -> Int {
    let lanes = RemovalLanes(self) { store, ids in
      store.removal(of: ids, matching: selection, at: now, EntryReader(store, selection.fields))
    } finish: { store, ids, freed in
      let removal = store.settle(freed)
      store.retireIfPossible(removal.maybeEmptied)
      return RemovedBatch(ids: ids, removed: removal.ids, spared: [])
    }
    defer { lanes.close() }
    var removed = 0
    func settle() throws {
      try lanes.settle { batch in
        removed += batch.removed.count
        control.progress(WorkProgress(done: removed))
      }
    }
    try forEachBatch(of: selection, at: now, control, whenDamaged: whenDamaged) { ids, isLast in
      if isLast {
        // All other batches are done, so the last transaction finds namespaces empty and takes them off the list.
        lanes.finish()
        try settle()
      }
      lanes.submit(ids)
      try settle()
    }
    lanes.finish()
    try settle()
    return removed
  }

  /// Passes the ids of a selection to `body`, some at a time, until it returns false.
  private func forEachBatch(
    of selection: Selection, at now: UnixTime, _ control: WorkControl,
    whenDamaged: (EntryID, CorruptCacheError) throws -> Void,
    _ body: (_ ids: [EntryID], _ isLast: Bool) throws -> Void
  ) throws {
    struct Stopped: Error {}
    var ids: [EntryID] = []
    do {
      try forEachEntry(in: selection, at: now, reading: [], whenCorrupt: whenDamaged) { entry in
        if ids.count == Batch.removed {
          if control.shouldStop() { throw Stopped() }
          try body(ids, false)
          ids = []
        }
        ids.append(entry.id)
      }
    } catch is Stopped {
      return
    }
    if !ids.isEmpty, !control.shouldStop() { try body(ids, true) }
  }

  private func removal(
    of ids: [EntryID], matching selection: Selection, at now: UnixTime, _ reader: EntryReader
  ) -> Change<[EntryHead], Freed<Removed>> {
    Change(
      tolerates: true, frees: true,
      look: {
        Look { pipeline in
          let heads = self.appendHeadLook(at: ids, to: &pipeline)
          let entries = self.appendMatchQuestion(of: ids, selection, at: now, reader, to: &pipeline)
          let standing = self.appendKeeperQuestion(of: ids, selection, at: now, reader, to: &pipeline)
          return Question { replies in
            let (matching, standing) = (try replies[entries], try replies[standing])
            return try replies[heads].compactMap(\.self).filter { head in
              guard matching[head.id] != nil else { return false }
              return selection.redundant?.keepers[head.id].map { standing.contains($0) } ?? true
            }
          }
        }
      },
      decide: { transaction, heads in
        try self.removal(of: heads, sparing: [], counting: nil, transaction)
      })
  }

  /// Watches the entries that answer in place of the removed ones, and reads which of them are unchanged.
  private func appendKeeperQuestion(
    of ids: [EntryID], _ selection: Selection, at now: UnixTime, _ reader: EntryReader,
    to pipeline: inout Pipeline
  ) -> Question<Set<EntryID>> {
    let keepers = Set(ids.compactMap { selection.redundant?.keepers[$0] }).sorted()
    guard !keepers.isEmpty else { return Question { _ in [] } }
    var unchanged = Selection()
    unchanged.expiry = selection.expiry
    unchanged.redundant = selection.redundant
    pipeline.append("WATCH", each: keepers.map(layout.entry))
    let entries = appendMatchQuestion(of: keepers, unchanged, at: now, reader, to: &pipeline)
    return Question { replies in Set(try replies[entries].keys) }
  }

  /// Reads which of the entries match now.
  private func appendMatchQuestion(
    of ids: [EntryID], _ selection: Selection, at now: UnixTime, _ reader: EntryReader,
    to pipeline: inout Pipeline
  ) -> Question<[EntryID: StoredEntry]> {
    let slots = ids.map { (id: $0, slot: reader.append($0, to: &pipeline)) }
    return Question { replies in
      var matching: [EntryID: StoredEntry] = [:]
      for (id, slot) in slots {
        do {
          guard
            let entry = try reader.entry(
              id, in: replies[slot],
              translating: { self.client.translated($0, of: CommandText(name: $1, key: $2)) }),
            selection.matches(entry, at: now)
          else { continue }
          matching[id] = entry
        } catch is CorruptCacheError {
          // The entry has been damaged since the walk.
        }
      }
      return matching
    }
  }

  // MARK: Times to live

  /// Gives the entries of a selection a time to live, those with the lowest ids first.
  ///
  /// Changes `ttl`, the member of `by_ttl` in its existing form, the TTL of the key if it has one, and the version.
  /// Each entry is read again in the transaction that changes it. Round trips as for `forEachEntry`, and two for each
  /// 16 entries, over several connections in turn.
  /// - Returns: the number of changed entries, and of those that were not changed.
  package func setTTL(
    _ change: TTLChange, of selection: Selection, at now: UnixTime, _ control: WorkControl,
    whenDamaged: (EntryID, CorruptCacheError) throws -> Void
  ) throws -> (changed: Int, unchanged: Int) {
    let lanes = Lanes<[EntryID], TTLOutcome>(self) { store, ids in
      store.ttlChange(change, of: ids, selection, at: now, EntryReader(store, selection.fields))
    } finish: { _, _, outcome in
      outcome
    }
    defer { lanes.close() }
    var total = TTLOutcome()
    func settle() throws {
      try lanes.settle { outcome in
        total.changed += outcome.changed
        total.unchanged += outcome.unchanged
        control.progress(WorkProgress(done: total.changed + total.unchanged))
      }
    }
    try forEachBatch(of: selection, at: now, control, whenDamaged: whenDamaged) { ids, _ in
      lanes.submit(ids)
      try settle()
    }
    lanes.finish()
    try settle()
    return (total.changed, total.unchanged)
  }

  private struct TTLOutcome: Sendable {
    var changed = 0
    var unchanged = 0
  }

  /// An entry, and the state of its expiry.
  private struct TTLLook {
    var entry: StoredEntry
    /// Whether the key has a TTL in Redis.
    var expiresNatively: Bool
    /// Whether `by_ttl` has the member that the Python library writes.
    var hasPythonMember = false
    /// Whether the `hash:` key of its query leads to it.
    var isPointedAt = false
  }

  private func ttlChange(
    _ change: TTLChange, of ids: [EntryID], _ selection: Selection, at now: UnixTime, _ reader: EntryReader
  ) -> Change<[TTLLook], TTLOutcome> {
    Change(
      tolerates: true,
      look: {
        Look { pipeline in
          let watched = pipeline.append("WATCH", each: ids.map(self.layout.entry))
          let entries = self.appendMatchQuestion(of: ids, selection, at: now, reader, to: &pipeline)
          let expiries = ids.map { pipeline.append("PTTL", self.layout.entry($0)) }
          return Question { replies in
            if let error = replies[watched].error {
              throw self.client.translated(
                error, of: CommandText(name: "WATCH", key: self.layout.entry(ids[0]).text))
            }
            let matching = try replies[entries]
            return zip(ids, expiries).compactMap { id, expiry in
              matching[id].map {
                TTLLook(entry: $0, expiresNatively: replies[expiry].integer ?? -1 >= 0)
              }
            }
          }
        }
      },
      decide: { transaction, seen in
        let changed = seen.filter { change.changes($0.entry, at: now) }
        let unchanged = seen.count - changed.count
        guard !changed.isEmpty else { return .done(TTLOutcome(unchanged: unchanged)) }
        let looks = try transaction.read { pipeline in
          let version = self.appendVersionQuestion(to: &pipeline)
          pipeline.append("ZCARD", self.layout.byTTL)
          let hashKeys = changed.map { self.layout.hash($0.entry.namespace, $0.entry.queryHash) }
          pipeline.append("WATCH", each: hashKeys)
          let pointers = hashKeys.map { pipeline.append("GET", $0) }
          let members = changed.map {
            pipeline.append(
              "ZSCORE", self.layout.byTTL, KeyLayout.pythonTTLMember($0.entry.namespace, $0.entry.id))
          }
          return Question { replies in
            _ = try replies[version]
            return zip(changed, zip(pointers, members)).map { look, slots in
              var look = look
              look.isPointedAt = EntryID(member: replies[slots.0].bytes) == look.entry.id
              look.hasPythonMember = !replies[slots.1].isNull
              return look
            }
          }
        }
        return .write { pipeline in
          for look in looks { self.append(change, to: look, at: now, &pipeline) }
          pipeline.append("INCRBY", self.layout.version, looks.count)
          return Question { _ in TTLOutcome(changed: looks.count, unchanged: unchanged) }
        }
      })
  }

  private func append(
    _ change: TTLChange, to look: TTLLook, at now: UnixTime, _ pipeline: inout Pipeline
  ) {
    let (entry, id) = (look.entry, look.entry.id)
    let pythonMember = KeyLayout.pythonTTLMember(entry.namespace, id)
    // A `hash:` key that leads to another entry keeps its TTL.
    let keys =
      [layout.entry(id)] + (look.isPointedAt ? [layout.hash(entry.namespace, entry.queryHash)] : [])
    guard case .seconds(let ttl) = change.ttl(for: entry, at: now) else {
      pipeline.append("HSET", keys[0], EntryField.ttl, "")
      pipeline.append("ZREM", layout.byTTL, id.member, pythonMember)
      for key in keys where look.expiresNatively { pipeline.append("PERSIST", key) }
      return
    }
    let expiry = entry.createdAt + ttl
    pipeline.append("HSET", keys[0], EntryField.ttl, ttl.rawValue)
    if look.hasPythonMember {
      // With both forms of the member, the entry would be due twice.
      pipeline.append("ZREM", layout.byTTL, id.member)
      pipeline.append("ZADD", layout.byTTL, expiry.rawValue, pythonMember)
    } else {
      pipeline.append("ZADD", layout.byTTL, expiry.rawValue, id.member)
    }
    guard look.expiresNatively || change.isNative else { return }
    for key in keys {
      // Redis would delete a key whose time has passed immediately, and leave its members in the indexes.
      if expiry > now, expiry.rawValue < .max / 2000 {
        pipeline.append("EXPIREAT", key, expiry.rawValue)
      } else if look.expiresNatively {
        pipeline.append("PERSIST", key)
      }
    }
  }
}

/// A new time to live.
package struct TTLChange: Sendable {
  /// The time to live; nil for never.
  package var duration: Seconds?
  /// Whether it is counted from the creation of the entry, and not from now.
  package var fromCreation = false
  /// Whether only entries are changed that would expire sooner.
  package var onlyShortens = false
  /// Whether only entries are changed that would expire later.
  package var onlyLengthens = false
  /// Whether the keys get a TTL in Redis too.
  package var isNative = false

  package init(_ duration: Seconds?) { self.duration = duration }

  /// The decision about an entry.
  enum Outcome: Equatable {
    case unchanged
    case never
    case seconds(Seconds)
  }

  /// Whether an entry would get another time to live.
  package func changes(_ entry: StoredEntry, at now: UnixTime) -> Bool {
    ttl(for: entry, at: now) != .unchanged
  }

  /// - Parameter now: the moment from which it counts.
  func ttl(for entry: StoredEntry, at now: UnixTime) -> Outcome {
    let new = duration.map { duration in
      // An entry created in the future still gets at least a second.
      fromCreation
        ? duration : min(max(Seconds(1), now + duration - entry.createdAt), SemanticCache.longestTTL)
    }
    if new == entry.ttl, !isNative || new == nil { return .unchanged }
    let (newEnd, oldEnd) = (new?.rawValue ?? .max, entry.ttl?.rawValue ?? .max)
    if onlyShortens && newEnd >= oldEnd || onlyLengthens && newEnd <= oldEnd { return .unchanged }
    return new.map { .seconds($0) } ?? .never
  }
}
