/// The decision which neighbour of a query is served, with a verdict on each.
///
/// The `deciding` nearest neighbours decide, by default 3. Neighbours that are gone, expired, damaged or refused by the
/// validator are replaced by the next nearest. The first neighbour below the threshold ends the search.
struct Weighing {
  let vector: Embedding
  let namespace: Namespace
  let now: UnixTime
  let threshold: Double
  let minConfidence: Double
  let deciding: Int
  /// The number of neighbours in an explanation.
  let reporting: Int
  let validator: Validator
  /// The entry of the query itself, which was served already.
  let exact: EntryID?

  /// The neighbours that were weighed, nearest first.
  private(set) var candidates: [Candidate] = []
  /// The similarity of the neighbour that is served.
  private(set) var similarity = 0.0
  private var isServed = false
  /// The number of deciding neighbours that were weighed.
  private var weighedCount = 0
  private var isBelowThreshold = false
  /// Whether an entry that was near enough could not be read.
  var hasMetDamage = false

  init(
    vector: Embedding, namespace: Namespace, now: UnixTime, threshold: Double, minConfidence: Double,
    deciding: Int, reporting: Int, validator: @escaping Validator, exact: EntryID?
  ) {
    (self.vector, self.namespace, self.now) = (vector, namespace, now)
    (self.threshold, self.minConfidence, self.deciding) = (threshold, minConfidence, deciding)
    (self.reporting, self.validator, self.exact) = (reporting, validator, exact)
    isServed = exact != nil
  }

  /// Whether one is served, or none will be.
  var isDecided: Bool { isServed || isBelowThreshold || weighedCount >= deciding }

  /// - Parameter explaining: the neighbours behind the decision are wanted too.
  func isDone(explaining: Bool) -> Bool {
    isDecided && (!explaining || candidates.count >= reporting)
  }

  /// Weighs entries, nearest first, ties by id. The entry's own embedding overrides the index, which may be older.
  /// - Returns: the place of the entry to serve, if it is among them.
  mutating func weigh(_ entries: [StoredEntry?], ids: [EntryID]) -> Int? {
    let ranked = entries.enumerated().map { place, entry in
      // An id belongs to one query for ever, but in a damaged store its entry may be in another namespace.
      let entry = entry.flatMap { $0.namespace == namespace ? $0 : nil }
      // A vector with a NaN, which Python stores without an error, is not near to any other.
      let similarity = entry?.embedding.dot(vector) ?? -1
      return (place: place, similarity: similarity.isFinite ? similarity : -1, entry: entry)
    }.sorted { ($1.similarity, ids[$0.place]) < ($0.similarity, ids[$1.place]) }
    var served: Int?
    for neighbour in ranked where !isDecided || candidates.count < reporting {
      var candidate = candidate(
        ids[neighbour.place], neighbour.entry.map(EntryOutline.init), similarity: neighbour.similarity)
      if let entry = neighbour.entry, [.served, .tooOld, .lowConfidence].contains(candidate.verdict),
        !validator(entry.response)
      {
        candidate.verdict = .refused
      }
      if decide(&candidate) {
        served = neighbour.place
        similarity = Self.bounded(neighbour.similarity)
      }
      candidates.append(candidate)
    }
    return served
  }

  /// Adds a neighbour after those that decide. Its response is not read, so the verdict does not cover it.
  mutating func add(_ outline: EntryOutline?, _ neighbour: Neighbours.Neighbour) {
    let outline = outline.flatMap { $0.namespace == namespace ? $0 : nil }
    var candidate = candidate(neighbour.id, outline, similarity: outline == nil ? -1 : neighbour.similarity)
    if candidate.id == exact {
      candidate.verdict = .served
    } else {
      _ = decide(&candidate)
    }
    candidates.append(candidate)
  }

  /// A similarity as it is reported. Rounding makes that of equal vectors a little more than 1.
  private static func bounded(_ similarity: Double) -> Double { min(1, max(-1, similarity)) }

  /// Makes a candidate with the verdict that it has independent of its response and of nearer neighbours.
  private func candidate(_ id: EntryID, _ entry: EntryOutline?, similarity: Double) -> Candidate {
    let similarity = Self.bounded(similarity)
    guard let entry else {
      return Candidate(
        id: id, query: "", similarity: similarity, confidence: similarity, age: Seconds(0), verdict: .gone)
    }
    let age = max(Seconds(0), now - entry.createdAt)
    var candidate = Candidate(
      id: id, query: entry.query, similarity: similarity,
      confidence: Confidence.of(similarity: similarity, age: age), age: age, verdict: .served)
    candidate.expiresAt = entry.expiresAt
    candidate.accessCount = entry.accessCount
    if candidate.confidence < minConfidence {
      candidate.lowConfidenceSince = Confidence.age(belowCutoff: minConfidence, similarity: similarity)
        .map { entry.createdAt + $0 }
      candidate.verdict = similarity < minConfidence ? .lowConfidence : .tooOld
    }
    if let expiresAt = entry.expiresAt, now >= expiresAt { candidate.verdict = .expired }
    if similarity < threshold { candidate.verdict = .belowThreshold }
    return candidate
  }

  /// - Returns: whether the candidate is served. If it is not, its verdict gives the reason.
  private mutating func decide(_ candidate: inout Candidate) -> Bool {
    switch candidate.verdict {
    case .served:
      guard !isDecided else {
        candidate.verdict = isServed ? .notNeeded : .notWeighed
        return false
      }
      weighedCount += 1
      isServed = true
      return true
    case .lowConfidence, .tooOld: if !isDecided { weighedCount += 1 }
    case .belowThreshold: isBelowThreshold = true
    case .expired, .refused, .gone, .notNeeded, .notWeighed: break
    }
    return false
  }

  /// - Parameter isEmpty: the namespace has nothing to compare with.
  func missReason(isEmpty: Bool) -> MissReason {
    if candidates.contains(where: { [.lowConfidence, .tooOld].contains($0.verdict) }) {
      return .lowConfidence
    }
    if hasMetDamage || candidates.contains(where: { [.expired, .refused].contains($0.verdict) }) {
      return .notServable
    }
    return isEmpty ? .noMatch : .belowThreshold
  }
}
