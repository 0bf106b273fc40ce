import CProcess
import Glibc

/// A file that appears under its name only when it is complete: written as a `TemporaryFile`, then renamed.
///
/// A new file has mode 0600, whatever the process's umask. If it replaces a file of the same owner, it keeps that
/// file's permissions and group, since the user has chosen them. Those of another owner's file are not kept.
///
/// A symbolic link to a file is refused, because it could lead to any file. Targets other than regular files, such as
/// `/dev/null`, a pipe or `/dev/stdout`, are written to directly: renaming a file would replace them.
final class AtomicFile {
  private let path: String
  /// The file being written; nil if the target is written to directly.
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

  /// - Parameter isNamed: gives the file a name while it is written, even if the file system does not require one.
  /// - Throws: `FileError` (exit status 73) when it cannot be made.
  init(_ path: String, isNamed: Bool) throws {
    self.path = path
    var status = stat()
    if lstat(path, &status) == 0, !status.isRegularFile {
      descriptor = try openStanding(path, status)
      return
    }
    // Checked first, so that the error comes before the entries are read and not after it.
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

  /// The path of the file while it is written, for a library that opens files itself; nil if it has none.
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
    // Errors are ignored: fsync reports them at the end.
    process_write_back(descriptor, Int64(sentBack), Int64(byteCount - sentBack))
    sentBack = byteCount
  }

  /// Gives the file its name. Before this there is no such file, or the old one.
  func commit() throws {
    try flush()
    if temporary != nil {
      guard fchmod(descriptor, permissions()) == 0, fsync(descriptor) == 0 else { throw failure(errno) }
    }
    // A file without a name gets one by its descriptor.
    let number = temporary?.move(to: path) ?? 0
    guard number == 0 else { throw failure(number) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure(errno) }
  }

  /// Returns the current permissions of the file to replace. Its group is set first, since with another group they
  /// would let other users read the file.
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

/// Opens a target that exists and is not a regular file.
/// - Parameter status: of the path itself, not of the target of a link.
private func openStanding(_ path: String, _ status: stat) throws -> Int32 {
  let isLink = status.st_mode & S_IFMT == S_IFLNK
  // Links of the system, such as `/dev/stdout`, and of this user are followed. In a directory that all can write to,
  // another user could put a link or a pipe there and wait for the data.
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
