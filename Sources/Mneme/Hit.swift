/// An answer served from the cache.
///
/// The description shows neither query nor response.
public struct Hit: Sendable, CustomStringConvertible {
  /// The way in which an entry was found.
  public enum Layer: String, Sendable, CaseIterable {
    case exact, semantic
  }

  /// The id of the entry that is served.
  public var id: EntryID
  /// The way in which it was found.
  public var layer: Layer
  /// Cosine similarity of the queries' embeddings; 1 for an exact hit.
  public var similarity: Double
  /// `Confidence.of(similarity:age:)`.
  public var confidence: Double
  /// The time since it was put; never negative.
  public var age: Seconds
  /// The namespace of the entry.
  public var namespace: Namespace
  /// The query under which the answer was stored.
  public var query: String
  /// The response, byte for byte if it is valid UTF-8.
  public var response: String
  /// The bytes of a response that is not valid UTF-8, which only other programs store. `response` then has U+FFFD for
  /// invalid bytes.
  package var rawResponse: [UInt8]?
  /// A JSON object, as it was stored.
  public var metadata: String

  public var description: String {
    "Hit(id: \(id), layer: \(layer), similarity: \(similarity), response: \(response.utf8.count) bytes)"
  }
}

/// The reasons why nothing was served.
public enum MissReason: String, Sendable, CaseIterable {
  /// The namespace has no vectors to compare with.
  case noMatch = "no_match"
  /// The nearest question is less similar than the threshold.
  case belowThreshold = "below_threshold"
  /// Similar enough, but too old for the required confidence.
  case lowConfidence = "low_confidence"
  /// Similar enough, but expired, damaged, or with a response that the validator refuses.
  case notServable = "not_servable"
  /// The embedder failed; the warning says how.
  case embedderFailure = "embedder_failure"
  /// There is no embedder for this cache's vectors, so only exact hits can be served.
  case noEmbedder = "no_embedder"
  /// The caller asked for a miss.
  case bypass
}

/// A neighbour that a lookup weighed.
public struct Candidate: Sendable {
  /// The outcome for a candidate.
  public enum Verdict: String, Sendable, CaseIterable {
    case served
    case belowThreshold = "below_threshold"
    /// Its confidence was high enough when it was put, and is not any more.
    case tooOld = "too_old"
    /// At this similarity even a new entry would not have the required confidence.
    case lowConfidence = "low_confidence"
    case expired
    case refused = "refused_by_validator"
    case gone
    /// Another entry was served. The response of this one was not checked.
    case notNeeded = "not_needed"
    /// It is not among the nearest entries that a lookup weighs. Its response was not checked.
    case notWeighed = "not_weighed"
  }

  /// The id of the entry.
  public var id: EntryID
  /// The query; empty if the entry is gone.
  public var query: String
  /// The cosine similarity to the query; -1 if the entry is gone.
  public var similarity: Double
  /// `Confidence.of(similarity:age:)`.
  public var confidence: Double
  /// The time since the entry was put.
  public var age: Seconds
  /// The outcome for the candidate.
  public var verdict: Verdict
  /// The time since which its confidence is too low; nil if it is not, or if the entry is gone.
  public var lowConfidenceSince: UnixTime?
  /// The time at which it expires; nil if it never does, or if the entry is gone.
  public var expiresAt: UnixTime?
  /// The number of times it was served; nil if the entry is gone.
  public var accessCount: Int64?
}

/// The outcome of a lookup, and the reasons for it.
public struct Lookup: Sendable {
  /// The answer; nil for a miss.
  public var hit: Hit?
  /// The reason of a miss; nil after a hit.
  public var missReason: MissReason?
  /// The neighbours that were weighed, nearest first; empty for an exact hit without an explanation.
  public var candidates: [Candidate] = []
  /// The errors of entries that could not be read and were skipped.
  public var damaged: [CorruptCacheError] = []
  /// Whether all vectors of the namespace were read and could not be kept in the directory for files, because the
  /// store has nothing that identifies it. A cache in Redis has that after the first search by a client that may
  /// write.
  public var isIndexUnproven = false
  /// The error of the embedder, if it failed.
  public var embedderFailure: (any Error)?
  /// The reason why the store did not record this lookup: it is full, or accepts no writes. The answer is still right.
  public var unrecorded: StoreBackendError?
}
