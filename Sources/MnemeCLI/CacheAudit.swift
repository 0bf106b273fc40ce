import Mneme
import MnemeRedis

/// An audit of the entries of a selection, one namespace after the other.
struct CacheAudit {
  private(set) var namespaces: [(namespace: Namespace, result: NamespaceAudit)] = []
  /// The status of a run that a signal has ended early.
  private(set) var interruption: ExitStatus?

  /// - Throws: `Interruption` when a signal comes before anything was compared.
  init(
    _ chosen: Selection, _ options: AuditOptions, _ store: RedisStore, _ context: Context,
    pace: Duration = .zero
  ) throws {
    let entries = try Self.read(chosen, store, context, pace: pace)
    var cacheOptions = SemanticCache.Options()
    cacheOptions.indexDirectory = try context.indexDirectory()
    let cache = try context.openCache(store, options: cacheOptions)
    let total = entries.values.reduce(0) { $0 + min($1.count, options.sample ?? .max) }
    let work = try LongWork(context, unit: "entries", total: total, pace: pace, guarding: [store])
    var done = 0
    var damaged = DamagedEntries()
    for (namespace, entries) in entries.sorted(by: { $0.key < $1.key }) {
      // The library reports the share of this namespace; the progress line shows the share of all.
      let control = work.control(after: done)
      let result = try cache.audit(
        entries, of: namespace, options,
        WorkControl(shouldStop: control.shouldStop) {
          control.progress(WorkProgress(done: $0.done))
        })
      namespaces.append((namespace, result))
      for error in result.damaged { damaged.add(error) }
      done += result.compared
      if work.shouldStop { break }
    }
    try work.finish()
    interruption = work.interruption
    damaged.warn(context)
  }

  /// The entries by namespace, without their texts.
  private static func read(
    _ chosen: Selection, _ store: RedisStore, _ context: Context, pace: Duration
  ) throws -> [Namespace: [AuditedEntry]] {
    let work = try LongWork(context, unit: "entries read", total: store.count(of: chosen), pace: pace)
    var entries: [Namespace: [AuditedEntry]] = [:]
    var damaged = DamagedEntries()
    var seen = 0
    try store.forEachEntry(
      in: chosen, at: store.time(for: context.clock()), reading: [.query, .response, .metadata]
    ) { _, error in
      damaged.add(error)
    } _: { entry in
      try work.check()
      entries[entry.namespace, default: []].append(AuditedEntry(entry))
      seen += 1
      work.tell(seen)
      if seen % 64 == 0 { work.pause() }
    }
    damaged.warn(context)
    return entries
  }
}
