import Mneme

extension RedisStore {
  /// Removes an entry whose own fields do not say where it belongs, with every index member that names it and, as
  /// far as it can be told, its `hash:` key.
  /// - Parameters:
  ///   - namespace: whose index has it; an entry that says that it belongs to another stays. nil: any.
  ///   - decide: whether it goes, as it is under `WATCH`; nil: in any case.
  /// - Returns: whether it was there and was removed.
  func removeDamaged(
    _ id: EntryID, from namespace: Namespace?, counting: Counting?,
    _ decide: ((EntryReading) -> Bool)? = nil
  ) throws -> Bool {
    let listed = try locating(
      [Leftover(id: id)] + (namespace.map { [Leftover(id: id, namespace: $0)] } ?? []))
    return try client.transaction { transaction in
      // 1. What is left of it. A key of another type has no fields.
      let seen = try transaction.read(
        pipeline {
          $0.append("WATCH", layout.entry(id))
          $0.append("EXISTS", layout.entry(id))
          $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
          if decide != nil { EntryQuestion.append(layout.entry(id), to: &$0) }
        }, tolerating: true)
      guard seen[1].integer != 0, decide?(EntryQuestion.reading(seen, from: 3)) ?? true else {
        return .done(false)
      }
      // What is no hash may be another program's: only who names the id means it.
      if let error = seen[2].error, namespace != nil {
        throw transaction.translate(error, command: "HMGET", key: layout.entry(id).text)
      }
      let (name, queryHash) = (seen[2][0].string, seen[2][1].string)
      if let namespace, let name, !name.utf8.elementsEqual(namespace.name.utf8) { return .done(false) }

      // 2. What points at it.
      let stated = name.flatMap { try? Namespace($0) }
      let going = listed + (stated.map { [Leftover(id: id, namespace: $0)] } ?? [])
      let namespaces = Set(going.compactMap(\.namespace)).sorted()
      let hashKeys = namespaces.compactMap { scope in queryHash.map { layout.hash(scope, $0) } }
      let named = try transaction.read(
        pipeline {
          for key in hashKeys { $0.append("WATCH", key) }
          for key in hashKeys { $0.append("GET", key) }
          appendTypeChecks(of: namespaces, to: &$0)
        })
      try checkNumbers(named, of: namespaces)
      let pointing = hashKeys.indices.filter {
        named[hashKeys.count + $0].bytes.elementsEqual(id.member.utf8)
      }
      let heads = namespaces.map { EntryHead(id: id, namespace: $0, queryHash: "", expiry: .unreadable) }
      let emptied = heads.isEmpty ? [] : try watchEmptied(by: heads, transaction)

      // 3. All of it at once.
      let written = try transaction.commit(
        pipeline {
          $0.append("UNLINK", layout.entry(id))
          for index in pointing { $0.append("UNLINK", hashKeys[index]) }
          appendSweep(going, emptied: emptied, count: 1, to: &$0)
          if case .all(let counter, let namespace) = counting {
            appendCount(1, of: counter, in: namespace, to: &$0)
          }
        })
      return written == nil ? .retry : .done(true)
    }
  }
}
