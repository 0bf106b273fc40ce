import Mneme

/// Stores batch after batch of entries, for callers with many: over several connections that take turns (`Lanes`), one
/// round trip for each batch of new entries.
///
/// Batches are stored as if one after the other. One that has a query of another batch that is under way waits until
/// that is stored; where entries are evicted, or a query that is there is an error, each waits for the one before. Their
/// ids rise from batch to batch.
///
/// Used by one thread.
package final class BatchInsertion {
  /// The result of a batch.
  package typealias Outcome = (outcomes: [InsertOutcome], evicted: Int)

  private struct Work: Sendable {
    var batch: DistinctQueries
    var ids: [EntryID]
  }

  private struct Stored: Sendable {
    var outcomes: [InsertOutcome]
    var evicted: Int
    var fills: [Fill]
    var unusedIDs: [EntryID]
  }

  private let store: RedisStore
  private let options: InsertOptions
  private let maxEntries: Int?
  private let lanes: Lanes<Work, Stored>
  /// The queries of the batches under way, in the order of the batches, and of all together. No two have one in common.
  private var underWay: [Set<QueryKey>] = []
  private var allUnderWay: Set<QueryKey> = []
  private var settled: [Outcome] = []
  /// Ids that were allocated for batches to come.
  private var ids: [EntryID] = []
  /// Whether the last batch held anything new, so that ids will be needed.
  private var meetsNewQueries = false
  private var isOneByOne: Bool
  /// After an error, what became of later batches that were under way.
  private var beyondError: [(place: Int, outcome: Outcome?)] = []

  /// The distance to a limit, in entries, from which on the batches are written one by one.
  private static let margin = 4096
  /// The number of batches for which ids are allocated at a time. The caller waits a round trip for them, which the
  /// lanes' queue does not always hide where the server is far.
  private static let batchesOfIDs = 256

  /// - Parameters:
  ///   - policy: what becomes of an entry whose query is there.
  ///   - maxEntries: of the whole cache, where a namespace has no quota.
  ///   - sparingYounger: as for `RedisStore.insert`.
  package init(
    _ store: RedisStore, onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?,
    sparingYounger: Bool = false
  ) {
    let options = InsertOptions(policy: policy, sparesYounger: sparingYounger)
    self.store = store
    self.options = options
    self.maxEntries = maxEntries
    isOneByOne = policy == .fail
    lanes = Lanes(store) { store, work in
      var request = RedisStore.InsertRequest(work.batch.entries, options)
      request.followsBatches = true
      request.ids = AllocatedIDs(work.ids)
      return store.insertion(request)
    } finish: { store, work, batch in
      let used = Set(batch.outcomes.map(\.id))
      return Stored(
        outcomes: work.batch.outcomes(from: batch.outcomes),
        evicted: try store.evict(over: maxEntries, after: batch.fills, sparing: used),
        fills: batch.fills, unusedIDs: work.ids.filter { !used.contains($0) })
    }
  }

  deinit { lanes.close() }

  /// Stores the entries, at most a thousand, after all that came before. It may be under way when this returns.
  /// - Throws: as `RedisStore.insert` does, of the first batch that is not stored. `takeSettled` then has what came
  ///   before it, and `takeSettledBeyondError` which of the later batches were stored, or may have been, all the same.
  package func insert(_ entries: [StoredEntry]) throws {
    guard !entries.isEmpty else {
      try finish()
      return settled.append(([], 0))
    }
    // First, since a batch that holds a query twice may be an error.
    if isOneByOne { try finish() }
    let batch = try DistinctQueries(entries, options)
    if batch.queries.contains(where: allUnderWay.contains) { try finish() }
    underWay.append(batch.queries)
    allUnderWay.formUnion(batch.queries)
    lanes.submit(Work(batch: batch, ids: try takeIDs(batch.entries.count)))
    try settle()
  }

  /// Waits until all batches are stored.
  /// - Throws: as `insert` does.
  package func finish() throws {
    lanes.finish()
    try settle()
  }

  /// Ends the connections. Ids that were allocated and not used are given back where that can be.
  package func close() {
    lanes.close()
    let unused = ids
    ids = []
    // Otherwise numbers are left out, which does no harm.
    try? store.release(unused)
  }

  /// The results of the batches since the last call, in their order. After an error too: those are stored.
  package func takeSettled() -> [Outcome] {
    defer { settled = [] }
    return settled
  }

  /// After an error: later batches that were stored all the same, or may have been.
  /// - Returns: the place of each, counted from the batch that was not stored, and what has become of it; nil where the
  ///   connection was lost before the server said.
  package func takeSettledBeyondError() -> [(place: Int, outcome: Outcome?)] {
    defer { beyondError = [] }
    return beyondError
  }

  private func settle() throws {
    for outcome in lanes.takeOutcomes() {
      switch outcome {
      case .failure(let error):
        beyondError = lanes.takeOutcomesBeyondError().compactMap { place, outcome in
          switch outcome {
          case .success(let stored): (place, (stored.outcomes, stored.evicted))
          case .failure(let error): error.isUnsure ? (place, nil) : nil
          }
        }
        (underWay, allUnderWay) = ([], [])
        throw error
      case .success(let stored):
        allUnderWay.subtract(underWay.removeFirst())
        settled.append((stored.outcomes, stored.evicted))
        ids = (stored.unusedIDs + ids).sorted()
        meetsNewQueries = stored.outcomes.contains { $0.isInserted }
        isOneByOne =
          options.policy == .fail
          || stored.fills.contains { $0.isNearLimit(maxEntries, adding: Self.margin) }
      }
    }
  }

  /// Ids for a batch of new entries; none where none are expected.
  private func takeIDs(_ count: Int) throws -> [EntryID] {
    guard meetsNewQueries, !isOneByOne, lanes.areOpen else { return [] }
    if ids.count < count { ids += try store.allocateRun(of: max(1, Self.batchesOfIDs * count)) }
    defer { ids.removeFirst(count) }
    return Array(ids.prefix(count))
  }
}

extension Error {
  /// The connection broke, or was given up, while a command was under way, so that it may have been run.
  package var isUnsure: Bool {
    if let stop = self as? WaitStopped { return stop.mayHaveRun }
    return switch (self as? StoreBackendError)?.reason {
    case .connectionLost, .timedOut, .protocolViolation: true
    default: false
    }
  }
}
