import Mneme

/// Stores batch after batch of entries, for whom has many: one round trip for each batch, and none in which both sides
/// wait. While others use the server it is three, one after the other, since a server that always has the next batch at
/// hand keeps others waiting, however short it is.
///
/// With the transaction of one batch travels the look at what the next one rests on. While the server works on the two,
/// the next is written down, for the ids that it is handed out if nobody else takes any. A batch that turns out other
/// than expected (a query that is there already, ids that others took, a limit that is passed, a connection that was
/// lost, an error) is stored by `RedisStore.insert`, which also says what is wrong. So what becomes of a batch is known
/// one or two batches later, or after `finish`.
public struct BatchInsertion {
  /// What has become of a batch.
  public typealias Outcome = (outcomes: [InsertOutcome], evicted: Int)

  private let store: RedisStore
  private let policy: ConflictPolicy
  private let maxEntries: Int?
  /// What has been sent ahead.
  private var step: Step?
  private var settled: [Outcome] = []
  /// The last id that was handed out, after a batch of nothing but new entries; nil: the next batch takes its time.
  private var last: EntryID?

  private struct Step {
    var sent: SentAhead
    /// The batch whose transaction was sent.
    var committing: Draft?
    /// The batch whose look was sent, behind that.
    var looking: Draft
  }

  /// A batch of more bytes does not wait for the next: what a round trip costs is little beside it, and three of them
  /// in memory are much.
  private static let largestAhead = 1 << 20

  /// A batch that is written down for the ids that it will have if all is as expected.
  private struct Draft {
    let entries: [StoredEntry]
    let namespaces: [Namespace]
    let ids: [EntryID]
    /// `MULTI`, what it writes, `EXEC`; then the look of the next batch.
    var commands = Pipeline()
    /// Where `EXEC` stands among them.
    var execPlace = 0
    /// How many commands its own look has.
    var lookCount = 0

    init(_ entries: [StoredEntry], after last: EntryID) {
      self.entries = entries
      namespaces = Set(entries.map(\.namespace)).sorted()
      ids = RedisStore.run(of: entries.count, after: last.rawValue)
    }
  }

  /// - Parameters:
  ///   - policy: what becomes of an entry whose query is there.
  ///   - maxEntries: of the whole cache, where a namespace has no quota.
  public init(_ store: RedisStore, onConflict policy: ConflictPolicy, evictingOver maxEntries: Int?) {
    (self.store, self.policy, self.maxEntries) = (store, policy, maxEntries)
  }

  /// Stores the entries, at most a thousand, after all that came before.
  /// - Precondition: no two of them have the same namespace and query hash.
  /// - Throws: as `RedisStore.insert` does, of the first batch that is not settled. That and what came after it are not
  ///   stored, or where the error says so may have been.
  public mutating func insert(_ entries: [StoredEntry]) throws {
    guard !entries.isEmpty else {
      try finish()
      return settled.append(([], 0))
    }
    if store.client.othersAreActive {
      try finish()
      return try takeTime(entries)
    }
    try send(entries)
    if let step, step.looking.commands.byteCount > Self.largestAhead { try finish() }
  }

  /// Stores what is under way. After it all batches are settled.
  public mutating func finish() throws {
    guard let (ready, looked) = try advance() else { return }
    if let sent = try store.client.sendAhead(ready.commands, after: looked, commits: true),
      let replies = try store.client.collect(sent), try settle(ready, by: replies)
    {
      return
    }
    try takeTime(ready.entries, spare: ready.ids)
  }

  /// What has become of the batches since this was last asked, in their order. After an error too: those are stored.
  public mutating func takeSettled() -> [Outcome] {
    defer { settled = [] }
    return settled
  }

  // MARK: Steps

  private mutating func send(_ entries: [StoredEntry]) throws {
    guard case (var ready, let looked)? = try advance() else { return try begin(entries) }
    var next = Draft(entries, after: ready.ids[ready.ids.count - 1])
    appendLook(at: &next, to: &ready.commands)
    guard let sent = try store.client.sendAhead(ready.commands, after: looked, commits: true) else {
      try takeTime(ready.entries, spare: ready.ids)
      return try begin(entries)
    }
    writeDown(&next)
    step = Step(sent: sent, committing: ready, looking: next)
  }

  private mutating func begin(_ entries: [StoredEntry]) throws {
    guard let last else { return try takeTime(entries) }
    var draft = Draft(entries, after: last)
    var look = Pipeline()
    appendLook(at: &draft, to: &look)
    guard let sent = try store.client.sendAhead(look, after: nil) else { return try takeTime(entries) }
    writeDown(&draft)
    step = Step(sent: sent, committing: nil, looking: draft)
  }

