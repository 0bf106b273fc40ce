import Mneme

/// The options of a vacuum.
package struct VacuumOptions {
  /// nil: every namespace.
  package var namespace: Namespace?
  /// Entries that have expired at this moment are removed. If this machine's clock differs from the server's by
  /// more than a minute, it is corrected by as much.
  package var now: UnixTime = systemClock()
  /// The entries in one transaction, 1 … 1000; nil: `Batch.removed`.
  package var batchSize: Int?
  /// Reports what would be removed, and writes nothing.
  package var dryRun = false
  /// Whether to search for leftovers even if nothing suggests that there are any, and to repair the problems of a
  /// check.
  package var repair = false
  /// Whether to evict entries of namespaces that are over their quotas.
  package var evictsOverQuotas = true
  /// With `repair`: deletes the entries that cannot be repaired and that keep Python programs from opening the cache.
  package var dropUnreadable = false
  /// The control, used between batches. A vacuum that is stopped reports what remains.
  package var control = WorkControl()
  /// Called with each problem that a repair leaves, and the reason.
  package var whenLeft: (CacheProblem, _ reason: String) throws -> Void = { _, _ in }

  package init() {}
}

/// The result of a vacuum, or of its dry run.
package struct VacuumReport: Sendable, Equatable {
  /// Expired entries that still existed.
  package var expired = 0
  /// Leftovers: ids in an index or a `hash:` key whose entry Redis has expired.
  package var leftovers = 0
  /// Entries that were above the quota of their namespace.
  package var evicted = 0
  /// Index members that differed from their entry, and with `repair` every other problem that was repaired.
  package var repaired = 0
  /// The problems that a repair repaired, by kind.
  package var repairs: [CacheProblem.Kind: Int] = [:]
  /// Entries that were deleted because no Python program could read them.
  package var dropped = 0
  /// Problems that a repair reports and does not change.
  package var left = 0
  /// Members of `by_ttl` that are due and were not reached, of all namespaces.
  package var remaining = 0
  /// Whether the run came to its end.
  package var complete = true

  mutating func countRepair(of kind: CacheProblem.Kind) {
    repaired += 1
    repairs[kind, default: 0] += 1
  }

  package init() {}
}

extension RedisStore {
  /// Removes expired entries in the order of their expiry. If it finds a leftover of Redis's own expiry, it removes all
  /// leftovers.
  ///
  /// The entry's own fields override `by_ttl`. They are read under `WATCH`, so that an entry that is refreshed at the
  /// same time stays. If several vacuums run at the same time, each entry is counted once. A vacuum that is stopped or
  /// killed at any time leaves nothing half done.
  ///
  /// One round trip for each 200 entries and two for each transaction (`Batch.removed`), over several connections that
  /// take turns.
  /// Memory: a page, and 8 to 32 bytes for each leftover; of a dry run as much for each entry that is due.
  /// - Throws: `StoreBackendError` if leftovers were found and the server does not permit `SCAN`.
  package func vacuum(_ options: VacuumOptions) throws -> VacuumReport {
    var options = options
    options.now = try time(for: options.now)
    var run = VacuumRun(store: self, options: options)
    return try run.run()
  }
}

/// A vacuum under way.
struct VacuumRun {
  let store: RedisStore
  let options: VacuumOptions
  private var report = VacuumReport()
  /// The number of members of `by_ttl` that are due and stay, which precede those that were not looked at yet.
  private var kept = 0
  /// The members of the entries that are being removed over the lanes.
  private var underWay: [EntryID: [DueMember]] = [:]
  /// Members whose entries were read over the lanes and not removed, with the state of these entries.
  private var odd = PageContents(members: [], entries: [:])
  /// The ids of leftovers, which several indexes may list.
  private var swept: Set<EntryID> = []
  /// The entries that a dry run has counted. `by_ttl` may list an entry more than once.
  private var expired: Set<EntryID> = []
  private var stale: Set<EntryID> = []
  private var dropped: Set<EntryID> = []

  init(store: RedisStore, options: VacuumOptions) {
    self.store = store
    self.options = options
  }

  mutating func run() throws -> VacuumReport {
    if try store.identity() == nil {
      // Without `meta` there is no cache. A repair reports any entries.
      if options.repair { try repair() }
      return report
    }
    // The repair reports an index of another type. All other entries are still removed.
    if options.repair { try store.passOverIndexesOfOtherTypes() }
    defer { store.passedOver = [] }
    if options.repair, !options.dryRun {
      try store.repairNumbers(checkOptions) { problem, outcome in
        if outcome == .repaired { report.countRepair(of: problem.kind) }
      }
    }
    let isDone = try sweepDue() && sweepLeftovers() && retireAbandoned() && evictOverQuotas() && repair()
    if !isDone {
      report.complete = false
      report.remaining = try remaining()
    }
    return report
  }

