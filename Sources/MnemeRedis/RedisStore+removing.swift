import Mneme

extension RedisStore {
  @discardableResult
  public func remove(id: EntryID) throws -> Bool { try !remove(ids: [id]).isEmpty }

  /// Three round trips for each 64 entries, or 3 where others use the server: what they are, what points at them, the
  /// transaction. Who asks for an entry by its id wants it gone also when it is damaged.
  @discardableResult
  public func remove(ids: [EntryID]) throws -> [EntryID] { try removeWhatever(ids, from: nil, counting: nil) }

  @discardableResult
  public func removeExpired(id: EntryID, at now: UnixTime) throws -> Bool {
    try !removeBatch([id], counting: .own(.expirations)) { $0.isExpired(at: now) }.isEmpty
  }

  /// As `vacuum` without its reports; see there.
  @discardableResult
  public func removeExpired(at now: UnixTime, in namespace: Namespace?) throws -> Int {
    var options = VacuumOptions()
    options.namespace = namespace
    options.now = now
    return try vacuum(options).expired
  }

  @discardableResult
  public func removeAll(in namespace: Namespace) throws -> Int {
    try removeAll(in: namespace, BatchControl())
  }

  /// Removes the entries that the namespace has now, and what its index names besides, while the index is walked. One
  /// that is put meanwhile may stay. One round trip for each page of members and three for each transaction (`Batch`).
  @discardableResult
  public func removeAll(in namespace: Namespace, _ control: BatchControl) throws -> Int {
    var removed = 0
    var batch: Set<EntryID> = []
    var size = Batch.removed
    func removeBatch() throws {
      let ids = batch.sorted()
      (batch, size) = ([], Batch.removed)
      let gone = try removeWhatever(ids, from: namespace, counting: nil)
      if gone.count < ids.count {
        try sweepLeftovers(
          Set(ids).subtracting(gone).sorted().map { Leftover(id: $0, namespace: namespace) })
      }
      removed += gone.count
      control.progress(removed)
    }
    var isMember = true
    try forEachMember(of: layout.lru(namespace), command: "ZSCAN", shouldStop: control.shouldStop) { reply in
      defer { isMember.toggle() }
      guard isMember, let id = EntryID(member: reply.bytes) else { return }
      batch.insert(id)
      if batch.count >= size { try removeBatch() }
    }
    if !batch.isEmpty, !control.shouldStop() { try removeBatch() }
    return removed
  }

  /// Removes entries, sound or damaged.
  /// - Parameter namespace: whose index has them; what says of itself that it belongs to another stays. nil: any.
  func removeWhatever(
    _ ids: [EntryID], from namespace: Namespace?, counting: Counting?
  ) throws -> [EntryID] {
    func isOurs(_ head: EntryHead) -> Bool { namespace == nil || head.namespace == namespace }
    return try inBatches(ids) { batch in
      do {
        return try removeBatch(batch, counting: counting, isOurs)
      } catch is CorruptCacheError {
        // One of them does not say where it belongs.
        return try batch.filter { id in
          do {
            return try !removeBatch([id], counting: counting, isOurs).isEmpty
          } catch is CorruptCacheError {
            return try removeDamaged(id, from: namespace, counting: counting)
          }
        }
      }
    }
  }

  func inBatches(_ ids: [EntryID], _ body: ([EntryID]) throws -> [EntryID]) rethrows -> [EntryID] {
    var done: [EntryID] = []
    try inSlices(ids, of: Batch.removed) { done += try body(Array($0)) }
    return done
  }

  // MARK: One transaction

  /// What decides whether an entry goes, read under `WATCH`.
  struct EntryHead: Sendable {
    var id: EntryID
    var namespace: Namespace
    var queryHash: String
    var expiry: Expiry

    enum Expiry: Sendable, Equatable {
      case never
      case at(UnixTime)
      /// The fields that would say are damaged, and so nobody may call the entry expired.
      case unreadable
    }

    func isExpired(at now: UnixTime) -> Bool {
      if case .at(let moment) = expiry { now >= moment } else { false }
    }
  }

  /// For whom removed entries are counted: each for its own namespace, or all for one.
  enum Counting {
    case own(Counter)
    case all(Counter, Namespace)
  }

