import Mneme

/// What a repair did about a problem.
public enum RepairOutcome: Sendable, Equatable {
  case mended
  /// When it was looked at again to be mended, there was nothing wrong any more.
  case gone
  /// Left to a person. Why, as it follows "because".
  case left(String)
}

extension RedisStore {
  /// Checks the cache and mends every problem that can be mended without losing an answer that is served.
  ///
  /// Each is looked at again under `WATCH` and mended in one transaction, so that an application that writes
  /// meanwhile wins. Stopped or killed at any instant, it leaves no more problems than there were.
  /// - Parameter report: told of each problem and what became of it.
  /// - Throws: as `check`; `CorruptCacheError` for a `meta` that cannot be read, before anything is written.
  public func repair(
    _ options: CheckOptions, report: (CacheProblem, RepairOutcome) throws -> Void
  ) throws -> CheckSummary {
    let identity = try identity()
    let mender = Mender(store: self, dimension: identity?.dimension)
    if identity != nil { try repairNumbers(options, report: report) }
    var hasRemoved = false
    var summary = try check(options) { problem in
      guard identity != nil else {
        return try report(problem, .left("without meta there is no cache to mend"))
      }
      let outcome = try mender.mend(problem)
      if problem.kind == .damagedEntry, outcome == .mended { hasRemoved = true }
      try report(problem, outcome)
    }
    // A damaged entry does not say which index lists it, and one of a namespace that is not on the list was not
    // searched: what is left there shows when it is gone.
    if hasRemoved, summary.complete {
      let rest = try check(options) { problem in
        if problem.kind == .leftover { try report(problem, mender.mend(problem)) }
      }
      let leftovers = rest.problems[.leftover] ?? 0
      if leftovers > 0 { summary.problems[.leftover, default: 0] += leftovers }
      summary.complete = rest.complete
    }
    return summary
  }
}

extension RedisStore {
  /// Mends a version and counters that cannot grow. Each transaction that writes entries raises the one, and most raise
  /// the others, so nothing else can be mended, nor swept, before they are.
  func repairNumbers(
    _ options: CheckOptions, report: (CacheProblem, RepairOutcome) throws -> Void
  ) throws {
    let mender = Mender(store: self, dimension: nil)
    try withoutActuallyEscaping(report) { report in
      let run = CheckRun(self, options) { problem in
        if problem.kind == .wrongVersion || problem.kind == .wrongCounter {
          try report(problem, mender.mend(problem))
        }
      }
      try run.runOnNumbers()
    }
  }
}

/// Mends problems, each in one transaction that decides anew what is wrong.
final class Mender {
  let store: RedisStore
  let dimension: Int?
  /// The entry that was last entered everywhere: one transaction mends all that is wrong with its places.
  private var settled: EntryID?

  init(store: RedisStore, dimension: Int?) {
    self.store = store
    self.dimension = dimension
  }

  var layout: KeyLayout { store.layout }

  func mend(_ problem: CacheProblem) throws -> RepairOutcome {
    if let reason = problem.kind.reasonToLeave { return .left(reason) }
    do {
      return try attempt(problem)
    } catch let error as CorruptCacheError {
      // Another key that the transaction would write to is damaged, and a transaction is not rolled back.
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
      // Another entry may have got the hash key since, so that is looked at again. When Redis takes a key is no matter of
      // places.
      if settled == id, problem.kind != .missingHashKey, problem.kind != .earlyExpiry { return .mended }
      let outcome = try settle(id, for: problem.kind)
      if outcome == .gone, settled == id { return .mended }
      settled = outcome == .mended ? id : nil
      return outcome
    case .damagedEntry: return try removeDamaged(problem)
    case .shadowedEntry: return try problem.id.map(removeShadowed) ?? .gone
    case .leftover:
      guard let id = problem.id else { return .gone }
      return try store.sweepLeftovers([Leftover(id: id, namespace: problem.namespace)]).isEmpty
        ? .gone : .mended
    case .strayMember: return try removeStray(problem)
    case .danglingHashKey: return try store.removePointer(Key(bytes: problem.key)) ? .mended : .gone
    case .emptyNamespace: return try store.retire([namespace]).isEmpty ? .gone : .mended
    case .wrongNextID: return try mendNextID()
    case .wrongVersion: return try mendVersion()
    case .wrongQuota: return try mendQuota(of: namespace)
    case .wrongCounter: return try mendCounters(of: namespace)
    case .unmarkedCounters: return try markCounters(of: namespace)
    case .wrongEmbedding, .incomparableEmbedding, .wrongQueryHash, .wrongMeta, .wrongType: return .gone
    }
  }

