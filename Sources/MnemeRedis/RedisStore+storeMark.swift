import Mneme

extension RedisStore: FollowedStore {
  /// One round trip, and two more the first time in the life of a cache, where it gets its `incarnation`.
  ///
  /// A lineage is made of three things. The server's `run_id` changes whenever it starts, and so with every backup
  /// that is restored as the document has it; its `master_replid` when it takes over another server's data, or its
  /// place; the `incarnation` when the keys were deleted and made again on a running server. A mark of a server that does
  /// not tell (an ACL may forbid `INFO`, a proxy may not know it) has no lineage.
  package func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark? {
    for attempt in 0..<2 {
      guard let seen = try look(at: namespace, asking: { _ in .nothing }) else { return nil }
      guard seen.mark.lineage == nil, attempt == 0, leavingTrace, seen.canBeMarked else { return seen.mark }
      // Another process may have come first; a server that takes no writes says so, and is not asked again.
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
    let last = request.append("ZREVRANGE", layout.lru(namespace), 0, 7)
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
      pipeline.append(
        "HMGET", layout.entry($0), EntryField.queryHash, EntryField.createdAt, EntryField.embedding)
    }
    return Question { replies in
      zip(ids, slots).map { id, slot in
        guard !replies[slot][0].isNull, let createdAt = Self.time(replies[slot][1]) else { return nil }
        return EntrySample(
          id: id, createdAt: Int64(createdAt), queryHash: replies[slot][0].bytes,
          embedding: replies[slot][2].bytes)
      }
    }
  }

