import Mneme

/// How a vacuum goes about it.
public struct VacuumOptions: Sendable {
  /// nil: every namespace.
  public var namespace: Namespace?
  /// What is expired at this moment goes.
  public var now: UnixTime = systemClock()
  /// The entries in one transaction, 1 … 1000; nil: `Batch.removed`.
  public var batchSize: Int?
  /// Says what would go; writes nothing.
  public var dryRun = false
  /// Look for leftovers even when nothing suggests that there are any, and mend what a check finds.
  public var repair = false
  /// Asked between batches; true ends the run, with what remains in the report.
  public var shouldStop: @Sendable () -> Bool = { false }
  /// Called after each batch with what was done so far.
  public var progress: @Sendable (VacuumReport) -> Void = { _ in }
  /// With `repair`, told of each problem that was left, and why.
  public var whenLeft: @Sendable (CacheProblem, _ reason: String) throws -> Void = { _, _ in }

  public init() {}
}

/// What a vacuum did, or would do.
public struct VacuumReport: Sendable, Equatable {
  /// Entries that were expired and still there.
  public var expired = 0
  /// Ids that Redis's own expiry had left in an index or in the exact layer.
  public var leftovers = 0
  /// Index members that said something else than their entry, and with `repair` every other problem that was mended.
  public var repaired = 0
  /// Problems that a repair leaves to a person.
  public var left = 0
  /// Members of `by_ttl` that are due and were not reached, of all namespaces.
  public var remaining = 0
  /// Whether the run came to its end.
  public var complete = true
  /// The server withholds `SCAN`, so that `hash:` keys which point nowhere were not looked for.
  public var lacksScan = false

  public init() {}
}

extension RedisStore {
  /// Removes expired entries, going through `by_ttl` in order of expiry; the entry's own fields have the last
  /// word, read under `WATCH`, so an entry that is refreshed meanwhile stays. Also removes what Redis's native
  /// expiry leaves in the indexes, where the run meets any of it.
  ///
  /// Two round trips a batch where all in it are sound and expired, else four or more. Several at once keep out of each
  /// other's way, and each entry is counted by the one that removed it. Stopped or killed at any instant, it leaves
  /// nothing half done. Memory: a page, and 8 to 32 bytes for each leftover.
  public func vacuum(_ options: VacuumOptions) throws -> VacuumReport {
    var run = VacuumRun(store: self, options: options)
    return try run.run()
  }
}

/// A vacuum under way.
struct VacuumRun {
  let store: RedisStore
  let options: VacuumOptions
  var report = VacuumReport()
  /// The ids of leftovers, which several indexes may list.
  private var swept: Set<EntryID> = []
  private(set) var cursor = DueCursor()
  /// Of a dry run: ids that `by_ttl` lists more than once.
  private var counted: Set<EntryID> = []

  /// Of the next page.
  var batchSize: Int {
    options.batchSize ?? (options.dryRun ? Batch.entries : Batch.removed)
  }

  /// How far within a score Redis is to walk to where a page begins.
  static let nearby = 200

  init(store: RedisStore, options: VacuumOptions) {
    self.store = store
    self.options = options
  }

  mutating func run() throws -> VacuumReport {
    if try store.identity() == nil {
      // Without `meta` there is no cache; a repair says so where there are entries.
      if options.repair { try mend() }
      return report
    }
    if options.repair, !options.dryRun {
      var check = CheckOptions()
      check.namespace = options.namespace
      try store.repairNumbers(check) { _, outcome in if outcome == .mended { report.repaired += 1 } }
    }
    let isDone = try sweepDue() && sweepLeftovers() && retireAbandoned() && mend()
    if !isDone {
      report.complete = false
      report.remaining = try remaining()
    }
    return report
  }

  // MARK: What is due

