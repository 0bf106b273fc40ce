import Mneme

/// An entry to be examined.
struct EntryCandidate: Hashable, Sendable {
  var id: EntryID
  /// The namespace whose index lists it; nil if it was found in another way.
  var claimant: Namespace?
}

/// An entry with the keys and members that name it, at one moment.
struct EntryView {
  var candidate: EntryCandidate
  /// The namespace in the entry; that of the index if the entry has none.
  var namespace: Namespace
  var reading: EntryReading
  /// The fault of the vector's numbers; nil if there is none.
  var flaw: Embedding.Flaw?
  var byID = IndexPlace.missing
  var lru = IndexPlace.missing
  /// The two forms of its member: the id, and the form of the Python library.
  var byTTL = [IndexPlace.missing, .missing]
  var pointer = Pointer.missing
  /// Whether its namespace is listed; nil if `namespaces` has another type.
  var isListed: Bool?
  /// The expiry of the key in Redis, in milliseconds: the time if the server reports it, else the time left.
  var entryExpiry: Int64?
  var hashKeyExpiry: Int64?
  /// The index members for the claimant, if that is another namespace than the entry's.
  var claimantLRU = IndexPlace.missing
  var claimantTTL = IndexPlace.missing

  /// The value of the `hash:` key of the entry's query.
  enum Pointer: Equatable {
    case right, missing, noID
    /// The key has another type, which is reported as such.
    case unreadable
    /// Another entry, whose query is not known yet.
    case other(EntryID)
    case ofSameQuery(EntryID)
    case ofAnotherQuery
  }
}

/// The place of a member in an index.
enum IndexPlace: Equatable, Sendable {
  case missing
  /// The index has another type, which is reported as such and not for the entry.
  case unreadable
  case at(String)

  init(_ score: Reply) {
    switch score.kind {
    case .null: self = .missing
    case .error: self = .unreadable
    default: self = .at(score.string ?? "?")
    }
  }

  var score: Double? { if case .at(let score) = self { Double(score) } else { nil } }

  func isAt(_ number: Int64) -> Bool { score == Double(number) }
}

/// The values that entries of a cache are checked against.
struct EntryStandard {
  let layout: KeyLayout
  /// The length of every vector in bytes; nil if `meta` has no dimension.
  var embeddingBytes: Int?
  /// Whether the server reports the expiry time of a key (from version 7 on).
  var tellsExpiry = false
  /// The latest time that a clock which is ahead explains. Later times are reported.
  var latestTime = UnixTime(.max)

  func fitsCache(_ length: Int) -> Bool {
    embeddingBytes.map { $0 == length } ?? (length % 4 == 0)
  }

  /// The longest vector that is read if `meta` has no dimension.
  private static let longestVector = 1 << 16

  /// Whether a vector of this length is read. A vector of a wrong length is already a problem, and may have any size.
  func isReadableVector(_ length: Int) -> Bool {
    length > 0 && fitsCache(length) && length <= embeddingBytes ?? Self.longestVector
  }

  // MARK: Problems

  /// The problems of an entry and of the index members that name it.
  func problems(of view: EntryView) -> [CacheProblem] {
    let (id, claimant) = (view.candidate.id, view.candidate.claimant)
    switch view.reading {
    case .absent: return leftover(view)
    case .otherType:
      return [CacheProblem(.wrongType, layout.entry(id), id: id, "The key of entry \(id) is not a hash.")]
    case .damaged(let why):
      // The entry's own namespace lists it in its `lru`.
      let isListed = if case .at = view.lru { true } else { false }
      return [
        CacheProblem(
          .damagedEntry, layout.entry(id), id: id, namespace: isListed ? view.namespace : claimant,
          "Entry \(id) \(why).")
      ]
    case .sound(let facts):
      return own(view, facts) + places(view, facts) + strays(view, facts) + early(view, facts)
    }
  }

  private func leftover(_ view: EntryView) -> [CacheProblem] {
    let (id, claimant) = (view.candidate.id, view.candidate.claimant)
    func lists(_ places: [IndexPlace]) -> Bool { places.contains { $0.score != nil } }
    let lists = [
      lists([view.byID]) ? "by_id" : nil, lists(view.byTTL) ? "by_ttl" : nil,
      claimant.flatMap { lists([view.lru]) ? "lru:\($0)" : nil },
    ].compactMap(\.self)
    guard !lists.isEmpty else { return [] }
    let verb = lists.count == 1 ? "lists" : "list"
    return [
      CacheProblem(
        .leftover, layout.entry(id), id: id, namespace: claimant,
        "\(lists.joined(separator: ", ")) \(verb) entry \(id), which does not exist.")
    ]
  }