  /// Removes those of the entries that `decide` says, with everything that points at them. A writer who changes
  /// one of them in between makes it start again, and decide again.
  /// - Returns: the ids that were removed.
  func removeBatch(
    _ ids: [EntryID], counting: Counting?, _ decide: (EntryHead) throws -> Bool
  ) throws -> [EntryID] {
    guard !ids.isEmpty else { return [] }
    try checkOpen()
    let (removed, emptied): ([EntryID], [Namespace]) =
      try client.transaction { transaction in
        let heads = try watchHeads(of: ids, transaction).filter(decide)
        guard !heads.isEmpty else { return .done(([], [])) }
        let pointers = try watchPointers(to: heads, transaction)
        let others = Set(heads.map(\.namespace)).subtracting(pointers.emptied).sorted()
        let written = try transaction.commit(
          pipeline {
            appendRemoval(of: heads, pointers, counting: counting, to: &$0)
            for namespace in others { $0.append("ZCARD", layout.lru(namespace)) }
          })
        guard let written else { return .retry }
        let counts = written.suffix(others.count)
        return .done((heads.map(\.id), zip(others, counts).filter { $1.integer == 0 }.map(\.0)))
      }
    try retire(emptied)
    return removed
  }

  /// Takes namespaces without entries off the list. Two who remove the last entries between them each see the
  /// other's still there, so neither does it in the transaction that empties the namespace.
  /// - Returns: those that were on the list.
  @discardableResult
  func retire(_ namespaces: [Namespace]) throws -> [Namespace] {
    guard !namespaces.isEmpty else { return [] }
    return try client.transaction { transaction in
      let counts = try transaction.read(
        pipeline {
          $0.begin("WATCH", argumentCount: namespaces.count)
          for namespace in namespaces { $0.argument(layout.lru(namespace)) }
          for namespace in namespaces { $0.append("ZCARD", layout.lru(namespace)) }
        }
      ).dropFirst()
      let emptied = zip(namespaces, counts).filter { $1.integer == 0 }.map(\.0)
      guard !emptied.isEmpty else { return .done([]) }
      let written = try transaction.commit(
        pipeline { for namespace in emptied { $0.append("SREM", layout.namespaces, namespace.name) } })
      return written.map { .done(zip(emptied, $0).filter { $1.integer == 1 }.map(\.0)) } ?? .retry
    }
  }

  /// The entries that are there. One that lacks what a head needs is damaged, and goes only by repair or by its
  /// id, with what is known of it.
  func watchHeads(of ids: [EntryID], _ transaction: borrowing Transaction) throws -> [EntryHead] {
    let replies = try transaction.read(pipeline { appendHeadLook(at: ids, to: &$0) })
    return try ids.enumerated().compactMap { try head(of: $1, in: replies[$0 + 1]) }
  }

  /// Watches entries, and asks what they are.
  func appendHeadLook(at ids: [EntryID], to pipeline: inout Pipeline) {
    pipeline.begin("WATCH", argumentCount: ids.count)
    for id in ids { pipeline.argument(layout.entry(id)) }
    for id in ids { appendHeadQuestion(about: id, to: &pipeline) }
  }

