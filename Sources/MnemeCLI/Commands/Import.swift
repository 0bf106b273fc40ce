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
    summary: "what to do with a query that the cache already has")
  static let lines = Group("Lines")
  static let sinceLine = Option(
    "since-line", value: Resumption.kind, default: Resumption(), group: lines,
    summary: "read only the lines after this one",
    details: """
      Continues a run that ended early. The message of that run has the line and, after an `@`, a mark of the \
      server. If the server was restarted, replaced or emptied since then, mneme refuses to continue, because stored \
      lines may be lost.
      """)
  static let allowFuture = Switch(
    "allow-future", group: lines, summary: "accept times more than a day in the future",
    details: """
      Otherwise such a time ends the run at its line. Usually it is in milliseconds. An entry with such a time never \
      expires, never ages and is never evicted.
      """)
  static let namespace = Option(
    "namespace", short: "n", value: .namespace, summary: "put every entry into this namespace")
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), summary: "the format of the file",
    details: """
      If not given, mneme recognizes JSON lines, a JSON array and SQLite by the first bytes. For a table, `csv` is \
      required. Its first row names the columns: `query` and `response`, and any of `namespace`, `ttl` (seconds, or \
      for example `7d`), `metadata` (a JSON object) and `created_at` (Unix seconds). The fields are separated by \
      commas, semicolons or tabs.
      """)

  static let noSettings = Switch(
    "no-settings", summary: "do not set quotas and counters",
    details: "mneme then checks only the format of the settings of an export.")
  static let onInvalid = Option(
    "on-invalid", value: .choice(InvalidPolicy.self, "WHAT"), default: .fail, group: lines,
    summary: "what to do with a line that cannot be stored",
    details: """
      `fail` ends the run at the first such line; `skip` leaves these lines out and counts them. Exported entries \
      are stored unchanged, with a warning, even if {command:put} would refuse them because the response is blank, \
      too large or an error message.
      """)

  static let spec = CommandSpec(
    name: "import", summary: "store entries from JSON lines, CSV or SQLite",
    description: """
      Reads one JSON object a line, or the objects of one JSON array. `query` and `response` are required. Other \
      fields of a line are kept: namespace, metadata, times, time to live, access count, vector. Missing fields are \
      made as {command:put} makes them. A vector in base64 keeps every bit, and mneme warns if it cannot be \
      compared; numbers in an array are scaled to length 1. Every entry gets a new id. A new prefix gets the \
      embedder of the lines. Expired entries are left out.

      A SQLite cache of the Python library is read with SQLite (package libsqlite3-0), even while an application \
      uses it. From an archive that `dumps` has made, first unpack the member `store`, which is such a file.

      The settings of an export or of a SQLite cache restore the quotas at the end of the import and, in a new \
      prefix, the counters. With `--on-conflict skip` existing quotas stay. With {option:namespace} the settings are \
      left out.

      A note names unknown members. For the options and messages, an element of an array, a row of a table and, in \
      SQLite, the id of an entry count as a line.

      If a line cannot be stored, the run ends with its number. The lines before it are stored. Correct the line, \
      and continue with {option:since-line} as the message says.

      {option:dry-run} compares the file with the cache. It prints the first entries that are new or changed, and \
      how many are new, changed and the same. That verifies a backup.
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
    if !input.unknown.isEmpty { context.note("unknown columns were ignored: \(list(input.unknown))") }
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
          remediation: "Name the file to which the line belongs.")
      }
      try run.setQuotas()
      try work.finish()
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
      throw run.serverError(error)
    } catch var unreadable as FileError {
      try run.finish()
      unreadable.remediation += " \(run.state)"
      throw unreadable
    }
    run.notes.print(context)
    if run.hasFoundNothing, since.line == 0 { context.note("\(file.name) has nothing to import") }
    return run.report
  }
}