  // MARK: Entries that are due

  /// Removes the entries that are due. It reads pages while the lanes read and remove the entries of earlier pages.
  /// - Returns: whether no due entry is left.
  private mutating func sweepDue() throws -> Bool {
    guard store.isSound(store.layout.byTTL) else { return true }
    let (now, namespace) = (options.now, options.namespace)
    let lanes = store.removalLanes(counting: .own(.expirations)) {
      $0.isExpired(at: now) && (namespace == nil || $0.namespace == namespace)
    }
    defer { lanes.close() }
    while !options.control.shouldStop() {
      // If some members stay, most pages contain some: see below.
      if kept > 0 { try settleAll(lanes) }
      let page = try duePage()
      if page.isEmpty, underWay.isEmpty { return true }
      if options.dryRun {
        let entries = try store.entries(named: Set(page.compactMap(\.id)).sorted())
        kept += page.count
        count(PageContents(members: page, entries: entries).plan(at: now, in: namespace))
      } else {
        let new = page.filter { member in member.id.map { underWay[$0] == nil } ?? true }
        if !underWay.isEmpty, new.isEmpty || new.contains(where: { $0.id == nil }) {
          // While earlier entries are removed, a page may begin too late and leave out entries. They are found at the
          // end, when no removal is under way, as long as all members that stay precede them.
          try settleAll(lanes)
          continue
        }
        kept += new.count { $0.id == nil }
        try remove(new, isLastPage: page.count < pageSize, lanes)
      }
    }
    lanes.finish()
    try settle(lanes)
    return try remaining() == 0
  }

  private var pageSize: Int {
    options.dryRun ? options.batchSize ?? Batch.page : max(Batch.page, options.batchSize ?? 0)
  }

  /// Reads a page of due members, which are the first of `by_ttl`. It is read by rank, which costs the server the same
  /// for any number of members before it. With an offset in a range of scores, the server would step over each of
  /// them.
  private func duePage() throws -> [DueMember] {
    let size = pageSize
    return try store.read { pipeline in
      let first = kept + underWay.values.reduce(0) { $0 + $1.count }
      let slot = pipeline.append("ZRANGE", store.layout.byTTL, first, first + size - 1, "WITHSCORES")
      let now = options.now
      return Question { VacuumRun.dueMembers(in: $0[slot], at: now) }
    }
  }

  private static func dueMembers(in reply: Reply, at now: UnixTime) -> [DueMember] {
    var members: [DueMember] = []
    var elements = reply.elements
    while let member = elements.next(), let score = elements.next()?.string.flatMap(Double.init),
      score <= Double(now.rawValue)
    {
      let parsed = KeyLayout.parseTTLMember(member.bytes)
      members.append(DueMember(id: parsed?.id, namespace: parsed?.namespace))
    }
    return members
  }

  private func remaining() throws -> Int {
    guard store.isSound(store.layout.byTTL) else { return 0 }
    return max(0, try store.expiredCount(at: options.now) - kept)
  }

  /// - Parameter isLastPage: the last batch of this page waits until all others are done, so that its transaction finds
  ///   namespaces empty and takes them off the list. Two batches at the same time would not, and the namespaces would
  ///   stay listed if the run were killed.
  private mutating func remove(
    _ members: [DueMember], isLastPage: Bool, _ lanes: RedisStore.RemovalLanes
  ) throws {
    let named = Dictionary(grouping: members.filter { $0.id != nil }) { $0.id ?? EntryID(0) }
    let batches = named.keys.sorted().slices(of: options.batchSize ?? Batch.removed)
    for (number, batch) in batches.enumerated() {
      if options.control.shouldStop() { return }
      if isLastPage, number == batches.count - 1 { try settleAll(lanes) }
      for id in batch { underWay[id] = named[id] }
      lanes.submit(Array(batch))
      try settle(lanes)
    }
    if batches.isEmpty { tellProgress() }
    // Their removal watches keys that all other removals change.
    if !odd.members.isEmpty { try settleAll(lanes) }
  }

