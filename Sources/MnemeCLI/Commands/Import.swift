import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme import`
struct Import: Command {
  enum Format: String, CaseIterable, Sendable {
    case json, csv
  }

  static let file = Argument(
    optional: "FILE", value: .file(), summary: "the file to read; if not given, standard input")
  static let onConflict = Option(
    "on-conflict", value: .choice(ConflictPolicy.self, "WHAT"), default: .replace,
    summary: "what to do with a question that the cache has already")
  static let sinceLine = Option(
    "since-line", value: Resumption.kind, default: Resumption(), summary: "only what comes after this line",
    details: """
      To continue a run that ended early. Its message has the line, and behind an '@' a mark of the server: where the \
      server was started again, replaced or emptied since then, mneme refuses to continue, because lines may be lost.
      """)
  static let allowFuture = Switch(
    "allow-future", summary: "accept times more than a day in the future",
    details: """
      Otherwise such a time ends the run at its line. Most are in milliseconds, and an entry with one never \
      expires, never ages and is never evicted.
      """)
  static let namespace = Option(
    "namespace", short: "n", value: .namespace, summary: "put every entry into this namespace")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .json,
    summary: "JSON lines or a JSON array, or a table in CSV",
    details: """
      The first row of a table names its columns: `query` and `response`, and any of `namespace`, `ttl` (seconds, or for \
      example `7d`), `metadata` (a JSON object) and `created_at` (Unix seconds). The fields are separated by commas, \
      semicolons or tabs.
      """)

  static let spec = CommandSpec(
    name: "import", summary: "store entries from JSON lines",
    description: """
      Reads one JSON object a line, or the objects of one JSON array. `query` and `response` must be there; what else is missing is made as \
      {command:put} makes it, and what is there is kept: namespace, metadata, times, time to live, access count, \
      vector. A vector in base64 is kept bit for bit, and one that cannot be compared is told of; numbers in an array are \
      scaled to length 1. Only the id is handed out anew. A new prefix takes the embedder of the lines. Entries that have expired \
      meanwhile are left out.

      Members that are not known are named in a note. Of an array, an element counts as a line; of a table, a row.

      Entries are stored in transactions of up to 64. A line that cannot be read ends the run with its number; what \
      came before it is in, and {option:since-line} goes on from there.
      """,
    arguments: [file],
    options: [
      namespace, format, onConflict, sinceLine, allowFuture, Options.nativeTTL, Options.maxEntries,
      Options.noNormalize,
      Options.dryRun, Options.batchSize, Options.pace,
    ] + EmbedderChoice.options,
    rules: [EmbedderChoice.rule],
    examples: [
      Example(command: "mneme import cache.jsonl", says: "restore a backup"),
      Example(command: "mneme -p new import --on-conflict skip cache.jsonl", says: "add what is missing"),
      Example(
        command: "mneme import -n faq --format csv questions.csv", says: "fill a cache from a spreadsheet"),
    ])

  let path: String
  let since: Resumption
  let options: ImportOptions
  let nativeTTL: Bool
  let format: Format

  init(_ invocation: Invocation) throws(UsageError) {
    path = invocation[Self.file] ?? "-"
    since = invocation[Self.sinceLine]
    nativeTTL = invocation[Options.nativeTTL]
    format = invocation[Self.format]
    options = ImportOptions(
      namespace: invocation[Self.namespace], onConflict: invocation[Self.onConflict],
      embedder: EmbedderChoice(invocation), maxEntries: invocation[Options.maxEntries],
      dryRun: invocation[Options.dryRun], batchSize: invocation[Options.batchSize],
      pace: invocation[Options.pace], normalizes: !invocation[Options.noNormalize],
      allowsFuture: invocation[Self.allowFuture])
  }

  /// Sees what the file is.
  /// - Returns: the form, what makes drafts, and the columns of a table that are not read.
  private func open(_ file: InputFile) throws -> (InputForm, DraftReader, unknown: [String]) {
    // A line holds a query, a response and metadata at their limits, each byte escaped, and a vector.
    let limit = 48 << 20
    let form: InputForm =
      format == .csv
      ? .csv : try InputForm(of: file.peek(atMost: InputForm.lookAhead), path: path == "-" ? nil : path)
    var lines = LineReader(file, form: form, limit: limit)
    guard form == .csv else { return (form, DraftReader(lines, sinceLine: since.line), []) }
    do {
      let columns = try CSVColumns(heading: try lines.next() ?? [])
      let reader = DraftReader(
        lines, sinceLine: since.line, blanks: [0x20, 0x09, columns.separator], parse: columns.draft)
      return (form, reader, columns.unknown)
    } catch let error as InputError {
      throw LineError(line: 1, unit: form.unit, source: file.name, underlying: error, state: "")
    }
  }

  func run(_ context: Context) throws -> any Report {
    let file = try InputFile(path)
    let store = try context.openStore(nativeTTL: nativeTTL)
    defer { store.close() }
    if file.isTerminal { context.note("reading lines from the terminal; Ctrl-D ends them") }
    let (form, lines, unknown) = try open(file)
    let work = try LongWork(
      context, unit: "lines", pace: options.pace, guarding: options.dryRun ? [] : [store])
    try since.mark.map(work.check)
    var run = ImportRun(
      store, options, context, source: file.name, unit: form.unit, sinceLine: since.line, server: work)
    defer { run.close() }
    if !unknown.isEmpty { context.note("columns that are not read: \(list(unknown))") }
    do {
      try forEachReadAhead(lines.next) { lines in
        for line in lines {
          try work.check()
          if try run.take(line) { work.pause() }
          if line.precedesWait { try run.settleAll() }
          work.tell(line.number, share: line.share)
        }
      }
      try run.finish()
      guard lines.lastNumber >= since.line else {
        throw InputError(
          "\(file.name) has \(counted(lines.lastNumber, form.unit)), and --since-line is \(since.line).",
          remediation: "Name the file that the line is of.")
      }
    } catch let interruption as Interruption {
      do {
        try run.finish()
      } catch let error as LineError where error.underlying is WaitStopped {
        throw Interruption(status: interruption.status, state: error.state)
      }
      throw Interruption(status: interruption.status, state: run.state)
    } catch let error as LineError where error.underlying is WaitStopped {
      throw Interruption(status: ExitStatus(error), state: error.state)
    } catch let error as StoreBackendError {
      throw run.failure(error)
    } catch var unreadable as FileError {
      try run.finish()
      unreadable.remediation += " \(run.state)"
      throw unreadable
    }
    try work.finish()
    run.warnOfVectors()
    run.noteUnknownFields()
    if run.report.isEmpty, since.line == 0 { context.note("\(file.name) holds nothing to import") }
    return run.report
  }
}

struct ImportReport: Report {
  /// Those that are new.
  var imported = 0
  var replaced = 0
  var skipped = 0
  /// Those of the skipped that have expired since they were exported.
  var expired = 0
  var evicted = 0
  var dryRun = false

  /// Whether there was no line.
  var isEmpty: Bool { imported + replaced + skipped == 0 }

  var json: JSONOutput {
    [
      "imported": JSONOutput(imported + replaced), "replaced": JSONOutput(replaced),
      "skipped": JSONOutput(skipped),
      "evicted": JSONOutput(evicted), "dry_run": JSONOutput(dryRun),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let (imported, skipped, evicted) =
      dryRun ? ("would import", "skip", "evict") : ("imported", "skipped", "evicted")
    return list([
      "\(imported) \(entryCount(self.imported + replaced))",
      replaced > 0 ? "\(grouped(replaced)) of them in place of old ones" : nil,
      expired > 0 ? "\(dryRun ? "leave" : "left") out \(grouped(expired)) that have expired" : nil,
      self.skipped > expired ? "\(skipped) \(grouped(self.skipped - expired))" : nil,
      self.evicted > 0 ? "\(evicted) \(grouped(self.evicted))" : nil,
    ])
  }

  var isConfirmation: Bool { !dryRun }
}
