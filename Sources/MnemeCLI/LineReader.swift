import Glibc

/// Hands out the lines of a file, without their line ends, one at a time.
struct LineReader {
  private let file: InputFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  /// Where the next line ends, when that has been looked for already.
  private var nextNewline: Int?
  private let limit: Int
  private var bytesRead = 0
  /// The number of the line that was handed out last, from 1.
  private(set) var number = 0

  /// - Parameter limit: the longest line in bytes; a longer one is handed out in part, and never ends well.
  init(_ file: InputFile, limit: Int) {
    self.file = file
    self.limit = limit
  }

  /// How much of the file was handed out, from 0 to 1; nil where its size cannot be known.
  var share: Double? {
    file.size.map { $0 > 0 ? Double(bytesRead - (buffer.count - start)) / Double($0) : 1 }
  }

  /// Whether the next line is at hand, and will be handed out without a wait for the file.
  mutating func holdsLine() -> Bool {
    if nextNewline == nil { nextNewline = newline(from: start) }
    return nextNewline != nil
  }

  /// Whether the next line has not come yet, and may take any time.
  mutating func wouldWait() -> Bool { !holdsLine() && !isAtEnd && !file.isReady }

  private func newline(from index: Int) -> Int? {
    buffer.withUnsafeBytes { bytes in
      let rest = UnsafeRawBufferPointer(rebasing: bytes[index...])
      guard let start = rest.baseAddress, let found = memchr(start, Int32(UInt8(ascii: "\n")), rest.count)
      else {
        return nil
      }
      return index + (UnsafeRawPointer(found) - start)
    }
  }

  /// nil after the last line. A line that the file's end cuts short is one too.
  mutating func next() throws -> ArraySlice<UInt8>? {
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
      start = 0
      searched = buffer.count
      let piece = try file.read(atMost: 1 << 17)
      isAtEnd = piece.isEmpty
      bytesRead += piece.count
      buffer += piece
    }
  }
}
