import Mneme

/// Ids that were allocated to this process and that no entry has yet.
///
/// They are used in order. The next attempt uses the ids that the last one has not used, as long as the server still
/// counts them as allocated. After a flush or a failover it does not.
final class AllocatedIDs {
  private var ids: ArraySlice<EntryID>

  init(_ ids: [EntryID] = []) { self.ids = ids[...] }

  var count: Int { ids.count }

  func prefix(_ count: Int) -> [EntryID] { Array(ids.prefix(count)) }

  /// The ids that are left.
  var unused: [EntryID] { Array(ids) }

  func replace(with new: [EntryID]) { ids = new[...] }

  func use(_ count: Int) { ids.removeFirst(min(count, ids.count)) }

  /// Drops all ids if the server does not count them as allocated any more, or has an entry with one of them.
  func keepUsable(_ look: IDLook) {
    if let highest = ids.last, highest.rawValue > look.last || look.areTaken { ids = [] }
  }
}

/// The state of the id counter and of ids before entries are stored under them.
struct IDLook {
  /// The last id that was allocated to any client.
  var last: Int64
  /// The highest id that an entry has.
  var highest: Int64
  /// Whether an entry has one of these ids.
  var areTaken: Bool
}

/// The answer to an allocation.
struct IDAllocation {
  /// The ids that were expected. Their keys are watched.
  var foreseen: [EntryID]
  /// The ids that were allocated.
  var ids: [EntryID]
  var areTaken: Bool

  /// Whether the ids belong to this client alone, and no entry can have been stored under them.
  var isSettled: Bool { !areTaken && ids == foreseen }
}

extension RedisStore {
  /// The last id that was allocated; entries that were removed had such ids too. One round trip.
  package func lastID() throws -> EntryID {
    let look = try read { appendIDLook([], to: &$0) }
    return EntryID(max(look.last, look.highest))
  }

  /// Appends the reads before entries are stored.
  /// - Parameter ids: the ids to use. Their keys are watched, so that no other client uses them.
  func appendIDLook(_ ids: [EntryID], to pipeline: inout Pipeline) -> Question<IDLook> {
    let last = pipeline.append("GET", layout.nextID)
    let highest = pipeline.append("ZREVRANGE", layout.byID, 0, 0)
    let taken = ids.isEmpty ? nil : appendVacancyLook(at: ids, to: &pipeline)
    return Question { replies in
      IDLook(
        last: try self.integer(replies[last], in: self.layout.nextID) ?? 0,
        highest: replies[highest].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0,
        areTaken: taken.map { replies[$0].integer != 0 } ?? false)
    }
  }

  /// Watches the keys of entries that should not exist, and counts those that do.
  private func appendVacancyLook(at ids: [EntryID], to pipeline: inout Pipeline) -> Slot {
    pipeline.append("WATCH", each: ids.map(layout.entry))
    return pipeline.append("EXISTS", each: ids.map(layout.entry))
  }

  /// Reads the entries of the ids that the `hash:` keys of queries hold. An id is used if its entry belongs to the
  /// query, or if the entry is gone because Redis has expired it. It is not used if the entry belongs to another
  /// query, which would be overwritten.
  func appendClaimLook(
    at indexed: [(id: EntryID, key: QueryKey)], to pipeline: inout Pipeline
  ) -> Question<[Claim?]> {
    pipeline.append("WATCH", each: indexed.map { layout.entry($0.id) })
    let claims = indexed.map { appendClaimQuestion(about: $0.id, $0.key, to: &pipeline) }
    return Question { replies in try claims.map { try replies[$0] } }
  }

