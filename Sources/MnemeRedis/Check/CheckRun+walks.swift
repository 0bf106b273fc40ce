import Mneme

/// The walks.
extension CheckRun {
  /// The approximate part of the whole run that the walk over the keys takes.
  private static let keysShare = 0.3

  // MARK: Keys

  /// Walks over all keys with `SCAN`. The values of other programs' keys are not read.
  func walkKeys() throws {
    let expected = try expectedEntries()
    let layout = layout
    var hashKeys = 0
    let pages = CursorPages(store, .keys(matching: layout.everyKey)) { page in
      page.map { (name: $0.bytes, parsed: layout.parse($0.bytes)) }
    } ask: { key, pipeline -> Slot? in
      // Entries that `by_id` lists are examined in the walk over `by_id`.
      guard key.parsed?.family == .entry, let id = key.parsed?.id else { return nil }
      return pipeline.append("ZSCORE", layout.byID, id.member)
    }
    try pages.forEach { page in
      let items = try otherCaches.own(page.items) { $0.item.name }
      summary.keys += items.count
      var candidates: [Candidate] = []
      for ((name, parsed), score) in items {
        guard let parsed else { continue }
        switch (parsed.family, parsed.namespace) {
        case (.hash, _):
          hashKeys += 1
          candidates.append(.hashKey(name))
        case (.lru, let namespace?): candidates.append(.namespace(namespace))
        case (.counters, let namespace?): candidates.append(.counters(namespace))
        case (.quota, let namespace?): candidates.append(.quota(namespace))
        case (.entry, _):
          guard let id = parsed.id, let score else { continue }
          summary.entries += 1
          highestID = max(highestID, id.rawValue)
          if IndexPlace(page.replies[score]).score == nil {
            candidates.append(.entry(EntryCandidate(id: id)))
          }
        default: continue
        }
      }
      try examine(candidates)
      for case .namespace(let namespace) in candidates {
        try walkIndex(layout.lru(namespace), of: namespace)
      }
      try pageDone(
        share: Self.keysShare * min(1, Double(hashKeys) / Double(max(1, expected))), entries: summary.entries)
    }
  }

  private func expectedEntries() throws -> Int {
    try ask { pipeline in
      let count = pipeline.append("ZCARD", layout.byID)
      return Question { $0[count].size ?? 0 }
    }
  }

  // MARK: Indexes

  /// Examines every entry that `by_id` lists.
  func walkByID() throws {
    let expected = try expectedEntries()
    var done = 0
    let examiner = EntryExaminer(walkingOver: store, standard)
    try read(examiner) { strays in
      try examine(strays.map { .member(layout.byID, $0) })
      let share = Self.keysShare + (1 - Self.keysShare) * Double(done) / Double(max(1, expected))
      try pageDone(share: share, entries: max(done, summary.entries))
    } _: { candidate, problems in
      done += 1
      highestID = max(highestID, candidate.id.rawValue)
      try note(.entry(candidate), problems)
    }
  }

  /// Walks over an index for members that are not ids, that have no entry, or whose entry is in another namespace.
  /// Other problems are found when the entry itself is examined.
  /// - Parameter namespace: the namespace of the index; nil for `by_ttl`.
  func walkIndex(_ key: Key, of namespace: Namespace? = nil) throws {
    let layout = layout
    typealias Member = (bytes: [UInt8], candidate: EntryCandidate?)
    let pages = CursorPages(store, .sortedSet(key)) { elements in
      stride(from: 0, to: elements.count, by: 2).map { place -> Member in
        let member = elements[place].bytes
        guard namespace == nil else {
          return (member, EntryID(member: member).map { EntryCandidate(id: $0, claimant: namespace) })
        }
        return (
          member, KeyLayout.parseTTLMember(member).map { EntryCandidate(id: $0.id, claimant: $0.namespace) }
        )
      }
    } ask: { (member: Member, pipeline) in
      member.candidate.map { pipeline.append("HGET", layout.entry($0.id), EntryField.namespace) }
    }
    try pages.forEach { page in
      let candidates = page.items.compactMap { member, slot -> Candidate? in
        guard let candidate = member.candidate, let slot else { return .member(key, member.bytes) }
        let stated = page.replies[slot]
        let isThere = stated.kind == .string
        let isOurs =
          candidate.claimant.map { name in
            stated.withBytes { $0.elementsEqual(name.name.utf8) }
          } ?? true
        return isThere && isOurs ? nil : .entry(candidate)
      }
      try examine(candidates)
      try pageDone(share: 0, entries: summary.entries)
    }
  }

  // MARK: Namespaces, quotas and counters

  func walkNamespaces() throws {
    try forEachPage(of: .set(layout.namespaces)) { members in
      try examine(
        members.map { member in
          namespace(named: member).map { .namespace($0) } ?? .member(layout.namespaces, member.bytes)
        })
    }
  }

  func walkQuotas() throws {
    try forEachPage(of: .hash(layout.quotas)) { pairs in
      let names = stride(from: 0, to: pairs.count, by: 2).map { pairs[$0] }
      try examine(names.compactMap { namespace(named: $0) }.map { .quota($0) })
    }
  }

  /// The counters of the namespaces that `namespaces` lists or `meta` names.
  func walkNamedCounters() throws {
    try forEachPage(of: .set(layout.namespaces)) { members in
      try examine(members.compactMap { namespace(named: $0) }.map { .counters($0) })
    }
    try forEachPage(of: .hash(layout.meta)) { pairs in
      let fields = stride(from: 0, to: pairs.count, by: 2).map { pairs[$0].bytes }
      try examine(fields.compactMap(KeyLayout.MetaField.namespace(ofCounted:)).map { .counters($0) })
    }
  }

  private func namespace(named name: Reply) -> Namespace? { name.string.map { Namespace(unchecked: $0) } }

  /// Passes the elements of a key to `body`, a page at a time. A key of another type has none.
  private func forEachPage(of subject: Cursor.Subject, _ body: ([Reply]) throws -> Void) throws {
    let pages = CursorPages(store, subject) {
      $0
    } ask: { (_: Reply, _) in
    }
    try pages.forEach { page in
      try body(page.items.map(\.item))
      try pageDone(share: 0, entries: summary.entries)
    }
  }

  /// A score as Redis writes it.
  static func score(_ reply: Reply) -> Double? { reply.string.flatMap(Double.init) }
}
