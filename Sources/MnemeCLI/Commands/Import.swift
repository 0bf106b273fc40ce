import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme import`
struct Import: Command {
  enum Format: String, CaseIterable, Sendable {
    case jsonl, csv, sqlite
  }

  static let file = Argument(
    optional: "FILE", value: .file(), summary: "the file to read; if not given, standard input")
  static let onConflict = Option(
    "on-conflict", value: .choice(ConflictPolicy.self, "WHAT"), default: .replace,
    summary: "what to do with a question that the cache has already")
  static let lines = Group("Lines")
  static let sinceLine = Option(
    "since-line", value: Resumption.kind, default: Resumption(), group: lines,
    summary: "only what comes after this line",
    details: """
      To continue a run that ended early. Its message has the line, and behind an '@' a mark of the server: where the \
      server was started again, replaced or emptied since then, mneme refuses to continue, because lines may be lost.
      """)
  static let allowFuture = Switch(
    "allow-future", group: lines, summary: "accept times more than a day in the future",
    details: """
      Otherwise such a time ends the run at its line. Most are in milliseconds, and an entry with one never \
      expires, never ages and is never evicted.
      """)
  static let namespace = Option(
    "namespace", short: "n", value: .namespace, summary: "put every entry into this namespace")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), summary: "the format of the file",
    details: """
      If not given, mneme recognizes JSON lines, a JSON array and SQLite by the first bytes. CSV has to be named: the first \
      row of a table names its columns: `query` and `response`, and any of `namespace`, `ttl` (seconds, or for \
      example `7d`), `metadata` (a JSON object) and `created_at` (Unix seconds). The fields are separated by commas, \
      semicolons or tabs.
      """)

  static let noSettings = Switch(
    "no-settings", summary: "leave quotas and counters as they are",
    details: "Of the settings of an export, only their format is read.")
  static let onInvalid = Option(
    "on-invalid", value: .choice(InvalidPolicy.self, "WHAT"), default: .fail, group: lines,
    summary: "what to do with a line that cannot be stored",
    details: """
      `fail` ends the run at the first one; `skip` leaves them out and counts them. Lines of an export are stored as they \
      are, also where {command:put} would refuse the entry: a response that is blank, too large or an error message. mneme \
      prints a warning then.
      """)

  static let spec = CommandSpec(
    name: "import", summary: "store entries from JSON lines, CSV or SQLite",
    description: """
      Reads one JSON object a line, or the objects of one JSON array. `query` and `response` must be there. What else is \
      missing is made as {command:put} makes it, and what is there is kept: namespace, metadata, times, time to live, \
      access count, vector. A vector in base64 keeps every bit, and mneme warns of one that cannot be compared; numbers \
      in an array are scaled to length 1. Only the id is new. A new prefix takes the embedder of the lines. Entries that \
      have expired are left out.

      A file that is a SQLite cache of the Python library is read with SQLite (package libsqlite3-0), also while an \
      application uses it. Of an archive that `dumps` has made, unpack the member `store`, which is such a file.

      The settings of an export, or of a SQLite cache, restore quotas at the end of the import and, in a new prefix, \
      counters. With `--on-conflict skip` a quota that is there stays. With {option:namespace} they are left out.

      Members that mneme does not know are named in a note. Of an array, an element counts as a line; of a table, a row; in \
      SQLite, the id of the entry.

      Entries are stored in transactions of up to 64. A line that cannot be read ends the run with its number; what \
      came before it is stored, and {option:since-line} continues behind it.

      {option:dry-run} compares the file with the cache: how many entries are new, changed, and the same. That verifies a \
      backup.
      """,
    arguments: [file],
    options: [
      namespace, format, onConflict, onInvalid, noSettings, sinceLine, allowFuture, Options.nativeTTL,
      Options.maxEntries, Options.noNormalize, Options.dryRun, Options.batchSize, Options.pace,
    ] + EmbedderChoice.options,
    rules: [EmbedderChoice.rule],
    examples: [
      Example(command: "mneme import cache.jsonl", says: "restore a backup"),
      Example(command: "mneme import --dry-run cache.jsonl", says: "compare a backup with the cache"),
      Example(
        command: "mneme import -n faq --format csv questions.csv", says: "fill a cache from a spreadsheet"),
    ],
    exitNotes: [ExitNote(65, "a line is wrong, or with --on-invalid skip every line")])

  let path: String
  let since: Resumption
  let options: ImportOptions
  let nativeTTL: Bool
  let format: Format?

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
      allowsFuture: invocation[Self.allowFuture], onInvalid: invocation[Self.onInvalid],
      readsSettings: !invocation[Self.noSettings])
  }

  /// The records of a file, in any form.
  private struct Input {
    var form: InputForm
    var next: @Sendable () throws -> [DraftReader.Line]?
    /// Returns the number of the last record, after all were read.
    var lastNumber: () throws -> Int
    /// The columns of a table that are not read.
    var unknown: [String] = []
  }

  private func open(_ file: InputFile) throws -> Input {
    // Redis accepts texts of 512 MiB. A line with a query, a response and metadata at the limits of `put`, each byte
    // escaped, and a vector has 48 MiB.
    let limit = 256 << 20
    let form = try InputForm(
      of: file.peek(atMost: InputForm.lookAhead), path: path == "-" ? nil : path, format: format)
    var lines = LineReader(file, form: form, limit: limit)
    switch form {
    case .sqlite:
      // `file` stays open until the end: closing any descriptor of the database would release SQLite's locks.
      let rows = try SQLiteRows(path, sinceID: since.line, readsSettings: options.readsSettings)
      return Input(form: form, next: rows.next, lastNumber: rows.lastNumber)
    case .lines, .array:
      let reader = DraftReader(lines, sinceLine: since.line, readsSettings: options.readsSettings)
      return Input(form: form, next: reader.next, lastNumber: { reader.lastNumber })
    case .csv:
      do {
        let columns = try CSVColumns(heading: try lines.next() ?? [])
        let reader = DraftReader(
          lines, sinceLine: since.line, blanks: [0x20, 0x09, columns.separator], parse: columns.record)
        return Input(
          form: form, next: reader.next, lastNumber: { reader.lastNumber }, unknown: columns.unknown)
      } catch let error as InputError {
        throw LineError(line: 1, unit: form.unit, source: file.name, underlying: error, state: "")
      }
    }
  }

  func run(_ context: Context) throws -> any Report {
    let file = try InputFile(path)
    let store = try context.openStore(nativeTTL: nativeTTL)
    defer { store.close() }
    if file.isTerminal { context.note("reading lines from the terminal; Ctrl-D ends them") }
    let input = try open(file)
    let work = try LongWork(
      context, unit: "lines", pace: options.pace, guarding: options.dryRun ? [] : [store])
    try since.mark.map(work.check)
    var run = ImportRun(
      store, options, context, source: file.name, unit: input.form.unit, sinceLine: since.line, server: work)
    defer { run.close() }
    if !input.unknown.isEmpty { context.note("columns that are not read: \(list(input.unknown))") }
    do {
      try forEachReadAhead(input.next) { lines in
        for line in lines {
          try work.check()
          if try run.take(line) { work.pause() }
          if line.precedesWait { try run.settleAll() }
          work.tell(line.number, share: line.share)
        }
      }
      try run.finish()
      let last = try input.lastNumber()
      guard last >= since.line else {
        throw InputError(
          file.name
            + (input.form == .sqlite ? " ends with row \(last)" : " has \(counted(last, input.form.unit))")
            + ", and --since-line is \(since.line).",
          remediation: "Name the file that the line is of.")
      }
      try run.setQuotas()
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
    run.notes.print(context)
    if run.report.isEmpty, since.line == 0 { context.note("\(file.name) holds nothing to import") }
    return run.report
  }
}
