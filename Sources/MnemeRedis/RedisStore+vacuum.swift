import Mneme

/// How a vacuum goes about it.
public struct VacuumOptions: Sendable {
  /// nil: every namespace.
  public var namespace: Namespace?
  /// What is expired at this moment goes.
  public var now: UnixTime = systemClock()
  /// The entries in one transaction; 1 … 1000.
  public var batchSize = 64
  /// Says what would go; writes nothing.
  public var dryRun = false
  /// Walk the `hash:` keys even when nothing suggests that one of them is left over.
  public var repair = false
  /// Asked between batches; true ends the run, with what remains in the report.
  public var shouldStop: @Sendable () -> Bool = { false }
  /// Called after each batch with what was done so far.
  public var progress: @Sendable (VacuumReport) -> Void = { _ in }

  public init() {}
}

/// What a vacuum did, or would do.
public struct VacuumReport: Sendable, Equatable {
  /// Entries that were expired and still there.
  public var expired = 0
  /// Ids that Redis's own expiry had left in an index.
  public var leftovers = 0
  /// Index members that said something else than their entry.
  public var repaired = 0
  /// Members of `by_ttl` that are due and were not reached.
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
  /// expiry leaves in the indexes.
  ///
  /// Four round trips a batch. Stopped or killed at any instant, it leaves nothing half done.
  public func vacuum(_ options: VacuumOptions) throws -> VacuumReport {
    var report = VacuumReport()
    guard try identity() != nil else { return report }
    var swept: Set<EntryID> = []
    var cursor = DueCursor()
    while !options.shouldStop() {
      let page = try duePage(cursor, options)
      guard !page.isEmpty else {
        return try finish(report, swept, options)
      }
      let outcome = try vacuumPage(page.compactMap(\.member), options)
      report.expired += outcome.expired
      report.repaired += outcome.repaired
      report.leftovers += outcome.leftovers.count
      swept.formUnion(outcome.leftovers)
      cursor.advance(over: page, keeping: outcome.kept)
      options.progress(report)
    }
    report.complete = false
    report.remaining = try expiredCount(at: options.now)
    return report
  }

  private func finish(
    _ report: VacuumReport, _ swept: Set<EntryID>, _ options: VacuumOptions
  ) throws -> VacuumReport {
    guard options.repair || !swept.isEmpty else { return report }
    // Where there was one there are others: in the indexes of entries that were not due, and in the exact layer.
    var report = report
    let indexes = try sweepIndexes(
      in: options.namespace, dryRun: options.dryRun, shouldStop: options.shouldStop)
    let hashKeys = try sweepHashKeys(
      in: options.namespace, dryRun: options.dryRun, shouldStop: options.shouldStop)
    report.leftovers = swept.union(indexes.swept).union(hashKeys?.dangling ?? []).count
    report.complete = indexes.complete && hashKeys?.complete != false
    report.lacksScan = hashKeys == nil
    return report
  }

  // MARK: Pages of what is due

  /// A member of `by_ttl` whose time has come.
  struct Due {
    var score: String
    /// nil for a member of neither form.
    var member: (id: EntryID, namespace: Namespace?)?
  }

  /// Where the next page begins. What stays (another namespace's, a dry run's) is stepped over by its score, and
  /// among members of one score by their number.
  struct DueCursor {
    var score = "-inf"
    var offset = 0

    mutating func advance(over page: [Due], keeping kept: Set<EntryID>) {
      guard let last = page.last?.score else { return }
      let tied = page.count { due in due.score == last && (due.member.map { kept.contains($0.id) } ?? true)
      }
      offset = last == score ? offset + tied : tied
      score = last
    }
  }

  private func duePage(_ cursor: DueCursor, _ options: VacuumOptions) throws -> [Due] {
    let reply = try read(
      pipeline {
        $0.append(
          "ZRANGEBYSCORE", layout.byTTL, cursor.score, options.now.rawValue, "WITHSCORES", "LIMIT",
          cursor.offset, options.batchSize)
      })[0]
    var page: [Due] = []
    var elements = reply.elements.makeIterator()
    while let member = elements.next(), let score = elements.next()?.string {
      page.append(Due(score: score, member: KeyLayout.parseTTLMember(member.bytes)))
    }
    return page
  }

  // MARK: One page

  private struct PageOutcome {
    var expired = 0
    var repaired = 0
    var leftovers: [EntryID] = []
    /// Ids whose members are still in `by_ttl` at their place.
    var kept: Set<EntryID> = []
  }

  private func vacuumPage(
    _ members: [(id: EntryID, namespace: Namespace?)], _ options: VacuumOptions
  ) throws -> PageOutcome {
    var outcome = PageOutcome()
    let ids = Set(members.map(\.id)).sorted()
    guard !ids.isEmpty else { return outcome }
    let seen = try heads(of: ids)
    func isOurs(_ namespace: Namespace?) -> Bool {
      options.namespace == nil || namespace == options.namespace
    }
    let due = seen.filter { isOurs($0.namespace) && $0.isExpired(at: options.now) }
    let stale = seen.filter {
      isOurs($0.namespace) && !$0.isExpired(at: options.now) && $0.expiry != .unreadable
    }
    let known = Set(seen.map(\.id))
    let lost = members.filter { !known.contains($0.id) && isOurs($0.namespace) }
      .map { Leftover(id: $0.id, namespace: $0.namespace) }
    guard !options.dryRun else {
      outcome.expired = due.count
      outcome.repaired = stale.count
      outcome.leftovers = Set(lost.map(\.id)).sorted()
      outcome.kept = Set(ids)
      return outcome
    }
    let removed = try removeBatch(due.map(\.id), counting: .own(.expirations)) {
      $0.isExpired(at: options.now)
    }
    let mended = try stale.filter { head in
      let strays = members.filter { $0.id == head.id }.compactMap(\.namespace)
      return try mendExpiry(of: head.id, namedIn: strays)
    }.map(\.id)
    outcome.expired = removed.count
    outcome.repaired = mended.count
    outcome.leftovers = try sweepLeftovers(lost)
    outcome.kept = Set(ids).subtracting(removed).subtracting(mended).subtracting(outcome.leftovers)
    return outcome
  }

  /// What `removeBatch` will look at again under `WATCH`; damaged entries are left to a check.
  private func heads(of ids: [EntryID]) throws -> [EntryHead] {
    let replies = try read(pipeline { for id in ids { appendHeadQuestion(about: id, to: &$0) } })
    return zip(ids, replies).compactMap { id, reply in try? head(of: id, in: reply) }
  }

  /// Makes `by_ttl` say what the entry says.
  /// - Parameter strays: the namespaces that members name with this id. One that is not the entry's would be due
  ///   again and again.
  private func mendExpiry(of id: EntryID, namedIn strays: [Namespace]) throws -> Bool {
    try client.transaction { transaction in
      guard let head = try watchHeads(of: [id], transaction).first, head.expiry != .unreadable else {
        return .done(false)
      }
      let written = try transaction.commit(
        pipeline {
          for namespace in strays {
            $0.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(namespace, id))
          }
          $0.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(head.namespace, id), id.member)
          if case .at(let moment) = head.expiry {
            $0.append("ZADD", layout.byTTL, moment.rawValue, id.member)
          }
        })
      return written == nil ? .retry : .done(true)
    }
  }
}
