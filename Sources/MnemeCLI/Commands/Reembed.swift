import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme reembed`
struct Reembed: Command {
  static let target = Argument(
    "TARGET_PREFIX", value: .text(allowsEmpty: false),
    summary: "the prefix for the new cache, which must be empty")

  static let spec = CommandSpec(
    name: "reembed", summary: "copy a cache into another prefix, embedded anew",
    description: """
      Passes the question of every entry through another embedder and stores the entry under {arg:TARGET_PREFIX} on \
      the same server. Responses, metadata, times and times to live are kept; the source is not touched. Expired \
      entries are left behind.
      """,
    arguments: [target],
    options: [Options.nativeTTL, Options.noNormalize, Options.pace] + EmbedderChoice.options,
    rules: [EmbedderChoice.rule],
    examples: [
      Example(
        command: "mneme reembed --embedder mneme:hashed-ngrams-v1:dim384 mneme2",
        says: "move a cache to the built-in embedder")
    ])

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
    guard let old = try source.identity() else { return ReembedReport(absence: context.settings.absence) }
    let destination = try context.openStore(keyPrefix: target, nativeTTL: nativeTTL)
    defer { destination.close() }
    try destination.open(expecting: nil)
    guard context.settings.keyPrefix != target, try destination.identity() == nil else {
      throw InvalidInputError(
        "There is a cache under the prefix '\(target)' already.", remediation: "Name a prefix that is empty.")
    }
    let embedder = try embedder.embedder(for: nil, context.environment)
    try destination.open(
      expecting: CacheIdentity(fingerprint: embedder.fingerprint, dimension: embedder.dimension))
    return try copy(from: source, to: destination, embedder, old, context)
  }

  private func copy(
    from source: RedisStore, to destination: RedisStore, _ embedder: any Embedder, _ old: CacheIdentity,
    _ context: Context
  ) throws -> any Report {
    let work = LongWork(context, pace: pace)
    let progress = Progress(context, unit: "entries", total: try source.count(in: nil))
    var report = ReembedReport(from: old.fingerprint, to: embedder.fingerprint)
    var pending: [StoredEntry] = []
    func storePending() throws {
      let texts = pending.map { normalizes ? QueryNormalizer.normalize($0.query) : $0.query }
      let vectors = try embedder.embed(texts)
      for (index, vector) in vectors.enumerated() { pending[index].embedding = try .normalizing(vector) }
      _ = try destination.insert(pending, onConflict: .replace, evictingOver: nil)
      report.entries += pending.count
      pending = []
      progress.update(report.entries)
      work.batchDone()
      try work.check()
    }
    let now = context.clock()
    try source.forEachEntry(after: nil, in: nil) { entry in
      guard !entry.isExpired(at: now) else { return }
      pending.append(entry)
      if pending.count == 64 { try storePending() }
    }
    if !pending.isEmpty { try storePending() }
    return report
  }
}

struct ReembedReport: Report {
  var from = ""
  var to = ""
  var entries = 0
  /// Said where there is nothing to carry.
  var absence: String?

  var status: ExitStatus { absence == nil ? .done : .no }

  var json: JSONOutput {
    ["entries": JSONOutput(entries), "from": JSONOutput(from), "to": JSONOutput(to)]
  }

  func text(_ style: TerminalStyle) -> String? {
    absence.map { visible($0) }
      ?? "carried \(entryCount(entries)) from the embedder \(visible(from)) to \(visible(to))"
  }

  var isConfirmation: Bool { absence == nil }
}
