import Glibc
import Mneme

/// Entries and all that points at them, on a view that stands still.
///
/// A writer changes an entry and its places in the indexes in one transaction, and each change shows in the fields
/// that `EntryQuestion.appendHead` asks for (a use raises `access_count`). So where these fields are the same before
/// and after the indexes were asked, all of it was as it stood at one moment.
extension CheckRun {
  /// What is known of a suspect before its places can be asked for.
  private struct Assumption {
    var suspect: EntrySuspect
    /// Where the entry says that it belongs; the claimant's where it says nothing.
    var namespace: Namespace
    var queryHash: String
  }

  /// The answers about one suspect.
  private struct Testimony {
    var reading: EntryReading
    var byID: Reply
    var lru: Reply
    var byTTL: [Reply]
    var hashKey: Reply
    var isListed: Reply
    var expiries: [Reply]
    var claimantLRU: Reply
    var claimantTTL: Reply
  }

  /// In this order: the head, the entry, its places, the head again.
  private static let testimonyCount = 1 + EntryQuestion.count + 10 + 1

  func judge(entries suspects: [EntrySuspect]) throws -> [[CacheProblem]] {
    var verdicts = [[CacheProblem]](repeating: [], count: suspects.count)
    try store.inSlices(suspects, of: Batch.examined) { slice in
      for (place, verdict) in try zip(slice.indices, judge(batch: Array(slice))) {
        verdicts[place] = verdict
      }
    }
    return verdicts
  }

  private func judge(batch suspects: [EntrySuspect]) throws -> [[CacheProblem]] {
    guard !suspects.isEmpty else { return [] }
    let heads = try ask {
      for suspect in suspects { EntryQuestion.appendHead(of: layout.entry(suspect.id), to: &$0) }
    }
    var pending = suspects.indices.map { ($0, assumption(about: suspects[$0], heads[$0])) }
    var settled: [(place: Int, assumption: Assumption, testimony: Testimony)] = []
    // Who is written to faster than it can be read is in use, and will be met again.
    for attempt in 0..<8 where !pending.isEmpty {
      if attempt > 0 { usleep(UInt32(1000 << attempt)) }
      let replies = try ask { for (_, assumption) in pending { appendQuestions(about: assumption, to: &$0) } }
      var moving: [(Int, Assumption)] = []
      for (offset, (place, assumption)) in pending.enumerated() {
        let first = offset * Self.testimonyCount
        let last = replies[first + Self.testimonyCount - 1]
        if Self.isSame(replies[first], last), isStill(assumption, last) {
          settled.append((place, assumption, testimony(replies, from: first)))
        } else {
          moving.append((place, self.assumption(about: assumption.suspect, last)))
        }
      }
      pending = moving
    }
    let rivals = try rivals(of: settled.map { ($0.assumption, $0.testimony) })
    let flaws = try flaws(of: settled.map { ($0.assumption.suspect.id, $0.testimony.reading) })
    var verdicts = [[CacheProblem]](repeating: [], count: suspects.count)
    for (settled, (rival, flaw)) in zip(settled, zip(rivals, flaws)) {
      verdicts[settled.place] = problems(of: settled.assumption, settled.testimony, rival, flaw)
    }
    return verdicts
  }

  private func assumption(about suspect: EntrySuspect, _ head: Reply) -> Assumption {
    let namespace = head[0].string.flatMap { try? Namespace($0) }
    return Assumption(
      suspect: suspect, namespace: namespace ?? suspect.claimant ?? .default,
      queryHash: head[1].string ?? "")
  }

  private func isStill(_ assumption: Assumption, _ head: Reply) -> Bool {
    let now = self.assumption(about: assumption.suspect, head)
    return now.namespace == assumption.namespace
      && now.queryHash.utf8.elementsEqual(assumption.queryHash.utf8)
  }

  static func isSame(_ a: Reply, _ b: Reply) -> Bool {
    a.count == b.count && a.isNull == b.isNull
      && zip(a.elements, b.elements).allSatisfy { $0.isNull == $1.isNull && $0.bytes == $1.bytes }
  }

  // MARK: Questions

