import Mneme

/// An entry, and all that belongs to it in Redis.
package struct EntryDetails: Sendable {
  package var id: EntryID
  /// nil where it cannot be read; `damage` says why.
  package var entry: StoredEntry?
  package var damage: CorruptCacheError?
  /// The name of its hash, and of the `hash:` key of its query; nil where the query hash is not known.
  package var key: String
  package var hashKey: String?
  /// The id that the `hash:` key holds.
  package var pointer: String?
  /// The scores that the indexes have for it.
  package var byID, lru, byTTL, pythonTTL: String?
  /// Whether Redis itself will expire the key.
  package var expiresNatively = false
  /// Problems that a check finds with it.
  package var problems: [CacheProblem] = []

  /// Whether the exact layer leads to it.
  package var isPointedAt: Bool { pointer == id.member }
}

extension RedisStore {
  /// Everything about some entries, in their order; nil for one that is not there.
  ///
  /// Some four round trips for each 16.
  package func details(of ids: [EntryID]) throws -> [EntryDetails?] {
    var found: [EntryID: EntryDetails] = [:]
    for slice in ids.slices(of: Batch.examined) {
      for details in try read(Array(slice)) { found[details.id] = details }
    }
    let run = CheckRun(self, CheckOptions()) { _ in }
    try run.lookAtMeta()
    try run.read(EntryExaminer(self, run.standard, found.keys.sorted().map { EntryCandidate(id: $0) })) {
      found[$0.id]?.problems = $1
    }
    return ids.map { found[$0] }
  }

  private func read(_ ids: [EntryID]) throws -> [EntryDetails] {
    var details: [EntryDetails] = []
    var request = Pipeline()
    let slots = ids.map { id in
      (hash: request.append("HGETALL", layout.entry(id)), expiry: request.append("PTTL", layout.entry(id)))
    }
    let replies = try read(request, tolerating: true)
    for (id, slots) in zip(ids, slots) {
      var detail = EntryDetails(id: id, key: layout.entry(id).text)
      do {
        guard let entry = try decode(replies[slots.hash], id: id) else { continue }
        detail.entry = entry
      } catch let error as CorruptCacheError {
        detail.damage = error
      }
      detail.expiresNatively = replies[slots.expiry].integer ?? -1 >= 0
      details.append(detail)
    }
    return try readIndexes(of: details)
  }

  private func readIndexes(of details: [EntryDetails]) throws -> [EntryDetails] {
    var request = Pipeline()
    let slots = details.map { detail in
      let member = detail.id.member
      return (
        byID: request.append("ZSCORE", layout.byID, member),
        byTTL: request.append("ZSCORE", layout.byTTL, member),
        own: detail.entry.map { entry in
          (
            lru: request.append("ZSCORE", layout.lru(entry.namespace), member),
            python: request.append(
              "ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(entry.namespace, detail.id)),
            pointer: request.append("GET", layout.hash(entry.namespace, entry.queryHash))
          )
        }
      )
    }
    let replies = try read(request, tolerating: true)
    return zip(details, slots).map { detail, slots in
      var detail = detail
      (detail.byID, detail.byTTL) = (replies[slots.byID].string, replies[slots.byTTL].string)
      if let own = slots.own, let entry = detail.entry {
        (detail.lru, detail.pythonTTL) = (replies[own.lru].string, replies[own.python].string)
        detail.hashKey = layout.hash(entry.namespace, entry.queryHash).text
        detail.pointer = replies[own.pointer].string
      }
      return detail
    }
  }
}
