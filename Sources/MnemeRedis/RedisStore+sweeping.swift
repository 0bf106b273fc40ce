import Mneme

extension RedisStore {
  /// Walks over every index and removes ids without an entry.
  ///
  /// A round trip for each page of members, and one for each 64 of them.
  /// - Parameters:
  ///   - swept: receives the ids that were removed.
  ///   - shouldStop: asked before each page.
  /// - Returns: whether the walk came to its end.
  func sweepIndexes(
    in namespace: Namespace?, dryRun: Bool, into swept: inout Set<EntryID>, shouldStop: () -> Bool
  ) throws -> Bool {
    func sweep(_ key: Key, _ parse: ([UInt8]) -> Leftover?) throws -> Bool {
      guard isSound(key) else { return true }
      return try forEachPairPage(of: .sortedSet(key), shouldStop: shouldStop) { page in
        for slice in page.compactMap({ parse($0.name.bytes) }).slices(of: Batch.keys) {
          let absent = try lost(of: slice.map(\.id))
          let leftovers = slice.filter { absent.contains($0.id) }
          swept.formUnion(dryRun ? leftovers.map(\.id) : try sweepLeftovers(leftovers))
        }
      }
    }
    for scope in try namespace.map({ [$0] }) ?? namespaces() {
      let isDone = try sweep(layout.lru(scope)) { member in
        EntryID(member: member).map { Leftover(id: $0, namespace: scope) }
      }
      if !isDone { return false }
    }
    // An id in an index of the whole cache may belong to any namespace.
    guard namespace == nil else { return true }
    return try sweep(layout.byID) { EntryID(member: $0).map { Leftover(id: $0) } }
      && sweep(layout.byTTL) { member in
        KeyLayout.parseTTLMember(member).map { Leftover(id: $0.id, namespace: $0.namespace) }
      }
  }

  /// Takes namespaces without entries off the list. A program that emptied one may have been killed before it did that.
  /// - Returns: the number of these namespaces.
  func retireAbandoned(in namespace: Namespace?, dryRun: Bool) throws -> Int {
    let listed = try namespaces().filter { namespace == nil || $0 == namespace }
    let abandoned = try listed.slices(of: Batch.keys).flatMap { slice in
      try read { pipeline in
        let counts = slice.filter { isSound(layout.lru($0)) }
          .map { (namespace: $0, slot: pipeline.append("ZCARD", layout.lru($0))) }
        return Question { replies in counts.filter { replies[$0.slot].integer == 0 }.map(\.namespace) }
      }
    }
    return try dryRun
      ? abandoned.count
      : abandoned.reduce(0) { count, namespace in try count + retire([namespace]).count }
  }

  // MARK: Hash keys

  /// Walks over the `hash:` keys with `SCAN`, which also walks over the keys of other programs, and removes the keys
  /// that do not lead to an entry of their query.
  ///
  /// A round trip for each page of keys, and two for each 64 `hash:` keys.
  /// - Parameters:
  ///   - swept: receives the ids that these keys held.
  ///   - shouldStop: asked before each page.
  /// - Returns: whether the walk came to its end.
  /// - Throws: `StoreBackendError` if the server does not permit `SCAN`.
  func sweepHashKeys(
    in namespace: Namespace?, dryRun: Bool, into swept: inout Set<EntryID>, shouldStop: () -> Bool
  ) throws -> Bool {
    let pattern = layout.pattern(.hash, namespace: namespace)
    let otherCaches = OtherCaches(self)
    return try forEachPage(of: .keys(matching: pattern), shouldStop: shouldStop) { page in
      // The pattern of `a` matches the keys of `a:b` too.
      let keys = try otherCaches.own(page.map(\.bytes)) { $0 }.compactMap { HashKey(Key(bytes: $0), layout) }
        .filter { namespace == nil || $0.namespace == namespace }
      for slice in keys.slices(of: Batch.keys) {
        let pointers = try read(tolerating: true) { appendPointerQuestion(about: slice, to: &$0) }
          .filter { $0.id != nil }
        let dangling = try read(tolerating: true) { appendTargetQuestion(about: pointers, to: &$0) }
        let removed = dryRun ? dangling : try removePointers(dangling.map(\.key))
        swept.formUnion(removed.compactMap(\.id))
      }
    }
  }

