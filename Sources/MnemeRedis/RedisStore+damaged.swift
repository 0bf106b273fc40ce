import Mneme

extension RedisStore {
  /// Removes an entry that lacks the fields that place it, with every index member that names it and, if it is known,
  /// its `hash:` key.
  /// - Parameters:
  ///   - namespace: the one whose index lists it. An entry that names another namespace stays. nil: any.
  ///   - decide: decides under `WATCH` whether it is removed; nil to remove it always.
  /// - Returns: whether it was removed.
  func removeDamaged(
    _ id: EntryID, from namespace: Namespace?, counting: Counting?,
    _ decide: ((EntryReading) -> Bool)? = nil
  ) throws -> Bool {
    let entry = layout.entry(id)
    let listed = try locating(
      [Leftover(id: id)] + (namespace.map { [Leftover(id: id, namespace: $0)] } ?? []))
    let removed: Freed<Bool> = try client.change(freeing: true) { pipeline in
      pipeline.append("WATCH", entry)
      let type = pipeline.append("TYPE", entry)
      return Question { $0[type].string ?? "none" }
    } decide: { transaction, type in
      // 1. The entry's key. A key of another type has no fields, and may belong to another program: it is removed
      // only if the caller names the id.
      let isHash = type == "hash"
      guard type != "none", isHash || decide == nil else { return .done(Freed(false)) }
      var (name, queryHash): (String?, String?)
      if isHash || namespace != nil {
        let reading: EntryReading
        (name, queryHash, reading) = try transaction.read { pipeline in
          let head = EntryQuestion.appendHead(of: entry, to: &pipeline)
          let reading = EntryQuestion.append(entry, to: &pipeline)
          return Question { ($0[head][0].string, $0[head][1].string, try $0[reading]) }
        }
        guard decide?(reading) ?? true else { return .done(Freed(false)) }
      }
      if let namespace, let name, !name.utf8.elementsEqual(namespace.name.utf8) { return .done(Freed(false)) }

      // 2. The keys and members that name it.
      let stated = name.map { Namespace(unchecked: $0) }
      let going = listed + (stated.map { [Leftover(id: id, namespace: $0)] } ?? [])
      let namespaces = Set(going.compactMap(\.namespace)).sorted()
      let hashKeys = namespaces.compactMap { scope in queryHash.map { layout.hash(scope, $0) } }
      let pointing = try transaction.read { pipeline in
        for key in hashKeys { pipeline.append("WATCH", key) }
        let pointers = hashKeys.map { ($0, pipeline.append("GET", $0)) }
        let growth = appendGrowthCheck(of: namespaces, to: &pipeline)
        return Question { replies in
          try replies[growth]
          return pointers.filter { replies[$0.1].bytes.elementsEqual(id.member.utf8) }.map(\.0)
        }
      }
      let heads = namespaces.map { EntryHead(id: id, namespace: $0, queryHash: "", expiry: .unreadable) }
      let emptied = heads.isEmpty ? [] : try watchEmptied(by: heads, transaction)

      // 3. The transaction.
      var record = RemovalRecord(removed: 1, emptied: emptied)
      if case .all(let counter, let namespace) = counting {
        record.counts = [RemovalRecord.Count(counter: counter, namespace: namespace, number: 1)]
      }
      return freeing(record, transaction.room) { pipeline in
        pipeline.append("UNLINK", each: [entry] + pointing)
        appendSweep(going, to: &pipeline)
        return Question { _ in true }
      }
    }
    return settle(removed)
  }
}
