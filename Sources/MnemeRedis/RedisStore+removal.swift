import Mneme

extension RedisStore {
  /// Three round trips. A damaged entry is removed too.
  @discardableResult
  public func remove(id: EntryID) throws -> Bool { try !remove(ids: [id]).isEmpty }

  /// Removes entries by their ids, damaged ones too. Three round trips for each 16 entries: their fields, the keys and
  /// members that name them, the transaction.
  @discardableResult
  package func remove(ids: [EntryID]) throws -> [EntryID] {
    try removeWhatever(ids, from: nil, counting: nil)
  }

  /// Removes expired entries among these ids. Three round trips for each 16 entries.
  /// - Parameter now: by `time(for:)`.
  @discardableResult
  package func removeExpired(ids: [EntryID], at now: UnixTime) throws -> [EntryID] {
    if ids.isEmpty { return [] }
    return try ids.slices(of: Batch.removed).flatMap { slice in
      try removeBatch(Array(slice), counting: .own(.expirations)) { $0.isExpired(at: now) }
    }
  }

  /// Runs `vacuum` without its reports.
  @discardableResult
  public func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int {
    var options = VacuumOptions()
    options.namespace = namespace
    options.now = now
    options.evictsOverQuotas = false
    return try vacuum(options).expired
  }

  /// Empties a namespace. One round trip for each page of entries, and three for each transaction of 16, over several
  /// connections that take turns.
  @discardableResult
  public func removeAll(in namespace: Namespace) throws -> Int {
    try removeAll(in: namespace, WorkControl())
  }

  /// Removes the entries that the namespace has now, and everything else that its index names, while the index is
  /// walked. An entry that is stored in the meantime may stay. One round trip for each page of members and three for
  /// each transaction, over several connections that take turns.
  @discardableResult
  package func removeAll(in namespace: Namespace, _ control: WorkControl) throws -> Int {
    var removed = 0
    let lanes = removalLanes(counting: nil) { $0.namespace == namespace }
    defer { lanes.close() }
    /// Counts the removed entries, and handles the others: damaged entries, and members without an entry.
    func settle() throws {
      var batches: [RemovedBatch] = []
      try lanes.settle { batch in
        removed += batch.removed.count
        control.progress(WorkProgress(done: removed))
        batches.append(batch)
      }
      for batch in batches {
        let rest = Set(batch.ids).subtracting(batch.removed).sorted()
        guard !rest.isEmpty else { continue }
        let damaged = try removeWhatever(rest, from: namespace, counting: nil)
        removed += damaged.count
        try sweepLeftovers(
          Set(rest).subtracting(damaged).sorted().map { Leftover(id: $0, namespace: namespace) })
        control.progress(WorkProgress(done: removed))
      }
    }
    func submit(_ ids: [EntryID]) throws {
      if control.shouldStop() { return }
      lanes.submit(ids)
      try settle()
    }
    /// The last batch, which waits until all others are removed. Its transaction then finds the namespace empty and
    /// takes it off the list. If two batches ran at the same time, neither would, and the namespace would stay listed
    /// if the process were killed.
    var last: [EntryID] = []
    let lru = Cursor.Subject.sortedSet(layout.lru(namespace))
    try forEachPairPage(of: lru, shouldStop: control.shouldStop) { page in
      let ids = Set(page.compactMap { EntryID(member: $0.name.bytes) }).sorted()
      for slice in ids.slices(of: Batch.removed) {
        if !last.isEmpty { try submit(last) }
        last = Array(slice)
      }
    }
    lanes.finish()
    try settle()
    if !last.isEmpty { try submit(last) }
    lanes.finish()
    try settle()
    return removed
  }

  /// Removes entries, valid or damaged.
  /// - Parameter namespace: the one whose index lists them. Entries that name another namespace stay. nil: any.
  func removeWhatever(
    _ ids: [EntryID], from namespace: Namespace?, counting: Counting?
  ) throws -> [EntryID] {
    func isOurs(_ head: EntryHead) -> Bool { namespace == nil || head.namespace == namespace }
    return try ids.slices(of: Batch.removed).flatMap { slice -> [EntryID] in
      do {
        return try removeBatch(Array(slice), counting: counting, isOurs)
      } catch is CorruptCacheError {
        // One of the entries lacks the fields that place it.
        return try slice.filter { id in
          do {
            return try !removeBatch([id], counting: counting, isOurs).isEmpty
          } catch is CorruptCacheError {
            return try removeDamaged(id, from: namespace, counting: counting)
          }
        }
      }
    }
  }

  // MARK: The change

