import Mneme

/// The outcome of the repair of one problem.
package enum RepairOutcome: Sendable, Equatable {
  case repaired
  /// The problem was gone when the repair looked at it again.
  case gone
  /// The entry was deleted: it could not be repaired, and kept Python programs from opening the cache.
  case dropped
  /// The problem was reported and not repaired. The reason is worded to follow "because".
  case left(String)
}

extension RedisStore {
  /// Checks the cache and repairs every problem that can be repaired without losing an answer that is served.
  ///
  /// Each problem is read again under `WATCH` and repaired in one transaction, so that the writes of an application at
  /// the same time are kept. If the repair is stopped or killed, there are no more problems than before. An index of
  /// another type is reported and not changed, and the other problems are repaired.
  /// - Parameters:
  ///   - dropsUnreadable: deletes entries that cannot be repaired and keep Python programs from opening the cache.
  ///   - report: called with each problem and its outcome.
  /// - Throws: as `check`; `CorruptCacheError` for a `meta` that cannot be read, before anything is written.
  package func repair(
    _ options: CheckOptions, droppingUnreadable dropsUnreadable: Bool = false,
    report: (CacheProblem, RepairOutcome) throws -> Void
  ) throws -> CheckSummary {
    let identity = try identity()
    let repairer = Repairer(store: self, dimension: identity?.dimension, dropsUnreadable: dropsUnreadable)
    let passedOverBefore = passedOver
    defer { passedOver = passedOverBefore }
    try passOverIndexesOfOtherTypes()
    if identity != nil { try repairNumbers(options, report: report) }
    var hasRemoved = false
    var summary = try check(options) { problem in
      guard identity != nil else {
        return try report(problem, .left("without meta there is no cache to repair"))
      }
      if problem.kind == .wrongType, problem.id == nil { passedOver.insert(Key(bytes: problem.key)) }
      let outcome = try repairer.repair(problem)
      if problem.kind == .damagedEntry, outcome == .repaired { hasRemoved = true }
      try report(problem, outcome)
    }
    // A damaged entry does not name the index that lists it, and the indexes of unlisted namespaces were not searched.
    // Members that are left there are found when the entry is gone.
    if hasRemoved, summary.complete {
      let rest = try check(options) { problem in
        if problem.kind == .leftover { try report(problem, repairer.repair(problem)) }
      }
      let leftovers = rest.problems[.leftover] ?? 0
      if leftovers > 0 { summary.problems[.leftover, default: 0] += leftovers }
      summary.complete = rest.complete
    }
    return summary
  }

  /// Notes which of the indexes, counters and numbers that transactions write to are of another type. One round trip,
  /// and one for each 64 namespaces.
  func passOverIndexesOfOtherTypes() throws {
    func findOtherTypes(_ keys: [(key: Key, family: KeyFamily)]) throws {
      for slice in keys.slices(of: Batch.keys) {
        var request = Pipeline()
        let types = slice.map { ($0, request.append("TYPE", $0.key)) }
        let replies = try client.read(request, tolerating: true)
        for (place, slot) in types {
          let type = replies[slot].string ?? "none"
          if replies[slot].kind != .error, type != "none", type != place.family.redisType {
            passedOver.insert(place.key)
          }
        }
      }
    }
    try findOtherTypes([.byID, .byTTL, .namespaces, .version].map { (layout.key($0), $0) })
    try findOtherTypes(
      namespaces().flatMap { [(layout.lru($0), .lru), (layout.counters($0), .counters)] })
  }

  /// Repairs a version and counters that cannot grow. Each transaction that writes entries increases the version, and
  /// most increase counters, so these are repaired first.
  func repairNumbers(
    _ options: CheckOptions, report: (CacheProblem, RepairOutcome) throws -> Void
  ) throws {
    let repairer = Repairer(store: self, dimension: nil, dropsUnreadable: false)
    try withoutActuallyEscaping(report) { report in
      let run = CheckRun(self, options) { problem in
        if problem.kind == .wrongVersion || problem.kind == .wrongCounter {
          try report(problem, repairer.repair(problem))
        }
      }
      try run.runOnNumbers()
    }
  }
}

/// Repairs problems, each in one transaction that reads the current state and decides by it.
final class Repairer {
  let store: RedisStore
  let dimension: Int?
  let dropsUnreadable: Bool
  /// The entry whose index members were last repaired. One transaction repairs all of them.
  private var entered: EntryID?

