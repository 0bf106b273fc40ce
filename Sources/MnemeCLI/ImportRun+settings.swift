import Mneme
import MnemeRedis

/// The embedder, the quotas and the counters of the cache that an import fills.
extension ImportRun {
  /// Decides which embedder the entries are for.
  /// - Parameter line: the line that needs it, or 0 for the settings alone.
  mutating func settleIdentity(by draft: EntryLine.Draft?, line: Int) throws {
    try store.open(expecting: nil)
    let stored = try store.identity()
    var cache = stored
    let fingerprint = draft?.fingerprint ?? settings?.fingerprint
    let dimension = draft.map { $0.embedding?.dimension } ?? settings?.dimension
    if stored == nil, options.embedder.spec == nil, let fingerprint, let dimension {
      // A new prefix gets the fingerprint and dimension of the export, in any form.
      cache = CacheIdentity(fingerprint: fingerprint, dimension: dimension)
    }
    do {
      let chosen = try options.embedder.embedder(for: cache, orElse: fingerprint, context.environment)
      let wanted = CacheIdentity(fingerprint: chosen.fingerprint, dimension: chosen.dimension)
      try store.open(expecting: wanted)
      (identity, embedder, isNewCache) = (wanted, chosen, stored == nil)
    } catch {
      // The error applies to every line.
      throw lineError(line, error)
    }
    if let settings { try restoreCounters(settings) }
  }

  func checkEmbedder(of draft: EntryLine.Draft) throws {
    // A fingerprint on a line must match. With --embedder, a line without a vector is embedded again, so it need not.
    guard let identity, draft.embedding != nil || options.embedder.spec == nil,
      let fingerprint = draft.fingerprint, !fingerprint.utf8.elementsEqual(identity.fingerprint.utf8)
    else { return }
    throw EmbedderMismatchError(
      "the embedder of the line is '\(fingerprint)', that of the cache is '\(identity.fingerprint)'.",
      about: .embedder(identity.fingerprint), remedy: .embedAgain)
  }

  // MARK: The settings of an export

  /// Takes the settings of the entries that follow. Several exports may be joined in one file.
  mutating func take(_ new: ExportSettings) throws {
    guard options.readsSettings else { return }
    guard options.namespace == nil else {
      if !new.quotas.isEmpty || !new.counters.isEmpty {
        context.note("quotas and counters of the export were left out, because of --namespace")
      }
      return
    }
    var all = settings ?? new
    all.quotas.merge(new.quotas) { $1 }
    settings = all
    if identity != nil { try restoreCounters(new) }
  }

  /// Restores the counters of namespaces in a cache that this run creates. An existing cache keeps its counters.
  private mutating func restoreCounters(_ settings: ExportSettings) throws {
    guard isNewCache, !options.dryRun, let identity else { return }
    let counters = settings.counters.filter { !restored.contains($0.key) && !$0.key.name.isEmpty }
    let isFirst = restored.isEmpty
    guard !counters.isEmpty, try store.restore(counters, inNewCacheOf: isFirst ? identity : nil) else {
      return
    }
    restored.formUnion(counters.keys)
    report.counters = restored.count
  }

  /// Sets the quotas of the export. It is called at the end, so that they evict nothing during the import.
  mutating func setQuotas() throws {
    guard let settings, !options.dryRun else { return }
    // An export without entries creates a cache too.
    if identity == nil { try settleIdentity(by: nil, line: 1) }
    for (namespace, quota) in settings.quotas.sorted(by: { $0.key < $1.key }) where !namespace.name.isEmpty {
      let old = try store.quota(for: namespace)
      guard old != quota, old == nil || options.onConflict != .skip else { continue }
      try store.setQuota(quota, for: namespace)
      report.quotas += 1
    }
  }
}