  func appendHeadQuestion(about id: EntryID, to pipeline: inout Pipeline) {
    pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.ttl, EntryField.lastAccessedAt)
  }

  /// - Returns: nil where the entry is gone. What is left where the Python library touches an entry that is being
  ///   deleted, a hash of the two fields that a touch sets, is damaged rather than gone.
  /// - Throws: `CorruptCacheError` for an entry that does not say where it belongs.
  func head(of id: EntryID, in reply: Reply) throws -> EntryHead? {
    let fields = try reply.elements(expecting: 5)
    if fields.allSatisfy(\.isNull) { return nil }
    guard let name = fields[0].string, !name.isEmpty, let queryHash = fields[1].string else {
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

  /// What else of the layout goes with the entries.
  struct Pointers {
    /// The `hash:` keys that name the entry; one that names another (a shadowed entry's) stays.
    var hashKeys: [Key] = []
    /// The namespaces that are left without entries.
    var emptied: [Namespace] = []
  }

  /// - Parameter refilled: a namespace that gets an entry in the same transaction, and so is never left empty.
  func watchPointers(
    to heads: [EntryHead], refilling refilled: Namespace? = nil, _ transaction: borrowing Transaction
  ) throws -> Pointers {
    let namespaces = Set(heads.map(\.namespace)).sorted()
    let replies = try transaction.read(
      pipeline { appendPointerLook(to: heads, in: namespaces, to: &$0) })
    var (pointers, emptying) = try self.pointers(to: heads, in: namespaces, replies[...])
    emptying.removeAll { $0 == refilled }
    if !emptying.isEmpty {
      pointers.emptied = try watchEmptied(by: heads.filter { emptying.contains($0.namespace) }, transaction)
    }
    return pointers
  }

  /// Watches and asks for what points at entries.
  func appendPointerLook(to heads: [EntryHead], in namespaces: [Namespace], to pipeline: inout Pipeline) {
    pipeline.begin("WATCH", argumentCount: heads.count)
    for head in heads { pipeline.argument(layout.hash(head.namespace, head.queryHash)) }
    for head in heads { pipeline.append("GET", layout.hash(head.namespace, head.queryHash)) }
    for namespace in namespaces { pipeline.append("ZCARD", layout.lru(namespace)) }
    appendTypeChecks(of: namespaces, to: &pipeline)
  }

  /// The answers to `appendPointerLook`.
  /// - Returns: what goes with the entries, and the namespaces that may have no others.
  func pointers(
    to heads: [EntryHead], in namespaces: [Namespace], _ replies: Slice<Replies>
  ) throws -> (found: Pointers, emptying: [Namespace]) {
    try checkNumbers(replies, of: namespaces)
    var pointers = Pointers()
    for (offset, head) in heads.enumerated()
    where replies[offset + 1].bytes.elementsEqual(head.id.member.utf8) {
      pointers.hashKeys.append(layout.hash(head.namespace, head.queryHash))
    }
    let going = Dictionary(grouping: heads, by: \.namespace).mapValues(\.count)
    let emptying = namespaces.enumerated().filter { offset, namespace in
      (replies[1 + heads.count + offset].integer ?? 0) <= Int64(going[namespace] ?? 0)
    }.map(\.element)
    return (pointers, emptying)
  }

  /// The namespaces that have no entries but these, watched so that it stays true. (Watching `lru:` makes every
  /// put and hit of the namespace a collision: only for namespaces that are about to be empty.)
  func watchEmptied(by heads: [EntryHead], _ transaction: borrowing Transaction) throws -> [Namespace] {
    let namespaces = Set(heads.map(\.namespace)).sorted()
    let replies = try transaction.read(
      pipeline {
        $0.begin("WATCH", argumentCount: namespaces.count)
        for namespace in namespaces { $0.argument(layout.lru(namespace)) }
        for namespace in namespaces { $0.append("ZRANGE", layout.lru(namespace), 0, heads.count) }
      })
    let going = Set(heads.map { Array($0.id.member.utf8) })
    return namespaces.enumerated().filter { offset, _ in
      replies[offset + 1].elements.allSatisfy { going.contains($0.bytes) }
    }.map(\.element)
  }

  func appendRemoval(
    of heads: [EntryHead], _ pointers: Pointers, counting: Counting?, to pipeline: inout Pipeline
  ) {
    pipeline.begin("UNLINK", argumentCount: heads.count + pointers.hashKeys.count)
    for head in heads { pipeline.argument(layout.entry(head.id)) }
    for key in pointers.hashKeys { pipeline.argument(key) }
    pipeline.begin("ZREM", argumentCount: 1 + heads.count)
    pipeline.argument(layout.byID)
    for head in heads { pipeline.argument(head.id.member) }
    pipeline.begin("ZREM", argumentCount: 1 + 2 * heads.count)
    pipeline.argument(layout.byTTL)
    for head in heads {
      pipeline.argument(head.id.member)
      pipeline.argument(KeyLayout.pythonTTLMember(head.namespace, head.id))
    }
    for (namespace, going) in Dictionary(grouping: heads, by: \.namespace).sorted(by: { $0.key < $1.key }) {
      pipeline.begin("ZREM", argumentCount: 1 + going.count)
      pipeline.argument(layout.lru(namespace))
      for head in going { pipeline.argument(head.id.member) }
      if case .own(let counter) = counting {
        appendCount(Int64(going.count), of: counter, in: namespace, to: &pipeline)
      }
    }
    if case .all(let counter, let namespace) = counting {
      appendCount(Int64(heads.count), of: counter, in: namespace, to: &pipeline)
    }
    if !pointers.emptied.isEmpty {
      pipeline.begin("SREM", argumentCount: 1 + pointers.emptied.count)
      pipeline.argument(layout.namespaces)
      for namespace in pointers.emptied { pipeline.argument(namespace.name) }
    }
    pipeline.append("INCRBY", layout.version, heads.count)
  }
}

extension Reply {
  /// The elements of an array of known length.
  /// - Throws: `StoreBackendError` for a reply of another shape.
  func elements(expecting count: Int) throws -> [Reply] {
    guard kind == .array, self.count == count else {
      throw StoreBackendError(
        .protocolViolation, "The server's reply is not the array of \(count) that the command gives.",
        remediation: "Check that the URL leads to a Redis server and not to something in between.")
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
