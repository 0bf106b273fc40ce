import Mneme

extension RedisStore {
  /// An id that a query's index names and that may be written for it.
  struct Claim {
    var id: EntryID
    /// Whether an entry is there to replace.
    var exists: Bool
    /// When that was put, where it says so.
    var createdAt: UnixTime?
  }

  /// For each entry the id that its query has: when that entry is this query's, or gone (expired by Redis
  /// itself). An index that points at another query's entry is not followed, so nothing of it is overwritten; nor one
  /// that points at no entry, at an id that was not handed out: whoever is handed it out later would overwrite ours.
  /// - Parameter last: the last id that was handed out.
  func claim(
    _ ids: [EntryID?], for entries: [StoredEntry], after last: Int64, _ transaction: borrowing Transaction,
    _ passenger: inout Passenger
  ) throws -> [Claim?] {
    let known = ids.compactMap(\.self)
    guard !known.isEmpty else { return ids.map { _ in nil } }
    let replies = try passenger.ride(
      with: pipeline {
        $0.begin("WATCH", argumentCount: known.count)
        for id in known { $0.argument(layout.entry(id)) }
        for id in known {
          $0.append(
            "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.createdAt)
          $0.append("EXISTS", layout.entry(id))
        }
      }, transaction)
    var next = 1
    return try zip(ids, entries).map { id, entry -> Claim? in
      guard let id else { return nil }
      defer { next += 2 }
      guard replies[next + 1].integer != 0 else {
        return id.rawValue <= last ? Claim(id: id, exists: false) : nil
      }
      let fields = try replies[next].elements(expecting: 3)
      let isSame =
        fields[0].bytes.elementsEqual(entry.namespace.name.utf8)
        && fields[1].bytes.elementsEqual(entry.queryHash.utf8)
      return isSame ? Claim(id: id, exists: true, createdAt: fields[2].integer.map { UnixTime($0) }) : nil
    }
  }

  /// Ids that no entry has. Almost always those that follow `last`, whose keys are watched in the round trip that
  /// takes them; with `next_id` behind the highest entry, those above that.
  func allocate(
    _ count: Int, after last: Int64, reusing spare: [EntryID], _ transaction: borrowing Transaction,
    _ passenger: inout Passenger
  ) throws -> [EntryID] {
    var candidates = spare.count >= count ? Array(spare.prefix(count)) : Self.run(of: count, after: last)
    var isOurs = spare.count >= count
    var step = Int64(count)
    while true {
      let replies = try passenger.ride(
        with: pipeline {
          appendVacancyLook(at: candidates, to: &$0)
          $0.append("ZREVRANGE", layout.byID, 0, 0)
          if !isOurs { $0.append("INCRBY", layout.nextID, step) }
        }, transaction)
      let areFree = areVacant(candidates, in: replies[0...])
      let highest = replies[2 + count].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0
      if isOurs, areFree { return candidates }
      if isOurs {
        // They were free when they were handed out and are so no more: the counter was set back.
        isOurs = false
        candidates = Self.run(of: count, after: max(highest, candidates[count - 1].rawValue))
        step = Int64(count)
        continue
      }
      let handedOut = Self.run(of: count, after: (replies[3 + count].integer ?? 0) &- Int64(count))
      if handedOut == candidates, areFree { return candidates }
      guard handedOut == candidates else {
        (candidates, isOurs) = (handedOut, true)
        continue
      }
      // The numbers are in use: go above every entry at once.
      let top = candidates[count - 1].rawValue
      // From far below zero that takes two steps.
      let (distance, isTooFar) = highest.subtractingReportingOverflow(top)
      step = max(Int64(count), isTooFar ? .max / 2 : distance &+ Int64(count))
      candidates = Self.run(of: count, after: top &+ step &- Int64(count))
    }
  }

  /// Watches entries that are not to be there, and asks whether they are.
  func appendVacancyLook(at ids: [EntryID], to pipeline: inout Pipeline) {
    pipeline.begin("WATCH", argumentCount: ids.count)
    for id in ids { pipeline.argument(layout.entry(id)) }
    pipeline.begin("EXISTS", argumentCount: ids.count)
    for id in ids { pipeline.argument(layout.entry(id)) }
    for id in ids { pipeline.append("ZSCORE", layout.byID, id.member) }
  }

  /// - Parameter replies: from the first answer to `appendVacancyLook` on.
  func areVacant(_ ids: [EntryID], in replies: Slice<Replies>) -> Bool {
    let answers = replies.prefix(2 + ids.count)
    // A counter that was set below zero hands out numbers that are no ids.
    return ids[0].rawValue > 0 && answers.dropFirst().first?.integer == 0
      && answers.dropFirst(2).allSatisfy(\.isNull)
  }

  /// Ids in a row.
  static func run(of count: Int, after last: Int64) -> [EntryID] {
    (1...Int64(count)).map { EntryID(last &+ $0) }
  }
}
