import Mneme

extension RedisStore {
  /// One round trip for each 200 entries.
  package func oldestCreation(progress: (Int) -> Void) throws -> UnixTime? {
    var oldest: UnixTime?
    var seen = 0
    var ids: [EntryID] = []
    /// The score after which the next page begins; nil after the last.
    var from: String? = "-inf"
    while let start = from {
      // The ages of a page are read together with the next page.
      let (created, page) = try read(tolerating: true) { pipeline in
        let created = ids.map { pipeline.append("HGET", layout.entry($0), EntryField.createdAt) }
        let page = pipeline.append(
          "ZRANGEBYSCORE", layout.byID, start, "+inf", "WITHSCORES", "LIMIT", 0, Batch.page)
        return Question { replies in (created.compactMap { replies[$0].integer }, replies[page]) }
      }
      if let error = page.error {
        throw client.translate(error, command: "ZRANGEBYSCORE", key: layout.byID.text)
      }
      if let first = created.min() { oldest = min(oldest ?? UnixTime(first), UnixTime(first)) }
      seen += ids.count
      progress(seen)
      (ids, from) = ([], nil)
      var elements = page.elements
      while let member = elements.next(), let score = elements.next()?.string {
        if let id = EntryID(member: member.bytes) { ids.append(id) }
        from = "(\(score)"
      }
    }
    return oldest
  }
}
