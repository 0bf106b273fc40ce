import Mneme

/// The walks, which find suspects.
extension CheckRun {
  /// What of a whole run each walk takes, as far as is known; for the progress.
  static let entriesShare = 0.6
  private static let keysShare = 0.35

  // MARK: Entries

  /// Reads every entry that `by_id` lists, in the order of its scores. (Those that it lacks are met by `walkKeys`, and
  /// members that share a score with another by `walkByID`.)
  func walkEntries() throws {
    var from = "-inf"
    var size = Batch.entries
    var followUps: [FollowUp] = []
    expectedEntries = try ask { $0.append("ZCARD", layout.byID) }[0].size ?? 0
    while true {
      let replies = try ask {
        $0.append("ZRANGEBYSCORE", layout.byID, from, "+inf", "WITHSCORES", "LIMIT", 0, size)
        for followUp in followUps { append(followUp, to: &$0) }
      }
      try take(followUps, replies)
      let page = replies[0]
      guard page.count > 0 else { return }
      var ids: [EntryID] = []
      var elements = page.elements
      while let member = elements.next(), let score = elements.next()?.string {
        if let id = EntryID(member: member.bytes) { ids.append(id) }
        from = "(\(score)"
      }
      let bytes: Int
      (followUps, bytes) = try readEntries(ids)
      if !ids.isEmpty {
        size = max(1, min(Batch.entries, 2 * size, Batch.bytes / max(1, bytes / ids.count)))
      }
      let share = Double(table.count) / Double(max(1, expectedEntries))
      try pageDone(share: Self.entriesShare * min(1, share))
    }
  }

  /// - Returns: what is to be asked about them yet, and how much was and will be read.
  private func readEntries(_ ids: [EntryID]) throws -> ([FollowUp], bytes: Int) {
    let replies = try ask { for id in ids { EntryQuestion.append(layout.entry(id), to: &$0) } }
    var followUps: [FollowUp] = []
    var bytes = 0
    for (place, id) in ids.enumerated() {
      let first = place * EntryQuestion.count
      bytes += replies[first + 1].byteCount
      switch EntryQuestion.reading(replies, from: first) {
      case .absent: continue
      case .otherType, .damaged:
        try suspect(id)
        if id.rawValue > table.lastID {
          table.append(
            .init(id: id.rawValue, expiry: 0, lastAccessedAt: 0, queryHash: 0, namespace: 0, seen: .damaged))
        }
      case .sound(let facts):
        if !isSound(facts) || expiresEarly(replies[first + 6], expiry: facts.expiry) { try suspect(id) }
        // Where `by_id` is out of order an entry is judged on its own.
        guard id.rawValue > table.lastID else {
          try suspect(id)
          continue
        }
        table.append(
          .init(
            id: id.rawValue, expiry: facts.expiry, lastAccessedAt: facts.lastAccessedAt ?? 0,
            queryHash: EntryTable.digest(facts.queryHash), namespace: EntryTable.digest(facts.namespace),
            seen: facts.expiresAt == nil ? .byTTL : []))
        let hashKey = summary.lacksScan ? layout.hash(facts.namespace, facts.queryHash) : nil
        let readsVector = hasReadableVector(facts)
        if readsVector { bytes += facts.embeddingBytes }
        if readsVector || hashKey != nil {
          followUps.append(
            FollowUp(
              id: id, position: table.count - 1, expiry: facts.expiry, readsVector: readsVector,
              hashKey: hashKey))
        }
      }
    }
    return (followUps, bytes)
  }

  /// What is asked about an entry once its fields are known, together with the next page: the vector, whose length must
  /// be known before it is read, and where there is no `SCAN` the key of the exact layer.
  private struct FollowUp {
    var id: EntryID
    var position: Int
    var expiry: Int64
    var readsVector: Bool
    /// nil where the walk through the keys meets it.
    var hashKey: Key?
  }

  private func append(_ followUp: FollowUp, to pipeline: inout Pipeline) {
    if followUp.readsVector { pipeline.append("HGET", layout.entry(followUp.id), EntryField.embedding) }
    if let key = followUp.hashKey {
      pipeline.append("GET", key)
      pipeline.append("PTTL", key)
    }
  }

