import Glibc

/// A file that appears whole or not at all: written beside its place, then renamed there.
///
/// A file that is replaced keeps its permissions, and a symbolic link goes on leading to it. What is no regular
/// file, such as `/dev/null` or a named pipe, is written to as it stands: a renamed file would take its place.
final class AtomicFile {
  private let path: String
  /// Where it is to stand: the path, or what that leads to.
  private let destination: String
  /// The file being written; nil where there is nothing to rename.
  private var temporary: String?
  private var descriptor: Int32
  private let permissions: mode_t
  private var pending: [UInt8] = []
  private(set) var byteCount = 0

  /// - Throws: `FileError` (exit status 73) when it cannot be made.
  init(_ path: String) throws {
    self.path = path
    var status = stat()
    let exists = stat(path, &status) == 0
    permissions = exists ? status.st_mode & 0o777 : 0o666 & ~currentMask()
    if exists, status.st_mode & S_IFMT != S_IFREG {
      destination = path
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
    } else {
      destination = exists ? resolved(path) : path
      var template = Array((destination + ".XXXXXX").utf8CString)
      descriptor = mkstemp(&template)
      temporary = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
    guard descriptor >= 0 else {
      temporary = nil
      throw FileError.uncreatable(path, errno: errno)
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if let temporary { unlink(temporary) }
  }

  func write(_ bytes: some Collection<UInt8>) throws {
    pending.append(contentsOf: bytes)
    byteCount += bytes.count
    if pending.count >= 1 << 16 { try flush() }
  }

  private func flush() throws {
    let number = pending.withUnsafeBytes { writeAll($0, to: descriptor) }
    guard number == 0 else { throw failure(number) }
    pending.removeAll(keepingCapacity: true)
  }

  /// Puts the file in its place; before this there is none, or the old one.
  func commit() throws {
    try flush()
    if temporary != nil {
      guard fchmod(descriptor, permissions) == 0, fsync(descriptor) == 0 else { throw failure(errno) }
    }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure(errno) }
    if let temporary {
      guard rename(temporary, destination) == 0 else { throw failure(errno) }
      self.temporary = nil
    }
  }

  private func failure(_ number: Int32) -> FileError { .unwritten("the file '\(path)'", errno: number) }
}

/// Where a path leads to in the end.
private func resolved(_ path: String) -> String {
  guard let found = realpath(path, nil) else { return path }
  defer { free(found) }
  return String(cString: found)
}

/// What the process takes away from the permissions of a new file; it can only be read by setting it.
private func currentMask() -> mode_t {
  let mask = umask(0o077)
  _ = umask(mask)
  return mask
}
