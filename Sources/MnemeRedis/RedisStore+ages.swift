import Mneme

extension RedisStore {
  /// Two round trips for each 200 members of `by_ttl` that are due. They are paged by their rank, since very
  /// many may be due in the same second, and Redis walks to an offset among equal scores one by one.
  public func expiredCounts(at now: UnixTime, progress: (Int) -> Void) throws -> [Namespace: Int] {
    var counts: [Namespace: Int] = [:]
    var rank = 0
    while true {
      let size = Batch.page
      let page = try read(
        pipeline {
          $0.append("ZRANGE", layout.byTTL, rank, rank + size - 1, "WITHSCORES")
        })[0]
      var members: [[UInt8]] = []
      var elements = page.elements.makeIterator()
      while let member = elements.next(), let score = elements.next()?.string.flatMap(Double.init),
        score <= Double(now.rawValue)
      {
        members.append(member.bytes)
      }
      for namespace in try expired(among: members, at: now) { counts[namespace, default: 0] += 1 }
      rank += members.count
      progress(rank)
      guard members.count == size else { return counts }
    }
  }

  /// The namespaces of the expired entries that members of `by_ttl` name, each entry once though Python and we may
  /// both have listed it. What is gone or does not say is passed over.
  private func expired(among members: [[UInt8]], at now: UnixTime) throws -> [Namespace] {
    let ids = members.compactMap { member in
      KeyLayout.parseTTLMember(member).map { (id: $0.id, isPython: $0.namespace != nil) }
    }
    guard !ids.isEmpty else { return [] }
    let replies = try read(
      pipeline {
        for (id, _) in ids { appendHeadQuestion(about: id, to: &$0) }
        for (id, isPython) in ids where isPython { $0.append("ZSCORE", layout.byTTL, id.member) }
      }, tolerating: true)
    var listedTwice = replies.dropFirst(ids.count).makeIterator()
    return zip(ids, replies).compactMap { named, reply in
      if named.isPython, listedTwice.next()?.isNull == false { return nil }
      guard let head = try? head(of: named.id, in: reply), head.isExpired(at: now) else { return nil }
      return head.namespace
    }
  }

  /// One round trip for each 200 entries.
  public func oldestCreation(progress: (Int) -> Void) throws -> UnixTime? {
    var oldest: UnixTime?
    var seen = 0
    var ids: [EntryID] = []
    var from = "-inf"
    while true {
      let replies = try read(
        pipeline {
          for id in ids { $0.append("HGET", layout.entry(id), EntryField.createdAt) }
          $0.append("ZRANGEBYSCORE", layout.byID, from, "+inf", "WITHSCORES", "LIMIT", 0, Batch.page)
        }, tolerating: true)
      for reply in replies.prefix(ids.count) {
        guard let created = reply.integer.map({ UnixTime($0) }) else { continue }
        oldest = min(oldest ?? created, created)
      }
      seen += ids.count
      progress(seen)
      let page = replies[ids.count]
      if let error = page.error {
        throw client.translate(error, command: "ZRANGEBYSCORE", key: layout.byID.text)
      }
      guard page.count > 0 else { return oldest }
      ids = []
      var elements = page.elements.makeIterator()
      while let member = elements.next(), let score = elements.next()?.string {
        if let id = EntryID(member: member.bytes) { ids.append(id) }
        from = "(\(score)"
      }
    }
  }
}