  /// Removes the entries for which `decide` returns true, with the keys and members that name them. If a client
  /// changes one of them in between, it starts again and decides again.
  /// - Returns: the ids that were removed.
  func removeBatch(
    _ ids: [EntryID], counting: Counting?, _ decide: (EntryHead) throws -> Bool
  ) throws -> [EntryID] {
    guard !ids.isEmpty else { return [] }
    try checkOpen()
    return try withoutActuallyEscaping(decide) { decide in
      let removed = settle(
        try client.perform(removal(of: ids, counting: counting, decide), looked: nil, upcoming: { nil })
          .result)
      retireIfPossible(removed.maybeEmptied)
      return removed.ids
    }
  }

  /// The outcome for a batch of ids that was removed over `RemovalLanes`.
  struct RemovedBatch: Sendable {
    var ids: [EntryID]
    var removed: [EntryID]
    /// Valid entries that must stay. An entry that is neither here nor removed is gone or damaged.
    var spared: [EntryHead]
  }

  typealias RemovalLanes = Lanes<[EntryID], RemovedBatch>

  /// Removes batches of ids over several connections. Damaged entries are left.
  func removalLanes(
    counting: Counting?, _ decide: @escaping @Sendable (EntryHead) -> Bool
  ) -> RemovalLanes {
    Lanes(self) { store, ids in
      store.removal(of: ids, counting: counting, passingOverDamage: true, decide)
    } finish: { store, ids, freed in
      let removal = store.settle(freed)
      store.retireIfPossible(removal.maybeEmptied)
      return RemovedBatch(ids: ids, removed: removal.ids, spared: removal.spared)
    }
  }

  struct Removed: Sendable {
    var ids: [EntryID] = []
    /// Valid entries that must stay.
    var spared: [EntryHead] = []
    /// Namespaces that the transaction has left without entries, because another process has removed their other
    /// entries.
    var maybeEmptied: [Namespace] = []
  }

  /// - Parameter passingOverDamage: leaves out damaged entries and keys of another type. Otherwise each is an error.
  func removal(
    of ids: [EntryID], counting: Counting?, passingOverDamage: Bool = false,
    _ decide: @escaping (EntryHead) throws -> Bool
  ) -> Change<[EntryHead?], Freed<Removed>> {
    Change(
      tolerates: passingOverDamage, frees: true,
      look: { Look { self.appendHeadLook(at: ids, passingOverDamage: passingOverDamage, to: &$0) } },
      decide: { transaction, seen in
        var (heads, spared): ([EntryHead], [EntryHead]) = ([], [])
        for head in seen.compactMap(\.self) {
          if try decide(head) { heads.append(head) } else { spared.append(head) }
        }
        return try self.removal(of: heads, sparing: spared, counting: counting, transaction)
      })
  }

  /// Plans the removal of watched entries, with the keys and members that name them.
  func removal(
    of heads: [EntryHead], sparing spared: [EntryHead], counting: Counting?,
    _ transaction: borrowing Transaction
  ) throws -> Plan<Freed<Removed>> {
    guard !heads.isEmpty else { return .done(Freed(Removed(spared: spared))) }
    let plan = try removal(of: heads, refilling: nil, transaction)
    let others = plan.namespaces.filter { !plan.emptied.contains($0) }
    return freeing(plan.record(counting), transaction.room) { pipeline in
      appendRemoval(plan, to: &pipeline)
      let counted = others.filter { isSound(layout.lru($0)) }
      let counts = counted.map { pipeline.append("ZCARD", layout.lru($0)) }
      return Question { replies in
        Removed(
          ids: plan.heads.map(\.id), spared: spared,
          maybeEmptied: zip(counted, counts).filter { replies[$1].integer == 0 }.map(\.0))
      }
    }
  }

  /// Takes namespaces without entries off the list. Two clients that remove the last entries at the same time each
  /// still see the other's entries, so neither transaction does it.
  /// - Returns: the namespaces that were on the list.
  @discardableResult
  func retire(_ namespaces: [Namespace]) throws -> [Namespace] {
    guard !namespaces.isEmpty, isSound(layout.namespaces) else { return [] }
    let retired: Freed<[Namespace]> = try client.change(freeing: true) { pipeline in
      pipeline.append("WATCH", each: namespaces.map(layout.lru))
      let counts = namespaces.map { pipeline.append("ZCARD", layout.lru($0)) }
      return Question { replies in
        zip(namespaces, counts).filter { replies[$1].integer == 0 }.map(\.0)
      }
    } decide: { transaction, emptied in
      guard !emptied.isEmpty else { return .done(Freed([])) }
      // Outside a transaction another writer may list a namespace again in between.
      if transaction.room == .noneForTransactions {
        return .done(Freed([], unrecorded: RemovalRecord(emptied: emptied)))
      }
      return .write { pipeline in
        let removed = emptied.map { pipeline.append("SREM", layout.namespaces, $0.name) }
        return Question { replies in
          Freed(zip(emptied, removed).filter { replies[$1].integer == 1 }.map(\.0))
        }
      }
    }
    return settle(retired)
  }