  /// - Returns: whether nothing that is due is left.
  private mutating func sweepDue() throws -> Bool {
    /// How far beyond the cursor to look, to keep out of the way of another run.
    var detour = 0
    var previous: [Due] = []
    while true {
      if options.shouldStop() { return try remaining() == 0 }
      let page = try duePage(skipping: detour)
      guard !page.isEmpty else {
        if detour == 0 { return true }
        detour = 0
        continue
      }
      let outcome = try sweep(page.compactMap(\.member))
      report.expired += outcome.expired
      report.repaired += outcome.repaired
      swept.formUnion(outcome.leftovers)
      report.leftovers = swept.count
      if detour == 0 {
        // What is met a second time at the same place stays, for whatever reason.
        let isStuck = page == previous
        cursor.advance(over: page, keeping: isStuck ? Set(page.compactMap(\.member?.id)) : outcome.kept)
        previous = page
      }
      detour = outcome.isContended ? Int.random(in: 1...8) * batchSize : 0
      options.progress(report)
    }
  }

  /// A member of `by_ttl` whose time has come.
  struct Due: Equatable {
    var score: String
    /// nil for a member of neither form.
    var member: DueMember?
  }

  struct DueMember: Equatable {
    var id: EntryID
    var namespace: Namespace?
  }

  /// Where the next page begins. What stays (another namespace's, a dry run's) is stepped over by its score, and
  /// among members of one score by their number.
  struct DueCursor {
    var score = "-inf"
    var offset = 0

    mutating func advance(over page: [Due], keeping kept: Set<EntryID>) {
      guard let last = page.last?.score else { return }
      let tied = page.count { due in
        due.score == last && (due.member.map { kept.contains($0.id) } ?? true)
      }
      offset = last == score ? offset + tied : tied
      score = last
    }
  }

  private func duePage(skipping detour: Int) throws -> [Due] {
    if cursor.offset < Self.nearby {
      let question = store.pipeline { appendDueQuestion(skipping: detour, to: &$0) }
      return duePage(in: try store.read(question)[0])
    }
    // Redis walks over what is skipped within a range of scores, and goes straight to a rank.
    let before = try store.read(
      store.pipeline { $0.append("ZCOUNT", store.layout.byTTL, "-inf", "(" + cursor.score) })[0].integer
    let rank = Int(before ?? 0) + cursor.offset + detour
    return duePage(
      in: try store.read(
        store.pipeline {
          $0.append(
            "ZRANGE", store.layout.byTTL, rank, rank + batchSize - 1, "WITHSCORES")
        })[0])
  }

  func appendDueQuestion(skipping detour: Int, to pipeline: inout Pipeline) {
    pipeline.append(
      "ZRANGEBYSCORE", store.layout.byTTL, cursor.score, options.now.rawValue, "WITHSCORES", "LIMIT",
      cursor.offset + detour, batchSize)
  }

  func duePage(in reply: Reply) -> [Due] {
    var page: [Due] = []
    var elements = reply.elements.makeIterator()
    while let member = elements.next(), let score = elements.next()?.string {
      guard CheckRun.isDue(score, at: options.now) else { break }
      page.append(
        Due(
          score: score,
          member: KeyLayout.parseTTLMember(member.bytes).map { DueMember(id: $0.id, namespace: $0.namespace) }
        ))
    }
    return page
  }

  private func remaining() throws -> Int {
    let reply = try store.read(
      store.pipeline { $0.append("ZCOUNT", store.layout.byTTL, cursor.score, options.now.rawValue) })[0]
    return max(0, (reply.size ?? 0) - cursor.offset)
  }

  // MARK: One page

  private struct PageOutcome {
    var expired = 0
    var repaired = 0
    var leftovers: [EntryID] = []
    /// Ids whose members are still in `by_ttl` at their place.
    var kept: Set<EntryID> = []
    /// Another run has removed some of it meanwhile.
    var isContended = false
  }

