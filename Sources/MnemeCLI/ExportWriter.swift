import Mneme

/// Writes the entries of an export in one format.
protocol ExportWriter: AnyObject {
  /// Writes the settings or the heading. It is called before the first entry, so an empty export writes nothing.
  func begin(_ settings: ExportSettings?) throws

  /// - Returns: false if the format cannot hold the entry, which is then left out.
  func write(_ entry: StoredEntry) throws -> Bool

  /// Gives the file its name. If this is never called, the old file stays.
  /// - Returns: the size of the file.
  func commit() throws -> Int

  /// The number of entries left out because no reader of the file could use them.
  var unreadableCount: Int { get }

  /// Warns of the entries that were left out.
  func warn(_ context: Context)
}

extension ExportWriter {
  var unreadableCount: Int { 0 }
  func warn(_ context: Context) {}
}

/// Writes JSON lines or CSV, to a file or to standard output.
final class TextExport: ExportWriter {
  private let file: AtomicFile?
  private let output: Output
  private let isCSV: Bool
  private let fingerprint: String
  private let embeddings: EmbeddingForm
  private let lines: EntryLine.Writer
  /// Whether bytes that could control a terminal are escaped.
  private let isHarmless: Bool

  init(
    _ file: AtomicFile?, _ output: Output, isCSV: Bool, fingerprint: String, embeddings: EmbeddingForm
  ) {
    (self.file, self.output, self.isCSV) = (file, output, isCSV)
    (self.fingerprint, self.embeddings) = (fingerprint, embeddings)
    lines = EntryLine.Writer(fingerprint: fingerprint, embeddings: embeddings)
    isHarmless = file == nil && output.style.outputIsTerminal
  }

  func begin(_ settings: ExportSettings?) throws {
    if isCSV {
      try append { CSV.append(CSV.heading, to: &$0) }
    } else if let json = settings?.json {
      try append { bytes in
        if isHarmless { bytes += JSONOutput.harmless(json.text).utf8 } else { json.write(to: &bytes) }
        bytes.append(UInt8(ascii: "\n"))
      }
    }
  }

  func write(_ entry: StoredEntry) throws -> Bool {
    try append { bytes in
      switch (isCSV, isHarmless) {
      case (false, false):
        lines.append(entry, to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
      case (false, true): bytes += (JSONOutput.harmless(lines.line(of: entry)) + "\n").utf8
      case (true, _):
        let fields = CSV.fields(of: entry, fingerprint: fingerprint, embeddings: embeddings)
        CSV.append(isHarmless ? fields.map { visible($0) } : fields, to: &bytes)
      }
    }
    return true
  }

  private func append(_ body: (inout [UInt8]) -> Void) throws {
    if let file { try file.write(appending: body) } else { try output.write(appending: body) }
  }

  func commit() throws -> Int {
    try file?.commit()
    return file?.byteCount ?? 0
  }
}
