import Mneme

/// Stores batches of entries, for callers with many entries. It uses several connections in turn (`Lanes`), so that a
/// batch of new entries takes one round trip.
///
/// The result is as if the batches were stored one after the other. A batch that has a query in common with a batch
/// under way waits until that one is stored. If entries are evicted, or if an existing query is an error, each batch
/// waits for the one before. Ids rise from batch to batch.
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
    var evicted = 0
    var fills: [Fill]
    var unusedIDs: [EntryID]
    /// The error of the eviction after the batch was stored.
    var evictionError: (any Error)?
  }

  private let store: RedisStore
  private let options: InsertOptions
  private let maxEntries: Int?
  private let lanes: Lanes<Work, Stored>
  /// The queries of the batches under way, in the order of the batches, and of all together. No two have one in common.
  private var underWay: [Set<QueryKey>] = []
  private var allUnderWay: Set<QueryKey> = []
  private var settled: [Outcome] = []
  /// Ids that were allocated for later batches.
  private var ids: [EntryID] = []
  /// Whether the last batch had new queries, so that the next one will probably need ids.
  private var meetsNewQueries = false
  private var isOneByOne: Bool
  /// Whether the server has lost or removed the cache, so that an allocation may have made its counter anew.
  private var isCacheLost = false
  /// After an error, the outcomes of later batches that were under way.
  private var beyondError: [(place: Int, outcome: Outcome?)] = []

  /// The distance to a limit, in entries, from which on the batches are written one by one.
  private static let margin = 4096
  /// The number of ids that are allocated at a time, if a batch does not need more. The caller waits a round trip for
  /// them, which the lanes' queue does not always hide where the server is far.
  private static let idsAtATime = 2048

  /// - Parameters:
  ///   - policy: the treatment of an entry whose query already has one.
  ///   - maxEntries: the limit of the whole cache, used if a namespace has no quota.
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
      var stored = Stored(
        outcomes: work.batch.outcomes(from: batch.outcomes), fills: batch.fills,
        unusedIDs: work.ids.filter { !used.contains($0) })
      do {
        stored.evicted = try store.evict(over: maxEntries, after: batch.fills, sparing: used)
      } catch {
        stored.evictionError = error
      }
      return stored
    }
  }

  deinit { lanes.close() }

  /// Stores at most a thousand entries, after all earlier batches. The batch may be under way when this returns.
  /// - Throws: the error of `RedisStore.insert` for the first batch that is not stored. `takeSettled` then returns the
  ///   batches before it, and `takeSettledBeyondError` the later batches that were stored or may have been. The error
  ///   of an eviction after a batch, when all batches so far are stored.
  package func insert(_ entries: [StoredEntry]) throws {
    guard !entries.isEmpty else {
      try finish()
      return settled.append(([], 0))
    }
    // All earlier batches are finished first, since a batch that has a query twice may be an error.
    if isOneByOne { try finish() }
    let batch = try DistinctQueries(entries, options)
    if batch.queries.contains(where: allUnderWay.contains) { try finish() }
    underWay.append(batch.queries)
    allUnderWay.formUnion(batch.queries)
    lanes.submit(Work(batch: batch, ids: try takeIDs(batch.entries.count)))
    try settle()
  }

  /// Waits until all batches are stored.
  /// - Throws: the errors of `insert`.
  package func finish() throws {
    lanes.finish()
    try settle()
  }

  /// Ends the connections. Gives back allocated ids that were not used, if no other client has allocated ids since.
  /// Two round trips if there are such ids, or if the server has lost the cache.
  package func close() {
    lanes.close()
    guard !ids.isEmpty || isCacheLost else { return }
    let unused = ids
    (ids, isCacheLost) = ([], false)
    // If they are not given back, these numbers are never used, which does no harm.
    try? store.release(unused)
  }

  /// Returns the results of the batches stored since the last call, in order. It can be called after an error too.
  package func takeSettled() -> [Outcome] {
    defer { settled = [] }
    return settled
  }

  /// Returns, after an error, the later batches that were stored or may have been.
  /// - Returns: the place of each, counted from the batch that was not stored, and its outcome; nil if the connection
  ///   was lost before the server's reply.
  package func takeSettledBeyondError() -> [(place: Int, outcome: Outcome?)] {
    defer { beyondError = [] }
    return beyondError
  }

  private func settle() throws {
    var evictionError: (any Error)?
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
        isCacheLost = (error as? StoreBackendError)?.reason == .lostWrites
        throw error
      case .success(let stored):
        allUnderWay.subtract(underWay.removeFirst())
        settled.append((stored.outcomes, stored.evicted))
        evictionError = evictionError ?? stored.evictionError
        ids = (stored.unusedIDs + ids).sorted()
        meetsNewQueries = stored.outcomes.contains { $0.isInserted }
        isOneByOne =
          options.policy == .fail
          || stored.fills.contains { $0.isNearLimit(maxEntries, adding: Self.margin) }
      }
    }
    guard let evictionError else { return }
    // The batches under way are stored too, and belong to what is reported.
    lanes.finish()
    try settle()
    throw evictionError
  }

  /// Returns ids for a batch of new entries; none if none will be needed.
  private func takeIDs(_ count: Int) throws -> [EntryID] {
    guard meetsNewQueries, !isOneByOne, lanes.areOpen else { return [] }
    if ids.count < count { ids += try store.allocateRun(of: max(count, Self.idsAtATime)) }
    guard ids.count >= count else { return [] }
    defer { ids.removeFirst(count) }
    return Array(ids.prefix(count))
  }
}

extension Error {
  /// Whether the connection was lost while a command was under way, so that the command may have been run.
  package var isUnsure: Bool {
    if let stop = self as? WaitStopped { return stop.mayHaveRun }
    return switch (self as? StoreBackendError)?.reason {
    case .connectionLost, .timedOut, .protocolViolation: true
    default: false
    }
  }
}