  /// Takes the answers to what was sent ahead.
  /// - Returns: the batch that can be committed, and the look that it rests on; nil where all batches are settled.
  private mutating func advance() throws -> (ready: Draft, looked: SentAhead)? {
    guard let step = step.take() else { return nil }
    let looking = step.looking
    guard let replies = try store.client.collect(step.sent) else {
      try takeTime(looking.entries)
      return nil
    }
    // A batch that takes its time, or evicts, needs the connection: the look is out of date then, and not built on.
    if let committing = step.committing, try !settle(committing, by: replies) {
      try takeTime(committing.entries, spare: committing.ids)
    }
    let first = replies.count - looking.lookCount
    if isAsExpected(looking, replies, from: first) { return (looking, step.sent) }
    store.client.giveUp(step.sent)
    let count = looking.ids.count
    let handedOut = replies[first + Self.placesBeforeIndexes + count].integer
    try takeTime(
      looking.entries, spare: handedOut.map { RedisStore.run(of: count, after: $0 &- Int64(count)) } ?? [])
    return nil
  }

  /// Stores a batch one step after the other.
  private mutating func takeTime(_ entries: [StoredEntry], spare: [EntryID] = []) throws {
    last = nil
    let outcome = try store.insert(entries, onConflict: policy, evictingOver: maxEntries, spare: spare)
    let isAllNew = outcome.outcomes.allSatisfy { if case .inserted = $0 { true } else { false } }
    if isAllNew { last = outcome.outcomes.map(\.id).max() }
    settled.append(outcome)
  }

  /// Takes the answer to `EXEC`.
  /// - Returns: false where nothing was done: a watched key had changed, or the transaction was refused.
  private mutating func settle(_ draft: Draft, by replies: Replies) throws -> Bool {
    guard let results = try store.results(of: draft.commands, in: replies, execPlace: draft.execPlace) else {
      return false
    }
    store.batchVersion = store.version(in: results, of: draft.namespaces)
    let fills = try store.fills(of: draft.namespaces, in: results)
    let evicted = try store.evict(over: maxEntries, after: fills, sparing: Set(draft.ids))
    settled.append((draft.ids.map { .inserted($0) }, evicted))
    last = draft.ids.last
    return true
  }

  // MARK: Commands

  /// Answers of a look before those about the queries.
  private static let placesBeforeIndexes = 3

  /// `RedisStore.appendLook`, and between its parts the ids.
  private func appendLook(at draft: inout Draft, to pipeline: inout Pipeline) {
    let (layout, ids) = (store.layout, draft.ids)
    let before = pipeline.count
    let places = draft.entries.map { (namespace: $0.namespace, queryHash: $0.queryHash) }
    store.appendLook(at: places, in: draft.namespaces, to: &pipeline) { pipeline in
      pipeline.append("INCRBY", layout.nextID, ids.count)
      store.appendVacancyLook(at: ids, to: &pipeline)
    }
    draft.lookCount = pipeline.count - before
  }

  /// Whether the cache is the one that was expected, none of the queries is there, and the ids are those foreseen, and
  /// free.
  private func isAsExpected(_ draft: Draft, _ replies: Replies, from first: Int) -> Bool {
    let count = draft.ids.count
    let indexes = first + Self.placesBeforeIndexes
    guard replies[first...].allSatisfy({ $0.kind != .error }),
      let identity = try? store.checkIdentity(replies[first + 1]),
      draft.entries.allSatisfy({ (try? identity.check($0.embedding)) != nil }),
      replies[indexes..<indexes + count].allSatisfy(\.isNull)
    else { return false }
    let handedOut = indexes + count
    guard let last = replies[handedOut].integer, last == draft.ids.last?.rawValue,
      last <= RedisStore.largestNumber, store.areVacant(draft.ids, in: replies[(handedOut + 1)...])
    else { return false }
    do {
      try store.checkNumbers(replies, of: draft.namespaces)
      try store.checkNothingLost(version: replies[replies.count - 1])
      return true
    } catch {
      return false
    }
  }

  private func writeDown(_ draft: inout Draft) {
    draft.commands.append("MULTI")
    store.appendInsertion(
      of: draft.entries, under: draft.ids, in: draft.namespaces, to: &draft.commands)
    draft.execPlace = draft.commands.count
    draft.commands.append("EXEC")
  }
}

extension RedisStore {
  /// What the commands of a transaction that was sent ahead have answered.
  /// - Parameters:
  ///   - commands: `MULTI`, what it does, `EXEC`, and what came behind.
  ///   - execPlace: where `EXEC` stands among them.
  /// - Returns: nil where nothing was done: a watched key had changed, or the transaction was refused.
  /// - Throws: the error of a command that met one while the transaction ran.
  func results(of commands: Pipeline, in replies: Replies, execPlace: Int) throws -> [Reply]? {
    let answer = replies[execPlace]
    guard answer.kind == .array, answer.count == execPlace - 1 else { return nil }
    let results = Array(answer.elements)
    if let place = results.firstIndex(where: { $0.kind == .error }), let error = results[place].error,
      let command = commands.command(at: 1 + place)
    {
      throw client.translate(error, command: command.name, key: command.key)
    }
    return results
  }
}