  private mutating func sweep(_ members: [DueMember]) throws -> PageOutcome {
    var outcome = PageOutcome()
    let ids = Set(members.map(\.id)).sorted()
    guard !ids.isEmpty else { return outcome }
    func isOurs(_ namespace: Namespace?) -> Bool {
      options.namespace == nil || namespace == options.namespace
    }
    let seen = try removeDue(of: ids) ?? look(at: ids)
    let ours = seen.heads.filter { isOurs($0.namespace) && $0.expiry != .unreadable }
    let due = ours.filter { $0.isExpired(at: options.now) }
    let stale = ours.filter { !$0.isExpired(at: options.now) }
    let lost = members.filter { seen.absent.contains($0.id) && isOurs($0.namespace) }
      .map { Leftover(id: $0.id, namespace: $0.namespace) }
    guard !options.dryRun else {
      let again = try metBefore(members, ours)
      outcome.expired = due.count { !again.contains($0.id) }
      outcome.repaired = stale.count { !again.contains($0.id) }
      outcome.leftovers = lost.map(\.id)
      outcome.kept = Set(ids)
      return outcome
    }
    let removed =
      try seen.removed
      ?? store.removeBatch(due.map(\.id), counting: .own(.expirations)) { $0.isExpired(at: options.now) }
    let mended = try stale.filter { head in
      let strays = members.filter { $0.id == head.id }.compactMap(\.namespace)
      return try store.mendExpiry(of: head.id, namedIn: strays)
    }.map(\.id)
    outcome.expired = removed.count
    outcome.repaired = mended.count
    outcome.leftovers = try store.sweepLeftovers(lost)
    // What is gone from the indexes too is no leftover: another run was here since the page was read.
    outcome.isContended =
      removed.count < due.count || Set(outcome.leftovers).count < Set(lost.map(\.id)).count
    // What another run has removed meanwhile is not there any more either.
    outcome.kept = Set(ids).subtracting(ours.map(\.id)).subtracting(lost.map(\.id))
    return outcome
  }

  /// What the entries of a page are.
  private struct Sight {
    var heads: [EntryHead]
    var absent: Set<EntryID>
    /// Those that have been removed already; nil: none was to be yet.
    var removed: [EntryID]?
  }

  /// Removes what is expired as it is first looked at, which is under `WATCH`.
  /// - Returns: nil, with nothing removed, in a dry run or where one of them is damaged: then each is looked at by
  ///   itself.
  private func removeDue(of ids: [EntryID]) throws -> Sight? {
    guard !options.dryRun else { return nil }
    // A transaction that starts again shows an entry again, or not: then another run has removed it.
    var heads: [EntryID: EntryHead] = [:]
    do {
      let removed = try store.removeBatch(ids, counting: .own(.expirations)) { head in
        heads[head.id] = head
        return (options.namespace == nil || head.namespace == options.namespace)
          && head.isExpired(at: options.now)
      }
      return Sight(
        heads: ids.compactMap { heads[$0] }, absent: try absent(among: ids.filter { heads[$0] == nil }),
        removed: removed)
    } catch is CorruptCacheError {
      return nil
    }
  }

  /// What will be looked at again under `WATCH`. Damaged entries are neither here nor there, and left to a check.
  private func look(at ids: [EntryID]) throws -> Sight {
    let replies = try store.read(
      store.pipeline { for id in ids { store.appendHeadQuestion(about: id, to: &$0) } }, tolerating: true)
    let heads = zip(ids, replies).compactMap { id, reply in try? store.head(of: id, in: reply) }
    let known = Set(heads.map(\.id))
    return Sight(heads: heads, absent: try absent(among: ids.filter { !known.contains($0) }))
  }

  private func absent(among ids: [EntryID]) throws -> Set<EntryID> {
    ids.isEmpty ? [] : try store.lost(of: ids)
  }

  /// Of a dry run, which leaves both forms of an entry's member where they are: the ids that were met on an earlier
  /// page.
  private mutating func metBefore(
    _ members: [DueMember], _ heads: [EntryHead]
  ) throws -> Set<EntryID> {
    let replies = try store.read(
      store.pipeline {
        for head in heads {
          $0.append("ZSCORE", store.layout.byTTL, head.id.member)
          $0.append("ZSCORE", store.layout.byTTL, KeyLayout.pythonTTLMember(head.namespace, head.id))
        }
      })
    var again: Set<EntryID> = []
    for (place, head) in heads.enumerated() {
      let isTwofold = !replies[2 * place].isNull && !replies[2 * place + 1].isNull
      let isStray = members.contains {
        $0.id == head.id && $0.namespace.map { $0 != head.namespace } ?? false
      }
      if isTwofold || isStray, !counted.insert(head.id).inserted { again.insert(head.id) }
    }
    return again
  }

  // MARK: What else there is

