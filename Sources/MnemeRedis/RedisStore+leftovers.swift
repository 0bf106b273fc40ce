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
    for start in stride(from: 0, to: leftovers.count, by: Batch.entries) {
      swept += try sweepBatch(
        try locating(Array(leftovers[start..<min(start + Batch.entries, leftovers.count)])))
    }
    return swept
  }

  /// Finds in which namespaces an id is still listed, where that is not known.
  private func locating(_ leftovers: [Leftover]) throws -> [Leftover] {
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

  /// The fields without which there is nothing to find and nothing to serve.
  private func appendEntryQuestion(about id: EntryID, to pipeline: inout Pipeline) {
    pipeline.append(
      "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.response)
  }

  private static func saysNoEntry(_ reply: Reply) -> Bool {
    reply.kind == .array && reply.elements.allSatisfy(\.isNull)
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

  private func appendSweep(
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

  /// Removes an entry whose own fields do not say where it belongs, with every index member that names it and, as
  /// far as it can be told, its `hash:` key.
  /// - Parameter namespace: whose index has it; an entry that says that it belongs to another stays. nil: any.
  /// - Returns: whether it was there and was removed.
  func removeDamaged(
    _ id: EntryID, from namespace: Namespace?, counting: Counting?
  ) throws -> Bool {
    let listed = try locating(
      [Leftover(id: id)] + (namespace.map { [Leftover(id: id, namespace: $0)] } ?? []))
    let namespaces = Set(listed.compactMap(\.namespace)).sorted()
    return try client.transaction { transaction in
      // 1. What is left of it. A key of another type has no fields.
      let seen = try transaction.read(
        pipeline {
          $0.append("WATCH", layout.entry(id))
          $0.append("EXISTS", layout.entry(id))
          $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
        }, tolerating: true)
      guard seen[1].integer != 0 else { return .done(false) }
      // What is no hash may be another program's: only who names the id means it.
      if let error = seen[2].error, namespace != nil {
        throw transaction.translate(error, command: "HMGET", key: layout.entry(id).text)
      }
      let stated = seen[2].kind == .array ? Array(seen[2].elements) : []
      if let namespace, let name = stated.first?.string, !name.utf8.elementsEqual(namespace.name.utf8) {
        return .done(false)
      }

      // 2. What points at it.
      let hashKeys = namespaces.compactMap { scope in
        stated.last?.string.map { layout.hash(scope, $0) }
      }
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
          appendSweep(listed, emptied: emptied, count: 1, to: &$0)
          if case .all(let counter, let namespace) = counting {
            appendCount(1, of: counter, in: namespace, to: &$0)
          }
        })
      return written == nil ? .retry : .done(true)
    }
  }

  /// Walks every index for ids without an entry and takes them out. Reads, but does not write, what is sound.
  /// - Parameter shouldStop: asked before each page.
  /// - Returns: the ids, and whether the walk came to its end.
  func sweepIndexes(
    in namespace: Namespace?, dryRun: Bool, shouldStop: () -> Bool
  ) throws -> (swept: Set<EntryID>, complete: Bool) {
    var swept: Set<EntryID> = []
    var page: [Leftover] = []
    func handlePage() throws {
      let replies = try read(
        pipeline { for member in page { appendEntryQuestion(about: member.id, to: &$0) } },
        tolerating: true)
      let lost = zip(page, replies).filter { Self.saysNoEntry($1) }.map(\.0)
      swept.formUnion(dryRun ? lost.map(\.id) : try sweepLeftovers(lost))
      page = []
    }
    func walk(_ key: Key, _ parse: (Reply) -> Leftover?) throws {
      var isMember = true
      try forEachMember(of: key, command: "ZSCAN") { reply in
        defer { isMember.toggle() }
        guard isMember, let member = parse(reply) else { return }
        page.append(member)
        if page.count == Batch.keys, !shouldStop() { try handlePage() }
      }
      if !page.isEmpty, !shouldStop() { try handlePage() }
    }
    for scope in try namespace.map({ [$0] }) ?? namespaces() {
      try walk(layout.lru(scope)) { reply in
        EntryID(member: reply.bytes).map { Leftover(id: $0, namespace: scope) }
      }
      // Whoever emptied it may have been killed before taking it off the list.
      if !dryRun, try count(in: scope) == 0 { try retire([scope]) }
    }
    // The indexes of the whole cache do not tell whose an id was.
    guard namespace == nil else { return (swept, !shouldStop()) }
    try walk(layout.byID) { EntryID(member: $0.bytes).map { Leftover(id: $0, namespace: nil) } }
    try walk(layout.byTTL) { reply in
      KeyLayout.parseTTLMember(reply.bytes).map { Leftover(id: $0.id, namespace: $0.namespace) }
    }
    return (swept, !shouldStop())
  }

  // MARK: The exact layer's leftovers

  /// Walks the `hash:` keys with `SCAN`, which passes over the neighbours' keys too, and removes those that name
  /// no entry of theirs.
  /// - Parameter shouldStop: asked before each page.
  /// - Returns: the ids that dangling keys named, and whether the walk came to its end; nil where the server withholds
  ///   `SCAN` from this user.
  func sweepHashKeys(
    in namespace: Namespace?, dryRun: Bool, shouldStop: () -> Bool
  ) throws -> (dangling: [EntryID], complete: Bool)? {
    var dangling: [EntryID] = []
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    let pattern = layout.pattern(.hash, namespace: namespace)
    repeat {
      if shouldStop() { return (dangling, false) }
      let reply = try read(
        pipeline { $0.append("SCAN", cursor, "MATCH", pattern, "COUNT", Batch.page) }, tolerating: true)[0]
      if let error = reply.error {
        if error.isWithholding { return nil }
        throw client.translate(error, command: "SCAN", key: nil)
      }
      let page = try reply.elements(expecting: 2)
      cursor = page[0].bytes
      let keys = page[1].elements.compactMap { reply in
        layout.parse(reply.bytes).map { (Key(bytes: reply.bytes), $0) }
      }
      for start in stride(from: 0, to: keys.count, by: Batch.keys) {
        dangling += try sweepHashKeys(
          Array(keys[start..<min(start + Batch.keys, keys.count)]), dryRun: dryRun)
      }
    } while cursor != [UInt8(ascii: "0")]
    return (dangling, true)
  }

  private func sweepHashKeys(_ keys: [(key: Key, name: ParsedKey)], dryRun: Bool) throws -> [EntryID] {
    let named = try read(pipeline { for key in keys { $0.append("GET", key.key) } }, tolerating: true)
    let pointers = zip(keys, named).compactMap { key, reply in
      reply.kind == .string ? EntryID(member: reply.bytes).map { (key: key, id: $0) } : nil
    }
    guard !pointers.isEmpty else { return [] }
    let entries = try read(
      pipeline {
        for pointer in pointers {
          $0.append("HMGET", layout.entry(pointer.id), EntryField.namespace, EntryField.queryHash)
        }
      }, tolerating: true)
    return try zip(pointers, entries).filter { pointer, reply in
      reply.kind == .array && !Self.entry(reply, is: pointer.key.name)
    }.map(\.0).filter { try dryRun || removePointer($0.key.key, to: $0.id, named: $0.key.name) }.map(\.id)
  }

  private static func entry(_ reply: Reply, is name: ParsedKey) -> Bool {
    guard let namespace = name.namespace, let queryHash = name.queryHash,
      let fields = try? reply.elements(expecting: 2)
    else { return false }
    return fields[0].bytes.elementsEqual(namespace.name.utf8)
      && fields[1].bytes.elementsEqual(queryHash.utf8)
  }

  private func removePointer(_ key: Key, to id: EntryID, named name: ParsedKey) throws -> Bool {
    try client.transaction { transaction in
      let seen = try transaction.read(
        pipeline {
          $0.append("WATCH", key, layout.entry(id))
          $0.append("GET", key)
          $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
        })
      guard seen[1].bytes.elementsEqual(id.member.utf8), !Self.entry(seen[2], is: name) else {
        return .done(false)
      }
      return try transaction.commit(pipeline { $0.append("UNLINK", key) }) == nil ? .retry : .done(true)
    }
  }
}
