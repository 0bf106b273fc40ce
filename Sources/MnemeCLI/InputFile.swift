import Glibc

/// Reads a file, or standard input for `-`, in pieces.
final class InputFile {
  let name: String
  private let descriptor: Int32
  private let status: stat
  /// Bytes that were read to recognize the file and not returned yet.
  private var peeked: [UInt8] = []

  /// - Throws: `FileError` (exit status 66) when it cannot be opened.
  init(_ path: String) throws {
    guard path != "-" else {
      (name, descriptor, status) = ("standard input", STDIN_FILENO, InputFile.status(of: STDIN_FILENO))
      return
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.unreadable(path, errno: errno) }
    (name, self.descriptor, status) = (path, descriptor, InputFile.status(of: descriptor))
  }

  private static func status(of descriptor: Int32) -> stat {
    var status = stat()
    fstat(descriptor, &status)
    return status
  }

  private var isRegular: Bool { status.st_mode & S_IFMT == S_IFREG }

  /// The size in bytes; nil for a pipe or a terminal.
  var size: Int? { isRegular ? Int(status.st_size) : nil }

  /// Whether users other than the owner can read the file.
  var isReadableByOthers: Bool { InputFile.isReadableByOthers(status) }

  /// Whether other users can read a file. The group of a file of another user does not count: root shares files
  /// with groups (Debian's `ssl-cert`), and systemd passes a credential to a user by its group.
  static func isReadableByOthers(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && isReadableByOthers(status)
  }

  private static func isReadableByOthers(_ status: stat) -> Bool {
    let readers = status.st_uid == geteuid() ? S_IRGRP | S_IROTH : S_IROTH
    return status.st_mode & S_IFMT == S_IFREG && status.st_mode & readers != 0
  }

  /// Whether the input is a terminal.
  var isTerminal: Bool { isatty(descriptor) == 1 }

  deinit {
    if descriptor != STDIN_FILENO { close(descriptor) }
  }

  /// Whether a read would return immediately, with bytes or with the end.
  var isReady: Bool {
    guard peeked.isEmpty else { return true }
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&wanted, 1, 0) != 0
  }

  /// Returns the first bytes, up to the first line end or `count`. `read` returns them again.
  func peek(atMost count: Int) throws -> [UInt8] {
    while peeked.count < count, !peeked.contains(0x0A) {
      let taken = peeked
      peeked = []
      let piece = try read(atMost: count - taken.count)
      peeked = taken + piece
      if piece.isEmpty { break }
    }
    return peeked
  }

  /// The next bytes; empty at the end.
  /// - Throws: `FileError` (exit status 66); `Interruption` if a signal comes first.
  func read(atMost count: Int) throws -> [UInt8] {
    if !peeked.isEmpty {
      defer { peeked = [] }
      return peeked
    }
    while true {
      try Interrupt().awaitInput(on: descriptor)
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
