import Glibc
import Mneme

/// Reads the lines of a file, without their line ends, one at a time. A byte order mark at its beginning is
/// skipped.
///
/// In a file of another form, an element of a JSON array or a row of CSV takes the place of a line.
struct LineReader {
  private let file: InputFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// The end of the next line, if it is known.
  private var nextNewline: Int?
  private let limit: Int
  private var bytesRead = 0
  /// The number of the last line that was returned, from 1.
  private(set) var number = 0
  private var scanner: RecordScanner
  /// The place up to which the scanner has read.
  private var scanned = 0

  /// - Parameter limit: the longest line in bytes; the beginning of a longer one is returned, and is not valid.
  init(_ file: InputFile, form: InputForm = .lines, limit: Int) {
    self.file = file
    self.limit = limit
    scanner = RecordScanner(form)
  }

  /// The part of the file that was read, from 0 to 1; nil if its size is not known.
  var share: Double? {
    file.size.map { $0 > 0 ? Double(bytesRead - (buffer.count - start)) / Double($0) : 1 }
  }

  /// Whether the next line is in memory, so that there is no wait for the file.
  mutating func holdsLine() -> Bool {
    if nextNewline == nil { nextNewline = newline(from: start) }
    return nextNewline != nil
  }

  /// Whether the next line has not come yet, and may take any time.
  mutating func wouldWait() -> Bool { !holdsLine() && !isAtEnd && !file.isReady }

  private mutating func newline(from index: Int) -> Int? {
    guard scanner.form == .lines else {
      let end = scanner.end(in: buffer, from: scanned)
      scanned = end.map { $0 + 1 } ?? buffer.count
      return end
    }
    return buffer.withUnsafeBytes { bytes in
      let rest = UnsafeRawBufferPointer(rebasing: bytes[index...])
      guard let start = rest.baseAddress, let found = memchr(start, Int32(UInt8(ascii: "\n")), rest.count)
      else {
        return nil
      }
      return index + (UnsafeRawPointer(found) - start)
    }
  }

  /// Returns the next line; nil after the last. The last line need not end with a line break.
  mutating func next() throws -> ArraySlice<UInt8>? {
    guard scanner.form == .array else { return try nextRecord() }
    // The scanner also ends a record at the brackets of the array. These are skipped.
    while let record = try nextRecord() {
      guard record.allSatisfy(\.isJSONSpace) else { return record }
      number -= 1
    }
    guard !scanner.isOpen else {
      throw InputError(
        "the JSON array does not end.",
        remediation: "Check that the file is whole: its last character is ']'.")
    }
    return nil
  }

  private mutating func nextRecord() throws -> ArraySlice<UInt8>? {
    var searched = start
    while true {
      if let newline = nextNewline ?? newline(from: searched) {
        nextNewline = nil
        defer { start = newline + 1 }
        number += 1
        let end = newline > start && buffer[newline - 1] == UInt8(ascii: "\r") ? newline - 1 : newline
        return buffer[start..<end]
      }
      if isAtEnd || buffer.count - start > limit {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        number += 1
        return buffer[start...]
      }
      if start > 0 { buffer.removeSubrange(..<start) }
      scanned = max(0, scanned - start)
      start = 0
      searched = buffer.count
      var piece = try file.read(atMost: 1 << 17)
      // If the first piece is shorter than the mark, the file has none.
      if bytesRead == 0, piece.starts(with: byteOrderMark) {
        bytesRead = byteOrderMark.count
        piece.removeFirst(byteOrderMark.count)
        if piece.isEmpty { continue }
      }
      isAtEnd = piece.isEmpty
      bytesRead += piece.count
      buffer += piece
    }
  }
}

/// Finds where the elements of a JSON array or the rows of CSV end, in text that comes in pieces.
private struct RecordScanner {
  let form: InputForm
  private var isQuoted = false
  private var isEscaped = false
  /// The number of open brackets, including that of the array.
  private var depth = 0
  private var isAfterArray = false

  init(_ form: InputForm) { self.form = form }

  /// Whether an array has begun and not ended.
  var isOpen: Bool { depth > 0 }

  /// Returns the place after a record, searching from where the last search ended; nil if more text is needed.
  mutating func end(in bytes: [UInt8], from start: Int) -> Int? {
    for index in start..<bytes.count where isEnd(bytes[index]) { return index }
    return nil
  }

  private mutating func isEnd(_ byte: UInt8) -> Bool {
    if form == .csv {
      // A doubled quote ends the quotes and begins them again.
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      return byte == UInt8(ascii: "\n") && !isQuoted
    }
    if isQuoted {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else {
        isQuoted = byte != UInt8(ascii: "\"")
      }
      return false
    }
    switch byte {
    case UInt8(ascii: "\""): isQuoted = true
    case UInt8(ascii: "["), UInt8(ascii: "{"):
      depth += 1
      return depth == 1 && !isAfterArray
    case UInt8(ascii: "]"), UInt8(ascii: "}"):
      depth -= 1
      guard depth == 0, !isAfterArray else { return false }
      isAfterArray = true
      return true
    case UInt8(ascii: ","): return depth == 1 && !isAfterArray
    default: break
    }
    return false
  }
}
