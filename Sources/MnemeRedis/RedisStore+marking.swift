import Mneme

extension RedisStore {
  /// One round trip, and two more the first time in the life of a cache, where it gets its `incarnation`.
  ///
  /// A lineage is made of three things. The server's `run_id` changes whenever it starts, and so with every backup
  /// that is restored as the document has it; its `master_replid` when it takes over another server's data, or its
  /// place; the `incarnation` when the keys were deleted and made again on a running server. A server that does not
  /// tell (an ACL may forbid `INFO`, a proxy may not know it) has no marks. What none of them shows is a counter that
  /// someone sets by hand.
  public func mark(leavingTrace: Bool) throws -> StoreMark? {
    for attempt in 0..<2 {
      let seen = try look { pipeline in
        let entries = pipeline.append("ZCARD", layout.byID)
        let highest = pipeline.append("ZRANGE", layout.byID, -1, -1)
        return Question { (entries: $0[entries].integer, highest: $0[highest]) }
      }
      guard let seen else { return nil }
      if let lineage = seen.lineage {
        guard let entries = seen.answers.entries, seen.answers.highest.error == nil else { return nil }
        let highest = seen.answers.highest.first.map { EntryID(member: $0.bytes) } ?? EntryID(0)
        return highest.map {
          StoreMark(lineage: lineage, version: seen.version, entries: entries, highestID: $0)
        }
      }
      guard attempt == 0, leavingTrace, seen.canBeMarked else { return nil }
      // Another process may have come first; a server that takes no writes says so, and is not asked again.
      let incarnation = String(UInt64.random(in: 1 ... .max), radix: 16)
      var request = Pipeline()
      let set = request.append("HSETNX", layout.meta, KeyLayout.MetaField.incarnation, incarnation)
      if try client.write(request, tolerating: true)[set].error != nil { return nil }
    }
    return nil
  }

  /// One round trip; two more where entries came, and what reading more than a page takes.
  public func additions(
    since mark: StoreMark, in namespace: Namespace, atMost limit: Int
  ) throws -> [EntryID]? {
    let above = "(\(mark.highestID)"
    let seen = try look { pipeline in
      let added = pipeline.append("ZCOUNT", layout.byID, above, "+inf")
      let remaining = pipeline.append("ZCOUNT", layout.byID, "-inf", mark.highestID.rawValue)
      return Question { (added: $0[added].integer, remaining: $0[remaining].integer) }
    }
    guard let seen, let lineage = seen.lineage, let added = seen.answers.added,
      let remaining = seen.answers.remaining,
      mark.isOfLineage(lineage),
      mark.allowsOnlyAdditions(version: seen.version, added: added, remaining: remaining), added <= limit
    else { return nil }
    guard added > 0 else { return [] }
    let new = try answer { $0.append("ZRANGEBYSCORE", layout.byID, above, "+inf", "LIMIT", 0, limit) }
    let ids = new.elements.compactMap { EntryID(member: $0.bytes) }
    // The index says which entries are searched, also where an entry's own field says otherwise. A user who may not
    // ask it has nothing proven.
    var request = Pipeline()
    let scores = ids.map { (id: $0, score: request.append("ZSCORE", layout.lru(namespace), $0.member)) }
    let replies = try read(request, tolerating: true)
    guard scores.allSatisfy({ replies[$0.score].error == nil }) else { return nil }
    return scores.filter { !replies[$0.score].isNull }.map(\.id).sorted()
  }

  private struct LineageLook<Answers> {
    /// nil where a part of it is missing.
    var lineage: [String]?
    /// The server tells what it takes; only the incarnation may be missing.
    var canBeMarked: Bool
    var version: Int64
    var answers: Answers
  }

  /// Asks questions, and for the lineage and the version that the answers belong to. The version is asked for before
  /// and after: where it is the same no entry was written in between.
  /// - Returns: nil where something was, several times in a row, or there is no version.
  private func look<Answers>(
    asking questions: (inout Pipeline) -> Question<Answers>
  ) throws -> LineageLook<Answers>? {
    var request = Pipeline()
    let before = request.append("GET", layout.version)
    let server = request.append("INFO", "server")
    let replication = request.append("INFO", "replication")
    let incarnation = request.append("HGET", layout.meta, KeyLayout.MetaField.incarnation)
    let answers = questions(&request)
    let after = request.append("GET", layout.version)
    for _ in 0..<5 {
      let replies = try read(request, tolerating: true)
      guard let version = replies[before].integer, let last = replies[after].integer else { return nil }
      guard version == last else { continue }
      let identifiers = [
        Self.identifier("run_id", in: replies[server]),
        Self.identifier("master_replid", in: replies[replication]),
      ].compactMap(\.self)
      let incarnation = replies[incarnation].string.flatMap { $0.isEmpty ? nil : $0 }
      return LineageLook(
        lineage: identifiers.count == 2 ? incarnation.map { identifiers + [$0] } : nil,
        canBeMarked: identifiers.count == 2, version: version, answers: try replies[answers])
    }
    return nil
  }

  /// A field of `INFO` that is 40 hexadecimal digits, as Redis makes them; nil for anything else, such as the zeros
  /// that some services show instead.
  private static func identifier(_ name: String, in info: Reply) -> String? {
    guard info.error == nil, let text = info.string,
      let line = text.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix(name + ":") })
    else { return nil }
    let value = line.dropFirst(name.count + 1)
    guard value.utf8.count == 40, value.allSatisfy(\.isHexDigit), Set(value).count > 1 else { return nil }
    return String(value)
  }
}
