import Mneme
import Synchronization

// A server that has reached `maxmemory` and evicts nothing refuses each command that may need memory, and the whole
// transaction with it. So a removal is sent again without the commands that record it. They follow when there is
// memory:
//
//     1. UNLINK, ZREM, SREM, INCRBY version, HINCRBY counters     refused
//     2. UNLINK, ZREM, SREM                                       in a transaction
//        UNLINK, ZREM                                             without one, on Redis 6.2 and 7.0, which take none
//     3. INCRBY version, HINCRBY counters (SREM)                  in a transaction, after each batch and at the end

/// The result of a change that frees memory.
struct Freed<Value: Sendable>: Sendable {
  let value: Value
  /// The records that could not be written for lack of memory.
  let unrecorded: RemovalRecord

  init(_ value: Value, unrecorded: RemovalRecord = RemovalRecord()) {
    (self.value, self.unrecorded) = (value, unrecorded)
  }
}

/// The removals that were not recorded yet, by all connections of a store together.
final class RemovalLedger: Sendable {
  private let record = Mutex(RemovalRecord())

  var isEmpty: Bool { record.withLock(\.isEmpty) }
  /// The number of removed entries that the version counter does not show.
  var removed: Int { record.withLock(\.removed) }

  func add(_ other: RemovalRecord) { record.withLock { $0 += other } }

  func takeAll() -> RemovalRecord {
    record.withLock { record in
      defer { record = RemovalRecord() }
      return record
    }
  }
}

extension RedisStore {
  /// Returns the commands that free memory, with as many of the recording commands as the server accepts.
  func freeing<Value: Sendable>(
    _ record: RemovalRecord, _ room: Room, _ build: (inout Pipeline) throws -> Question<Value>
  ) rethrows -> Plan<Freed<Value>> {
    try .write { pipeline in
      let question = try build(&pipeline)
      var unrecorded = RemovalRecord()
      switch room {
      case .enough: append(record, to: &pipeline)
      case .none:
        append(RemovalRecord(emptied: record.emptied), to: &pipeline)
        unrecorded = record
        unrecorded.emptied = []
      case .noneForTransactions: unrecorded = record
      }
      return question.map { [unrecorded] in Freed($0, unrecorded: unrecorded) }
    }
  }

  /// Records the removals that a change could not record, if that is possible now. No round trip if there are none.
  func settle<Value>(_ freed: Freed<Value>) -> Value {
    if !freed.unrecorded.isEmpty {
      ledger.add(freed.unrecorded)
      // The entries are gone, so an error must not hide that. What is not recorded stays in the ledger.
      _ = try? recordRemovals()
    }
    return freed.value
  }

  /// Records the removals made while the server was full. Two round trips.
  /// - Returns: whether nothing is left to be recorded.
  @discardableResult
  func recordRemovals() throws -> Bool {
    let record = ledger.takeAll()
    if record.isEmpty { return true }
    do {
      try client.change { pipeline in
        let growth = appendGrowthCheck(of: record.countedNamespaces, to: &pipeline)
        pipeline.append("WATCH", each: record.emptied.map(layout.lru))
        let counts = record.emptied.map { (namespace: $0, slot: pipeline.append("ZCARD", layout.lru($0))) }
        return Question { replies in
          try replies[growth]
          return counts.filter { replies[$0.slot].integer == 0 }.map(\.namespace)
        }
      } decide: { (_, emptied: [Namespace]) -> Plan<Void> in
        .write { pipeline in
          var record = record
          record.emptied = emptied
          append(record, to: &pipeline)
          return .nothing
        }
      }
      client.noteRoom()
      return true
    } catch {
      ledger.add(record)
      if let error = error as? StoreBackendError, error.reason == .outOfMemory { return false }
      throw error
    }
  }

  /// Waits for memory to record the removals, because a server frees memory in the background.
  func recordRemovals(within limit: Duration) {
    let deadline = Deadline.after(limit)
    while !ledger.isEmpty, (try? recordRemovals()) == false, deadline.remaining > .zero {
      sleep(for: .milliseconds(20))
    }
  }

  /// The number of removed entries that the version counter does not show, because the server had no memory. No round
  /// trip.
  package var unrecordedRemovals: Int { ledger.removed }

  // MARK: Commands

  /// Appends the commands that remove keys and members.
  func appendRemoval(_ plan: RemovalPlan, to pipeline: inout Pipeline) {
    let heads = plan.heads
    pipeline.append("UNLINK", each: heads.map { layout.entry($0.id) } + plan.hashKeys)
    if isSound(layout.byID) {
      pipeline.append("ZREM", from: layout.byID, heads.map { Array($0.id.member.utf8) })
    }
    if isSound(layout.byTTL) {
      pipeline.append(
        "ZREM", from: layout.byTTL,
        heads.flatMap { [Array($0.id.member.utf8), KeyLayout.pythonTTLMember($0.namespace, $0.id)] })
    }
    for (namespace, going) in Dictionary(grouping: heads, by: \.namespace).sorted(by: { $0.key < $1.key })
    where isSound(layout.lru(namespace)) {
      pipeline.append("ZREM", from: layout.lru(namespace), going.map { Array($0.id.member.utf8) })
    }
  }

  /// Appends the commands that record a removal.
  func append(_ record: RemovalRecord, to pipeline: inout Pipeline) {
    for count in record.counts {
      appendCount(count.number, of: count.counter, in: count.namespace, to: &pipeline)
    }
    if !record.emptied.isEmpty, isSound(layout.namespaces) {
      pipeline.append("SREM", from: layout.namespaces, record.emptied.map { Array($0.name.utf8) })
    }
    if record.removed > 0, isSound(layout.version) {
      pipeline.append("INCRBY", layout.version, record.removed)
    }
  }
}

extension Pipeline {
  /// Appends a command for members of a set, if there are any.
  fileprivate mutating func append(_ name: StaticString, from key: Key, _ members: [[UInt8]]) {
    begin(name, argumentCount: 1 + members.count)
    argument(key)
    for member in members { argument(member) }
  }
}
