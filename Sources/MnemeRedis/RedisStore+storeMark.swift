import Mneme

extension RedisStore: CacheStore {
  /// Reads the mark of a store. One round trip, and two more the first time, when the cache gets its `incarnation`.
  ///
  /// A lineage consists of three values. The server's `run_id` changes whenever the server starts, and so when a
  /// backup is restored. Its `master_replid` changes when it copies another primary or becomes the primary. The
  /// `incarnation` changes when the keys are deleted and created again on a running server. If the server does not
  /// report the first two (an ACL may forbid `INFO`, a proxy may not support it), the mark has no lineage.
  package func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark? {
    for attempt in 0..<2 {
      guard let seen = try look(at: namespace, asking: { _ in .nothing }) else { return nil }
      guard seen.mark.lineage == nil, attempt == 0, leavingTrace, seen.canBeMarked else { return seen.mark }
      // Another process may have set it first. If the server accepts no writes, that is remembered.
      let incarnation = String(UInt64.random(in: 1 ... .max), radix: 16)
      var request = Pipeline()
      let set = request.append("HSETNX", layout.meta, KeyLayout.MetaField.incarnation, incarnation)
      if try client.write(request, tolerating: true)[set].error != nil { return seen.mark }
    }
    return nil
  }

  /// One round trip.
  package func recentlyUsed(in namespace: Namespace) throws -> [EntryID] {
    var request = Pipeline()
    let last = request.append("ZRANGE", layout.lru(namespace), -8, -1)
    return try read(request, tolerating: true)[last].elements.compactMap { EntryID(member: $0.bytes) }
  }

  /// One round trip.
  package func samples(of ids: [EntryID]) throws -> [EntrySample?] {
    guard !ids.isEmpty else { return [] }
    var request = Pipeline()
    let question = appendSampleQuestions(about: ids, to: &request)
    return try read(request, tolerating: true)[question]
  }

  private func appendSampleQuestions(
    about ids: [EntryID], to pipeline: inout Pipeline
  ) -> Question<[EntrySample?]> {
    let slots = ids.map {
      pipeline.append("HMGET", layout.entry($0), EntryField.queryHash, EntryField.createdAt)
    }
    return Question { replies in
      zip(ids, slots).map { id, slot in
        guard !replies[slot][0].isNull, let createdAt = Self.time(replies[slot][1]) else { return nil }
        return EntrySample(id: id, createdAt: Int64(createdAt), queryHash: replies[slot][0].bytes)
      }
    }
  }

  /// One round trip.
  package func outlines(of ids: [EntryID]) throws -> [EntryOutline?] {
    guard !ids.isEmpty else { return [] }
    var request = Pipeline()
    let slots = ids.map {
      request.append(
        "HMGET", layout.entry($0), EntryField.namespace, EntryField.query, EntryField.createdAt,
        EntryField.ttl,
        EntryField.accessCount)
    }
    let replies = try read(request, tolerating: true)
    return slots.map { slot in
      let fields = replies[slot]
      guard fields.error == nil, let namespace = fields[0].string, !namespace.isEmpty, !fields[1].isNull,
        let createdAt = fields[2].integer, !fields[3].isNull, let accessCount = fields[4].integer
      else { return nil }
      let ttl = fields[3].integer
      guard ttl != nil || fields[3].bytes.isEmpty else { return nil }
      return EntryOutline(
        namespace: Namespace(unchecked: namespace), query: String(decoding: fields[1].bytes, as: UTF8.self),
        createdAt: UnixTime(createdAt), ttl: ttl.map { Seconds($0) }, accessCount: accessCount)
    }
  }