  /// One round trip where nothing was written. Two more for each page of new entries. Where entries were replaced or
  /// removed, one more for each page of those that were accessed since, or within the margin for the clocks before.
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
    guard let seen, let counts = seen.answer, mark.canPrecede(seen.mark), mark.isProven(by: counts.samples)
    else { return nil }
    var now = seen.mark
    now.samples = counts.samples.compactMap(\.self)
    now.unexplained = mark.unexplained
    // What happened while these questions were answered counts twice: now, and again the next time.
    let (growth, overflow) = seen.versionAfter.subtractingReportingOverflow(mark.version)
    guard !overflow, growth < Reply.largestSize else { return nil }
    guard growth > 0 else { return NamespaceChanges(written: [], examined: 0, mark: now) }
    guard counts.accessed <= limit else { return nil }
    // The last accessed first.
    var written: [EntryID] = []
    var examined = 0
    // Whatever made the version grow further was a replacement or a removal.
    let markTime = mark.accessedSince + StoreMark.clockMargin
    var replaced: Int64 = 0
    if growth > counts.added {
      examined = try forEachAccessed(in: namespace, since: mark.accessedSince) { id, createdAt in
        // Put since, perhaps by a writer whose clock is behind, or at a time that cannot be read.
        if createdAt.map({ $0 >= Double(mark.accessedSince.rawValue) }) ?? true { written.append(id) }
        if id <= mark.highestID, let createdAt, createdAt > Double(markTime.rawValue) { replaced += 1 }
        // All of the growth is found. (A removal may leave the version as it is, so that none is counted here.)
        return replaced < growth - counts.added
      }
    }
    if Set(written).count(where: { $0 > mark.highestID }) < counts.added {
      guard counts.added <= limit + 65_536 else { return nil }
      var new: [EntryID] = []
      try forEachMember(of: namespace, above: mark.highestID) { new.append($0) }
      written = new.reversed() + written
      examined += Int(counts.added)
    }
    let removed = max(0, mark.entries - counts.remaining)
    now.unexplained = min(
      now.unexplained + max(0, growth - counts.added - removed - replaced), Reply.largestSize)
    var seenIDs: Set<EntryID> = []
    return NamespaceChanges(
      written: written.filter { seenIDs.insert($0).inserted }.reversed(), examined: examined, mark: now)
  }

  // MARK: Walking over what is new

  /// Passes the entries that were accessed at a time or later, the last accessed first, with the time when each was put.
  /// One that is accessed meanwhile may be passed twice, or not: the next walk passes it.
  /// - Parameter body: false ends the walk, with the page.
  /// - Returns: how many were passed.
  private func forEachAccessed(
    in namespace: Namespace, since time: UnixTime, _ body: (EntryID, Double?) -> Bool
  ) throws -> Int {
    var count = 0
    var ids: [EntryID] = []
    while true {
      var request = Pipeline()
      let times = ids.map { request.append("HGET", layout.entry($0), EntryField.createdAt) }
      let page = request.append(
        "ZREVRANGEBYSCORE", layout.lru(namespace), "+inf", time.rawValue, "LIMIT", count, Batch.page)
      let replies = try read(request, tolerating: true)
      var goesOn = true
      for (id, slot) in zip(ids, times) where !replies[slot].isNull {
        goesOn = body(id, Self.time(replies[slot]))
      }
      guard goesOn else { return count }
      if let error = replies[page].error {
        throw client.translate(error, command: "ZREVRANGEBYSCORE", key: layout.lru(namespace).text)
      }
      guard replies[page].count > 0 else { return count }
      count += replies[page].count
      ids = replies[page].elements.compactMap { EntryID(member: $0.bytes) }
    }
  }

  /// Passes the entries of a namespace whose ids are above one. The index of the namespace says which these are, also
  /// where an entry's own field says otherwise.
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

  // MARK: What the store is like

  private struct Look<Answer> {
    /// With the version from before the answers.
    var mark: StoreMark
    var versionAfter: Int64
    /// The server tells who it is; only the incarnation may be missing.
    var canBeMarked: Bool
    var answer: Answer
  }

  /// Asks what the store is like, and more. The version is asked for before and after: what a mark does not tell of has a
  /// later version than the mark, and what an answer tells of has none later than `versionAfter`.
  /// - Returns: nil where there is no version.
  private func look<Answer>(
    at namespace: Namespace, asking more: (inout Pipeline) -> Question<Answer>
  ) throws -> Look<Answer>? {
    var request = Pipeline()
    let before = request.append("GET", layout.version)
    let server = request.append("INFO", "server")
    let replication = request.append("INFO", "replication")
    let incarnation = request.append("HGET", layout.meta, KeyLayout.MetaField.incarnation)
    let entries = request.append("ZCARD", layout.byID)
    let highest = request.append("ZREVRANGE", layout.byID, 0, 0)
    let lastAccess = request.append("ZREVRANGE", layout.lru(namespace), 0, 0, "WITHSCORES")
    let answer = more(&request)
    let after = request.append("GET", layout.version)
    let replies = try read(request, tolerating: true)
    guard let version = replies[before].integer, let versionAfter = replies[after].integer,
      let count = replies[entries].size, replies[highest].error == nil
    else { return nil }
    let identifiers = [
      Self.identifier("run_id", in: replies[server]),
      Self.identifier("master_replid", in: replies[replication]),
    ].compactMap(\.self)
    let life = replies[incarnation].string.flatMap { $0.isEmpty ? nil : $0 }
    // By the server's clock, which ours may be far from. A server that does not tell the time (before 6.2, or where an
    // ACL forbids INFO) has that of the last access, which is earlier, so that more entries are looked at.
    let clock = Double(systemClock().rawValue)
    let serverTime = Self.field("server_time_usec", in: replies[server]).flatMap { Int64($0) }
    let accessed =
      serverTime.map { Double($0 / 1_000_000) } ?? min(clock, Self.time(replies[lastAccess][1]) ?? clock)
    return Look(
      mark: StoreMark(
        lineage: identifiers.count == 2 ? life.map { identifiers + [$0] } : nil, version: version,
        entries: Int64(count), highestID: EntryID(member: replies[highest][0].bytes) ?? EntryID(0),
        accessedSince: UnixTime(Int64(accessed) - StoreMark.clockMargin.rawValue)),
      versionAfter: versionAfter, canBeMarked: identifiers.count == 2, answer: try replies[answer])
  }

  /// A time in seconds; nil for what is not one, or not within the range of times.
  private static func time(_ reply: Reply) -> Double? {
    guard let time = reply.string.flatMap(Double.init), abs(time) < 1e15 else { return nil }
    return time
  }

  private static func field(_ name: String, in info: Reply) -> Substring? {
    guard info.error == nil, let text = info.string else { return nil }
    return text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }?.dropFirst(
      name.utf8.count + 1)
  }

  /// A field of `INFO` that is 40 hexadecimal digits, as Redis makes them; nil for anything else, such as the zeros
  /// that some services show instead.
  private static func identifier(_ name: String, in info: Reply) -> String? {
    guard let value = field(name, in: info), value.utf8.count == 40, value.allSatisfy(\.isHexDigit),
      Set(value).count > 1
    else { return nil }
    return String(value)
  }
}
