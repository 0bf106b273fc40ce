import Mneme
import MnemeRedis

/// The way in which lines are stored.
struct ImportOptions {
  var namespace: Namespace?
  var onConflict: ConflictPolicy
  var embedder: EmbedderChoice
  var maxEntries: Int?
  var dryRun: Bool
  /// The entries in one transaction; nil: as the store prefers.
  var batchSize: Int?
  var pace: Duration
  /// Queries are hashed and embedded as the application's are by default.
  var normalizes: Bool
  /// Takes times that are more than a day after now.
  var allowsFuture = false
  var onInvalid = InvalidPolicy.fail
  /// Sets the quotas, and in a new prefix the counters, that an export came with.
  var readsSettings = true
}

/// The treatment of a line that cannot be stored.
enum InvalidPolicy: String, CaseIterable, Sendable {
  case fail, skip
}
