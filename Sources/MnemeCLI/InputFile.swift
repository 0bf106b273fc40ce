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
