import Mneme

/// The treatment of an entry whose query the namespace already has.
package enum ConflictPolicy: String, Sendable, CaseIterable {
  case replace, skip, fail
}

/// The outcome for one entry of a batch.
package enum InsertOutcome: Sendable, Equatable {
  case inserted(EntryID)
  case replaced(EntryID)
  /// The query already has an entry, which was not changed.
  case skipped(EntryID)

  package var id: EntryID {
    switch self {
    case .inserted(let id), .replaced(let id), .skipped(let id): id
    }
  }

  var isSkipped: Bool { if case .skipped = self { true } else { false } }
  var isInserted: Bool { if case .inserted = self { true } else { false } }
}

/// A query that already has an entry, which is an error with `ConflictPolicy.fail`.
package struct ConflictError: Error, Sendable {
  /// The place in the batch.
  package let index: Int
  /// The existing entry; nil if it is an earlier one of the same batch, which has no id yet.
  package let id: EntryID?

  package init(index: Int, id: EntryID?) {
    self.index = index
    self.id = id
  }
}

/// The rules for storing a batch of entries.
struct InsertOptions: Sendable {
  var policy = ConflictPolicy.replace
  /// Whether an entry stays, and counts as skipped, if it is at least as young as the one that would replace it.
  var sparesYounger = false
}

/// The query that an entry answers.
struct QueryKey: Hashable, Sendable {
  var namespace: Namespace
  var queryHash: String

  /// Hashes the query hash alone. Nearly all keys differ in it, and this is called for each entry that is stored.
  func hash(into hasher: inout Hasher) {
    queryHash.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      ?? queryHash.utf8.forEach { hasher.combine($0) }
  }
}

extension StoredEntry {
  var queryKey: QueryKey { QueryKey(namespace: namespace, queryHash: queryHash) }
}

/// The entries of a batch to store if it names a query more than once: one entry each. It is the last, or the
/// first if existing entries are skipped, or the youngest if that is kept.
struct DistinctQueries: Sendable {
  /// The entries that are stored, in the order of the batch.
  let entries: [StoredEntry]
  let queries: Set<QueryKey>
  private let options: InsertOptions
  /// For each entry of the batch: the place of the entry that is stored for its query, and whether it is that entry
  /// itself. nil if all are stored.
  private let keepers: [(place: Int, isIt: Bool)]?

  /// - Throws: `ConflictError` with `.fail`, for the second entry of a query.
  init(_ batch: [StoredEntry], _ options: InsertOptions) throws {
    self.options = options
    let queries = Set(batch.map(\.queryKey))
    self.queries = queries
    guard queries.count < batch.count else {
      entries = batch
      keepers = nil
      return
    }
    var winners: [QueryKey: Int] = [:]
    for (place, entry) in batch.enumerated() {
      guard let rival = winners.updateValue(place, forKey: entry.queryKey) else { continue }
      switch options.policy {
      case .fail: throw ConflictError(index: place, id: nil)
      case .skip: winners[entry.queryKey] = rival
      case .replace:
        if options.sparesYounger, batch[rival].createdAt >= entry.createdAt {
          winners[entry.queryKey] = rival
        }
      }
    }
    let kept = winners.values.sorted()
    entries = kept.map { batch[$0] }
    let places = Dictionary(uniqueKeysWithValues: zip(kept, 0...))
    keepers = batch.indices.map { index in
      let winner = winners[batch[index].queryKey] ?? index
      return (places[winner] ?? 0, winner == index)
    }
  }

  /// - Parameter outcomes: of the entries that were stored.
  /// - Returns: the outcomes of all entries of the batch, as if they had been stored one after the other.
  func outcomes(from outcomes: [InsertOutcome]) -> [InsertOutcome] {
    guard let keepers else { return outcomes }
    var met: Set<Int> = []
    return keepers.map { keeper in
      let (outcome, isFirst) = (outcomes[keeper.place], met.insert(keeper.place).inserted)
      guard !isFirst, outcome.isInserted else { return outcome }
      return options.policy == .skip || options.sparesYounger && !keeper.isIt
        ? .skipped(outcome.id) : .replaced(outcome.id)
    }
  }
}

/// An id in the `hash:` key of a query that does not belong to another query's entry.
struct Claim: Equatable {
  var id: EntryID
  /// Whether there is an entry to replace; false if Redis has expired it.
  var exists: Bool
  /// The creation time of that entry, if it has one.
  var createdAt: UnixTime?
}

/// The decision about a batch: which entry is written under which id.
struct InsertionPlan: Equatable {
  /// One for each entry.
  var outcomes: [InsertOutcome]
  /// The places of the entries that are written.
  var written: [Int]
  /// The number of fresh ids that are used.
  var usedIDs: Int

  /// - Parameters:
  ///   - claims: for each entry the entry that its query has; nil for a query that is new.
  ///   - created: the creation time of each entry.
  ///   - fresh: the ids for new entries.
  init(
    claims: [Claim?], created: [UnixTime], fresh: [EntryID], _ options: InsertOptions
  ) throws {
    if options.policy == .fail, let index = claims.firstIndex(where: { $0 != nil }) {
      throw ConflictError(index: index, id: claims[index]?.id)
    }
    var fresh = fresh[...]
    let count = fresh.count
    outcomes = zip(claims, created).map { claim, createdAt in
      guard let claim else { return .inserted(fresh.popFirst() ?? EntryID(0)) }
      let isSpared = options.sparesYounger && claim.createdAt.map { $0 >= createdAt } ?? false
      return options.policy == .skip || isSpared ? .skipped(claim.id) : .replaced(claim.id)
    }
    written = outcomes.indices.filter { [outcomes] in !outcomes[$0].isSkipped }
    usedIDs = count - fresh.count
  }
}

/// The number of entries of a namespace and of the whole cache after a batch.
struct Fill: Equatable, Sendable {
  var namespace: Namespace
  var quota: Int?
  var count: Int
  var total: Int

  /// The number of entries over the namespace's quota, or else over the limit of the whole cache.
  func excess(over maxEntries: Int?) -> Int {
    quota.map { Eviction.batch(count: count, limit: $0) }
      ?? maxEntries.map { Eviction.batch(count: total, limit: $0) } ?? 0
  }

  /// Whether `more` further entries might exceed a limit.
  func isNearLimit(_ maxEntries: Int?, adding more: Int) -> Bool {
    quota.map { count + more > $0 } ?? maxEntries.map { total + more > $0 } ?? false
  }
}
