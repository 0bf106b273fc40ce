import Mneme

extension Mender {
  /// Enters an entry everywhere as it says itself, in one transaction. One that is gone or damaged meanwhile is left
  /// alone.
  /// - Parameter kind: what was found wrong with it.
  func settle(_ id: EntryID, for kind: CacheProblem.Kind) throws -> RepairOutcome {
    let outcome: RepairOutcome? = try store.client.transaction { transaction in
      // 1. What it says, and where it is.
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.entry(id))
          EntryQuestion.append(self.layout.entry(id), to: &$0)
        }, tolerating: true)
      guard case .sound(let facts) = EntryQuestion.reading(seen, from: 1) else { return .done(.gone) }
      let places = try self.places(of: id, facts, transaction)
      let expires =
        kind == .earlyExpiry ? (entry: Self.expires(seen[7]), hashKey: places.hashKeyExpires) : (false, false)

      // 2. Where the exact layer has another entry of its query, it is this one that goes.
      if places.hashKey == .ofRival, places.areRight, facts.isUseReadable { return .done(nil) }
      guard !places.areRight || places.hashKey == .wrong || !facts.isUseReadable || expires.0 || expires.1
      else {
        return .done(.gone)
      }

      // 3. All of it at once.
      let written = try transaction.commit(
        self.store.pipeline {
          self.appendPlaces(of: id, facts, places, to: &$0)
          if expires.0 { self.appendExpiry(self.layout.entry(id), facts, to: &$0) }
          if expires.1 {
            self.appendExpiry(self.layout.hash(facts.namespace, facts.queryHash), facts, to: &$0)
          }
          $0.append("INCRBY", self.layout.version, 1)
        })
      return written == nil ? .retry : .done(.mended)
    }
    return try outcome ?? removeShadowed(id)
  }

  /// Where an entry is, read under `WATCH`.
  private struct Places {
    enum HashKey { case right, wrong, ofRival }

    /// `by_id`, `lru`, `by_ttl` and `namespaces` say what the entry says.
    var areRight: Bool
    var hashKey: HashKey
    /// The score in `lru`, where there is one.
    var lastUse: Int64?
    /// Redis itself will take the key.
    var hashKeyExpires: Bool
  }

  private static func expires(_ timeLeft: Reply) -> Bool { timeLeft.integer.map { $0 >= 0 } ?? false }

  private func places(
    of id: EntryID, _ facts: EntryFacts, _ transaction: borrowing Transaction
  ) throws -> Places {
    let hashKey = layout.hash(facts.namespace, facts.queryHash)
    let seen = try transaction.read(
      store.pipeline {
        $0.append("WATCH", hashKey)
        $0.append("GET", hashKey)
        $0.append("PTTL", hashKey)
        $0.append("SISMEMBER", layout.namespaces, facts.namespace.name)
        $0.append("ZSCORE", layout.byID, id.member)
        $0.append("ZSCORE", layout.lru(facts.namespace), id.member)
        $0.append("ZSCORE", layout.byTTL, id.member)
        $0.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(facts.namespace, id))
        store.appendTypeChecks(of: [facts.namespace], to: &$0)
      })
    try store.checkNumbers(seen, of: [facts.namespace])
    let ttl = [seen[6], seen[7]].filter { !$0.isNull }.map { CheckRun.score($0) }
    let isExpiryRight =
      facts.expiresAt.map { expiry in !ttl.isEmpty && ttl.allSatisfy { $0 == Double(expiry.rawValue) } }
      ?? ttl.isEmpty
    let lastUse = CheckRun.score(seen[5])
    var place = Places.HashKey.wrong
    if let named = EntryID(member: seen[1].bytes) {
      place =
        named == id ? .right : try isOfSameQuery(named, facts, transaction) ? .ofRival : .wrong
    }
    return Places(
      areRight: seen[3].integer == 1 && CheckRun.score(seen[4]) == Double(id.rawValue) && isExpiryRight
        && lastUse == facts.lastAccessedAt.map { Double($0) },
      hashKey: place, lastUse: lastUse.flatMap { Int64(exactly: $0) }, hashKeyExpires: Self.expires(seen[2]))
  }

  private func isOfSameQuery(
    _ id: EntryID, _ facts: EntryFacts, _ transaction: borrowing Transaction
  ) throws -> Bool {
    let seen = try transaction.read(
      store.pipeline {
        $0.append("WATCH", layout.entry(id))
        EntryQuestion.appendHead(of: layout.entry(id), to: &$0)
      })
    return seen[1][0].bytes.elementsEqual(facts.namespace.name.utf8)
      && seen[1][1].bytes.elementsEqual(facts.queryHash.utf8)
  }

  /// - Precondition: every key has its type, since Redis does not roll back.
  private func appendPlaces(
    of id: EntryID, _ facts: EntryFacts, _ places: Places, to pipeline: inout Pipeline
  ) {
    let lastUse = facts.lastAccessedAt ?? places.lastUse ?? facts.createdAt.rawValue
    if facts.lastAccessedAt == nil {
      pipeline.append("HSET", layout.entry(id), EntryField.lastAccessedAt, lastUse)
    }
    if !facts.isAccessCountReadable { pipeline.append("HSET", layout.entry(id), EntryField.accessCount, 0) }
    pipeline.append("ZADD", layout.byID, id.rawValue, id.member)
    pipeline.append("ZADD", layout.lru(facts.namespace), lastUse, id.member)
    pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(facts.namespace, id), id.member)
    if let expiry = facts.expiresAt { pipeline.append("ZADD", layout.byTTL, expiry.rawValue, id.member) }
    pipeline.append("SADD", layout.namespaces, facts.namespace.name)
    if places.hashKey == .wrong {
      pipeline.append("SET", layout.hash(facts.namespace, facts.queryHash), id.member)
    }
  }

  private func appendExpiry(_ key: Key, _ facts: EntryFacts, to pipeline: inout Pipeline) {
    // Redis counts in milliseconds; a time that those cannot hold never comes.
    if let expiry = facts.expiresAt, expiry.rawValue < .max / 2000 {
      pipeline.append("EXPIREAT", key, expiry.rawValue)
    } else {
      pipeline.append("PERSIST", key)
    }
  }

  // MARK: Shadowed entries

  /// Removes an entry whose query is answered from another one, if that can be served.
  func removeShadowed(_ id: EntryID) throws -> RepairOutcome {
    try store.client.transaction { transaction in
      guard let head = try self.store.watchHeads(of: [id], transaction).first else { return .done(.gone) }
      let hashKey = self.layout.hash(head.namespace, head.queryHash)
      let pointer = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", hashKey)
          $0.append("GET", hashKey)
        })[1]
      guard let other = EntryID(member: pointer.bytes), other != id else { return .done(.gone) }
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.entry(other))
          EntryQuestion.append(self.layout.entry(other), to: &$0)
        }, tolerating: true)
      guard case .sound(let facts) = EntryQuestion.reading(seen, from: 1), self.isServed(facts),
        facts.namespace == head.namespace, facts.queryHash.utf8.elementsEqual(head.queryHash.utf8)
      else { return .done(.left("entry \(other), which shadows it, cannot be served")) }
      let plan = try self.store.removal(of: [head], refilling: nil, transaction)
      let written = try transaction.commit(
        self.store.pipeline { self.store.appendRemoval(plan, counting: nil, to: &$0) })
      return written == nil ? .retry : .done(.mended)
    }
  }

  private func isServed(_ facts: EntryFacts) -> Bool {
    facts.isUseReadable && facts.expiresAt.map { systemClock() < $0 } ?? true
      && dimension.map { $0 * 4 == facts.embeddingBytes } ?? true
  }
}