  init(store: RedisStore, dimension: Int?, dropsUnreadable: Bool) {
    self.store = store
    self.dimension = dimension
    self.dropsUnreadable = dropsUnreadable
  }

  var layout: KeyLayout { store.layout }

  func repair(_ problem: CacheProblem) throws -> RepairOutcome {
    let isDropped = dropsUnreadable && problem.keepsPythonOut
    if !isDropped, let reason = problem.kind.reasonToLeave { return .left(reason) }
    do {
      return try isDropped ? drop(problem) : attempt(problem)
    } catch let error as CorruptCacheError {
      // Another key that the transaction would write to is damaged. Redis does not roll back transactions.
      return .left(
        "another key is damaged: \(error.message.hasSuffix(".") ? String(error.message.dropLast()) : error.message)"
      )
    }
  }

  private func attempt(_ problem: CacheProblem) throws -> RepairOutcome {
    let namespace = problem.namespace ?? .default
    switch problem.kind {
    case .unreadableUse, .earlyExpiry, .missingHashKey, .wrongByID, .wrongLRU, .wrongByTTL,
      .unlistedNamespace:
      guard let id = problem.id else { return .gone }
      // The `hash:` key may lead to another entry since, so it is read again. The TTL of a key is not repaired with
      // the index members.
      if entered == id, problem.kind != .missingHashKey, problem.kind != .earlyExpiry { return .repaired }
      let outcome = try enter(id, for: problem.kind)
      if outcome == .gone, entered == id { return .repaired }
      entered = outcome == .repaired ? id : nil
      return outcome
    case .damagedEntry: return try removeDamaged(problem)
    case .shadowedEntry: return try problem.id.map(removeShadowed) ?? .gone
    case .leftover:
      guard let id = problem.id else { return .gone }
      return try store.sweepLeftovers([Leftover(id: id, namespace: problem.namespace)]).isEmpty
        ? .gone : .repaired
    case .strayMember: return try removeStray(problem)
    case .danglingHashKey, .leftoverHashKey:
      return try store.removePointer(Key(bytes: problem.key)) ? .repaired : .gone
    case .emptyNamespace: return try store.retire([namespace]).isEmpty ? .gone : .repaired
    case .wrongNextID: return try repairNextID()
    case .wrongVersion: return try repairVersion()
    case .wrongQuota, .overwrittenQuota: return try repairQuota(of: namespace)
    case .wrongCounter:
      let outcome = try repairCounters(of: namespace)
      if outcome == .repaired { store.uncounted.remove(namespace) }
      return outcome
    case .unmarkedCounters: return try markCounters(of: namespace)
    case .wrongEmbedding, .incomparableEmbedding, .unreadableByPython, .futureEntry, .wrongQueryHash,
      .wrongMeta,
      .wrongType:
      return .gone
    }
  }

  private func removeDamaged(_ problem: CacheProblem) throws -> RepairOutcome {
    guard let id = problem.id else { return .gone }
    let isGone = try store.removeDamaged(id, from: nil, counting: nil) { reading in
      if case .damaged = reading { true } else { false }
    }
    return isGone ? .repaired : .gone
  }

  /// Deletes an entry that Python programs cannot read, if that is still so.
  private func drop(_ problem: CacheProblem) throws -> RepairOutcome {
    guard let id = problem.id else { return .gone }
    if problem.kind == .wrongType {
      return try store.removeDamaged(id, from: nil, counting: nil) ? .dropped : .gone
    }
    let isGone = try store.removeDamaged(id, from: nil, counting: nil) { reading in
      guard case .sound(let facts) = reading else { return false }
      let fits = self.dimension.map { $0 * 4 == facts.embeddingBytes } ?? (facts.embeddingBytes % 4 == 0)
      return facts.pythonObstacle != nil || !fits
    }
    return isGone ? .dropped : .gone
  }

  // MARK: Numbers

  private func repairNextID() throws -> RepairOutcome {
    try store.client.change { pipeline in
      pipeline.append("WATCH", layout.nextID, layout.byID, layout.meta)
      let isThere = appendExistenceQuestion(to: &pipeline)
      let last = pipeline.append("GET", layout.nextID)
      let highest = pipeline.append("ZREVRANGE", layout.byID, 0, 0)
      return Question<Int64?> { replies in
        guard try replies[isThere] else { return nil }
        return NumberRepair.nextID(
          replies[last].integer,
          highest: replies[highest].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0)
      }
    } decide: { _, number in
      self.set(self.layout.nextID, to: number)
    }
  }

