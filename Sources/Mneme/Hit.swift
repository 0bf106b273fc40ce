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
  /// Since it was put; never negative.
  public var age: Seconds
  /// The namespace of the entry.
  public var namespace: Namespace
  /// The query under which the answer was stored.
  public var query: String
  /// The answer, to the byte where it is UTF-8.
  public var response: String
  /// The bytes of a response that is not UTF-8, which only other writers store. `response` then has U+FFFD for
  /// bad bytes.
  package var rawResponse: [UInt8]?
  /// A JSON object, as it was stored.
  public var metadata: String

  public var description: String {
    "Hit(id: \(id), layer: \(layer), similarity: \(similarity), response: \(response.utf8.count) bytes)"
  }
}

/// Why nothing was served.
public enum MissReason: String, Sendable, CaseIterable {
  /// The namespace has nothing to compare with.
  case noMatch = "no_match"
  /// The nearest question is less similar than the threshold.
  case belowThreshold = "below_threshold"
  /// Similar enough, but too old for the confidence that was asked for.
  case lowConfidence = "low_confidence"
  /// Similar enough, but expired, damaged, or with a response that the validator refuses.
  case notServable = "not_servable"
  /// The embedder failed; the warning says how.
  case embedderFailure = "embedder_failure"
  /// No embedder is at hand that makes this cache's vectors, so only exact hits can be served.
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
    /// Its confidence was enough when it was put, and is not any more.
    case tooOld = "too_old"
    /// Not even a new entry would be confident enough at this similarity.
    case lowConfidence = "low_confidence"
    case expired
    case refused = "refused_by_validator"
    case gone
    /// Another was served. Whether this one's response is fit to serve was not looked at.
    case notNeeded = "not_needed"
    /// It is not among the nearest few that a lookup weighs. Whether its response is fit to serve was not looked at.
    case notWeighed = "not_weighed"
  }

  /// The id of the entry.
  public var id: EntryID
  /// Empty where the entry is gone.
  public var query: String
  /// Cosine similarity to the query; -1 where the entry is gone.
  public var similarity: Double
  /// `Confidence.of(similarity:age:)`.
  public var confidence: Double
  /// The time since the entry was put.
  public var age: Seconds
  /// The outcome for the candidate.
  public var verdict: Verdict
  /// Since when its confidence has been below the least that was asked for; nil where it is not, and where the
  /// entry is gone.
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
  /// The neighbours that were weighed, nearest first; empty for an exact hit that was not to be explained.
  public var candidates: [Candidate] = []
  /// Entries that could not be read and were passed over, each named with what is wrong with it.
  public var damaged: [CorruptCacheError] = []
  /// True where all vectors of the namespace were read and could not be kept in a file, although there is a directory:
  /// nothing in the store identifies it. A cache in Redis has an identity after the first search by a client that may
  /// write.
  public var isIndexUnproven = false
  /// The error of the embedder, if it failed.
  public var embedderFailure: (any Error)?
  /// Why the store recorded nothing of this lookup: it is full, or takes no writes. The answer is right all the same.
  public var unrecorded: StoreBackendError?
}
