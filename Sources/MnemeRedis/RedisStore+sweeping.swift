import Mneme

extension RedisStore {
  /// Walks every index for ids without an entry and takes them out. Reads, but does not write, what is sound.
  /// - Parameters:
  ///   - swept: gets the ids.
  ///   - shouldStop: asked before each page.
  /// - Returns: whether the walk came to its end.
  func sweepIndexes(
    in namespace: Namespace?, dryRun: Bool, into swept: inout Set<EntryID>, shouldStop: () -> Bool
  ) throws -> Bool {
    var page: [Leftover] = []
    func handlePage() throws {
      defer { page = [] }
      guard !page.isEmpty, !shouldStop() else { return }
      let absent = try self.lost(of: page.map(\.id))
      let lost = page.filter { absent.contains($0.id) }
      swept.formUnion(dryRun ? lost.map(\.id) : try sweepLeftovers(lost))
    }
    func walk(_ key: Key, _ parse: (Reply) -> Leftover?) throws {
      var isMember = true
      try forEachMember(of: key, command: "ZSCAN") { reply in
        defer { isMember.toggle() }
        guard isMember, let member = parse(reply) else { return }
        page.append(member)
        if page.count >= Batch.keys { try handlePage() }
      }
      try handlePage()
    }
    for scope in try namespace.map({ [$0] }) ?? namespaces() {
      if shouldStop() { return false }
      try walk(layout.lru(scope)) { reply in
        EntryID(member: reply.bytes).map { Leftover(id: $0, namespace: scope) }
      }
    }
    // The indexes of the whole cache do not tell whose an id was.
    guard namespace == nil else { return !shouldStop() }
    try walk(layout.byID) { EntryID(member: $0.bytes).map { Leftover(id: $0, namespace: nil) } }
    try walk(layout.byTTL) { reply in
      KeyLayout.parseTTLMember(reply.bytes).map { Leftover(id: $0.id, namespace: $0.namespace) }
    }
    return !shouldStop()
  }

  /// Takes namespaces off the list that have no entries: whoever emptied one may have been killed before it did.
  /// - Returns: how many there were.
  func retireAbandoned(in namespace: Namespace?, dryRun: Bool) throws -> Int {
    var abandoned: [Namespace] = []
    let listed = try namespaces().filter { namespace == nil || $0 == namespace }
    try inSlices(listed, of: Batch.keys) { page in
      let counts = try read(pipeline { for namespace in page { $0.append("ZCARD", layout.lru(namespace)) } })
      abandoned += zip(page, counts).filter { $1.integer == 0 }.map(\.0)
    }
    return try dryRun
      ? abandoned.count
      : abandoned.reduce(0) { count, namespace in try count + retire([namespace]).count }
  }

  // MARK: The exact layer's leftovers

  /// Walks the `hash:` keys with `SCAN`, which passes over the neighbours' keys too, and removes those that name
  /// no entry of theirs.
  /// - Parameters:
  ///   - swept: gets the ids that dangling keys named.
  ///   - shouldStop: asked before each page.
  /// - Returns: whether the walk came to its end; nil where the server withholds `SCAN` from this user.
  func sweepHashKeys(
    in namespace: Namespace?, dryRun: Bool, into swept: inout Set<EntryID>, shouldStop: () -> Bool
  ) throws -> Bool? {
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    let pattern = layout.pattern(.hash, namespace: namespace)
    repeat {
      if shouldStop() { return false }
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
      try inSlices(keys, of: Batch.keys) {
        swept.formUnion(try sweepHashKeys(Array($0), dryRun: dryRun))
      }
    } while cursor != [UInt8(ascii: "0")]
    return true
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
    }.map(\.0).filter { try dryRun || removePointer($0.key.key) }.map(\.id)
  }

  private static func entry(_ reply: Reply, is name: ParsedKey) -> Bool {
    guard let namespace = name.namespace, let queryHash = name.queryHash,
      let fields = try? reply.elements(expecting: 2)
    else { return false }
    return fields[0].bytes.elementsEqual(namespace.name.utf8)
      && fields[1].bytes.elementsEqual(queryHash.utf8)
  }

  /// Removes a `hash:` key that holds no id, or that of no entry of its query.
  /// - Returns: whether it was so.
  func removePointer(_ key: Key) throws -> Bool {
    guard let name = layout.parse(key.bytes), name.family == .hash else { return false }
    return try client.transaction { transaction in
      let pointer = try transaction.read(
        pipeline {
          $0.append("WATCH", key)
          $0.append("GET", key)
        })[1]
      guard !pointer.isNull else { return .done(false) }
      if let id = EntryID(member: pointer.bytes) {
        let entry = try transaction.read(
          pipeline {
            $0.append("WATCH", layout.entry(id))
            $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
          })[1]
        guard !Self.entry(entry, is: name) else { return .done(false) }
      }
      return try transaction.commit(pipeline { $0.append("UNLINK", key) }) == nil ? .retry : .done(true)
    }
  }
}
