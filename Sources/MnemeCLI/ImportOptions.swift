import Mneme
import MnemeRedis

/// The way in which lines are stored.
struct ImportOptions {
  var namespace: Namespace?
  var onConflict: ConflictPolicy
  var embedder: EmbedderChoice
  var maxEntries: Int?
  var dryRun: Bool
  /// The number of entries in one transaction; nil for the store's default.
  var batchSize: Int?
  var pace: Duration
  /// Whether queries are normalized before they are hashed and embedded, as an application does by default.
  var normalizes: Bool
  /// Whether times that are more than a day in the future are accepted.
  var allowsFuture = false
  var onInvalid = InvalidPolicy.fail
  /// Whether the quotas of an export are set, and in a new prefix the counters.
  var readsSettings = true
}

/// The treatment of a line that cannot be stored.
enum InvalidPolicy: String, CaseIterable, Sendable {
  case fail, skip
}