  private func removeDamaged(_ problem: CacheProblem) throws -> RepairOutcome {
    guard let id = problem.id else { return .gone }
    let isGone = try store.removeDamaged(id, from: nil, counting: nil) { reading in
      if case .damaged = reading { true } else { false }
    }
    return isGone ? .mended : .gone
  }

  // MARK: Numbers

  private func mendNextID() throws -> RepairOutcome {
    try store.client.transaction { transaction in
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.nextID, self.layout.byID)
          $0.append("GET", self.layout.nextID)
          $0.append("ZREVRANGE", self.layout.byID, 0, 0)
        })
      let highest = seen[2].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0
      if let last = seen[1].integer, last >= highest { return .done(.gone) }
      let written = try transaction.commit(
        self.store.pipeline { $0.append("SET", self.layout.nextID, highest) })
      return written == nil ? .retry : .done(.mended)
    }
  }

  /// Who follows the version only sees that it has changed. Nothing tells what it was: a number that no cache comes to
  /// by counting is above it.
  private func mendVersion() throws -> RepairOutcome {
    try store.client.transaction { transaction in
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.version)
          $0.append("GET", self.layout.version)
        })
      if let version = seen[1].integer, version <= RedisStore.largestNumber { return .done(.gone) }
      let version = systemClock().rawValue * 1000
      let written = try transaction.commit(
        self.store.pipeline { $0.append("SET", self.layout.version, version) })
      return written == nil ? .retry : .done(.mended)
    }
  }

  /// The string is the later word, where it is a number; else the field is.
  private func mendQuota(of namespace: Namespace) throws -> RepairOutcome {
    try store.client.transaction { transaction in
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.quotas, self.layout.quota(namespace))
          self.store.appendQuotaQuestion(for: namespace, to: &$0)
        })
      let (field, string) = (seen[1], seen[2])
      if CheckRun.isSoundQuota(field: field, string: string) { return .done(.gone) }
      guard let quota = string.integer ?? field.integer else {
        return .done(.left("neither place holds a number; 'mneme set-quota' sets it anew"))
      }
      let written = try transaction.commit(
        self.store.pipeline {
          $0.append("HSET", self.layout.quotas, namespace.name, quota)
          $0.append("SET", self.layout.quota(namespace), quota)
        })
      return written == nil ? .retry : .done(.mended)
    }
  }

  /// A counter that is no number keeps its namespace from being served.
  private func mendCounters(of namespace: Namespace) throws -> RepairOutcome {
    try store.client.transaction { transaction in
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.counters(namespace))
          self.store.appendCounterQuestion(for: namespace, to: &$0)
        })
      let broken = zip(Counter.allCases, seen[1].elements).filter { CheckRun.isBroken($1) }.map(\.0)
      guard !broken.isEmpty else { return .done(.gone) }
      let written = try transaction.commit(
        self.store.pipeline {
          for counter in broken { $0.append("HDEL", self.layout.counters(namespace), counter.rawValue) }
        })
      return written == nil ? .retry : .done(.mended)
    }
  }

  private func markCounters(of namespace: Namespace) throws -> RepairOutcome {
    let mark = KeyLayout.MetaField.counted(namespace)
    let written = try store.client.write(store.pipeline { $0.append("HSETNX", layout.meta, mark, 1) })
    return written[0].integer == 1 ? .mended : .gone
  }

  // MARK: Members

  /// What is no id or no namespace goes at once: nothing can give it a meaning. An entry of another namespace is
  /// watched.
  private func removeStray(_ problem: CacheProblem) throws -> RepairOutcome {
    let key = Key(bytes: problem.key)
    guard let id = problem.id, let claimant = problem.namespace else {
      guard let member = problem.member else { return .gone }
      let removed = try store.client.write(
        store.pipeline {
          if key == layout.namespaces {
            $0.append("SREM", key, member)
          } else {
            $0.append("ZREM", key, member)
          }
        })
      return removed[0].integer == 1 ? .mended : .gone
    }
    let outcome: RepairOutcome = try store.client.transaction { transaction in
      let seen = try transaction.read(
        self.store.pipeline {
          $0.append("WATCH", self.layout.entry(id))
          EntryQuestion.appendHead(of: self.layout.entry(id), to: &$0)
        })
      guard let name = seen[1][0].string, !name.utf8.elementsEqual(claimant.name.utf8) else {
        return .done(.gone)
      }
      let member = key == self.layout.byTTL ? KeyLayout.pythonTTLMember(claimant, id) : Array(id.member.utf8)
      let written = try transaction.commit(self.store.pipeline { $0.append("ZREM", key, member) })
      return written.map { .done($0[0].integer == 1 ? .mended : .gone) } ?? .retry
    }
    // That may have been the last that the namespace was listed for.
    if key == layout.lru(claimant) { try store.retire([claimant]) }
    return outcome
  }
}
