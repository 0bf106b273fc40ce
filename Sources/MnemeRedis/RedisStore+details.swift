import Mneme

/// An entry, and everything that belongs to it in Redis.
package struct EntryDetails: Sendable {
  package var id: EntryID
  /// nil if it cannot be read; `damage` says why.
  package var entry: StoredEntry?
  package var damage: CorruptCacheError?
  /// The name of its hash.
  package var key: String
  /// The keys and members that name the entry; nil if clients write to it faster than it can be read.
  package var places: Places?
  /// Problems that a check finds with it.
  package var problems: [CacheProblem] = []

  /// The keys and members that name an entry.
  package struct Places: Sendable {
    /// The name of the `hash:` key of its query; nil if the query hash is not known.
    package var hashKey: String?
    package var pointer: Pointer
    /// The scores that the indexes have for it.
    package var byID, lru, byTTL: String?
    /// Whether the key has a TTL in Redis.
    package var expiresNatively: Bool
  }

  /// The entry to which the `hash:` key of a query leads.
  package enum Pointer: Sendable, Equatable {
    case this, missing
    case other(EntryID)
  }
}

extension RedisStore {
  /// Reads everything about some entries, in their order; nil for one that is not there.
  ///
  /// Some four round trips for each 16.
  package func details(of ids: [EntryID]) throws -> [EntryDetails?] {
    var found: [EntryID: EntryDetails] = [:]
    for slice in ids.slices(of: Batch.examined) {
      let replies = try read(tolerating: true) { pipeline in
        let slots = slice.map { ($0, pipeline.append("HGETALL", layout.entry($0))) }
        return Question { replies in slots.map { ($0, replies[$1]) } }
      }
      for (id, reply) in replies {
        var details = EntryDetails(id: id, key: layout.entry(id).text)
        do {
          guard let entry = try decode(reply, id: id) else { continue }
          details.entry = entry
        } catch let error as CorruptCacheError {
          details.damage = error
        }
        found[id] = details
      }
    }
    let run = CheckRun(self, CheckOptions()) { _ in }
    try run.lookAtMeta()
    let candidates = found.keys.sorted().map { EntryCandidate(id: $0) }
    let examiner = EntryExaminer(self, run.standard, candidates)
    while let page = try examiner.next() {
      for view in try resolvingPointers(page.views) {
        found[view.candidate.id]?.places = EntryDetails.Places(view, in: layout)
        found[view.candidate.id]?.problems = run.standard.problems(of: view)
      }
    }
    return ids.map { found[$0] }
  }
}

extension EntryDetails.Places {
  fileprivate init(_ view: EntryView, in layout: KeyLayout) {
    func score(_ place: IndexPlace) -> String? { if case .at(let score) = place { score } else { nil } }
    if case .sound(let facts) = view.reading {
      hashKey = layout.hash(facts.namespace, facts.queryHash).text
    }
    pointer =
      switch view.pointer {
      case .right: .this
      case .other(let id), .ofSameQuery(let id): .other(id)
      case .missing, .noID, .unreadable, .ofAnotherQuery: .missing
      }
    (byID, lru) = (score(view.byID), score(view.lru))
    byTTL = view.byTTL.compactMap(score).first
    expiresNatively = view.entryExpiry != nil
  }
}