  private func appendQuestions(about assumption: Assumption, to pipeline: inout Pipeline) {
    let id = assumption.suspect.id
    let claimant = assumption.suspect.claimant ?? assumption.namespace
    let entry = layout.entry(id)
    let hashKey = layout.hash(assumption.namespace, assumption.queryHash)
    EntryQuestion.appendHead(of: entry, to: &pipeline)
    EntryQuestion.append(entry, to: &pipeline)
    pipeline.append("ZSCORE", layout.byID, id.member)
    pipeline.append("ZSCORE", layout.lru(assumption.namespace), id.member)
    pipeline.append("ZSCORE", layout.byTTL, id.member)
    pipeline.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(assumption.namespace, id))
    pipeline.append("GET", hashKey)
    pipeline.append("SISMEMBER", layout.namespaces, assumption.namespace.name)
    for key in [entry, hashKey] {
      // A question that every server knows holds the place.
      if tellsExpiry { pipeline.append("PEXPIRETIME", key) } else { pipeline.append("PTTL", key) }
    }
    pipeline.append("ZSCORE", layout.lru(claimant), id.member)
    pipeline.append("ZSCORE", layout.byTTL, KeyLayout.pythonTTLMember(claimant, id))
    EntryQuestion.appendHead(of: entry, to: &pipeline)
  }

  private func testimony(_ replies: Replies, from first: Int) -> Testimony {
    let places = first + 1 + EntryQuestion.count
    return Testimony(
      reading: EntryQuestion.reading(replies, from: first + 1), byID: replies[places],
      lru: replies[places + 1], byTTL: [replies[places + 2], replies[places + 3]],
      hashKey: replies[places + 4], isListed: replies[places + 5],
      expiries: [replies[places + 6], replies[places + 7]], claimantLRU: replies[places + 8],
      claimantTTL: replies[places + 9])
  }

  /// The entry that the exact layer has instead.
  private enum Rival { case none, ofSameQuery(EntryID), ofNoSuchQuery }

  private func rivals(of settled: [(Assumption, Testimony)]) throws -> [Rival] {
    let named = settled.map { assumption, testimony -> EntryID? in
      guard case .sound = testimony.reading else { return nil }
      return EntryID(member: testimony.hashKey.bytes).flatMap { $0 == assumption.suspect.id ? nil : $0 }
    }
    let heads = try ask {
      for case let id? in named { EntryQuestion.appendHead(of: layout.entry(id), to: &$0) }
    }
    var next = heads.startIndex
    return zip(settled, named).map { settled, id in
      guard let id else { return .none }
      defer { next += 1 }
      let isSame =
        heads[next][0].bytes.elementsEqual(settled.0.namespace.name.utf8)
        && heads[next][1].bytes.elementsEqual(settled.0.queryHash.utf8)
      return isSame ? .ofSameQuery(id) : .ofNoSuchQuery
    }
  }

  /// What is wrong with the vectors themselves, which are read by themselves: nothing else must agree with them.
  private func flaws(of readings: [(EntryID, EntryReading)]) throws -> [Embedding.Flaw?] {
    let asked = readings.map { _, reading in
      if case .sound(let facts) = reading { hasReadableVector(facts) } else { false }
    }
    let vectors = try ask {
      for case ((let id, _), true) in zip(readings, asked) {
        $0.append("HGET", layout.entry(id), EntryField.embedding)
      }
    }
    var next = vectors.startIndex
    return asked.map { isAsked in
      guard isAsked else { return nil }
      defer { next += 1 }
      return vectors[next].withBytes { Embedding.Flaw(in: $0) }
    }
  }

  // MARK: Verdicts

  private func problems(
    of assumption: Assumption, _ testimony: Testimony, _ rival: Rival, _ flaw: Embedding.Flaw?
  ) -> [CacheProblem] {
    let (id, claimant) = (assumption.suspect.id, assumption.suspect.claimant)
    switch testimony.reading {
    case .absent: return leftover(assumption, testimony)
    case .otherType:
      return [CacheProblem(.wrongType, layout.entry(id), id: id, "The key of entry \(id) is no hash.")]
    case .damaged(let why):
      return [
        CacheProblem(
          .damagedEntry, layout.entry(id), id: id,
          namespace: Self.mayTell(testimony) ? assumption.namespace : claimant, "Entry \(id) \(why).")
      ]
    case .sound(let facts):
      return own(id, facts, flaw) + places(id, facts, testimony, rival)
        + strays(id, facts, claimant, testimony)
        + early(id, facts, testimony)
    }
  }

  /// Whether a damaged entry's namespace is known at all.
  private static func mayTell(_ testimony: Testimony) -> Bool {
    !testimony.lru.isNull && testimony.lru.kind != .error
  }

  private func leftover(_ assumption: Assumption, _ testimony: Testimony) -> [CacheProblem] {
    let (id, claimant) = (assumption.suspect.id, assumption.suspect.claimant)
    func lists(_ replies: Reply...) -> Bool { replies.contains { Self.score($0) != nil } }
    let lists = [
      lists(testimony.byID) ? "by_id" : nil,
      lists(testimony.byTTL[0], testimony.byTTL[1], testimony.claimantTTL) ? "by_ttl" : nil,
      claimant.flatMap { lists(testimony.claimantLRU) ? "lru:\($0)" : nil },
    ].compactMap(\.self)
    guard !lists.isEmpty else { return [] }
    let verb = lists.count == 1 ? "lists" : "list"
    return [
      CacheProblem(
        .leftover, layout.entry(id), id: id, namespace: claimant,
        "\(lists.joined(separator: " and ")) \(verb) entry \(id), which is not there.")
    ]
  }

  private func own(_ id: EntryID, _ facts: EntryFacts, _ flaw: Embedding.Flaw?) -> [CacheProblem] {
    func problem(_ kind: CacheProblem.Kind, _ detail: String) -> CacheProblem {
      CacheProblem(kind, layout.entry(id), id: id, namespace: facts.namespace, detail)
    }
    var problems: [CacheProblem] = []
    if !facts.isUseReadable {
      let fields = [
        facts.lastAccessedAt == nil ? EntryField.lastAccessedAt : nil,
        facts.isAccessCountReadable ? nil : EntryField.accessCount,
      ].compactMap(\.self)
      problems.append(
        problem(
          .unreadableUse,
          "Entry \(id) has no whole number in \(fields.joined(separator: " and in ")), and is not served."))
    }
    if !fitsCache(facts) {
      let right = embeddingBytes.map { "not \($0)" } ?? "which is no number of float32s"
      problems.append(
        problem(.wrongEmbedding, "The vector of entry \(id) has \(facts.embeddingBytes) bytes, \(right)."))
    }
    if let flaw {
      let what =
        switch flaw {
        case .allZeros: "is all zeros and has no direction"
        case .notFinite: "has a component that is no finite number"
        case .length(let length): "has the length \(Float(length)), not 1"
        }
      problems.append(problem(.incomparableEmbedding, "The vector of entry \(id) \(what)."))
    }
    if !facts.queryHashFits {
      problems.append(problem(.wrongQueryHash, "The query_hash of entry \(id) is not that of its query."))
    }
    return problems
  }

  private func places(
    _ id: EntryID, _ facts: EntryFacts, _ testimony: Testimony, _ rival: Rival
  ) -> [CacheProblem] {
    var problems: [CacheProblem] = []
    func add(_ kind: CacheProblem.Kind, _ key: Key, _ detail: String) {
      problems.append(CacheProblem(kind, key, id: id, namespace: facts.namespace, detail))
    }
    let name = facts.namespace.name
    switch Place(testimony.byID, expected: id.rawValue) {
    case .right: break
    case .missing: add(.wrongByID, layout.byID, "by_id lacks entry \(id).")
    case .wrong(let score): add(.wrongByID, layout.byID, "by_id has entry \(id) at \(score).")
    }
    if let lastUse = facts.lastAccessedAt {
      switch Place(testimony.lru, expected: lastUse) {
      case .right: break
      case .missing: add(.wrongLRU, layout.lru(facts.namespace), "lru:\(name) lacks entry \(id).")
      case .wrong(let score):
        add(
          .wrongLRU, layout.lru(facts.namespace),
          "lru:\(name) has entry \(id) at \(score), and it was last used at \(lastUse).")
      }
    }
    if let detail = wrongTTL(id, facts, testimony.byTTL) { add(.wrongByTTL, layout.byTTL, detail) }
    let hashKey = layout.hash(facts.namespace, facts.queryHash)
    switch rival {
    case .ofSameQuery(let other):
      add(.shadowedEntry, layout.entry(id), "Entry \(id) is shadowed: its query leads to entry \(other).")
    case .ofNoSuchQuery:
      add(.missingHashKey, hashKey, "The hash key of entry \(id) leads to no entry of its query.")
    case .none:
      let pointer = testimony.hashKey
      if pointer.isNull {
        add(.missingHashKey, hashKey, "Entry \(id) has no hash key.")
      } else if pointer.kind == .string, EntryID(member: pointer.bytes) == nil {
        add(.missingHashKey, hashKey, "The hash key of entry \(id) holds no id.")
      }
    }
    if testimony.isListed.integer == 0 {
      add(.unlistedNamespace, layout.namespaces, "namespaces lacks '\(name)', which has entries.")
    }
    return problems
  }

  /// Where an index has an entry. An index of another type is a problem of its own, and of no entry.
  private enum Place {
    case right, missing
    case wrong(String)

    init(_ score: Reply, expected: Int64) {
      switch score.kind {
      case .null: self = .missing
      case .error: self = .right
      default:
        self = CheckRun.score(score) == Double(expected) ? .right : .wrong(score.string ?? "?")
      }
    }
  }

  /// Either form of the member will do, and both; none may say something else.
  private func wrongTTL(_ id: EntryID, _ facts: EntryFacts, _ members: [Reply]) -> String? {
    guard !members.contains(where: { $0.kind == .error }) else { return nil }
    let scores = members.filter { !$0.isNull }
    guard let expiry = facts.expiresAt else {
      return scores.isEmpty ? nil : "by_ttl lists entry \(id), which never expires."
    }
    if scores.isEmpty { return "by_ttl lacks entry \(id), which expires at \(expiry.rawValue)." }
    guard let wrong = scores.first(where: { Self.score($0) != Double(expiry.rawValue) }) else { return nil }
    return "by_ttl has entry \(id) at \(wrong.string ?? "?"), and it expires at \(expiry.rawValue)."
  }

  private func strays(
    _ id: EntryID, _ facts: EntryFacts, _ claimant: Namespace?, _ testimony: Testimony
  ) -> [CacheProblem] {
    guard let claimant, claimant != facts.namespace else { return [] }
    let lists = [
      (layout.lru(claimant), "lru:\(claimant)", testimony.claimantLRU),
      (layout.byTTL, "by_ttl", testimony.claimantTTL),
    ]
    return lists.filter { Self.score($0.2) != nil }.map { key, name, _ in
      CacheProblem(
        .strayMember, key, id: id, namespace: claimant,
        "\(name) lists entry \(id) for '\(claimant)'; it belongs to '\(facts.namespace)'.")
    }
  }

  private func early(_ id: EntryID, _ facts: EntryFacts, _ testimony: Testimony) -> [CacheProblem] {
    let keys = [layout.entry(id), layout.hash(facts.namespace, facts.queryHash)]
    for (place, (key, expiry)) in zip(keys, testimony.expiries).enumerated() {
      guard let moment = expiry.integer, moment >= 0 else { continue }
      // Who does not tell the moment tells that there is one.
      guard facts.expiresAt == nil || tellsExpiry && moment / 1000 + 1 < facts.expiry else { continue }
      let what = place == 0 ? "entry \(id)" : "the hash key of entry \(id)"
      let late =
        facts.expiresAt.map { "at \(moment / 1000), and it lives until \($0.rawValue)" }
        ?? "which never expires"
      return [
        CacheProblem(
          .earlyExpiry, key, id: id, namespace: facts.namespace,
          "Redis will take \(what)\(facts.expiresAt == nil ? "," : "") \(late).")
      ]
    }
    return []
  }
}
