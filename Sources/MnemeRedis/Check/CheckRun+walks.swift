import Mneme

/// The walks, which find suspects.
extension CheckRun {
  /// What of a whole run each walk takes, as far as is known; for the progress.
  private static let entriesShare = 0.6
  private static let keysShare = 0.35

  // MARK: Entries

  /// Reads every entry that `by_id` lists, in the order of its scores. (Those that it lacks are met by `walkKeys`, and
  /// members that share a score with another by `walkByID`.)
  func walkEntries() throws {
    var from = "-inf"
    var size = Batch.entries
    expectedEntries = try ask { $0.append("ZCARD", layout.byID) }[0].size ?? 0
    while true {
      let page = try ask {
        $0.append("ZRANGEBYSCORE", layout.byID, from, "+inf", "WITHSCORES", "LIMIT", 0, size)
      }[0]
      guard page.count > 0 else { return }
      var ids: [EntryID] = []
      var elements = page.elements
      while let member = elements.next(), let score = elements.next()?.string {
        if let id = EntryID(member: member.bytes) { ids.append(id) }
        from = "(\(score)"
      }
      let bytes = try readEntries(ids)
      if !ids.isEmpty {
        size = max(1, min(Batch.entries, 2 * size, Batch.bytes / max(1, bytes / ids.count)))
      }
      let share = Double(table.count) / Double(max(1, expectedEntries))
      try pageDone(share: Self.entriesShare * min(1, share))
    }
  }

  /// - Returns: how much was read.
  private func readEntries(_ ids: [EntryID]) throws -> Int {
    let replies = try ask { for id in ids { EntryQuestion.append(layout.entry(id), to: &$0) } }
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
      }
    }
    return bytes
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
        return unplaced.append(EntrySuspect(id: id, claimant: nil))
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
        return unplaced.append(EntrySuspect(id: id, claimant: namespace))
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

  /// `SCAN`, which passes over the neighbours' keys without reading them.
  func walkKeys() throws {
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    var hashKeys = 0
    repeat {
      let reply = try ask { $0.append("SCAN", cursor, "MATCH", layout.everyKey, "COUNT", Batch.page) }[0]
      if let error = reply.error {
        guard error.isWithholding else { throw store.client.translate(error, command: "SCAN", key: nil) }
        summary.lacksScan = true
        summary.entries = table.count
        return try walkListedNamespaces()
      }
      let page = try reply.elements(expecting: 2)
      cursor = page[0].bytes
      let names = page[1].elements.map(\.bytes)
      summary.keys += names.count
      hashKeys += try lookAt(names)
      let share = Double(hashKeys) / Double(max(1, table.count))
      try pageDone(share: Self.entriesShare + Self.keysShare * min(1, share))
    } while cursor != [UInt8(ascii: "0")]
  }

  /// In place of `SCAN`, where the server withholds it: the `lru` sets that `namespaces` names.
  private func walkListedNamespaces() throws {
    try forEachPage(of: layout.namespaces, "SSCAN") { members in
      for member in members {
        if let namespace = member.string.flatMap({ try? Namespace($0) }) { try walkLRU(namespace) }
      }
    }
    for position in 0..<table.count { table.mark(position, .hashKey) }
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
    for start in stride(from: 0, to: hashKeys.count, by: Batch.keys) {
      try lookAt(hashKeys[start..<min(start + Batch.keys, hashKeys.count)])
    }
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

  private func lookAtCounters(of namespaces: [Namespace]) throws {
    guard !namespaces.isEmpty else { return }
    let replies = try ask {
      for namespace in namespaces {
        store.appendCounterQuestion(for: namespace, to: &$0)
        $0.append("HEXISTS", layout.meta, KeyLayout.MetaField.counted(namespace))
      }
    }
    for (place, namespace) in namespaces.enumerated()
    where Self.brokenCounter(in: replies[2 * place]) != nil || replies[2 * place + 1].integer != 1 {
      try suspect(.counters(namespace))
    }
  }

  /// Entries that were not met at some place where they belong.
  func walkTable() throws {
    for position in 0..<table.count {
      let row = table[position]
      if !row.seen.contains(.damaged), !row.seen.isSuperset(of: .everywhere) {
        try suspect(EntryID(row.id))
      }
      if position % Batch.page == 0 { try pageDone(share: Self.entriesShare + Self.keysShare) }
    }
  }

  // MARK: The small ones

  func walkNamespaces() throws {
    try forEachPage(of: layout.namespaces, "SSCAN") { members in
      var listed: [Namespace] = []
      for member in members {
        if let namespace = member.string.flatMap({ try? Namespace($0) }) {
          listed.append(namespace)
        } else {
          try suspect(.member(layout.namespaces, member.bytes))
        }
      }
      let counts = try ask { for namespace in listed { $0.append("ZCARD", layout.lru(namespace)) } }
      for (namespace, count) in zip(listed, counts) where count.integer == 0 {
        try suspect(.namespace(namespace))
      }
    }
  }

  func walkQuotas() throws {
    try forEachPage(of: layout.quotas, "HSCAN") { pairs in
      let names = stride(from: 0, to: pairs.count - 1, by: 2).map { pairs[$0] }
      try suspectQuota(of: names.compactMap { $0.string.flatMap { try? Namespace($0) } })
    }
  }

  private func suspectQuota(of namespaces: [Namespace]) throws {
    let replies = try ask {
      for namespace in namespaces { store.appendQuotaQuestion(for: namespace, to: &$0) }
    }
    for (place, namespace) in namespaces.enumerated()
    where !Self.isSoundQuota(field: replies[2 * place], string: replies[2 * place + 1]) {
      try suspect(.quota(namespace))
    }
  }

  // MARK: Pages

  static func score(_ reply: Reply) -> Double? { reply.string.flatMap(Double.init) }

  /// - Returns: false for a key of another type.
  @discardableResult
  private func forEachPair(
    of key: Key, _ command: StaticString, _ body: (Reply, Reply) throws -> Void
  ) throws -> Bool {
    try forEachPage(of: key, command) { page in
      for place in stride(from: 0, to: page.count - 1, by: 2) { try body(page[place], page[place + 1]) }
    }
  }

  @discardableResult
  private func forEachPage(
    of key: Key, _ command: StaticString, _ body: ([Reply]) throws -> Void
  ) throws -> Bool {
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    repeat {
      let reply = try ask { $0.append(command, key, cursor, "COUNT", Batch.page) }[0]
      if let error = reply.error {
        guard error.code == "WRONGTYPE" else {
          throw store.client.translate(error, command: "\(command)", key: key.text)
        }
        return false
      }
      let page = try reply.elements(expecting: 2)
      cursor = page[0].bytes
      try body(Array(page[1].elements))
      try pageDone(share: Self.entriesShare)
    } while cursor != [UInt8(ascii: "0")]
    return true
  }
}