  private func own(_ view: EntryView, _ facts: EntryFacts) -> [CacheProblem] {
    let id = view.candidate.id
    var problems: [CacheProblem] = []
    func add(_ kind: CacheProblem.Kind, _ detail: String) {
      problems.append(CacheProblem(kind, layout.entry(id), id: id, namespace: facts.namespace, detail))
    }
    if !facts.isUseReadable {
      let fields = [
        facts.lastAccessedAt == nil ? EntryField.lastAccessedAt : nil,
        facts.isAccessCountReadable ? nil : EntryField.accessCount,
      ].compactMap(\.self)
      add(
        .unreadableUse,
        "Entry \(id) has no whole number in \(fields.joined(separator: " and in ")), and is not served.")
    }
    if !fitsCache(facts.embeddingBytes) {
      let right = embeddingBytes.map { "not \($0)" } ?? "which is not a number of float32s"
      add(.wrongEmbedding, "The vector of entry \(id) has \(facts.embeddingBytes) bytes, \(right).")
    }
    if let flaw = view.flaw {
      let what =
        switch flaw {
        case .allZeros: "is all zeros and has no direction"
        case .notFinite: "has a component that is not a finite number"
        case .length(let length): "has the length \(Float(length)), not 1"
        }
      add(.incomparableEmbedding, "The vector of entry \(id) \(what).")
    }
    if let obstacle = facts.pythonObstacle { add(.unreadableByPython, "Entry \(id) \(obstacle).") }
    let latest = max(facts.createdAt, UnixTime(facts.lastAccessedAt ?? .min))
    if latest > latestTime {
      add(
        .futureEntry, "Entry \(id) was put or used at \(latest.rawValue), which is more than a day from now.")
    }
    if !facts.queryHashFits {
      add(.wrongQueryHash, "The query_hash of entry \(id) is not that of its query.")
    }
    return problems
  }

  private func places(_ view: EntryView, _ facts: EntryFacts) -> [CacheProblem] {
    let (id, name) = (view.candidate.id, facts.namespace.name)
    var problems: [CacheProblem] = []
    func add(_ kind: CacheProblem.Kind, _ key: Key, _ detail: String) {
      problems.append(CacheProblem(kind, key, id: id, namespace: facts.namespace, detail))
    }
    switch view.byID {
    case .unreadable: break
    case .missing: add(.wrongByID, layout.byID, "by_id lacks entry \(id).")
    case .at(let score):
      if !view.byID.isAt(id.rawValue) { add(.wrongByID, layout.byID, "by_id has entry \(id) at \(score).") }
    }
    if let lastUse = facts.lastAccessedAt {
      switch view.lru {
      case .unreadable: break
      case .missing: add(.wrongLRU, layout.lru(facts.namespace), "lru:\(name) lacks entry \(id).")
      case .at(let score):
        if !view.lru.isAt(lastUse) {
          add(
            .wrongLRU, layout.lru(facts.namespace),
            "lru:\(name) has entry \(id) at \(score), and it was last used at \(lastUse).")
        }
      }
    }
    if let detail = wrongTTL(view, facts) { add(.wrongByTTL, layout.byTTL, detail) }
    let hashKey = layout.hash(facts.namespace, facts.queryHash)
    switch view.pointer {
    case .right, .unreadable, .other: break
    case .missing: add(.missingHashKey, hashKey, "Entry \(id) has no hash key.")
    case .noID: add(.missingHashKey, hashKey, "The hash key of entry \(id) does not hold an id.")
    case .ofSameQuery(let other):
      add(.shadowedEntry, layout.entry(id), "Entry \(id) is shadowed: its query leads to entry \(other).")
    case .ofAnotherQuery:
      add(.missingHashKey, hashKey, "The hash key of entry \(id) leads to no entry of its query.")
    }
    if view.isListed == false {
      add(.unlistedNamespace, layout.namespaces, "namespaces lacks '\(name)', which has entries.")
    }
    return problems
  }

  /// Returns the problem of the entry in `by_ttl`. Either form of the member is enough, and both are allowed, but each
  /// must have the right score.
  private func wrongTTL(_ view: EntryView, _ facts: EntryFacts) -> String? {
    let id = view.candidate.id
    guard !view.byTTL.contains(.unreadable) else { return nil }
    let listed = view.byTTL.filter { $0 != .missing }
    guard let expiry = facts.expiresAt else {
      return listed.isEmpty ? nil : "by_ttl lists entry \(id), which never expires."
    }
    if listed.isEmpty { return "by_ttl lacks entry \(id), which expires at \(expiry.rawValue)." }
    for case .at(let score) in listed where Double(score) != Double(expiry.rawValue) {
      return "by_ttl has entry \(id) at \(score), and it expires at \(expiry.rawValue)."
    }
    return nil
  }

  private func strays(_ view: EntryView, _ facts: EntryFacts) -> [CacheProblem] {
    let id = view.candidate.id
    guard let claimant = view.candidate.claimant, claimant != facts.namespace else { return [] }
    let lists = [
      (layout.lru(claimant), "lru:\(claimant)", view.claimantLRU),
      (layout.byTTL, "by_ttl", view.claimantTTL),
    ]
    return lists.filter { $0.2.score != nil }.map { key, name, _ in
      CacheProblem(
        .strayMember, key, id: id, namespace: claimant,
        "\(name) lists entry \(id) for '\(claimant)'; it belongs to '\(facts.namespace)'.")
    }
  }

  private func early(_ view: EntryView, _ facts: EntryFacts) -> [CacheProblem] {
    let id = view.candidate.id
    let keys = [
      (layout.entry(id), "entry \(id)", view.entryExpiry),
      (layout.hash(facts.namespace, facts.queryHash), "the hash key of entry \(id)", view.hashKeyExpiry),
    ]
    for case (let key, let what, let moment?) in keys {
      // If the server does not report the time of expiry, it reports that there is one.
      guard let expiry = facts.expiresAt else {
        return [
          CacheProblem(
            .earlyExpiry, key, id: id, namespace: facts.namespace,
            "Redis will expire \(what), although the entry never expires.")
        ]
      }
      guard tellsExpiry, moment / 1000 + 1 < expiry.rawValue else { continue }
      return [
        CacheProblem(
          .earlyExpiry, key, id: id, namespace: facts.namespace,
          "Redis will expire \(what) at \(moment / 1000), before the time of the entry, \(expiry.rawValue).")
      ]
    }
    return []
  }
}
