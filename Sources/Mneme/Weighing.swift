/// Decides which neighbour of a query is served, and keeps what became of each.
///
/// The `deciding` nearest decide, 3 unless asked otherwise. Neighbours that are gone, expired, damaged or refused by the
/// validator do not count among these: the next nearest takes their place. The first below the threshold ends it.
struct Weighing {
  let vector: Embedding
  let namespace: Namespace
  let now: UnixTime
  let threshold: Double
  let minConfidence: Double
  let deciding: Int
  /// How many neighbours are reported when an explanation is wanted.
  let reporting: Int
  let validator: Validator

  /// The neighbours that were weighed, nearest first.
  private(set) var candidates: [Candidate] = []
  /// Of the one that is served.
  private(set) var similarity = 0.0
  private var isServed = false
  /// How many of those that decide were weighed.
  private var weighedCount = 0
  private var isBelowThreshold = false

  init(
    vector: Embedding, namespace: Namespace, now: UnixTime, threshold: Double, minConfidence: Double,
    deciding: Int, reporting: Int, validator: @escaping Validator
  ) {
    (self.vector, self.namespace, self.now) = (vector, namespace, now)
    (self.threshold, self.minConfidence, self.deciding) = (threshold, minConfidence, deciding)
    (self.reporting, self.validator) = (reporting, validator)
  }

  /// Whether one is served, or none will be.
  var isDecided: Bool { isServed || isBelowThreshold || weighedCount >= deciding }

  /// - Parameter explaining: the neighbours behind the decision are wanted too.
  func isDone(explaining: Bool) -> Bool {
    isDecided && (!explaining || candidates.count >= reporting)
  }

  /// Goes through entries, nearest first, ties by id. The entry's own embedding has the last word over the index, which
  /// may be older.
  /// - Returns: the place of the entry that is to be served, if it is among them.
  mutating func weigh(_ entries: [StoredEntry?], ids: [EntryID]) -> Int? {
    let ranked = entries.enumerated().map { place, entry in
      // An id names one question for ever, but a damaged or hostile store may move it to another namespace.
      let entry = entry.flatMap { $0.namespace == namespace ? $0 : nil }
      // A vector with a NaN, which Python stores without a word, is near nothing.
      let similarity = entry?.embedding.dot(vector) ?? -1
      return (place: place, similarity: similarity.isFinite ? similarity : -1, entry: entry)
    }.sorted { ($1.similarity, ids[$0.place]) < ($0.similarity, ids[$1.place]) }
    var served: Int?
    for neighbour in ranked where !isDecided || candidates.count < reporting {
      let age = neighbour.entry?.age(at: now) ?? Seconds(0)
      var candidate = Candidate(
        id: ids[neighbour.place], query: neighbour.entry?.query ?? "", similarity: neighbour.similarity,
        confidence: Confidence.of(similarity: neighbour.similarity, age: age), age: age, verdict: .gone)
      if let entry = neighbour.entry {
        candidate.verdict = verdict(on: entry, candidate)
        if candidate.confidence < minConfidence {
          candidate.lowConfidenceSince = Confidence.age(
            belowCutoff: minConfidence, similarity: neighbour.similarity
          ).map { entry.createdAt + $0 }
        }
      }
      if decide(&candidate) {
        served = neighbour.place
        similarity = neighbour.similarity
      }
      candidates.append(candidate)
    }
    return served
  }

  private func verdict(on entry: StoredEntry, _ candidate: Candidate) -> Candidate.Verdict {
    if candidate.similarity < threshold { return .belowThreshold }
    if entry.isExpired(at: now) { return .expired }
    if !validator(entry.response) { return .refused }
    return candidate.confidence < minConfidence ? .lowConfidence : .served
  }

  /// - Returns: whether the candidate is served. If it could be, and is not, its verdict says why.
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
    case .lowConfidence: if !isDecided { weighedCount += 1 }
    case .belowThreshold: isBelowThreshold = true
    case .expired, .refused, .gone, .notNeeded, .notWeighed: break
    }
    return false
  }

  /// - Parameter isEmpty: the namespace has nothing to compare with.
  func missReason(isEmpty: Bool) -> MissReason {
    if candidates.contains(where: { $0.verdict == .lowConfidence }) { return .lowConfidence }
    guard let first = candidates.first else { return isEmpty ? .noMatch : .belowThreshold }
    return first.verdict == .belowThreshold ? .belowThreshold : .noMatch
  }
}
