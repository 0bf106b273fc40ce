import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme reembed`
struct Reembed: Command {
  static let target = Argument(
    "TARGET_PREFIX", value: .text(allowsEmpty: false),
    summary: "the prefix for the new cache, which must be empty")

  static let spec = CommandSpec(
    name: "reembed", summary: "copy a cache to another prefix with new vectors",
    description: """
      Embeds the question of every entry with another embedder and stores the entry under {arg:TARGET_PREFIX} on \
      the same server. Responses, metadata, times, access counts, times to live and quotas are copied; the source \
      is not changed. Expired entries are left out, and counters start at zero.

      To continue a run that ended early, run the same command again. It does not embed again what has been \
      copied, and copies what has changed in the source. If both prefixes have an entry for a question, the \
      younger one is kept. Several runs may work in parallel. A prefix that holds anything but an unfinished copy \
      of this cache is refused.
      """,
    arguments: [target],
    options: [Options.nativeTTL, Options.noNormalize, Options.pace] + EmbedderChoice.options,
    rules: [EmbedderChoice.rule],
    examples: [
      Example(
        command: "mneme reembed --embedder openai:text-embedding-3-small:dim1536 mneme2",
        says: "move a cache to another model; the application changes its prefix when it is done")
    ], isMinor: true)

  let target: String
  let embedder: EmbedderChoice
  let nativeTTL: Bool
  let normalizes: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    target = invocation[Self.target]
    embedder = EmbedderChoice(invocation)
    nativeTTL = invocation[Options.nativeTTL]
    normalizes = !invocation[Options.noNormalize]
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let source = try context.openExistingStore()
    defer { source.close() }
    guard let old = try source.identity() else {
      try context.noteAbsence(of: source)
      return NoReport(status: .no)
    }
    guard !context.settings.keyPrefix.utf8.elementsEqual(target.utf8) else {
      throw InputError(
        "The prefix '\(target)' is the cache's own.", remediation: "Name another prefix, which is empty.")
    }
    let embedder = try embedder.embedder(for: nil, context.environment)
    let destination = try context.openStore(keyPrefix: target, nativeTTL: nativeTTL)
    defer { destination.close() }
    let isResumed = try destination.beginCopy(
      of: context.settings.keyPrefix,
      as: CacheIdentity(fingerprint: embedder.fingerprint, dimension: embedder.dimension))
    if isResumed { context.note("continuing the copy under '\(target)'") }
    let work = try LongWork(
      context, unit: "entries", total: try source.count(in: nil), pace: pace, guarding: [source, destination])
    var run = ReembedRun(
      destination, embedder, ReembedReport(from: old.fingerprint, to: embedder.fingerprint),
      normalizes: normalizes)
    do {
      try copy(from: source, by: &run, work, at: source.time(for: context.clock()))
      try copyQuotas(from: source, to: destination)
      try work.finish()
    } catch {
      context.note("\(run.report.state); run the command again to continue")
      throw error
    }
    try destination.finishCopy()
    return run.report
  }

  /// Copies the quotas. It is called last, so that they evict nothing during the copy. A quota that the copy already
  /// has stays.
  private func copyQuotas(from source: RedisStore, to destination: RedisStore) throws {
    for summary in try source.summaries() {
      guard let quota = summary.quota, try destination.quota(for: summary.namespace) == nil else { continue }
      try destination.setQuota(quota, for: summary.namespace)
    }
  }

  private func copy(
    from source: RedisStore, by run: inout ReembedRun, _ work: LongWork, at now: UnixTime
  ) throws {
    var seen = 0
    var pending: [StoredEntry] = []
    var pendingBytes = 0
    func storePending() throws {
      try run.take(pending)
      (pending, pendingBytes) = ([], 0)
      work.tell(seen)
      work.pause()
      try work.check("What was copied is kept; run the command again to continue.")
    }
    try source.forEachEntry(in: .everything, reading: .all) { _, damage in
      throw damage
    } _: { entry in
      seen += 1
      guard !entry.isExpired(at: now) else { return }
      pending.append(entry)
      pendingBytes += entry.query.utf8.count + entry.response.utf8.count
      if pending.count == 64 || pendingBytes >= RedisStore.preferredBatch.bytes { try storePending() }
    }
    if !pending.isEmpty { try storePending() }
  }
}

/// Embeds batches of entries with the new embedder and stores them.
private struct ReembedRun {
  private let destination: RedisStore
  private let embedder: any Embedder
  private let normalizes: Bool
  private(set) var report: ReembedReport

  init(_ destination: RedisStore, _ embedder: any Embedder, _ report: ReembedReport, normalizes: Bool) {
    (self.destination, self.embedder, self.report, self.normalizes) = (
      destination, embedder, report, normalizes
    )
  }

  mutating func take(_ entries: [StoredEntry]) throws {
    // Entries that another run has stored are not embedded.
    let creations = try destination.creations(of: entries)
    var batch = zip(entries, creations).filter { entry, there in there.map { $0 < entry.createdAt } ?? true }
      .map(\.0)
    report.alreadyThere += entries.count - batch.count
    guard !batch.isEmpty else { return }
    let texts = batch.map { normalizes ? QueryNormalizer.normalize($0.query) : $0.query }
    do {
      for (index, vector) in try embedder.embed(texts).enumerated() {
        batch[index].embedding = try .normalizing(vector)
      }
    } catch let error as EmbedderError {
      guard let index = error.textIndex, batch.indices.contains(index) else { throw error }
      var named = EmbedderError(
        "Entry \(batch[index].id): \(error.message)", about: .entry(batch[index].id), remedy: error.remedy,
        cause: error.cause)
      named.isTemporary = error.isTemporary
      throw named
    }
    while !batch.isEmpty {
      let next = Array(batch.prefix(RedisStore.preferredBatch.count))
      batch.removeFirst(next.count)
      let stored = try destination.insert(
        next, onConflict: .replace, evictingOver: nil, sparingYounger: true)
      for outcome in stored.outcomes {
        if case .skipped = outcome { report.alreadyThere += 1 } else { report.entries += 1 }
      }
    }
  }
}

struct ReembedReport: Report {
  var from = ""
  var to = ""
  /// The number of entries that this run has stored.
  var entries = 0
  /// The number of entries that were there already, or whose query has a younger entry.
  var alreadyThere = 0

  var json: JSONOutput {
    [
      "entries": JSONOutput(entries), "already_there": JSONOutput(alreadyThere), "from": JSONOutput(from),
      "to": JSONOutput(to),
    ]
  }

  /// The progress, in one sentence.
  var state: String {
    list([
      "copied \(entryCount(entries)) from the embedder \(from) to \(to)",
      alreadyThere > 0 ? "\(grouped(alreadyThere)) were there already" : nil,
    ])
  }

  func text(_ style: TerminalStyle) -> String? { visible(state) }

  var isConfirmation: Bool { true }
}