  private func repairVersion() throws -> RepairOutcome {
    try store.client.change { pipeline in
      pipeline.append("WATCH", layout.version, layout.meta)
      let isThere = appendExistenceQuestion(to: &pipeline)
      let version = pipeline.append("GET", layout.version)
      return Question { try $0[isThere] ? StoredNumber($0[version]) : nil }
    } decide: { _, version in
      guard let version else { return .done(.gone) }
      return self.set(self.layout.version, to: NumberRepair.version(version, now: systemClock()))
    }
  }

  /// Appends the read that shows whether the cache still exists, since its numbers must not be written after a flush.
  private func appendExistenceQuestion(to pipeline: inout Pipeline) -> Question<Bool> {
    let meta = pipeline.append("EXISTS", layout.meta)
    return Question { $0[meta].integer == 1 }
  }

  private func repairQuota(of namespace: Namespace) throws -> RepairOutcome {
    try store.client.change { pipeline in
      pipeline.append("WATCH", layout.quotas, layout.quota(namespace))
      let field = pipeline.append("HGET", layout.quotas, namespace.name)
      let string = pipeline.append("GET", layout.quota(namespace))
      return Question { NumberRepair.quota(field: StoredNumber($0[field]), string: StoredNumber($0[string])) }
    } decide: { _, quota in
      switch quota {
      case .sound: return .done(.gone)
      case .unknown: return .done(.left("neither place holds a number"))
      case .write(let number):
        return self.write {
          $0.append("HSET", self.layout.quotas, namespace.name, number)
          $0.append("SET", self.layout.quota(namespace), number)
        }
      }
    }
  }

  /// Repairs the counters of a namespace that are not numbers.
  private func repairCounters(of namespace: Namespace) throws -> RepairOutcome {
    try store.client.change { pipeline in
      pipeline.append("WATCH", layout.counters(namespace))
      return store.appendCounterNumbers(for: namespace, to: &pipeline)
    } decide: { _, numbers in
      let broken = (numbers ?? []).filter { !$0.number.canGrow }.map(\.counter)
      guard !broken.isEmpty else { return .done(.gone) }
      return self.write { pipeline in
        for counter in broken { pipeline.append("HDEL", self.layout.counters(namespace), counter.rawValue) }
      }
    }
  }

  /// - Parameter number: the new value; nil if nothing has to be written.
  private func set(_ key: Key, to number: Int64?) -> Plan<RepairOutcome> {
    guard let number else { return .done(.gone) }
    return write { $0.append("SET", key, number) }
  }

  private func write(_ commands: (inout Pipeline) -> Void) -> Plan<RepairOutcome> {
    .write { pipeline in
      commands(&pipeline)
      return Question { _ in .repaired }
    }
  }

  private func markCounters(of namespace: Namespace) throws -> RepairOutcome {
    var pipeline = Pipeline()
    let isNew = pipeline.append("HSETNX", layout.meta, KeyLayout.MetaField.counted(namespace), 1)
    return try store.client.write(pipeline)[isNew].integer == 1 ? .repaired : .gone
  }

  // MARK: Members

  /// Removes a member that is not an id or a namespace without reading more, since it cannot be valid. If it is an
  /// entry of another namespace, that entry is watched.
  private func removeStray(_ problem: CacheProblem) throws -> RepairOutcome {
    let key = Key(bytes: problem.key)
    guard let id = problem.id, let claimant = problem.namespace else {
      guard let member = problem.member else { return .gone }
      var pipeline = Pipeline()
      let removed =
        key == layout.namespaces
        ? pipeline.append("SREM", key, member) : pipeline.append("ZREM", key, member)
      return try store.client.write(pipeline)[removed].integer == 1 ? .repaired : .gone
    }
    let outcome: RepairOutcome = try store.client.change { pipeline in
      pipeline.append("WATCH", layout.entry(id))
      let head = EntryQuestion.appendHead(of: layout.entry(id), to: &pipeline)
      return Question { $0[head][0].string }
    } decide: { _, name in
      guard let name, !name.utf8.elementsEqual(claimant.name.utf8) else { return .done(.gone) }
      let member =
        key == self.layout.byTTL ? KeyLayout.pythonTTLMember(claimant, id) : Array(id.member.utf8)
      return .write { pipeline in
        let removed = pipeline.append("ZREM", key, member)
        return Question { $0[removed].integer == 1 ? .repaired : .gone }
      }
    }
    // It may have been the last member of the namespace, which then must not be listed.
    if key == layout.lru(claimant) { try store.retire([claimant]) }
    return outcome
  }
}
