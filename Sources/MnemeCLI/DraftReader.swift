import Mneme

/// Reads lines and makes records of them, several at a time. It runs on a thread of its own, ahead of the thread that
/// stores the entries.
final class DraftReader: @unchecked Sendable {
  /// The content of a line that is not blank.
  struct Line: Sendable {
    var number: Int
    var byteCount: Int
    var record: Result<EntryLine.Record, any Error>
    /// The part of the file that has been read, this line included, from 0 to 1; nil if its size is not known.
    var share: Double?
    /// Whether the next line has not arrived yet.
    var precedesWait = false
  }

  private var lines: LineReader
  private let sinceLine: Int
  private let blanks: [UInt8]
  private let parse: (ArraySlice<UInt8>) throws -> EntryLine.Record
  /// The error that ended the reading, thrown after the lines before it.
  private var failure: (any Error)?

  private static let largestCount = 64
  private static let largestBytes = 4 << 20

  /// - Parameters:
  ///   - sinceLine: the number of lines to skip.
  ///   - blanks: the bytes of which a blank line consists.
  ///   - parse: makes a record of a line.
  init(
    _ lines: LineReader, sinceLine: Int, blanks: [UInt8] = [0x20, 0x09],
    parse: @escaping (ArraySlice<UInt8>) throws -> EntryLine.Record
  ) {
    (self.lines, self.sinceLine, self.blanks, self.parse) = (lines, sinceLine, blanks, parse)
  }

  /// The number of the line that was read last.
  var lastNumber: Int { lines.number }

  /// A reader of JSON lines or the elements of an array.
  convenience init(_ lines: LineReader, sinceLine: Int, readsSettings: Bool) {
    var isExported = false
    self.init(lines, sinceLine: sinceLine) { line in
      let record = try EntryLine.record(
        from: Array(line), isExported: isExported, readsSettings: readsSettings)
      if case .settings = record { isExported = true }
      return record
    }
  }

  /// Returns the next lines that are available, at least one; nil after the last. A line that cannot be read is the
  /// last of the lines returned with it.
  @Sendable func next() throws -> [Line]? {
    if let failure { throw failure }
    var taken: [Line] = []
    var bytes = 0
    do {
      while taken.count < Self.largestCount, bytes < Self.largestBytes, taken.isEmpty || lines.holdsLine(),
        let line = try lines.next()
      {
        // Settings apply to the lines after them, even if the import continues at a later line.
        guard lines.number > sinceLine || line.starts(with: ExportSettings.beginning),
          !line.allSatisfy(blanks.contains)
        else { continue }
        let record = Result { try parse(line) }
        taken.append(
          Line(number: lines.number, byteCount: line.count, record: record, share: lines.share))
        bytes += line.count
        if case .failure = record { break }
      }
    } catch {
      guard !taken.isEmpty else { throw error }
      failure = error
    }
    guard !taken.isEmpty else { return nil }
    if failure == nil, lines.wouldWait() { taken[taken.count - 1].precedesWait = true }
    return taken
  }
}