  /// One round trip if nothing was written, or entries were only removed. Two more for each page of new entries, and
  /// one for each page of those that were accessed since where some were replaced.
  ///
  /// The version tells how much was written and removed, and the number of entries how much of that was new or removed.
  /// The rest was replaced. These entries are looked for among the entries that were accessed since the mark, the last
  /// accessed first, until all of it is found. Counts and times can mislead: a writer's clock may be behind or ahead,
  /// and Python removes what Redis has expired without moving the version, so that a replacement looks like that
  /// removal. So once in `StoreMark.longestTrust` all that were accessed since the last such time are looked at, and
  /// some before. What is not found then may be entries under lower ids: see `StoreMark.uncompared`.
  package func changes(
    in namespace: Namespace, since mark: StoreMark, atMost limit: Int
  ) throws -> NamespaceChanges? {
    struct Counts {
      var added, remaining: Int64
      var accessed: Int
      var samples: [EntrySample?]
    }
    let byID = layout.byID
    let seen = try look(at: namespace) { pipeline in
      let added = pipeline.append("ZCOUNT", byID, "(\(mark.highestID)", "+inf")
      let remaining = pipeline.append("ZCOUNT", byID, "-inf", mark.highestID.rawValue)
      let accessed = pipeline.append(
        "ZCOUNT", layout.lru(namespace), mark.accessedSince.rawValue, "+inf")
      let samples = appendSampleQuestions(about: mark.samples.map(\.id), to: &pipeline)
      return Question { replies in
        guard let added = replies[added].size, let remaining = replies[remaining].size,
          let accessed = replies[accessed].size
        else { return nil }
        return Counts(
          added: Int64(added), remaining: Int64(remaining), accessed: accessed, samples: try replies[samples])
      } as Question<Counts?>
    }
    guard let seen, let counts = seen.answer, mark.canPrecede(seen.mark) else { return nil }
    // Changes made during these reads are found twice: now and the next time.
    let (growth, overflow) = seen.versionAfter.subtractingReportingOverflow(mark.version)
    guard !overflow, growth < Reply.largestSize, mark.isProven(by: counts.samples, hasGrown: growth > 0)
    else { return nil }
    var now = seen.mark
    now.samples = counts.samples.compactMap(\.self)
    let rest = growth - counts.added
    let removed = max(0, mark.entries - counts.remaining)
    let isComplete = mark.accessedSince + StoreMark.clockMargin == mark.time
    var found = Accessed()
    if rest > 0 || !isComplete {
      if now.time - (mark.accessedSince + StoreMark.clockMargin) >= StoreMark.longestTrust {
        guard counts.accessed <= limit else { return nil }
        found = try accessed(in: namespace, from: mark.accessedSince, since: mark, atLeast: nil)
      } else {
        if rest > removed {
          found = try accessed(in: namespace, from: mark.time, since: mark, atLeast: rest - removed)
        }
        // One second earlier, because the second of the mark may be incomplete.
        now.accessedSince = min(mark.accessedSince, now.accessedSince + Seconds(-1))
      }
    }
    var written = found.written
    var new = Set(written).count { $0 > mark.highestID }
    if new < counts.added {
      guard counts.added <= limit + 65_536 else { return nil }
      var ids: [EntryID] = []
      try forEachMember(of: namespace, above: mark.highestID) { ids.append($0) }
      written = ids.reversed() + written
      new = ids.count
      found.examined += Int(counts.added)
    }
    let unexplained = max(0, rest - removed - found.replaced)
    now.unexplained = min(mark.unexplained + unexplained, Reply.largestSize)
    now.uncompared = min(mark.uncompared + unexplained, Reply.largestSize)
    now.comparedAt = mark.comparedAt
    var seenIDs: Set<EntryID> = []
    var changes = NamespaceChanges(
      written: written.filter { seenIDs.insert($0).inserted }.reversed(), examined: found.examined, mark: now)
    // Entries that were removed in the meantime may hide those that were added, so growth is not the only sign.
    changes.mayLackEntries =
      now.uncompared > 0
      && (now.members > mark.members + Int64(new) || now.time - now.comparedAt >= StoreMark.longestTrust)
    return changes
  }

  package func memberIDs(in namespace: Namespace) throws -> Set<EntryID> {
    try memberIDs(of: layout.lru(namespace))
  }

  // MARK: Walking over what is new

  /// The result of reading the entries that were accessed since a time.
  private struct Accessed {
    /// The entries that were put since, the last accessed first.
    var written: [EntryID] = []
    /// The number of them that replaced others since the mark.
    var replaced: Int64 = 0
    var examined = 0
  }

  /// Reads the entries that were accessed at a time or later, the last accessed first. One that is accessed in
  /// the meantime may be passed twice, or not: the next walk passes it.
  /// - Parameter enough: the replaced entries after which the walk ends with the page; nil: it goes to the end.
  private func accessed(
    in namespace: Namespace, from time: UnixTime, since mark: StoreMark, atLeast enough: Int64?
  ) throws -> Accessed {
    var found = Accessed()
    var ids: [EntryID] = []
    var isAtEnd = false
    while true {
      var request = Pipeline()
      let times = ids.map { request.append("HGET", layout.entry($0), EntryField.createdAt) }
      // By rank, from the end: entries that are accessed in the meantime move there, so that others come twice and
      // none is left out.
      let page = request.append(
        "ZRANGE", layout.lru(namespace), -(found.examined + Batch.page), -(found.examined + 1), "WITHSCORES")
      let replies = try read(request, tolerating: true)
      for (id, slot) in zip(ids, times) where !replies[slot].isNull {
        // An entry whose creation time cannot be read may be new.
        let createdAt = Self.time(replies[slot])
        if createdAt.map({ $0 >= Double(time.rawValue) }) ?? true { found.written.append(id) }
        if let createdAt, createdAt > Double(mark.time.rawValue), id <= mark.highestID { found.replaced += 1 }
      }
      if isAtEnd || enough.map({ found.replaced >= $0 }) ?? false { return found }
      if let error = replies[page].error {
        throw client.translate(error, command: "ZRANGE", key: layout.lru(namespace).text)
      }
      ids = []
      var elements = replies[page].elements.makeIterator()
      while let member = elements.next(), let score = elements.next() {
        guard Self.time(score).map({ $0 >= Double(time.rawValue) }) ?? true else { continue }
        found.examined += 1
        if let id = EntryID(member: member.bytes) { ids.append(id) }
      }
      ids.reverse()
      isAtEnd = replies[page].count < 2 * Batch.page || found.examined % Batch.page != 0
      if ids.isEmpty { return found }
    }
  }

