import Mneme

extension Repairer {
  // MARK: An entry's places

  /// Corrects all index members of an entry by its own fields, in one transaction. An entry that is gone or damaged is
  /// not changed.
  /// - Parameter kind: the problem of the entry.
  func enter(_ id: EntryID, for kind: CacheProblem.Kind) throws -> RepairOutcome {
    let outcome: RepairOutcome? = try store.client.change { pipeline in
      pipeline.append("WATCH", layout.entry(id))
      let reading = EntryQuestion.append(layout.entry(id), to: &pipeline)
      let timeLeft = pipeline.append("PTTL", layout.entry(id))
      return Question { (reading: try $0[reading], expires: $0[timeLeft].hasTimeLeft) }
    } decide: { transaction, entry in
      guard case .sound(let facts) = entry.reading else { return .done(.gone) }
      var places = try self.readPlaces(of: id, facts, transaction)
      places.entryExpires = entry.expires
      switch EntryRepair.decide(id, facts, places, for: kind) {
      case .nothing: return .done(.gone)
      case .remove: return .done(nil)
      case .write(let repair):
        return .write { pipeline in
          self.append(repair, of: id, facts, to: &pipeline)
          return Question { _ in .repaired }
        }
      }
    }
    return try outcome ?? removeShadowed(id)
  }

  private func readPlaces(
    of id: EntryID, _ facts: EntryFacts, _ transaction: borrowing Transaction
  ) throws -> EntryPlaces {
    let hashKey = layout.hash(facts.namespace, facts.queryHash)
    var places = try transaction.read { pipeline in
      pipeline.append("WATCH", hashKey)
      let pointer = pipeline.append("GET", hashKey)
      let timeLeft = pipeline.append("PTTL", hashKey)
      let listed =
        store.isSound(layout.namespaces)
        ? pipeline.append("SISMEMBER", layout.namespaces, facts.namespace.name) : nil
      func place(_ key: Key, _ member: some RedisArgument) -> Slot? {
        store.isSound(key) ? pipeline.append("ZSCORE", key, member) : nil
      }
      let byID = place(layout.byID, id.member)
      let lru = place(layout.lru(facts.namespace), id.member)
      let byTTL = place(layout.byTTL, id.member)
      let pythonTTL = place(layout.byTTL, KeyLayout.pythonTTLMember(facts.namespace, id))
      let growth = store.appendGrowthCheck(of: [facts.namespace], to: &pipeline)
      return Question { replies in
        try replies[growth]
        func seen(_ slot: Slot?) -> IndexPlace { slot.map { IndexPlace(replies[$0]) } ?? .unreadable }
        return EntryPlaces(
          byID: seen(byID), lru: seen(lru), byTTL: [seen(byTTL), seen(pythonTTL)],
          isListed: listed.map { replies[$0].integer == 1 } ?? true,
          pointer: EntryView.Pointer(replies[pointer], of: id),
          entryExpires: false, hashKeyExpires: replies[timeLeft].hasTimeLeft)
      }
    }
    if case .other(let other) = places.pointer {
      let isOfSameQuery = try transaction.read { pipeline in
        pipeline.append("WATCH", layout.entry(other))
        let head = EntryQuestion.appendHead(of: layout.entry(other), to: &pipeline)
        return Question { $0[head].isEntry(of: facts.namespace, facts.queryHash) }
      }
      places.pointer = isOfSameQuery ? .ofSameQuery(other) : .ofAnotherQuery
    }
    return places
  }

  /// - Precondition: every key has its type, since Redis does not roll back.
  private func append(
    _ repair: EntryRepair, of id: EntryID, _ facts: EntryFacts, to pipeline: inout Pipeline
  ) {
    let (entry, hashKey) = (layout.entry(id), layout.hash(facts.namespace, facts.queryHash))
    if repair.writesLastUse { pipeline.append("HSET", entry, EntryField.lastAccessedAt, repair.lastUse) }
    if repair.resetsAccessCount { pipeline.append("HSET", entry, EntryField.accessCount, 0) }
    if store.isSound(layout.byID) { pipeline.append("ZADD", layout.byID, id.rawValue, id.member) }
    let lru = layout.lru(facts.namespace)
    if store.isSound(lru) { pipeline.append("ZADD", lru, repair.lastUse, id.member) }
    if store.isSound(layout.byTTL) {
      pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(facts.namespace, id), id.member)
      if let expiry = facts.expiresAt { pipeline.append("ZADD", layout.byTTL, expiry.rawValue, id.member) }
    }
    if store.isSound(layout.namespaces) { pipeline.append("SADD", layout.namespaces, facts.namespace.name) }
    if repair.setsHashKey { pipeline.append("SET", hashKey, id.member) }
    if repair.renewsEntryExpiry { appendExpiry(entry, facts, to: &pipeline) }
    if repair.renewsHashKeyExpiry { appendExpiry(hashKey, facts, to: &pipeline) }
    if store.isSound(layout.version) { pipeline.append("INCRBY", layout.version, 1) }
  }

  private func appendExpiry(_ key: Key, _ facts: EntryFacts, to pipeline: inout Pipeline) {
    // Redis counts in milliseconds. A time beyond their range is never reached, so it is not set.
    if let expiry = facts.expiresAt, expiry.rawValue < .max / 2000 {
      pipeline.append("EXPIREAT", key, expiry.rawValue)
    } else {
      pipeline.append("PERSIST", key)
    }
  }

  // MARK: Shadowed entries

  /// Removes an entry whose query is answered from another one, if that can be served.
  func removeShadowed(_ id: EntryID) throws -> RepairOutcome {
    let outcome: Freed<RepairOutcome> = try store.client.change(freeing: true) { pipeline in
      store.appendHeadLook(at: [id], passingOverDamage: false, to: &pipeline).map { $0.first ?? nil }
    } decide: { transaction, head in
      guard let head else { return .done(Freed(.gone)) }
      let hashKey = self.layout.hash(head.namespace, head.queryHash)
      let pointer = try transaction.read { pipeline in
        pipeline.append("WATCH", hashKey)
        let pointer = pipeline.append("GET", hashKey)
        return Question { EntryView.Pointer($0[pointer], of: id) }
      }
      guard case .other(let other) = pointer else { return .done(Freed(.gone)) }
      let reading = try transaction.read { pipeline in
        pipeline.append("WATCH", self.layout.entry(other))
        return EntryQuestion.append(self.layout.entry(other), to: &pipeline)
      }
      guard case .sound(let facts) = reading, self.isServed(facts), facts.namespace == head.namespace,
        facts.queryHash.utf8.elementsEqual(head.queryHash.utf8)
      else { return .done(Freed(.left("entry \(other), which shadows it, cannot be served"))) }
      let plan = try self.store.removal(of: [head], refilling: nil, transaction)
      return self.store.freeing(plan.record(nil), transaction.room) { pipeline in
        self.store.appendRemoval(plan, to: &pipeline)
        return Question { _ in .repaired }
      }
    }
    return store.settle(outcome)
  }

  private func isServed(_ facts: EntryFacts) -> Bool {
    let now = systemClock() + Seconds(-(store.clockLead?.rawValue ?? 0))
    return facts.isUseReadable && facts.expiresAt.map { now < $0 } ?? true
      && dimension.map { $0 * 4 == facts.embeddingBytes } ?? true
  }
}

extension Reply {
  /// Whether a reply to `PTTL` shows that the key has a TTL.
  fileprivate var hasTimeLeft: Bool { integer.map { $0 >= 0 } ?? false }
}
