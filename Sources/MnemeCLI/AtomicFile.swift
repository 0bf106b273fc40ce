import CProcess
import Glibc

/// A file that appears only when it is complete: written without a place, then renamed there (`TemporaryFile`).
///
/// It is its owner's alone, mode 0600 whatever the process's mask. One that takes the place of a file of the same owner
/// has that one's permissions and group: who may read it was decided there. A file of another owner decides nothing.
///
/// A symbolic link to a file is refused, because it could lead to any file. Other targets than regular files, such as
/// `/dev/null`, a pipe or `/dev/stdout`, are written to directly: a renamed file would take their place.
final class AtomicFile {
  private let path: String
  /// The file being written; nil where there is nothing to rename.
  private var temporary: TemporaryFile?
  private var descriptor: Int32
  private var pending: [UInt8] = []
  private(set) var byteCount = 0
  /// The bytes, from the beginning, that the kernel was asked to write to the disk.
  private var sentBack = 0

  /// The most bytes that may wait in memory for the disk. Without a limit the kernel writes gigabytes together, in
  /// threads of its own that take processor time from a Redis server on this machine. Megabytes are already too much.
  private static let mostWaiting = 256 << 10

  /// - Throws: `FileError` (exit status 73) when it cannot be made.
  convenience init(_ path: String) throws { try self.init(path, isNamed: false) }

  /// - Parameter isNamed: gives it a name while it is written, whatever the file system can do.
  /// - Throws: `FileError` (exit status 73) when it cannot be made.
  init(_ path: String, isNamed: Bool) throws {
    self.path = path
    var status = stat()
    if lstat(path, &status) == 0, !status.isRegularFile {
      descriptor = try openStanding(path, status)
      return
    }
    // Better said before everything is read than after it.
    switch process_replacement_error(path) {
    case 0: break
    case EBUSY:
      throw FileError(
        status: .cannotCreate,
        message: "The file '\(path)' is a mount point, and no other can take its place.",
        remediation: "Name a file in a directory that is mounted, or write with '> FILE'.")
    default:
      throw FileError(
        status: .cannotCreate, message: "The file '\(path)' may not be replaced: it is immutable.",
        remediation: "Name another file, or allow it with 'chattr -i -a'.")
    }
    let temporary = try TemporaryFile(for: path, isNamed: isNamed)
    (self.temporary, descriptor) = (temporary, temporary.descriptor)
  }

  /// The path of the file while it is written, for a library that opens files itself; nil where it has none.
  var temporaryPath: String? { temporary?.name }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    temporary?.remove()
  }

  func write(_ bytes: some Collection<UInt8>) throws {
    try write { $0.append(contentsOf: bytes) }
  }

  /// Writes what `body` appends, without a copy of it in between.
  func write(appending body: (inout [UInt8]) -> Void) throws {
    let before = pending.count
    body(&pending)
    byteCount += pending.count - before
    if pending.count >= 1 << 16 { try flush() }
  }

  private func flush() throws {
    let number = pending.withUnsafeBytes { writeAll($0, to: descriptor) }
    if number == EINTR { throw Interruption.inOutput }
    // The reader of a pipe, such as /dev/stdout, has ended.
    if number == EPIPE { throw ClosedPipe() }
    guard number == 0 else { throw failure(number) }
    pending.removeAll(keepingCapacity: true)
    guard temporary != nil, byteCount - sentBack >= Self.mostWaiting else { return }
    // fsync reports whether it is there.
    process_write_back(descriptor, Int64(sentBack), Int64(byteCount - sentBack))
    sentBack = byteCount
  }

  /// Puts the file in its place; before this there is none, or the old one.
  func commit() throws {
    try flush()
    if temporary != nil {
      guard fchmod(descriptor, permissions()) == 0, fsync(descriptor) == 0 else { throw failure(errno) }
    }
    // Through the descriptor, a file without a name gets one.
    let number = temporary?.move(to: path) ?? 0
    guard number == 0 else { throw failure(number) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure(errno) }
  }

  /// The permissions of the file to replace, as they are now. Its group is set first, because otherwise they would let
  /// others in.
  private func permissions() -> mode_t {
    var (old, new) = (stat(), stat())
    guard lstat(path, &old) == 0, old.isRegularFile, old.st_uid == geteuid(), fstat(descriptor, &new) == 0
    else {
      return 0o600
    }
    let hasItsGroup = old.st_gid == new.st_gid || fchown(descriptor, uid_t.max, old.st_gid) == 0
    return old.st_mode & (hasItsGroup ? 0o777 : 0o707)
  }

  private func failure(_ number: Int32) -> FileError { .unwritten("the file '\(path)'", errno: number) }
}

/// Opens what is there and is not a regular file.
/// - Parameter status: the path's own, not that of what a link leads to.
private func openStanding(_ path: String, _ status: stat) throws -> Int32 {
  let isLink = status.st_mode & S_IFMT == S_IFLNK
  // The system's own, as `/dev/stdout`, and one's own lead to devices and pipes. Anyone can put a link or a pipe where
  // all may write, and wait there.
  let isTrusted = status.st_uid == 0 || status.st_uid == geteuid()
  var target = stat()
  if isLink, !isTrusted || stat(path, &target) != 0 || target.isRegularFile {
    throw FileError(
      status: .cannotCreate,
      message: "The file '\(path)' is a symbolic link, and none is followed to a file.",
      remediation: "Name the file that it leads to, or remove the link.")
  }
  let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (isLink ? 0 : O_NOFOLLOW))
  guard descriptor >= 0 else { throw FileError.uncreatable(path, errno: errno) }
  // The target may have changed since it was looked at.
  guard fstat(descriptor, &target) == 0, !target.isRegularFile,
    isTrusted || target.st_mode & S_IFMT == S_IFCHR
  else {
    close(descriptor)
    throw FileError(
      status: .cannotCreate, message: "The pipe '\(path)' is another user's.",
      remediation: "Name a file or a pipe of your own.")
  }
  return descriptor
}

extension stat {
  fileprivate var isRegularFile: Bool { st_mode & S_IFMT == S_IFREG }
}