  /// Passes the entries of a namespace with ids above `id`. The index of the namespace decides, even if an entry's own
  /// field differs.
  private func forEachMember(of namespace: Namespace, above id: EntryID, _ body: (EntryID) -> Void) throws {
    var from = id
    while true {
      var question = Pipeline()
      let listed = question.append("ZRANGEBYSCORE", layout.byID, "(\(from)", "+inf", "LIMIT", 0, Batch.page)
      let page = try read(question)[listed]
      let ids = page.elements.compactMap { EntryID(member: $0.bytes) }
      guard let last = ids.max(), last > from else { return }
      var request = Pipeline()
      let scores = ids.map { request.append("ZSCORE", layout.lru(namespace), $0.member) }
      let replies = try read(request)
      for (id, slot) in zip(ids, scores) where !replies[slot].isNull { body(id) }
      from = last
    }
  }

  // MARK: The state of the store

  private struct Look<Answer> {
    /// The mark, with the version from before the reads.
    var mark: StoreMark
    var versionAfter: Int64
    /// Whether the server reports its identity, so that only the incarnation may be missing.
    var canBeMarked: Bool
    var answer: Answer
  }

  /// Reads the state of the store together with other reads. The version is read before and after them. A change that
  /// the mark does not cover has a later version than the mark, and a change that the reads show has at most
  /// `versionAfter`.
  /// - Returns: nil if there is no version.
  private func look<Answer>(
    at namespace: Namespace, asking more: (inout Pipeline) -> Question<Answer>
  ) throws -> Look<Answer>? {
    var request = Pipeline()
    let before = request.append("GET", layout.version)
    let server = request.append("INFO", "server")
    let replication = request.append("INFO", "replication")
    let incarnation = request.append("HGET", layout.meta, KeyLayout.MetaField.incarnation)
    let entries = request.append("ZCARD", layout.byID)
    let highest = request.append("ZRANGE", layout.byID, -1, -1)
    let members = request.append("ZCARD", layout.lru(namespace))
    let lastAccess = request.append("ZRANGE", layout.lru(namespace), -1, -1, "WITHSCORES")
    let answer = more(&request)
    let after = request.append("GET", layout.version)
    let replies = try read(request, tolerating: true)
    guard let version = replies[before].integer, let versionAfter = replies[after].integer,
      let count = replies[entries].size, replies[highest].error == nil
    else { return nil }
    let information = replies[server].information.merging(replies[replication].information) { $1 }
    let identifiers = ["run_id", "master_replid"].compactMap { Self.identifier(information[$0]) }
    let life = replies[incarnation].string.flatMap { $0.isEmpty ? nil : $0 }
    // Uses the server's clock, since this machine's may differ. If the server does not report its time (before 6.2, or
    // if an ACL forbids INFO), the time of the last access is used. It is earlier, so more entries are read.
    let clock = Double(systemClock().rawValue)
    let time =
      information.serverTime.map { Double($0.rawValue) }
      ?? min(clock, Self.time(replies[lastAccess][1]) ?? clock)
    var mark = StoreMark(
      lineage: identifiers.count == 2 ? life.map { identifiers + [$0] } : nil, version: version,
      entries: Int64(count), highestID: EntryID(member: replies[highest][0].bytes) ?? EntryID(0),
      time: UnixTime(Int64(time)))
    mark.members = Int64(replies[members].size ?? 0)
    return Look(
      mark: mark, versionAfter: versionAfter, canBeMarked: identifiers.count == 2, answer: try replies[answer]
    )
  }

  /// Reads a time in seconds; nil if the value is not a time in the valid range.
  private static func time(_ reply: Reply) -> Double? {
    guard let time = reply.string.flatMap(Double.init), abs(time) < 1e15 else { return nil }
    return time
  }

  /// A field of `INFO` that is 40 hexadecimal digits, as Redis makes them; nil for anything else, such as the zeros
  /// that some services show instead.
  private static func identifier(_ value: String?) -> String? {
    value.flatMap { $0.utf8.count == 40 && $0.allSatisfy(\.isHexDigit) && Set($0).count > 1 ? $0 : nil }
  }
}
