import Mneme

/// An id in the indexes that has no entry. Redis has expired or evicted the hash alone, or a Python program that used
/// the entry while it was deleted has left two of its fields.
struct Leftover: Hashable, Sendable {
  var id: EntryID
  /// The namespace; nil if no index member names it.
  var namespace: Namespace?
}

extension RedisStore {
  /// Removes ids without an entry from every index. `hash:` keys stay, since their names do not follow from an id. If
  /// an entry exists again, its members stay.
  ///
  /// Two round trips for each transaction (`Batch.removed`), and a few more if the namespace of an id is not known.
  /// - Returns: the ids that were removed.
  @discardableResult
  func sweepLeftovers(_ leftovers: [Leftover]) throws -> [EntryID] {
    try leftovers.slices(of: Batch.removed).flatMap { try sweepBatch(locating(Array($0))) }
  }

  /// Finds the namespaces in which ids are still listed, for ids whose namespace is not known.
  func locating(_ leftovers: [Leftover]) throws -> [Leftover] {
    let unknown = leftovers.filter { $0.namespace == nil }.map(\.id)
    guard !unknown.isEmpty else { return leftovers }
    let places = try namespaces().filter { isSound(layout.lru($0)) }.flatMap { namespace in
      unknown.map { Leftover(id: $0, namespace: namespace) }
    }
    return try leftovers
      + places.slices(of: Batch.keys).flatMap { slice in
        try read { pipeline in
          let scores = slice.map { place in
            (place, pipeline.append("ZSCORE", layout.lru(place.namespace ?? .default), place.id.member))
          }
          return Question { replies in scores.filter { !replies[$1].isNull }.map(\.0) }
        }
      }
  }

  private func sweepBatch(_ leftovers: [Leftover]) throws -> [EntryID] {
    let ids = Set(leftovers.map(\.id)).sorted()
    guard !ids.isEmpty else { return [] }
    let namespaces = Set(leftovers.compactMap(\.namespace)).sorted()
    let swept: Freed<[EntryID]> = try client.change(freeing: true) { pipeline in
      // The entries alone, since every put of another client changes the indexes.
      pipeline.append("WATCH", each: ids.map(layout.entry))
      let questions = ids.map { id in
        (
          id: id, entry: appendAnswerQuestion(about: id, to: &pipeline),
          listed: appendListedQuestion(about: id, leftovers, to: &pipeline)
        )
      }
      appendTypeQuestions(of: namespaces, to: &pipeline)
      let version = appendVersionQuestion(to: &pipeline)
      return Question { replies in
        _ = try replies[version]
        return try questions.filter {
          try Self.saysNoEntry(replies[$0.entry]) && replies[$0.listed]
        }.map(\.id)
      }
    } decide: { transaction, gone in
      guard !gone.isEmpty else { return .done(Freed([])) }
      let going = leftovers.filter { gone.contains($0.id) }
      let heads = going.compactMap { leftover in
        leftover.namespace.map { EntryHead(id: leftover.id, namespace: $0, queryHash: "", expiry: .never) }
      }
      let emptied = heads.isEmpty ? [] : try watchEmptied(by: heads, transaction)
      return freeing(RemovalRecord(removed: gone.count, emptied: emptied), transaction.room) { pipeline in
        appendSweep(going, to: &pipeline)
      }
    }
    return settle(swept)
  }

  // MARK: Whether there is an entry

  /// Returns the ids that have no entry. One round trip if all have one, else two.
  func lost(of ids: [EntryID]) throws -> Set<EntryID> {
    let candidates = try read(tolerating: true) { pipeline in
      let places = ids.map { id in
        (
          id: id,
          slot: pipeline.append(
            "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
        )
      }
      return Question { replies in places.filter { Self.saysNoEntry(replies[$0.slot]) }.map(\.id) }
    }
    return try withoutAnswer(candidates)
  }

  /// Returns the ids whose hash has neither the fields that place an entry nor a response, and so no entry. Use it for
  /// few ids, since a response may be long. One round trip, or none.
  func withoutAnswer(_ ids: [EntryID]) throws -> Set<EntryID> {
    guard !ids.isEmpty else { return [] }
    return try read(tolerating: true) { pipeline in
      let answers = ids.map { (id: $0, slot: appendAnswerQuestion(about: $0, to: &pipeline)) }
      return Question { replies in Set(answers.filter { Self.saysNoEntry(replies[$0.slot]) }.map(\.id)) }
    }
  }

  /// Appends the read of the fields without which an entry can be neither found nor served.
  private func appendAnswerQuestion(about id: EntryID, to pipeline: inout Pipeline) -> Slot {
    pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.response)
  }

  /// Whether a reply shows that there is no entry. A key of another type is not a leftover and may belong to another
  /// program.
  private static func saysNoEntry(_ reply: Reply) -> Bool {
    reply.kind == .array && reply.elements.allSatisfy(\.isNull)
  }

  /// Appends the read that shows whether an index lists the id.
  private func appendListedQuestion(
    about id: EntryID, _ leftovers: [Leftover], to pipeline: inout Pipeline
  ) -> Question<Bool> {
    let namespace = leftovers.first { $0.id == id && $0.namespace != nil }?.namespace ?? .default
    let places: [(Key, [UInt8])] = [
      (layout.byID, Array(id.member.utf8)), (layout.byTTL, Array(id.member.utf8)),
      (layout.byTTL, KeyLayout.pythonTTLMember(namespace, id)),
      (layout.lru(namespace), Array(id.member.utf8)),
    ]
    let scores = places.filter { isSound($0.0) }.map { pipeline.append("ZSCORE", $0, $1) }
    return Question { replies in scores.contains { !replies[$0].isNull } }
  }

  /// Appends the removal of ids from the indexes.
  /// - Returns: the ids that an index had. Another vacuum may have removed some since they were looked at.
  @discardableResult
  func appendSweep(_ leftovers: [Leftover], to pipeline: inout Pipeline) -> Question<[EntryID]> {
    var removals: [(id: EntryID, slot: Slot)] = []
    func remove(_ leftover: Leftover, _ member: some RedisArgument, from key: Key) {
      if isSound(key) { removals.append((leftover.id, pipeline.append("ZREM", key, member))) }
    }
    for leftover in leftovers {
      pipeline.append("UNLINK", layout.entry(leftover.id))
      remove(leftover, leftover.id.member, from: layout.byID)
      remove(leftover, leftover.id.member, from: layout.byTTL)
      guard let namespace = leftover.namespace else { continue }
      remove(leftover, KeyLayout.pythonTTLMember(namespace, leftover.id), from: layout.byTTL)
      remove(leftover, leftover.id.member, from: layout.lru(namespace))
    }
    return Question { [removals] replies in
      Set(removals.filter { replies[$0.slot].integer == 1 }.map(\.id)).sorted()
    }
  }
}