  /// Waits for removals under way, and handles entries that were not removed.
  private mutating func settleAll(_ lanes: RedisStore.RemovalLanes) throws {
    lanes.finish()
    try settle(lanes)
    guard !odd.members.isEmpty else { return }
    let unknown = odd.members.compactMap(\.id).filter { odd.entries[$0] == nil }
    odd.entries.merge(try store.entries(named: Set(unknown).sorted())) { $1 }
    let plan = odd.plan(at: options.now, in: options.namespace)
    odd = PageContents(members: [], entries: [:])
    // An entry that expires in between is found again.
    kept += plan.kept
    for expiry in plan.stale { try correct(expiry) }
    if !plan.leftovers.isEmpty {
      swept.formUnion(try store.sweepLeftovers(store.stillDue(plan.leftovers)))
      report.leftovers = swept.count
    }
    tellProgress()
  }

  private mutating func correct(_ expiry: StaleExpiry) throws {
    do {
      if try store.correct(expiry) { report.repaired += 1 }
    } catch let error as StoreBackendError where error.reason == .outOfMemory {
      // The member stays, since the server has no memory. The next steps free some.
      kept += 1
    }
  }

  /// Counts the removed entries.
  private mutating func settle(_ lanes: RedisStore.RemovalLanes) throws {
    try lanes.settle { batch in
      let removed = Set(batch.removed)
      for id in batch.ids {
        let members = underWay.removeValue(forKey: id) ?? []
        if !removed.contains(id) { odd.members += members }
      }
      for head in batch.spared { odd.entries[head.id] = .present(head.namespace, head.expiry) }
      report.expired += removed.count
      tellProgress()
    }
  }

  private mutating func count(_ plan: PagePlan) {
    expired.formUnion(plan.expired)
    stale.formUnion(plan.stale.map(\.id))
    swept.formUnion(plan.leftovers.map(\.id))
    (report.expired, report.repaired, report.leftovers) = (expired.count, stale.count, swept.count)
    tellProgress()
  }

  private func tellProgress() {
    options.control.progress(WorkProgress(done: report.expired + report.leftovers))
  }

  // MARK: Other leftovers

  /// Removes leftovers in all indexes and in `hash:` keys, if one was found.
  private mutating func sweepLeftovers() throws -> Bool {
    defer { report.leftovers = swept.count }
    let control = options.control
    if !options.repair, swept.isEmpty, try !store.countsDiffer() {
      let isDone = try store.sweepLatestUses(
        in: options.namespace, dryRun: options.dryRun, into: &swept, shouldStop: control.shouldStop)
      if !isDone || swept.isEmpty { return isDone }
    }
    let isDone = try store.sweepIndexes(
      in: options.namespace, dryRun: options.dryRun, into: &swept, shouldStop: control.shouldStop)
    guard isDone, options.repair || !swept.isEmpty else { return isDone }
    return try store.sweepHashKeys(
      in: options.namespace, dryRun: options.dryRun, into: &swept, shouldStop: control.shouldStop)
  }

  private mutating func retireAbandoned() throws -> Bool {
    report.repaired += try store.retireAbandoned(in: options.namespace, dryRun: options.dryRun)
    return true
  }

  /// Evicts entries over the quotas. Python programs without a quota in their settings put more.
  private mutating func evictOverQuotas() throws -> Bool {
    guard options.evictsOverQuotas else { return true }
    for (namespace, quota, count) in try store.namespacesOverQuota(in: options.namespace) {
      if options.control.shouldStop() { return false }
      if options.dryRun {
        var gone = 0
        try store.forEachPairPage(of: .sortedSet(store.layout.lru(namespace))) { page in
          gone += page.compactMap { EntryID(member: $0.name.bytes) }
            .count { expired.contains($0) || swept.contains($0) }
        }
        report.evicted += Eviction.batch(count: count - gone, limit: quota)
      } else {
        report.evicted += try store.evict(
          for: namespace, maxEntries: nil, sparing: [], WorkControl(shouldStop: options.control.shouldStop))
      }
    }
    return true
  }

  private var checkOptions: CheckOptions {
    var check = CheckOptions()
    check.now = options.now
    check.namespace = options.namespace
    check.control = options.control
    return check
  }

  @discardableResult
  private mutating func repair() throws -> Bool {
    guard options.repair else { return true }
    if options.dryRun {
      return try store.check(checkOptions) { problem in try count(problem) }.complete
    }
    var hasEntered = false
    let summary = try store.repair(checkOptions, droppingUnreadable: options.dropUnreadable) {
      problem, outcome in
      switch outcome {
      case .gone: break
      case .dropped: report.dropped += 1
      case .repaired where problem.isSwept:
        swept.formUnion(problem.id.map { [$0] } ?? [])
        report.leftovers = swept.count
      case .repaired:
        report.countRepair(of: problem.kind)
        if problem.kind == .wrongByTTL { hasEntered = true }
      case .left(let reason):
        report.left += 1
        try options.whenLeft(problem, reason)
      }
    }
    // A repair may have added members to `by_ttl` that are due.
    guard hasEntered else { return summary.complete }
    kept = 0
    return try sweepDue() && summary.complete
  }