  /// - Parameter replies: the answers about them, after that about the next page.
  private func take(_ followUps: [FollowUp], _ replies: Replies) throws {
    var next = 1
    for followUp in followUps {
      var isSound = true
      if followUp.readsVector {
        isSound = replies[next].withBytes { Embedding.Flaw(in: $0) } == nil
        next += 1
      }
      if followUp.hashKey != nil {
        if EntryID(member: replies[next].bytes) == followUp.id { table.mark(followUp.position, .hashKey) }
        isSound = isSound && !expiresEarly(replies[next + 1], expiry: followUp.expiry)
        next += 2
      }
      if !isSound { try suspect(followUp.id) }
    }
  }

  /// The longest vector that is read where `meta` does not say how long they are.
  private static let longestVector = 1 << 16

  /// Whether its vector is read: one of another length is a problem already, and may be of any size.
  func hasReadableVector(_ facts: EntryFacts) -> Bool {
    facts.embeddingBytes > 0 && fitsCache(facts)
      && facts.embeddingBytes <= embeddingBytes ?? Self.longestVector
  }

  func isSound(_ facts: EntryFacts) -> Bool {
    facts.isUseReadable && facts.queryHashFits && fitsCache(facts)
  }

  func fitsCache(_ facts: EntryFacts) -> Bool {
    embeddingBytes.map { $0 == facts.embeddingBytes } ?? (facts.embeddingBytes % 4 == 0)
  }

  /// A guess, by our clock, from the milliseconds that Redis still leaves a key (-1: for ever).
  private func expiresEarly(_ left: Reply, expiry: Int64) -> Bool {
    guard let left = left.integer, left >= 0 else { return false }
    return expiry == .max || systemClock() + Seconds(left / 1000 + 2) < UnixTime(expiry)
  }

  // MARK: Indexes

  func walkByID() throws {
    try forEachPair(of: layout.byID, "ZSCAN") { member, score in
      guard let id = EntryID(member: member.bytes) else {
        return try suspect(.member(layout.byID, member.bytes))
      }
      guard let position = table.position(of: id) else {
        hasUnplaced = true
        return
      }
      if Self.score(score) == Double(id.rawValue) { table.mark(position, .byID) }
    }
  }

  func walkByTTL() throws {
    try forEachPair(of: layout.byTTL, "ZSCAN") { member, score in
      guard let (id, namespace) = KeyLayout.parseTTLMember(member.bytes) else {
        return try suspect(.member(layout.byTTL, member.bytes))
      }
      guard let position = table.position(of: id) else {
        hasUnplaced = true
        return
      }
      let row = table[position]
      if row.seen.contains(.damaged) { return }
      if namespace.map({ EntryTable.digest($0) == row.namespace }) ?? true, row.expiry != .max,
        Self.score(score) == Double(row.expiry)
      {
        table.mark(position, .byTTL)
      } else {
        try suspect(id, claimant: namespace)
      }
    }
  }

  /// Once more through the two, for the ids that are no entries.
  func walkUnplaced() throws {
    try forEachPair(of: layout.byID, "ZSCAN") { member, _ in
      if let id = EntryID(member: member.bytes), table.position(of: id) == nil { try suspect(id) }
    }
    try forEachPair(of: layout.byTTL, "ZSCAN") { member, _ in
      if let (id, namespace) = KeyLayout.parseTTLMember(member.bytes), table.position(of: id) == nil {
        try suspect(id, claimant: namespace)
      }
    }
  }

  private func walkLRU(_ namespace: Namespace) throws {
    let digest = EntryTable.digest(namespace)
    var isListed: Bool?
    let isSet = try forEachPair(of: layout.lru(namespace), "ZSCAN") { member, score in
      guard let id = EntryID(member: member.bytes) else {
        return try suspect(.member(layout.lru(namespace), member.bytes))
      }
      guard let position = table.position(of: id) else { return try suspect(id, claimant: namespace) }
      let row = table[position]
      if row.seen.contains(.damaged) { return }
      guard row.namespace == digest, Self.score(score) == Double(row.lastAccessedAt) else {
        return try suspect(id, claimant: namespace)
      }
      table.mark(position, .lru)
      if isListed == nil {
        isListed = try ask { $0.append("SISMEMBER", layout.namespaces, namespace.name) }[0].integer != 0
        if isListed == false { try suspect(id) }
      }
    }
    if !isSet { try suspect(.namespace(namespace)) }
  }