  /// Where there was one leftover there are others: in the indexes of entries that were not due, and in the exact
  /// layer.
  private mutating func sweepLeftovers() throws -> Bool {
    guard options.repair || !swept.isEmpty else { return true }
    defer { report.leftovers = swept.count }
    guard
      try store.sweepIndexes(
        in: options.namespace, dryRun: options.dryRun, into: &swept, shouldStop: options.shouldStop)
    else { return false }
    let isDone = try store.sweepHashKeys(
      in: options.namespace, dryRun: options.dryRun, into: &swept, shouldStop: options.shouldStop)
    report.lacksScan = isDone == nil
    return isDone ?? true
  }

  private mutating func retireAbandoned() throws -> Bool {
    report.repaired += try store.retireAbandoned(in: options.namespace, dryRun: options.dryRun)
    return true
  }

  @discardableResult
  private mutating func mend() throws -> Bool {
    guard options.repair else { return true }
    var check = CheckOptions()
    check.namespace = options.namespace
    check.control = WorkControl(
      shouldStop: options.shouldStop, progress: { [report, options] _ in options.progress(report) })
    var sweepsAgain = false
    let summary: CheckSummary
    if options.dryRun {
      summary = try store.check(check) { problem in try foresee(problem) }
    } else {
      summary = try store.repair(check) { problem, outcome in
        switch outcome {
        case .gone: break
        case .mended where problem.isLeftover:
          swept.formUnion(problem.id.map { [$0] } ?? [])
          report.leftovers = swept.count
        case .mended:
          report.repaired += 1
          if problem.kind == .wrongByTTL { sweepsAgain = true }
        case .left(let reason):
          report.left += 1
          try options.whenLeft(problem, reason)
        }
      }
    }
    // What `by_ttl` had lacked may be due.
    if sweepsAgain {
      cursor = DueCursor()
      return try sweepDue() && summary.complete
    }
    return summary.complete
  }

  /// What a run would do about a problem, after what it would have done before.
  private mutating func foresee(_ problem: CacheProblem) throws {
    if let reason = problem.kind.reasonToLeave {
      report.left += 1
      return try options.whenLeft(problem, reason)
    }
    // These have been counted.
    if problem.isLeftover || problem.kind == .emptyNamespace { return }
    guard let id = problem.id, let head = try look(at: [id]).heads.first else {
      report.repaired += 1
      return
    }
    let claimant = problem.kind == .strayMember ? problem.namespace ?? head.namespace : head.namespace
    let scores = try store.read(
      store.pipeline {
        $0.append("ZSCORE", store.layout.byTTL, id.member)
        $0.append("ZSCORE", store.layout.byTTL, KeyLayout.pythonTTLMember(claimant, id))
      }
    ).prefix(2).compactMap { CheckRun.score($0) }
    let isDue = scores.contains { $0 <= Double(options.now.rawValue) }
    if isDue, head.isExpired(at: options.now) { return }
    if isDue, problem.key == store.layout.byTTL.bytes { return }
    report.repaired += 1
    if problem.kind == .wrongByTTL, head.isExpired(at: options.now) { report.expired += 1 }
  }
}

extension CheckRun {
  fileprivate static func isDue(_ score: String, at now: UnixTime) -> Bool {
    Double(score).map { $0 <= Double(now.rawValue) } ?? false
  }
}

extension CacheProblem {
  /// A vacuum sweeps it without being asked to repair.
  fileprivate var isLeftover: Bool { kind == .leftover || kind == .danglingHashKey && id != nil }
}

extension RedisStore {
  /// Makes `by_ttl` say what the entry says.
  /// - Parameter strays: the namespaces that members name with this id. One that is not the entry's would be due
  ///   again and again.
  /// - Returns: whether it said something else.
  fileprivate func mendExpiry(of id: EntryID, namedIn strays: [Namespace]) throws -> Bool {
    try client.transaction { transaction in
      guard let head = try watchHeads(of: [id], transaction).first, head.expiry != .unreadable else {
        return .done(false)
      }
      let written = try transaction.commit(
        pipeline {
          for namespace in strays + [head.namespace] {
            $0.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(namespace, id))
          }
          if case .at(let moment) = head.expiry {
            $0.append("ZADD", layout.byTTL, "CH", moment.rawValue, id.member)
          } else {
            $0.append("ZREM", layout.byTTL, id.member)
          }
        })
      return written.map { .done($0.contains { $0.integer != 0 }) } ?? .retry
    }
  }
}
