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
      let seen = try look {
        $0.append("ZCARD", layout.byID)
        $0.append("ZRANGE", layout.byID, -1, -1)
      }
      guard let seen else { return nil }
      if let lineage = seen.lineage {
        guard let entries = seen.answers[0].integer, seen.answers[1].error == nil else { return nil }
        let highest = seen.answers[1].first.map { EntryID(member: $0.bytes) } ?? EntryID(0)
        return highest.map {
          StoreMark(lineage: lineage, version: seen.version, entries: entries, highestID: $0)
        }
      }
      guard attempt == 0, leavingTrace, seen.canBeMarked else { return nil }
      // Another process may have come first; a server that takes no writes says so, and is not asked again.
      let incarnation = String(UInt64.random(in: 1 ... .max), radix: 16)
      let written = try client.write(
        pipeline { $0.append("HSETNX", layout.meta, KeyLayout.MetaField.incarnation, incarnation) },
        tolerating: true)
      if written[0].error != nil { return nil }
    }
    return nil
  }

  /// One round trip; two more where entries came, and what reading more than a page takes.
  public func additions(
    since mark: StoreMark, in namespace: Namespace, atMost limit: Int
  ) throws -> [EntryID]? {
    let above = "(\(mark.highestID)"
    let seen = try look {
      $0.append("ZCOUNT", layout.byID, above, "+inf")
      $0.append("ZCOUNT", layout.byID, "-inf", mark.highestID.rawValue)
    }
    guard let seen, let lineage = seen.lineage, let added = seen.answers[0].integer,
      let remaining = seen.answers[1].integer,
      mark.isOfLineage(lineage),
      mark.allowsOnlyAdditions(version: seen.version, added: added, remaining: remaining), added <= limit
    else { return nil }
    guard added > 0 else { return [] }
    let new = try read(pipeline { $0.append("ZRANGEBYSCORE", layout.byID, above, "+inf", "LIMIT", 0, limit) })
    let ids = new[0].elements.compactMap { EntryID(member: $0.bytes) }
    // The index says which entries are searched, also where an entry's own field says otherwise. A user who may not
    // ask it has nothing proven.
    let scores = try read(
      pipeline { for id in ids { $0.append("ZSCORE", layout.lru(namespace), id.member) } }, tolerating: true)
    guard scores.prefix(ids.count).allSatisfy({ $0.error == nil }) else { return nil }
    return zip(ids, scores).filter { !$1.isNull }.map(\.0).sorted()
  }

  private struct Look {
    /// nil where a part of it is missing.
    var lineage: [String]?
    /// The server tells what it takes; only the incarnation may be missing.
    var canBeMarked: Bool
    var version: Int64
    var answers: [Reply]
  }

  /// Asks questions, and for the lineage and the version that the answers belong to. The version is asked for before
  /// and after: where it is the same no entry was written in between.
  /// - Returns: nil where something was, several times in a row, or there is no version.
  private func look(asking questions: (inout Pipeline) -> Void) throws -> Look? {
    var request = Pipeline()
    request.append("GET", layout.version)
    request.append("INFO", "server")
    request.append("INFO", "replication")
    request.append("HGET", layout.meta, KeyLayout.MetaField.incarnation)
    let head = request.count
    questions(&request)
    let count = request.count - head
    request.append("GET", layout.version)
    for _ in 0..<5 {
      let replies = try read(request, tolerating: true)
      guard let version = replies[0].integer, let after = replies[head + count].integer else { return nil }
      guard version == after else { continue }
      let server = [
        Self.identifier("run_id", in: replies[1]), Self.identifier("master_replid", in: replies[2]),
      ].compactMap(\.self)
      let incarnation = replies[3].string.flatMap { $0.isEmpty ? nil : $0 }
      return Look(
        lineage: server.count == 2 ? incarnation.map { server + [$0] } : nil, canBeMarked: server.count == 2,
        version: version, answers: replies[head..<head + count].map(\.self))
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