  /// Reads whether the entry with an id belongs to a query; nil if it belongs to another query.
  func appendClaimQuestion(
    about id: EntryID, _ key: QueryKey, to pipeline: inout Pipeline
  ) -> Question<Claim?> {
    let fields = pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.createdAt)
    let exists = pipeline.append("EXISTS", layout.entry(id))
    return Question { replies in
      guard replies[exists].integer != 0 else { return Claim(id: id, exists: false) }
      let fields = try replies[fields].elements(expecting: 3)
      guard fields[0].bytes.elementsEqual(key.namespace.name.utf8),
        fields[1].bytes.elementsEqual(key.queryHash.utf8)
      else { return nil }
      return Claim(id: id, exists: true, createdAt: fields[2].integer.map { UnixTime($0) })
    }
  }

  /// Allocates ids that no entry has: those after the last one, or after the highest entry if `next_id` is below it.
  /// - Parameter watching: watches their keys in the same round trip. Redis compares each watched key with all others,
  ///   so it is for the ids of one batch.
  func appendAllocation(
    _ count: Int, after look: IDLook, watching: Bool = true, to pipeline: inout Pipeline
  ) throws -> Question<IDAllocation> {
    try checkGrowth(of: layout.nextID, from: max(look.last, look.highest))
    let base = max(look.last, look.highest)
    // If `next_id` is far below zero, one increment would overflow, so it takes two.
    let (distance, isTooFar) = base.subtractingReportingOverflow(look.last)
    let foreseen = Self.run(of: count, after: base)
    let taken = watching ? appendVacancyLook(at: foreseen, to: &pipeline) : nil
    let next = pipeline.append("INCRBY", layout.nextID, isTooFar ? .max / 2 : distance + Int64(count))
    return Question { replies in
      let allocated = replies[next].integer ?? 0
      return IDAllocation(
        foreseen: foreseen, ids: Self.run(of: count, after: allocated &- Int64(count)),
        areTaken: taken.map { replies[$0].integer != 0 } ?? false || allocated < Int64(count))
    }
  }

  /// Allocates ids. One round trip, and one more each time that another client allocates ids in between.
  func allocate(
    _ count: Int, for ids: AllocatedIDs, after look: IDLook, _ transaction: borrowing Transaction
  ) throws {
    let allocation = try transaction.read { try appendAllocation(count, after: look, to: &$0) }
    try settle(allocation, of: ids, transaction)
  }

  /// Watches `next_id`, so that the ids stay allocated. One round trip.
  ///
  /// If there is a cache, its `meta` is watched too, because a flush removes both. A new cache has none yet.
  /// - Returns: whether the ids are still allocated.
  func watchAllocation(of ids: [EntryID], _ transaction: borrowing Transaction) throws -> Bool {
    guard let highest = ids.last else { return true }
    return try transaction.read { pipeline in
      pipeline.append("WATCH", layout.nextID)
      let last = pipeline.append("GET", layout.nextID)
      return Question { $0[last].integer.map { $0 >= highest.rawValue } ?? false }
    }
  }

  /// Makes sure that no entry has the allocated ids.
  func settle(_ allocation: IDAllocation, of ids: AllocatedIDs, _ transaction: borrowing Transaction) throws {
    var allocation = allocation
    while !allocation.isSettled {
      // Another client has allocated ids in between, or the counter is below the ids of existing entries.
      let ids = allocation.ids
      let seen = try transaction.read { appendIDLook(ids, to: &$0) }
      if !seen.areTaken, ids[0].rawValue > 0, ids[ids.count - 1].rawValue <= seen.last { break }
      allocation = try transaction.read { try appendAllocation(ids.count, after: seen, to: &$0) }
    }
    ids.replace(with: allocation.ids)
  }

  /// Returns consecutive ids.
  static func run(of count: Int, after last: Int64) -> [EntryID] {
    count == 0 ? [] : (1...Int64(count)).map { EntryID(last &+ $0) }
  }

  // MARK: For many batches

  /// Allocates ids for entries of several batches, so that their ids are in the order of the entries. Each batch checks
  /// that no entry has its ids. Two round trips.
  /// - Returns: none if the counter is so far below the ids of existing entries that it takes two steps.
  func allocateRun(of count: Int) throws -> [EntryID] {
    try client.change {
      appendIDLook([], to: &$0)
    } decide: { transaction, seen -> Plan<[EntryID]> in
      let allocation = try transaction.read {
        try appendAllocation(count, after: seen, watching: false, to: &$0)
      }
      return .done(allocation.areTaken ? [] : allocation.ids)
    }
  }

  /// Gives back ids that were not used, if no other client has allocated ids since. If the cache has been removed, so is
  /// the counter, which the allocation has made anew. Two round trips.
  func release(_ ids: [EntryID]) throws {
    try client.change { pipeline in
      pipeline.append("WATCH", layout.nextID, layout.meta, layout.byID)
      let next = pipeline.append("GET", layout.nextID)
      let cache = pipeline.append("EXISTS", layout.meta, layout.byID)
      return Question { (next: $0[next].integer, isGone: $0[cache].integer == 0) }
    } decide: { _, seen -> Plan<Void> in
      guard let next = seen.next else { return .done(()) }
      if seen.isGone {
        return .write {
          $0.append("UNLINK", layout.nextID)
          return .nothing
        }
      }
      guard let first = ids.first, next == ids.last?.rawValue,
        Self.run(of: ids.count, after: first.rawValue - 1) == ids
      else { return .done(()) }
      return .write {
        $0.append("SET", layout.nextID, first.rawValue - 1)
        return .nothing
      }
    }
  }
}