  /// Takes namespaces without entries off the list after a removal. An error must not hide that entries are gone; the
  /// next vacuum does it.
  func retireIfPossible(_ namespaces: [Namespace]) { _ = try? retire(namespaces) }

  // MARK: Looking

  /// Watches entries and reads their heads; nil for an entry that is gone. An entry without the fields of a head is
  /// damaged. Only a repair, or a deletion by its id, removes it.
  /// - Parameter passingOverDamage: nil for damaged entries too, and for keys of another type if the server's errors
  ///   are tolerated.
  func appendHeadLook(
    at ids: [EntryID], passingOverDamage: Bool = true, to pipeline: inout Pipeline
  ) -> Question<[EntryHead?]> {
    let watched = pipeline.append("WATCH", each: ids.map(layout.entry))
    let heads = ids.map { (id: $0, fields: appendHeadFields(of: $0, to: &pipeline)) }
    return Question { replies in
      guard let first = heads.first else { return [] }
      try self.checkTolerated(replies[watched], of: "WATCH", self.layout.entry(first.id))
      return try heads.map { head in
        do {
          try self.checkTolerated(replies[head.fields], of: "HMGET", self.layout.entry(head.id))
          return try self.head(of: head.id, in: replies[head.fields])
        } catch let error as CorruptCacheError {
          guard passingOverDamage else { throw error }
          return nil
        }
      }
    }
  }

  /// - Throws: the server's error among the replies: `CorruptCacheError` for a key of another type.
  private func checkTolerated(_ reply: Reply, of command: String, _ key: Key) throws {
    guard let error = reply.error else { return }
    throw client.translated(error, of: CommandText(name: command, key: key.text))
  }

  @discardableResult
  func appendHeadQuestion(about id: EntryID, to pipeline: inout Pipeline) -> Question<EntryHead?> {
    let fields = appendHeadFields(of: id, to: &pipeline)
    return Question { try self.head(of: id, in: $0[fields]) }
  }

