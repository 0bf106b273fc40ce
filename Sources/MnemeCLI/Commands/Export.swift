import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme export`
struct Export: Command {
  enum Format: String, CaseIterable, Sendable {
    case jsonl, csv
  }

  static let outputFile = Option(
    "output", short: "o", value: .file(), summary: "write to a file, which appears only when it is complete",
    details: """
      A new file is for its owner alone (mode 0600). One that takes the place of another of the same owner has its \
      permissions, not its extended attributes or further hard links. A symbolic link to a file is refused.
      """)
  static let format = Option(
    "format", value: .choice(Format.self, "FORMAT"), default: .jsonl,
    summary: "one JSON object a line, or CSV for a spreadsheet",
    details:
      "CSV is for people. It is UTF-8 without a byte order mark, which Excel has to be told when it opens it."
  )
  static let embeddings = Option(
    "embeddings", value: .choice(EmbeddingForm.self, "FORM"),
    summary: "how vectors are written",
    details: """
      Unless given, `base64` in JSON lines and `none` in CSV. `base64` keeps every bit; numbers in an array are scaled to \
      length 1 when they are imported.
      """)
  static let sinceID = Option(
    "since-id", value: .integer("ID", 0...Int.max), summary: "only entries with a greater id")

  static let spec = CommandSpec(
    name: "export", summary: "write entries as JSON lines or CSV",
    description: """
      Writes the entries in the order of their ids, page by page: memory stays small whatever the cache holds. \
      Reads and changes nothing. Entries that are written meanwhile may or may not be in it.

      Text that is not UTF-8, which other writers may have stored, cannot stand in JSON. Its bytes are added in base64, as \
      `query_base64`, `response_base64` and `metadata_base64`, and {command:import} stores those. In CSV they are lost. \
      Either is said.
      """,
    arguments: [SelectionRequest.moreIDs],
    options: [outputFile, format, embeddings, sinceID, Options.pace] + SelectionRequest.options,
    rules: SelectionRequest.rules,
    examples: [
      Example(command: "mneme export -o cache.jsonl", says: "back the cache up"),
      Example(
        command: "mneme export -n faq | mneme -p copy import", says: "copy a namespace to another prefix"),
    ],
    exitNotes: [
      ExitNote(1, "there is no cache under the prefix, or no such namespace"),
      ExitNote(65, "some entries are damaged; the others were written"),
    ])

  let selection: SelectionRequest
  let path: String?
  let format: Format
  let embeddings: EmbeddingForm
  let sinceID: EntryID?
  let pace: Duration

  init(_ invocation: Invocation) throws(UsageError) {
    selection = try SelectionRequest(
      invocation, moreIDs: invocation[SelectionRequest.moreIDs],
      wordAdvice: "Ids go behind --id; -o FILE says where to write.")
    path = invocation[Self.outputFile].flatMap { $0 == "-" ? nil : $0 }
    format = invocation[Self.format]
    embeddings = invocation[Self.embeddings] ?? (format == .csv ? .none : .base64)
    sinceID = invocation[Self.sinceID].map { EntryID(Int64($0)) }
    pace = invocation[Options.pace]
  }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    guard let identity = try store.identity() else { return try exportNothing(store, context) }
    let chosen = try selection.selection(store, context)
    if let path, path.hasSuffix(".gz") {
      context.warn(
        "'\(path)' gets plain text. To compress it, use 'mneme export | gzip >\(shellQuoted(path))'")
    }
    let file = try path.map(AtomicFile.init)
    let work = try LongWork(
      context, unit: "entries", total: try store.count(of: chosen), isAmongResults: file == nil, pace: pace,
      guarding: [store])
    var report = ExportReport(path: path, versionStart: try version(of: store, context))
    let now = try store.time(for: context.clock())
    context.warnOfClock(of: store)
    let isForTerminal = context.output.style.outputIsTerminal
    let lines = EntryLine.Writer(fingerprint: identity.fingerprint, embeddings: embeddings)
    func write(_ body: (inout [UInt8]) -> Void) throws {
      if let file { try file.write(appending: body) } else { try context.output.write(appending: body) }
    }
    if format == .csv { try write { CSV.append(CSV.heading, to: &$0) } }
    var fields = Selection.Fields.all
    if embeddings == .none { fields.remove(.embedding) }
    try store.forEachEntry(in: chosen, after: sinceID, at: now, reading: fields) { id, error in
      report.damaged += 1
      context.warn(of: [error])
    } _: { entry in
      try work.check(state(report))
      try write { bytes in
        if file == nil, isForTerminal {
          bytes.append(contentsOf: harmlessLine(of: entry, identity.fingerprint).utf8)
        } else if format == .jsonl {
          lines.append(entry, to: &bytes)
          bytes.append(UInt8(ascii: "\n"))
        } else {
          CSV.append(
            CSV.fields(of: entry, fingerprint: identity.fingerprint, embeddings: embeddings), to: &bytes)
        }
      }
      report.exported += 1
      if entry.raw != nil {
        report.unencodable += 1
        report.firstUnencodable = report.firstUnencodable ?? entry.id
      }
      report.lastID = entry.id
      work.tell(report.exported)
      // A page of entries is a batch.
      if report.exported % 64 == 0 { work.pause() }
    }
    try work.finish()
    if report.exported == 0 { try context.noteAbsence(of: store, chosen.namespaces) }
    report.versionEnd = report.versionStart == nil ? nil : try version(of: store, context)
    if let start = report.versionStart, let end = report.versionEnd, end != start {
      context.remark(
        "other clients wrote or removed \(entryCount(end - start)), which may or may not be in it")
    }
    try file?.commit()
    report.bytes = file?.byteCount ?? 0
    if let id = report.firstUnencodable {
      let which =
        report.unencodable == 1 ? "entry \(id)" : "\(entryCount(report.unencodable)), first entry \(id),"
      context.warn(
        "\(which) \(report.unencodable == 1 ? "holds" : "hold") text that is not UTF-8: "
          + (format == .csv
            ? "bytes that are not UTF-8 were replaced" : "its bytes are in the members *_base64"))
    }
    return report
  }

  /// The state of an interrupted export.
  private func state(_ report: ExportReport) -> String {
    if let path { return "The file '\(path)' is as it was before." }
    guard let last = report.lastID else { return "Nothing was written." }
    return "\(entryCount(report.exported)) were written; continue with --since-id \(last)."
  }

  /// The version counter, which only the report needs.
  private func version(of store: RedisStore, _ context: Context) throws -> Int64? {
    do {
      return try store.versionCounter()
    } catch let error as CorruptCacheError {
      context.warn(of: [error])
      return nil
    }
  }

  /// A prefix without a cache has no entries, and that is what is written.
  private func exportNothing(_ store: RedisStore, _ context: Context) throws -> any Report {
    try context.noteAbsence(of: store)
    let file = try path.map(AtomicFile.init)
    if format == .csv {
      if let file {
        try file.write(CSV.record(CSV.heading).utf8)
      } else {
        try context.output.write(CSV.record(CSV.heading).utf8)
      }
    }
    try file?.commit()
    return ExportReport(path: path, bytes: file?.byteCount ?? 0)
  }

  /// The entry for a terminal, which no byte of it may command.
  private func harmlessLine(of entry: StoredEntry, _ fingerprint: String) -> String {
    switch format {
    case .jsonl:
      JSONOutput.harmless(
        EntryLine.Writer(fingerprint: fingerprint, embeddings: embeddings).line(of: entry)) + "\n"
    case .csv:
      CSV.record(
        CSV.fields(of: entry, fingerprint: fingerprint, embeddings: embeddings).map { visible($0) })
    }
  }
}

struct ExportReport: Report {
  var path: String?
  var exported = 0
  var bytes = 0
  /// nil where it cannot be read.
  var versionStart: Int64?
  var versionEnd: Int64?
  var damaged = 0
  /// Entries with text that is not UTF-8.
  var unencodable = 0
  var firstUnencodable: EntryID?
  /// The entry that was written last.
  var lastID: EntryID?

  var status: ExitStatus { damaged > 0 ? .badData : .done }

  /// Standard output has the entries, and nothing else.
  var json: JSONOutput {
    guard path != nil else { return .null }
    return [
      "exported": JSONOutput(exported), "bytes": JSONOutput(bytes), "version_start": JSONOutput(versionStart),
      "version_end": JSONOutput(versionEnd),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    path.map { "exported \(entryCount(exported)) to '\(visible($0))', \(size(bytes))" }
  }

  var isConfirmation: Bool { true }
}