  /// Counts what a run would do about a problem, after what it would have done before.
  private mutating func count(_ problem: CacheProblem) throws {
    if options.dropUnreadable, problem.keepsPythonOut, let id = problem.id {
      dropped.insert(id)
      report.dropped = dropped.count
      return
    }
    if let reason = problem.kind.reasonToLeave {
      report.left += 1
      return try options.whenLeft(problem, reason)
    }
    // It is counted already, or removed with an expired entry.
    if problem.isSwept || problem.kind == .emptyNamespace { return }
    if let id = problem.id {
      if expired.contains(id) || dropped.contains(id) { return }
      if stale.contains(id), problem.key == store.layout.byTTL.bytes { return }
    }
    report.countRepair(of: problem.kind)
    guard problem.kind == .wrongByTTL, let id = problem.id,
      case .present(_, let expiry) = try store.entries(named: [id])[id]
    else { return }
    if expiry.hasPassed(at: options.now) { report.expired += 1 }
  }
}

extension CacheProblem {
  /// Whether a vacuum that has found leftovers removes it even without `repair`.
  fileprivate var isSwept: Bool { isLeftover || kind == .danglingHashKey && id != nil }
}

extension PageContents.Entry {
  /// Reads the state of an entry; nil if it is gone, or if only the fields of a late use are left.
  fileprivate init?(_ replies: Replies, _ question: Question<EntryHead?>) {
    do {
      guard let head = try replies[question] else { return nil }
      self = .present(head.namespace, head.expiry)
    } catch is CorruptCacheError {
      return nil
    } catch {
      // The key is of another type.
      self = .unreadable
    }
  }
}

extension RedisStore {
  /// Reads the state of entries. One round trip for each 64, and one more if any of these is not a whole entry.
  func entries(named ids: [EntryID]) throws -> [EntryID: PageContents.Entry] {
    var entries: [EntryID: PageContents.Entry] = [:]
    for slice in ids.slices(of: Batch.keys) {
      let seen = try read(tolerating: true) { pipeline in
        let heads = slice.map { (id: $0, question: appendHeadQuestion(about: $0, to: &pipeline)) }
        return Question { replies in heads.map { ($0.id, PageContents.Entry(replies, $0.question)) } }
      }
      entries.merge(seen.compactMap { id, entry in entry.map { (id, $0) } }) { $1 }
      let unknown = seen.filter { $0.1 == nil }.map(\.0)
      let absent = try withoutAnswer(unknown)
      for id in unknown { entries[id] = absent.contains(id) ? .absent : .unreadable }
    }
    return entries
  }

  /// Leaves out ids that another vacuum has removed since the page was read, since a search in every namespace for them
  /// would be wasted. One round trip for each 64.
  fileprivate func stillDue(_ leftovers: [Leftover]) throws -> [Leftover] {
    try leftovers.slices(of: Batch.keys).flatMap { slice in
      try read { pipeline in
        let scores = slice.map { leftover in
          let member =
            leftover.namespace.map { KeyLayout.pythonTTLMember($0, leftover.id) }
            ?? Array(leftover.id.member.utf8)
          return (leftover: leftover, slot: pipeline.append("ZSCORE", layout.byTTL, member))
        }
        return Question { replies in scores.filter { !replies[$0.slot].isNull }.map(\.leftover) }
      }
    }
  }

  /// Corrects `by_ttl` by the entry's own expiry. A member with another namespace than the entry's would be due again
  /// in each vacuum.
  /// - Returns: whether it was corrected.
  fileprivate func correct(_ expiry: StaleExpiry) throws -> Bool {
    let id = expiry.id
    return try client.change { pipeline in
      pipeline.append("WATCH", layout.entry(id))
      return appendHeadQuestion(about: id, to: &pipeline)
    } decide: { _, head in
      guard let head, head.expiry != .unreadable else { return .done(false) }
      return .write { pipeline in
        var changes = (expiry.strays + [head.namespace]).map {
          pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember($0, id))
        }
        if case .at(let moment) = head.expiry {
          changes.append(pipeline.append("ZADD", layout.byTTL, "CH", moment.rawValue, id.member))
        } else {
          changes.append(pipeline.append("ZREM", layout.byTTL, id.member))
        }
        return Question { [changes] replies in changes.contains { replies[$0].integer != 0 } }
      }
    }
  }
}