  // MARK: Keys

  /// `SCAN`, which passes over the neighbours' keys without reading them. Where the server withholds it, what the indexes
  /// name.
  func walkKeys() throws {
    if summary.lacksScan { return try walkNamedKeys() }
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    var hashKeys = 0
    repeat {
      let size = Batch.page
      let reply = try ask { $0.append("SCAN", cursor, "MATCH", layout.everyKey, "COUNT", size) }[0]
      if let error = reply.error { throw store.client.translate(error, command: "SCAN", key: nil) }
      let page = try reply.elements(expecting: 2)
      cursor = page[0].bytes
      let names = page[1].elements.map(\.bytes)
      summary.keys += names.count
      hashKeys += try lookAt(names)
      let share = Double(hashKeys) / Double(max(1, table.count))
      try pageDone(share: Self.entriesShare + Self.keysShare * min(1, share))
    } while cursor != [UInt8(ascii: "0")]
  }

  /// The `lru` sets, quotas and counters of the namespaces that `namespaces` lists, and the counters that `meta` tells of.
  private func walkNamedKeys() throws {
    summary.entries = table.count
    highestID = table.lastID
    try forEachPage(of: layout.namespaces, "SSCAN") { members in
      let listed = members.compactMap { $0.string.flatMap { try? Namespace($0) } }
      for namespace in listed { try walkLRU(namespace) }
      try suspectQuota(of: listed)
    }
    try walkNamedCounters()
  }

  /// - Returns: how many `hash:` keys were among them.
  private func lookAt(_ names: [[UInt8]]) throws -> Int {
    var hashKeys: [(name: [UInt8], parsed: ParsedKey)] = []
    var counted: [Namespace] = []
    for name in names {
      guard let parsed = layout.parse(name) else { continue }
      switch (parsed.family, parsed.namespace) {
      case (.hash, _): hashKeys.append((name, parsed))
      case (.lru, let namespace?): try walkLRU(namespace)
      case (.counters, let namespace?): counted.append(namespace)
      case (.quota, let namespace?): try suspectQuota(of: [namespace])
      case (.entry, _):
        guard let id = parsed.id else { continue }
        summary.entries += 1
        highestID = max(highestID, id.rawValue)
        if table.position(of: id) == nil { try suspect(id) }
      default: continue
      }
    }
    try store.inSlices(hashKeys, of: Batch.keys) { try lookAt($0) }
    try lookAtCounters(of: counted)
    return hashKeys.count
  }

  private func lookAt(_ hashKeys: ArraySlice<(name: [UInt8], parsed: ParsedKey)>) throws {
    let replies = try ask {
      for key in hashKeys {
        $0.append("GET", key.name)
        $0.append("PTTL", key.name)
      }
    }
    for (place, key) in hashKeys.enumerated() {
      guard let namespace = key.parsed.namespace, let queryHash = key.parsed.queryHash,
        let id = EntryID(member: replies[2 * place].bytes), let position = table.position(of: id),
        case let row = table[position], row.namespace == EntryTable.digest(namespace),
        row.queryHash == EntryTable.digest(queryHash)
      else {
        try suspect(.hashKey(key.name))
        continue
      }
      table.mark(position, .hashKey)
      if expiresEarly(replies[2 * place + 1], expiry: row.expiry) { try suspect(id) }
    }
  }

  /// Entries that were not met at some place where they belong.
  func walkTable() throws {
    for position in 0..<table.count {
      let row = table[position]
      if !row.seen.contains(.damaged), !row.seen.isSuperset(of: .everywhere) {
        try suspect(EntryID(row.id))
      }
      if position % 256 == 0 { try pageDone(share: Self.entriesShare + Self.keysShare) }
    }
  }
}