  /// Removes a `hash:` key that does not hold the id of an entry of its query.
  /// - Returns: whether it was removed.
  func removePointer(_ key: Key) throws -> Bool {
    try HashKey(key, layout).map { try !removePointers([$0]).isEmpty } ?? false
  }

  /// Removes the `hash:` keys that do not hold the id of an entry of their query. Three round trips for each
  /// transaction.
  private func removePointers(_ keys: [HashKey]) throws -> [Pointer] {
    try keys.slices(of: Batch.removed).flatMap { try removeBatch($0) }
  }

  private func removeBatch(_ keys: ArraySlice<HashKey>) throws -> [Pointer] {
    try client.change(freeing: true) { pipeline -> Question<[Pointer]> in
      pipeline.append("WATCH", each: keys.map(\.key))
      return appendPointerQuestion(about: keys, to: &pipeline)
    } decide: { transaction, pointers in
      let dangling = try transaction.read { pipeline -> Question<[Pointer]> in
        pipeline.append("WATCH", each: pointers.compactMap(\.id).map(layout.entry))
        return appendTargetQuestion(about: pointers, to: &pipeline)
      }
      guard !dangling.isEmpty else { return .done([]) }
      return .write { pipeline in
        pipeline.append("UNLINK", each: dangling.map(\.key.key))
        return Question { _ in dangling }
      }
    }
  }

  /// Appends the reads of the ids that the keys hold. Keys that are gone or of another type are left out.
  private func appendPointerQuestion(
    about keys: some Sequence<HashKey>, to pipeline: inout Pipeline
  ) -> Question<[Pointer]> {
    let values = keys.map { (key: $0, slot: pipeline.append("GET", $0.key)) }
    return Question { replies in
      values.compactMap { key, slot in
        replies[slot].kind == .string ? Pointer(key: key, id: EntryID(member: replies[slot].bytes)) : nil
      }
    }
  }

  /// Appends the reads that show which keys do not lead to an entry of their query.
  private func appendTargetQuestion(
    about pointers: [Pointer], to pipeline: inout Pipeline
  ) -> Question<[Pointer]> {
    let targets = pointers.map { pointer in
      (
        pointer: pointer,
        slot: pointer.id.map {
          pipeline.append("HMGET", layout.entry($0), EntryField.namespace, EntryField.queryHash)
        }
      )
    }
    return Question { replies in
      targets.filter { pointer, slot in
        guard let slot else { return true }
        let fields = replies[slot]
        return fields.kind == .array
          && !pointer.key.fits(namespace: fields[0].bytes, queryHash: fields[1].bytes)
      }.map(\.pointer)
    }
  }
}

/// A `hash:` key, and the parts of its name.
struct HashKey: Sendable {
  let key: Key
  let namespace: Namespace
  private let queryHash: String

  /// nil for a key of another family.
  init?(_ key: Key, _ layout: KeyLayout) {
    guard let name = layout.parse(key.bytes), let namespace = name.namespace, let queryHash = name.queryHash
    else { return nil }
    (self.key, self.namespace, self.queryHash) = (key, namespace, queryHash)
  }

  /// Whether an entry with these fields belongs to the query of the key.
  func fits(namespace: [UInt8], queryHash: [UInt8]) -> Bool {
    namespace.elementsEqual(self.namespace.name.utf8) && queryHash.elementsEqual(self.queryHash.utf8)
  }
}

/// The value of a `hash:` key.
private struct Pointer: Sendable {
  let key: HashKey
  /// nil if it is not an id.
  let id: EntryID?
}
