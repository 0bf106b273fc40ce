import Mneme

/// The decision of a repair, made from the values that it has read.

/// The places of an entry in the indexes, as they were read under `WATCH`.
struct EntryPlaces: Equatable {
  var byID: IndexPlace
  var lru: IndexPlace
  /// Under its id, and as the Python library writes it.
  var byTTL: [IndexPlace]
  var isListed: Bool
  var pointer: EntryView.Pointer
  /// Whether Redis itself will take the key.
  var entryExpires: Bool
  var hashKeyExpires: Bool

  /// Whether `by_id`, `lru`, `by_ttl` and `namespaces` say what the entry says.
  func areRight(for id: EntryID, _ facts: EntryFacts) -> Bool {
    // An index of another type is a problem of its own.
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
  /// The entry does not say when it was last used.
  var writesLastUse = false
  var resetsAccessCount = false
  var setsHashKey = false
  /// Gives the keys the time that the entry has.
  var renewsEntryExpiry = false
  var renewsHashKeyExpiry = false

  enum Decision: Equatable {
    case nothing
    /// Its query is answered from another entry: it is this one that is removed.
    case remove
    case write(EntryRepair)
  }

  /// - Parameter kind: what was found wrong with the entry.
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

/// The numbers that a repair writes; nil where the one that is there will do.
enum NumberRepair {
  /// - Parameter highest: the highest id in use.
  static func nextID(_ last: Int64?, highest: Int64) -> Int64? {
    last.map { $0 >= highest } ?? false ? nil : highest
  }

  /// Nothing tells what the version was, and a reader that follows it only sees that it has changed. A number that no
  /// cache comes to by counting is above it.
  static func version(_ version: StoredNumber, now: UnixTime) -> Int64? {
    version != .missing && version.canGrow ? nil : now.rawValue * 1000
  }

  enum Quota: Equatable {
    case sound
    /// Both places get it.
    case write(Int64)
    /// Neither place holds a number.
    case unknown
  }

  /// The string is the later word, where it is a number; else the field is.
  static func quota(field: StoredNumber, string: StoredNumber) -> Quota {
    if StoredNumber.isSoundQuota(field: field, string: string) { return .sound }
    return (string.number ?? field.number).map { .write($0) } ?? .unknown
  }
}
