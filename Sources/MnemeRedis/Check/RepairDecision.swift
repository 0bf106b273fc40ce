import Mneme

/// The decision of a repair, made from the values that it has read.

/// The places of an entry in the indexes, as they were read under `WATCH`.
struct EntryPlaces: Equatable {
  var byID: IndexPlace
  var lru: IndexPlace
  /// The two forms of its member: the id, and the form of the Python library.
  var byTTL: [IndexPlace]
  var isListed: Bool
  var pointer: EntryView.Pointer
  /// Whether the key has a TTL in Redis.
  var entryExpires: Bool
  var hashKeyExpires: Bool

  /// Whether `by_id`, `lru`, `by_ttl` and `namespaces` agree with the entry.
  func areRight(for id: EntryID, _ facts: EntryFacts) -> Bool {
    // An index of another type is reported as such.
    let listed = byTTL.filter { $0 != .missing }
    let isExpiryRight =
      byTTL.contains(.unreadable)
      || facts.expiresAt.map { expiry in !listed.isEmpty && listed.allSatisfy { $0.isAt(expiry.rawValue) } }
        ?? listed.isEmpty
    let isUseRight =
      lru == .unreadable || facts.lastAccessedAt.map { lru.isAt($0) } ?? (lru == .missing)
    return isListed && (byID == .unreadable || byID.isAt(id.rawValue)) && isExpiryRight && isUseRight
  }
}

/// The changes that make the indexes agree with an entry.
struct EntryRepair: Equatable {
  /// The score in `lru`.
  var lastUse: Int64
  /// Whether the entry lacks the time of its last use, so that it is written.
  var writesLastUse = false
  var resetsAccessCount = false
  var setsHashKey = false
  /// Whether the keys get the TTL of the entry.
  var renewsEntryExpiry = false
  var renewsHashKeyExpiry = false

  enum Decision: Equatable {
    case nothing
    /// Removes the entry, since its query is answered from another one.
    case remove
    case write(EntryRepair)
  }

  /// - Parameter kind: the problem of the entry.
  static func decide(
    _ id: EntryID, _ facts: EntryFacts, _ places: EntryPlaces, for kind: CacheProblem.Kind
  ) -> Decision {
    let isRight = places.areRight(for: id, facts)
    if case .ofSameQuery = places.pointer, isRight, facts.isUseReadable { return .remove }
    var repair = EntryRepair(
      lastUse: facts.lastAccessedAt ?? places.lru.score.flatMap { Int64(exactly: $0) }
        ?? facts.createdAt.rawValue)
    repair.writesLastUse = facts.lastAccessedAt == nil
    repair.resetsAccessCount = !facts.isAccessCountReadable
    switch places.pointer {
    case .missing, .noID, .ofAnotherQuery, .unreadable, .other: repair.setsHashKey = true
    case .right: repair.renewsHashKeyExpiry = kind == .earlyExpiry && places.hashKeyExpires
    case .ofSameQuery: break
    }
    repair.renewsEntryExpiry = kind == .earlyExpiry && places.entryExpires
    let isNeeded =
      !isRight || !facts.isUseReadable || repair.setsHashKey || repair.renewsEntryExpiry
      || repair.renewsHashKeyExpiry
    return isNeeded ? .write(repair) : .nothing
  }
}

/// The numbers that a repair writes; nil if the existing number is valid.
enum NumberRepair {
  /// - Parameter highest: the highest id in use.
  static func nextID(_ last: Int64?, highest: Int64) -> Int64? {
    last.map { $0 >= highest } ?? false ? nil : highest
  }

  /// Returns a new version. The old one is not known, but readers only check that it has changed. So the new one is
  /// larger than any version that a cache reaches by counting.
  static func version(_ version: StoredNumber, now: UnixTime) -> Int64? {
    version != .missing && version.canGrow ? nil : now.rawValue * 1000
  }

  enum Quota: Equatable {
    case sound
    /// Writes the number to both places.
    case write(Int64)
    /// Neither place has a valid number.
    case unknown
  }

  /// Decides on a quota. The string is the later value if it is a number. Otherwise the field is used.
  static func quota(field: StoredNumber, string: StoredNumber) -> Quota {
    if StoredNumber.isSoundQuota(field: field, string: string) { return .sound }
    return (string.number ?? field.number).map { .write($0) } ?? .unknown
  }
}