  private func appendHeadFields(of id: EntryID, to pipeline: inout Pipeline) -> Slot {
    pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.ttl, EntryField.lastAccessedAt)
  }

  /// - Returns: nil if the entry is gone. If the Python library uses an entry that is being deleted, a hash of two
  ///   fields remains, which is damaged and not gone.
  /// - Throws: `CorruptCacheError` for an entry that lacks the fields that place it.
  func head(of id: EntryID, in reply: Reply) throws -> EntryHead? {
    let fields = try reply.elements(expecting: 5)
    if fields.allSatisfy(\.isNull) { return nil }
    guard let name = fields[0].string, let queryHash = fields[1].string else {
      throw codec.corrupt(id, "lacks its namespace or query hash")
    }
    return EntryHead(
      id: id, namespace: Namespace(unchecked: name), queryHash: queryHash,
      expiry: expiry(createdAt: fields[2], ttl: fields[3]))
  }

  private func expiry(createdAt: Reply, ttl: Reply) -> EntryHead.Expiry {
    if !ttl.isNull, ttl.bytes.isEmpty { return .never }
    guard let createdAt = createdAt.integer, let ttl = ttl.integer else { return .unreadable }
    return .at(UnixTime(createdAt) + Seconds(ttl))
  }

  /// Watches and reads the keys and members that name entries, and plans the removal. One round trip, and one more if
  /// the removal leaves a namespace empty.
  /// - Parameter refilled: a namespace that gets an entry in the same transaction, and so is never left empty.
  func removal(
    of heads: [EntryHead], refilling refilled: Namespace?, _ transaction: borrowing Transaction
  ) throws -> RemovalPlan {
    let namespaces = Set(heads.map(\.namespace)).sorted()
    let pointers = try transaction.read { pipeline -> Question<RemovalPlan.Pointers> in
      let hashKeys = heads.map { layout.hash($0.namespace, $0.queryHash) }
      pipeline.append("WATCH", each: hashKeys)
      let named = hashKeys.map { pipeline.append("GET", $0) }
      let counted = namespaces.filter { isSound(layout.lru($0)) }
      let counts = counted.map { pipeline.append("ZCARD", layout.lru($0)) }
      let growth = appendGrowthCheck(of: namespaces, to: &pipeline)
      return Question { replies in
        try replies[growth]
        return RemovalPlan.Pointers(
          named: named.map { EntryID(member: replies[$0].bytes) },
          counts: Dictionary(
            uniqueKeysWithValues: zip(counted, counts).map { ($0, replies[$1].size ?? 0) }))
      }
    }
    var plan = RemovalPlan(heads: heads, pointers, in: layout)
    plan.emptied.removeAll { $0 == refilled }
    if !plan.emptied.isEmpty {
      plan.emptied = try watchEmptied(
        by: heads.filter { plan.emptied.contains($0.namespace) }, transaction)
    }
    return plan
  }

  /// The namespaces that have no entries but these, watched so that it stays true. (Watching `lru:` makes every
  /// put and hit of the namespace a collision: only for namespaces that are about to be empty.)
  func watchEmptied(by heads: [EntryHead], _ transaction: borrowing Transaction) throws -> [Namespace] {
    let namespaces = Set(heads.map(\.namespace)).sorted().filter { isSound(layout.lru($0)) }
    let going = Set(heads.map { Array($0.id.member.utf8) })
    guard !namespaces.isEmpty else { return [] }
    return try transaction.read { pipeline in
      pipeline.append("WATCH", each: namespaces.map(layout.lru))
      let members = namespaces.map { pipeline.append("ZRANGE", layout.lru($0), 0, heads.count) }
      return Question { replies in
        zip(namespaces, members).filter { _, members in
          replies[members].elements.allSatisfy { going.contains($0.bytes) }
        }.map(\.0)
      }
    }
  }

  // MARK: Checks before a transaction

  /// Reads that fail where a key has another type than the layout's, so that a transaction, which Redis does
  /// not roll back, never stops half way.
  func appendTypeQuestions(of namespaces: some Sequence<Namespace>, to pipeline: inout Pipeline) {
    for key in [layout.byID, layout.byTTL] + namespaces.map(layout.lru) where isSound(key) {
      pipeline.append("ZCARD", key)
    }
    if isSound(layout.namespaces) { pipeline.append("SCARD", layout.namespaces) }
  }

  /// Reads the version counter; 0 if there is none.
  /// - Throws: `CorruptCacheError` if it is not a number that can grow.
  func appendVersionQuestion(to pipeline: inout Pipeline) -> Question<Int64> {
    guard isSound(layout.version) else { return Question { _ in 0 } }
    let version = pipeline.append("GET", layout.version)
    return Question { replies in
      let version = try self.integer(replies[version], in: self.layout.version) ?? 0
      try self.checkGrowth(of: self.layout.version, from: version)
      return version
    }
  }

  /// Appends the check for counters that cannot grow, which would fail in the middle of a transaction.
  func appendCounterCheck(for namespace: Namespace, to pipeline: inout Pipeline) -> Question<Void> {
    guard isSound(layout.counters(namespace)) else { return .nothing }
    let counters = appendCounterQuestion(for: namespace, to: &pipeline)
    return Question { self.checkCounters($0[counters], of: namespace) }
  }

  /// Appends the three checks above for a change to entries of these namespaces.
  func appendGrowthCheck(of namespaces: [Namespace], to pipeline: inout Pipeline) -> Question<Void> {
    appendTypeQuestions(of: namespaces, to: &pipeline)
    let version = appendVersionQuestion(to: &pipeline)
    let counters = namespaces.map { appendCounterCheck(for: $0, to: &pipeline) }
    return Question { replies in
      _ = try replies[version]
      for counter in counters { try replies[counter] }
    }
  }

  func checkGrowth(of key: Key, from number: Int64) throws {
    guard number > Self.largestNumber else { return }
    throw CorruptCacheError(
      "The key '\(key.text)' holds \(number), which cannot grow any more.",
      about: .key(key.text), remedy: .lowerNumber)
  }
}

extension Reply {
  /// The elements of an array of known length.
  /// - Throws: `StoreBackendError` for a reply of another shape.
  func elements(expecting count: Int) throws -> [Reply] {
    guard kind == .array, self.count == count else {
      throw StoreBackendError(
        .protocolViolation, "The server's reply is not the array of \(count) that the command gives.",
        remedy: .checkURL)
    }
    return Array(elements)
  }

  /// The first element of an array that has one.
  var first: Reply? {
    var elements = elements
    return elements.next()
  }

  /// The bytes of the strings in a reply, those of its elements included.
  var byteCount: Int {
    kind == .array ? elements.reduce(0) { $0 + $1.byteCount } : withBytes { $0.count }
  }
}
