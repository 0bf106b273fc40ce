import Mneme

extension RedisStore {
  /// How many are chosen in one go. Always as many: with more or fewer, others of one second would be the first over all
  /// namespaces.
  private static let evictionPage = 200

  /// Two round trips to see what goes, then one for each 200 entries and three for each transaction (`Batch`).
  public func evict(
    for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>
  ) throws -> Int {
    try evict(for: namespace, maxEntries: maxEntries, sparing: spared, BatchControl())
  }

  /// The same, under control: a quota that was lowered may send a million entries away at once.
  public func evict(
    for namespace: Namespace, maxEntries: Int?, sparing spared: Set<EntryID>, _ control: BatchControl
  ) throws -> Int {
    let seen = try read(
      pipeline {
        appendQuotaQuestion(for: namespace, to: &$0)
        $0.append("ZCARD", layout.lru(namespace))
        $0.append("ZCARD", layout.byID)
      })
    let quota = try quota(in: (seen[0], seen[1]), of: namespace)
    guard let limit = quota ?? maxEntries else { return 0 }
    let batch = Eviction.batch(count: seen[quota == nil ? 3 : 2].size ?? 0, limit: limit)
    guard batch > 0 else { return 0 }
    let scope = quota == nil ? nil : namespace
    // What is to stay, and what would not go: neither is chosen while there are others.
    var passedOver = spared
    var (left, evicted) = (batch, 0)
    while left > 0, !control.shouldStop() {
      let wanted = min(left, Self.evictionPage)
      var oldest = try leastRecentlyUsed(wanted, in: scope)
      // Asking for more at once would change which entries of one second are the first over all namespaces.
      if !passedOver.isDisjoint(with: oldest) {
        oldest = try leastRecentlyUsed(wanted + passedOver.count, in: scope)
      }
      let going = Eviction.choose(wanted, of: oldest, sparing: passedOver)
      guard !going.isEmpty else { break }
      left -= going.count
      try inSlices(going, of: Batch.removed) { slice in
        if control.shouldStop() { return }
        let ids = Array(slice)
        let gone = try removeWhatever(ids, from: scope, counting: .all(.evictions, namespace))
        // Index members whose entry Redis itself has expired count towards the limit and are no entries.
        if gone.count < ids.count {
          let lost = Set(ids).subtracting(gone)
          try sweepLeftovers(lost.sorted().map { Leftover(id: $0, namespace: scope) })
          passedOver.formUnion(lost)
        }
        evicted += gone.count
        control.progress(evicted)
      }
    }
    return evicted
  }

  /// How many of the least recently used entries are read ahead with every put, so that a put that evicts no more
  /// of them costs no further round trip.
  static let readAhead = 16

  /// What a put of one entry evicts in its own transaction: when the namespace is over its quota with it, by no
  /// more entries than were read ahead. What goes beyond that is left to `evict`.
  /// - Parameters:
  ///   - id: the entry that is replaced; nil for a new one.
  ///   - seen: from `place` on the quota in its two forms, the number of entries, the oldest of them.
  func victims(
    of id: EntryID?, in namespace: Namespace, _ seen: Replies, after place: Int
  ) throws -> [EntryID] {
    guard let quota = try quota(in: (seen[place], seen[place + 1]), of: namespace) else { return [] }
    let count = (seen[place + 2].size ?? 0) + (id == nil ? 1 : 0)
    let batch = Eviction.batch(count: count, limit: quota)
    let oldest = seen[place + 3].elements.compactMap { EntryID(member: $0.bytes) }.filter { $0 != id }
    return batch < Self.readAhead && batch <= oldest.count ? Array(oldest.prefix(batch)) : []
  }
}

/// Commands that travel with others on the first round trip that there is.
struct Passenger {
  var commands = Pipeline()
  private(set) var replies: [Reply] = []

  /// Sends the commands, these at the end, and keeps the answers to these.
  mutating func ride(with others: Pipeline, _ transaction: borrowing Transaction) throws -> Replies {
    var all = others
    all.append(contentsOf: commands)
    let answers = try transaction.read(all)
    if !commands.isEmpty {
      replies = Array(answers.suffix(commands.count))
      commands = Pipeline()
    }
    return answers
  }
}
