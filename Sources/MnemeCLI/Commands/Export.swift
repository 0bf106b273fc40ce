import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme export`
struct Export: Command {
  enum Format: String, CaseIterable, Sendable {
    case jsonl, csv, sqlite
  }

  static let outputFile = Option(
    "output", short: "o", value: .file(), summary: "write to a file, which appears only when it is complete",
    details: """
      A new file gets mode 0600. A replaced file of the same owner keeps its permissions, but not its extended \
      attributes or further hard links. A symbolic link to a file is refused, and so is a name that ends in .gz, \
      .zst or .xz, because mneme does not compress.
      """)
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .jsonl,
    summary: "one JSON object a line, CSV for a spreadsheet, or SQLite",
    details: """
      For a backup, use JSON lines. CSV has neither settings nor vectors, and a text that looks like a formula gets \
      an apostrophe before it. It is UTF-8 without a byte order mark; choose this encoding when you open it in \
      Excel. `sqlite` writes a cache for the Python library. It needs {option:output} and SQLite (package \
      libsqlite3-0), and leaves out entries that Python cannot read, with a warning and their ids.
      """)
  static let embeddings = Option(
    "embeddings", value: .choice(EmbeddingForm.self, "FORM"),
    summary: "how vectors are written",
    details: """
      The default is `base64` for JSON lines and `none` for CSV. `base64` keeps every bit; numbers in an array are \
      scaled to length 1 when they are imported.
      """)
  static let sinceID = Option(
    "since-id", value: .integer("ID", 0...Int.max), summary: "only entries with a greater id")
  static let noSettings = Switch(
    "no-settings", summary: "leave out the line with quotas and counters",
    details: "For a program that expects only entries.")
  static let allowEmpty = Switch(
    "allow-empty", summary: "write a file without entries too",
    details: """
      If not given, an export without entries ends with status 1 and does not change the file, because it is \
      probably a mistake: a wrong prefix, or a server that has lost its data. Without a cache under the prefix the \
      status is 1 in any case.
      """)

  static let spec = CommandSpec(
    name: "export", summary: "write entries as JSON lines, CSV or SQLite",
    description: """
      Writes the settings of the cache on the first line, then the entries in the order of their ids. The settings \
      are the embedder, and the quotas and counters of the exported namespaces. The memory that it needs does not \
      grow with the cache. It changes nothing. Entries that other clients write during the export may or may not be \
      in it.

      If the server loses data during the export (a flush, a restart, a failover to a replica without the latest \
      writes), the export ends with status 69, and an existing file stays.

      JSON cannot hold text that is not valid UTF-8, which other programs may have stored. Its bytes are added in \
      base64, as `query_base64`, `response_base64` and `metadata_base64`, and {command:import} stores those. In CSV \
      they are lost. mneme prints a warning in both cases, and also if it exports an entry that {command:get} \
      never serves, or only as an exact hit.
      """,
    arguments: [SelectionRequest.moreIDs],
    options: [outputFile, format, embeddings, sinceID, noSettings, allowEmpty, Options.pace]
      + SelectionRequest.options,
    rules: SelectionRequest.rules,
    examples: [
      Example(command: "mneme export -o cache.jsonl", says: "back the cache up"),
      Example(
        command: "mneme export --format sqlite -o cache.db", says: "write a cache for the Python library"),
      Example(
        command: "mneme export -n faq | mneme -p copy import", says: "copy a namespace to another prefix"),
    ],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix, or nothing to export"),
      ExitNote(65, "some entries are damaged; the others were written"),
    ])

  let selection: SelectionRequest
  let path: String?
  let format: Format
  let embeddings: EmbeddingForm
  let sinceID: EntryID?
  let writesSettings: Bool
  let allowsEmpty: Bool
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    selection = try SelectionRequest(
      invocation, moreIDs: invocation[SelectionRequest.moreIDs],
      wordAdvice: "Write -o FILE for the file. A text follows --contains, and a namespace -n.")
    path = invocation[Self.outputFile].flatMap { $0 == "-" ? nil : $0 }
    format = invocation[Self.format]
    embeddings = invocation[Self.embeddings] ?? (format == .csv ? .none : .base64)
    sinceID = invocation[Self.sinceID].map { EntryID(Int64($0)) }
    writesSettings = !invocation[Self.noSettings]
    allowsEmpty = invocation[Self.allowEmpty]
    pace = invocation[Options.pace]
    if format == .sqlite {
      guard path != nil else {
        throw invocation.usageError(
          "--format sqlite writes to a file", suggestion: "Name it: mneme export --format sqlite -o cache.db")
      }
      guard invocation[Self.embeddings] == nil else {
        throw invocation.usageError("--embeddings is for JSON lines and CSV; a SQLite cache has its vectors")
      }
    }
    if let path, let program = Self.compressor(for: path) {
      let (name, new) = (shellQuoted(path), shellQuoted(path + ".new"))
      throw invocation.usageError(
        "-o: '\(path)' has the name of a compressed file, and mneme does not compress",
        suggestion:
          "Use a pipe: set -o pipefail; mneme export | \(program) > \(new) && mv \(new) \(name)")
    }
  }

  /// Returns the compressor whose files end like `path`; nil for other names.
  private static func compressor(for path: String) -> String? {
    [(".gz", "gzip"), (".zst", "zstd"), (".xz", "xz")].first { path.lowercased().hasSuffix($0.0) }?.1
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let found = try store.identity()
    // An incomplete export would look like a complete one.
    try store.requireCompleteReplica()
    guard let identity = found else {
      try context.noteAbsence(of: store)
      noteNothing(context)
      return ExportReport(path: path, status: .no)
    }
    let chosen = try selection.selection(store, context)
    let writer = try writer(for: store, identity, context)
    let work = try LongWork(
      context, unit: "entries", total: try store.count(of: chosen), isAmongResults: path == nil, pace: pace,
      guarding: [store])
    var report = ExportReport(path: path, versionStart: try version(of: store, context))
    let now = try store.time(for: context.clock())
    context.warnOfClock(of: store)
    let settings = try settings(of: store, identity, chosen, report.versionStart, now, context)
    var notes = ExportNotes()
    var hasBegun = false
    var fields = Selection.Fields.all
    if embeddings == .none { fields.remove(.embedding) }
    try store.forEachEntry(in: chosen, after: sinceID, at: now, reading: fields) { id, error in
      notes.damaged += 1
      context.warn(of: [error])
    } _: { entry in
      try work.check(state(report))
      if !hasBegun { try writer.begin(settings) }
      hasBegun = true
      guard try writer.write(entry) else { return }
      notes.take(entry)
      report.exported += 1
      report.lastID = entry.id
      work.tell(report.exported)
      // Pauses after each page of entries.
      if report.exported % 64 == 0 { work.pause() }
    }
    try work.finish()
    let unreadable = notes.damaged + writer.unreadableCount
    report.status = unreadable > 0 ? .badData : .done
    writer.warn(context)
    if report.exported == 0 {
      try context.noteAbsence(of: store, chosen.namespaces, isFailure: false)
      guard unreadable == 0, allowsEmpty else {
        if unreadable == 0 { report.status = .no }
        noteNothing(context)
        return report
      }
      if !hasBegun { try writer.begin(settings) }
    }
    report.versionEnd = report.versionStart == nil ? nil : try version(of: store, context)
    if let start = report.versionStart, let end = report.versionEnd, end != start {
      context.remark(
        "\(entriesWere(end - start)) written or removed during the export, which may or may not be in it")
    }
    report.bytes = try writer.commit()
    report.isWritten = true
    notes.warn(context, isCSV: format == .csv)
    return report
  }

  private func writer(
    for store: RedisStore, _ identity: CacheIdentity, _ context: Context
  ) throws -> any ExportWriter {
    if format == .sqlite, let path { return try SQLiteExport(path, of: store, identity) }
    return TextExport(
      try path.map(AtomicFile.init), context.output, isCSV: format == .csv, fingerprint: identity.fingerprint,
      embeddings: embeddings)
  }

  /// Prints it even with `--quiet`, so that cron mails the reason of the status.
  private func noteNothing(_ context: Context) {
    context.tell("nothing to export" + (path.map { "; the file '\($0)' was not written" } ?? ""))
  }

  /// Reads the settings of the exported namespaces; nil if the format cannot hold settings.
  private func settings(
    of store: RedisStore, _ identity: CacheIdentity, _ chosen: Selection, _ version: Int64?, _ now: UnixTime,
    _ context: Context
  ) throws -> ExportSettings? {
    guard writesSettings, format != .csv else { return nil }
    var settings = ExportSettings()
    settings.keyPrefix = context.settings.keyPrefix
    (settings.fingerprint, settings.dimension) = (identity.fingerprint, identity.dimension)
    (settings.version, settings.exportedAt) = (version, now)
    for summary in try store.summaries(whenDamaged: { context.warn(of: [$0]) })
    where chosen.namespaces.isEmpty || chosen.namespaces.contains(summary.namespace) {
      settings.quotas[summary.namespace] = summary.quota
      if summary.counters != Counters() { settings.counters[summary.namespace] = summary.counters }
    }
    return settings
  }

  /// Describes the state of the export, for the message after an interruption.
  private func state(_ report: ExportReport) -> String {
    if let path { return "The file '\(path)' was not changed." }
    guard let last = report.lastID else { return "Nothing was written." }
    return "\(entriesWere(report.exported)) written; continue with --since-id \(last)."
  }

  /// Reads the version for the report; nil if it cannot be read, since the export does not depend on it.
  private func version(of store: RedisStore, _ context: Context) throws -> Int64? {
    do {
      return try store.versionCounter()
    } catch let error as CorruptCacheError {
      context.warn(of: [error])
      return nil
    }
  }
}

/// Facts about exported entries that a reader should know.
private struct ExportNotes {
  var damaged = 0
  /// Entries with text that is not valid UTF-8, and the first of them.
  private var unencodable: (count: Int, first: EntryID?) = (0, nil)
  /// Entries that `get` never serves, or only as an exact hit.
  private var unservable: (count: Int, first: EntryID?) = (0, nil)

  mutating func take(_ entry: StoredEntry) {
    if entry.raw != nil { unencodable = (unencodable.count + 1, unencodable.first ?? entry.id) }
    if !entry.isServable { unservable = (unservable.count + 1, unservable.first ?? entry.id) }
  }

  func warn(_ context: Context, isCSV: Bool) {
    if let first = unencodable.first {
      context.warn(
        subject(unencodable.count, first, "holds", "hold") + " text that is not UTF-8: "
          + (isCSV ? "bytes that are not UTF-8 were replaced" : "its bytes are in the members *_base64"))
    }
    if let first = unservable.first {
      context.warn(
        subject(unservable.count, first, "was", "were")
          + " exported, although 'get' never serves a blank or error response, and serves an entry whose vector "
          + "cannot be compared only as an exact hit; 'mneme list --unservable' lists them")
    }
  }

  private func subject(_ count: Int, _ first: EntryID, _ one: String, _ many: String) -> String {
    count == 1 ? "entry \(first) \(one)" : "\(entryCount(count)), first entry \(first), \(many)"
  }
}

struct ExportReport: Report {
  var path: String?
  var exported = 0
  var bytes = 0
  /// The version at the start; nil if it could not be read.
  var versionStart: Int64?
  var versionEnd: Int64?
  /// The entry that was written last.
  var lastID: EntryID?
  var status = ExitStatus.done
  var isWritten = false

  /// Only the entries go to standard output.
  var json: JSONOutput {
    guard path != nil else { return .null }
    return [
      "exported": JSONOutput(exported), "bytes": JSONOutput(bytes), "version_start": JSONOutput(versionStart),
      "version_end": JSONOutput(versionEnd),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    guard isWritten else { return nil }
    return path.map { "exported \(entryCount(exported)) to '\(visible($0))', \(size(bytes))" }
  }

  var isConfirmation: Bool { true }
}
