import CProcess
import Glibc

/// A file that is being written and is not under its final name yet.
///
/// If the file system permits it, the file has no name, so that nothing is left of it if the process is killed.
/// Elsewhere it has the name `.NAME.mneme-0`, `.NAME.mneme-1` and so on, in the directory of the final name. A run
/// locks the file that it writes, and removes those that are not locked, since their runs were killed.
struct TemporaryFile {
  let descriptor: Int32
  private let names: Names
  /// The name; nil if it has none.
  private(set) var name: String?

  /// - Parameter isNamed: gives the file a name even if the file system does not require one.
  /// - Throws: `FileError` (exit status 73).
  init(for path: String, isNamed: Bool = false) throws {
    names = Names(of: path)
    names.removeAbandoned()
    // A file without a name gets one through /proc, so that must be mounted.
    let unnamed =
      isNamed || access("/proc/self/fd", X_OK) != 0 ? -1 : process_open_unnamed(names.directory)
    if unnamed >= 0 {
      descriptor = unnamed
      flock(unnamed, LOCK_EX | LOCK_NB)
      return
    }
    (descriptor, name) = try names.create()
  }

  /// Gives the file its final name. Before this there is no such file, or the old one.
  /// - Returns: 0, or the error number.
  mutating func move(to path: String) -> Int32 {
    if name == nil { name = names.link(descriptor) }
    guard let name else { return errno }
    // If a link has appeared there, it is replaced and not followed.
    guard rename(name, path) == 0 else { return errno }
    self.name = nil
    return 0
  }

  /// Removes the file if it was not moved.
  mutating func remove() {
    if let name { unlink(name) }
    name = nil
  }

  /// The temporary names for a file.
  private struct Names {
    private let path: String
    let directory: String
    private let prefix: String
    /// The most runs that can write to one path at the same time.
    private static let count = 8

    init(of path: String) {
      self.path = path
      let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
      let file = slash.map { path.utf8[path.utf8.index(after: $0)...] } ?? path.utf8[...]
      directory = slash.map { String(decoding: path.utf8[...$0], as: UTF8.self) } ?? "."
      // A name may have at most 255 bytes.
      let stem = String(decoding: file.prefix(200), as: UTF8.self)
      prefix = (slash == nil ? "" : directory) + "." + stem + ".mneme-"
    }

    private var all: [String] { (0..<Self.count).map { prefix + String($0) } }

    func removeAbandoned() {
      for name in all {
        var status = stat()
        guard lstat(name, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid() else {
          continue
        }
        let descriptor = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { continue }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0, isNamed(name, descriptor) { unlink(name) }
      }
    }

    func create() throws -> (Int32, String) {
      for name in all {
        let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        if descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0, isNamed(name, descriptor) {
          return (descriptor, name)
        }
        let number = errno
        // Before the lock, another run may have removed the file as abandoned.
        if descriptor >= 0 { close(descriptor) } else if number != EEXIST { throw uncreatable(number) }
      }
      throw uncreatable(EEXIST)
    }

    /// Gives a name to a file that has none.
    /// - Returns: nil, with `errno`.
    func link(_ descriptor: Int32) -> String? {
      all.first { name in
        linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
      }
    }

    private func isNamed(_ name: String, _ descriptor: Int32) -> Bool {
      var (there, opened) = (stat(), stat())
      return lstat(name, &there) == 0 && fstat(descriptor, &opened) == 0 && there.st_ino == opened.st_ino
        && there.st_dev == opened.st_dev
    }

    private func uncreatable(_ number: Int32) -> FileError { .uncreatable(path, errno: number) }
  }
}
