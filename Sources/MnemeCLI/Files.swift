import Glibc

/// Reads a file, or standard input for `-`, in pieces.
final class InputFile {
  let name: String
  private let descriptor: Int32

  /// - Throws: `FileError` (exit status 66) when it cannot be opened.
  init(_ path: String) throws {
    guard path != "-" else {
      (name, descriptor) = ("standard input", STDIN_FILENO)
      return
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.unreadable(path, errno: errno) }
    (name, self.descriptor) = (path, descriptor)
  }

  deinit {
    if descriptor != STDIN_FILENO { close(descriptor) }
  }

  /// The next bytes; empty at the end.
  func read(atMost count: Int) throws -> [UInt8] {
    while true {
      var number: Int32 = 0
      let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        let got = Glibc.read(descriptor, buffer.baseAddress, count)
        number = got < 0 ? errno : 0
        filled = max(0, got)
      }
      if number == EINTR { continue }
      guard number == 0 else { throw FileError.unreadable(name, errno: number) }
      return piece
    }
  }

  /// Everything, up to a limit.
  /// - Returns: nil when there is more than `limit` bytes.
  func readAll(limit: Int) throws -> [UInt8]? {
    var all: [UInt8] = []
    while all.count <= limit {
      let piece = try read(atMost: 1 << 16)
      if piece.isEmpty { return all }
      all += piece
    }
    return nil
  }
}

/// Hands out the lines of a file, without their line ends, one at a time.
struct LineReader {
  private let file: InputFile
  private var buffer: [UInt8] = []
  private var start = 0
  private var isAtEnd = false
  private let limit: Int
  /// The number of the line that was handed out last, from 1.
  private(set) var number = 0

  /// - Parameter limit: the longest line in bytes; a longer one is handed out in part, and never ends well.
  init(_ file: InputFile, limit: Int) {
    self.file = file
    self.limit = limit
  }

  /// nil after the last line. A line that the file's end cuts short is one too.
  mutating func next() throws -> ArraySlice<UInt8>? {
    var searched = start
    while true {
      if let newline = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
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
      buffer += piece
    }
  }
}

/// The first line of a file that holds a secret.
func firstLine(of path: String) throws -> String {
  guard let bytes = try InputFile(path).readAll(limit: 1 << 16),
    let text = String(validating: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
  else {
    throw FileError(
      status: .noInput, message: "The file '\(path)' holds no password.",
      remediation: "Put the password on its first line, in UTF-8.")
  }
  return text
}

/// Asks on the terminal, without echo.
func askForPassword() throws -> String {
  let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
  guard terminal >= 0 else {
    throw FileError(
      status: .noInput, message: "There is no terminal to ask for the password.",
      remediation: "Use --password-file or the variable MNEME_PASSWORD.", cause: systemMessage(errno))
  }
  defer { close(terminal) }
  var before = termios()
  tcgetattr(terminal, &before)
  var silent = before
  silent.c_lflag &= ~tcflag_t(ECHO)
  tcsetattr(terminal, TCSAFLUSH, &silent)
  defer { tcsetattr(terminal, TCSAFLUSH, &before) }
  Array("Password: ".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
  var typed: [UInt8] = []
  var byte: UInt8 = 0
  while read(terminal, &byte, 1) == 1, byte != 0x0A { typed.append(byte) }
  Array("\n".utf8).withUnsafeBytes { _ = writeAll($0, to: terminal) }
  return String(decoding: typed, as: UTF8.self)
}

/// A file that appears whole or not at all: written beside its place, then renamed there. Where a device or a pipe
/// stands already it is written into as it comes, and stays what it is.
final class AtomicFile {
  private let path: String
  /// nil: written in place.
  private let temporary: String?
  private var descriptor: Int32
  private var pending: [UInt8] = []
  private(set) var byteCount = 0

  /// - Throws: `FileError` (exit status 73) when it cannot be made.
  init(_ path: String) throws {
    self.path = path
    if try Self.isStream(path) {
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw FileError.uncreatable(path, errno: errno) }
      temporary = nil
      return
    }
    var template = Array((path + ".XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw FileError.uncreatable(path, errno: errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    temporary = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      if let temporary { unlink(temporary) }
    }
  }

  /// Whether what stands at a path is no file that another can take the place of: a device, a pipe, or one of the
  /// names that `/dev` and `/proc` give to open files, such as `/dev/stdout`.
  /// - Throws: `FileError` for a directory.
  private static func isStream(_ path: String) throws -> Bool {
    var info = stat()
    guard stat(path, &info) == 0 else { return false }
    switch info.st_mode & S_IFMT {
    case S_IFDIR: throw FileError.uncreatable(path, errno: EISDIR)
    case S_IFREG:
      guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFLNK else { return false }
      return path.hasPrefix("/dev/") || path.hasPrefix("/proc/")
    default: return true
    }
  }

  func write(_ bytes: some Collection<UInt8>) throws {
    pending.append(contentsOf: bytes)
    byteCount += bytes.count
    if pending.count >= 1 << 16 { try flush() }
  }

  private func flush() throws {
    let number = pending.withUnsafeBytes { writeAll($0, to: descriptor) }
    guard number == 0 else { throw FileError.unwritten("the file '\(path)'", errno: number) }
    pending.removeAll(keepingCapacity: true)
  }

  /// Puts the file in its place; before this there is none, or the old one.
  func commit() throws {
    try flush()
    guard let temporary else { return }
    guard fsync(descriptor) == 0 else { throw FileError.unwritten("the file '\(path)'", errno: errno) }
    let closed = close(descriptor)
    let number = errno
    descriptor = -1
    guard closed == 0, rename(temporary, path) == 0 else {
      let reason = closed == 0 ? errno : number
      unlink(temporary)
      throw FileError.unwritten("the file '\(path)'", errno: reason)
    }
  }
}

/// Whether there is someone to ask and to read the question.
func isInteractive() -> Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

/// Asks a question that `y` answers with yes, and everything else with no.
func confirm(_ question: String) throws -> Bool {
  Output.noteInPlace(question)
  var lines = LineReader(try InputFile("-"), limit: 1024)
  let answer = try lines.next().map { String(decoding: $0, as: UTF8.self).lowercased() } ?? ""
  return answer == "y" || answer == "yes"
}
