import Mneme

/// An id that indexes name and that has no entry: Redis expired or evicted the hash alone, or a Python program
/// that touched the entry while it was deleted left two fields of it.
struct Leftover: Hashable, Sendable {
  var id: EntryID
  /// nil where no index member told.
  var namespace: Namespace?
}

extension RedisStore {
  /// Takes ids without an entry out of every index but `hash:`, whose key cannot be told from an id. An entry
  /// that has come back meanwhile keeps its places.
  /// - Returns: the ids that were swept.
  @discardableResult
  func sweepLeftovers(_ leftovers: [Leftover]) throws -> [EntryID] {
    var swept: [EntryID] = []
    try inSlices(leftovers, of: Batch.removed) { swept += try sweepBatch(try locating(Array($0))) }
    return swept
  }

  /// Finds in which namespaces an id is still listed, where that is not known.
  func locating(_ leftovers: [Leftover]) throws -> [Leftover] {
    let lost = leftovers.filter { $0.namespace == nil }.map(\.id)
    guard !lost.isEmpty else { return leftovers }
    var located = leftovers
    for namespace in try namespaces() {
      let replies = try read(
        pipeline { for id in lost { $0.append("ZSCORE", layout.lru(namespace), id.member) } })
      for (id, reply) in zip(lost, replies) where !reply.isNull {
        located.append(Leftover(id: id, namespace: namespace))
      }
    }
    return located
  }

  private func sweepBatch(_ leftovers: [Leftover]) throws -> [EntryID] {
    let ids = Set(leftovers.map(\.id)).sorted()
    let namespaces = Set(leftovers.compactMap(\.namespace)).sorted()
    return try client.transaction { transaction in
      // `by_id` is watched so that two sweeps at once do not both count an id.
      let seen = try transaction.read(
        pipeline {
          $0.begin("WATCH", argumentCount: ids.count + 1)
          $0.argument(layout.byID)
          for id in ids { $0.argument(layout.entry(id)) }
          for id in ids { appendEntryQuestion(about: id, to: &$0) }
          for id in ids { appendListedQuestion(about: id, leftovers, to: &$0) }
          appendTypeChecks(of: namespaces, to: &$0)
        })
      try checkNumbers(seen, of: namespaces)
      let gone = Set(
        ids.enumerated().filter { offset, _ in
          let listed = 1 + ids.count + 4 * offset
          return Self.saysNoEntry(seen[1 + offset]) && seen[listed..<listed + 4].contains { !$0.isNull }
        }.map(\.element))
      guard !gone.isEmpty else { return .done([]) }
      let going = leftovers.filter { gone.contains($0.id) }
      let heads = going.compactMap { leftover in
        leftover.namespace.map { EntryHead(id: leftover.id, namespace: $0, queryHash: "", expiry: .never) }
      }
      let emptied = heads.isEmpty ? [] : try watchEmptied(by: heads, transaction)
      let written = try transaction.commit(
        pipeline { appendSweep(going, emptied: emptied, count: gone.count, to: &$0) })
      return written == nil ? .retry : .done(gone.sorted())
    }
  }

  /// The fields without which there is nothing to find and nothing to serve. Only of what `lost` has picked: an
  /// answer may be long.
  private func appendEntryQuestion(about id: EntryID, to pipeline: inout Pipeline) {
    pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.response)
  }

  /// What is no hash is no leftover, and may be another program's.
  private static func saysNoEntry(_ reply: Reply) -> Bool {
    reply.kind == .array && reply.elements.allSatisfy(\.isNull)
  }

  /// Those of the ids that have no entry. One round trip where all have one, else two.
  func lost(of ids: [EntryID]) throws -> Set<EntryID> {
    let places = try read(
      pipeline {
        for id in ids {
          $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
        }
      }, tolerating: true)
    let suspects = zip(ids, places).filter { Self.saysNoEntry($1) }.map(\.0)
    guard !suspects.isEmpty else { return [] }
    let answers = try read(
      pipeline { for id in suspects { appendEntryQuestion(about: id, to: &$0) } }, tolerating: true)
    return Set(zip(suspects, answers).filter { Self.saysNoEntry($1) }.map(\.0))
  }

  /// Four questions whose answers are null where no index has the id.
  private func appendListedQuestion(
    about id: EntryID, _ leftovers: [Leftover], to pipeline: inout Pipeline
  ) {
    let namespace = leftovers.first { $0.id == id && $0.namespace != nil }?.namespace ?? .default
    pipeline.append("ZSCORE", layout.byID, id.member)
    pipeline.append("ZSCORE", layout.byTTL, id.member)
    pipeline.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(namespace, id))
    pipeline.append("ZSCORE", layout.lru(namespace), id.member)
  }

  func appendSweep(
    _ leftovers: [Leftover], emptied: [Namespace], count: Int, to pipeline: inout Pipeline
  ) {
    for leftover in leftovers {
      pipeline.append("UNLINK", layout.entry(leftover.id))
      pipeline.append("ZREM", layout.byID, leftover.id.member)
      pipeline.append("ZREM", layout.byTTL, leftover.id.member)
      guard let namespace = leftover.namespace else { continue }
      pipeline.append("ZREM", layout.byTTL, KeyLayout.pythonTTLMember(namespace, leftover.id))
      pipeline.append("ZREM", layout.lru(namespace), leftover.id.member)
    }
    for namespace in emptied { pipeline.append("SREM", layout.namespaces, namespace.name) }
    pipeline.append("INCRBY", layout.version, count)
  }
}
