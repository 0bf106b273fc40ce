import Glibc

/// A directory in which a program that searches once and ends keeps the vectors of namespaces: mode 0700, with
/// files of mode 0600. Each namespace of each cache that has 256 vectors or more has a file of its rows, and one of
/// later changes. They hold ids, vectors in int8, and checksums; no text.
///
/// The directory is a cache. Its files may be deleted at any time. A file of another user, one that others can read,
/// a link, and a file with a wrong size or checksum are ignored. A failure to write is not an error. Processes share
/// the directory without locks: a file is written aside and renamed.
public struct IndexDirectory: Sendable {
  /// The path of the directory. It is made, with its parents, when the first file is written.
  public var path: String
  /// The name that distinguishes this cache from all others: the server and the key prefix. It should not contain a
  /// secret, although only its hash is kept.
  public var cacheName: String
  /// The most bytes that the files may take. The least recently used files are deleted.
  public var sizeLimit = 1 << 30

  /// Makes a value for a directory. The directory itself is not made yet.
  public init(path: String, cacheName: String) {
    self.path = path
    self.cacheName = cacheName
  }

  private static let suffix = ".index"
  private static let changesSuffix = ".changes"
  private static let temporarySuffix = ".new"

  /// The name of the files of a namespace: SHA-256, in hexadecimal.
  func key(of namespace: Namespace, _ identity: CacheIdentity) -> String {
    unambiguousHash(of: [cacheName, namespace.name, identity.fingerprint, String(identity.dimension)])
  }

  private static func name(of key: String, _ suffix: String) -> String { key.prefix(40) + suffix }

  static func temporaryName(for name: String) -> String {
    "\(name).\(getpid()).\(UInt32.random(in: 0 ... .max))\(temporarySuffix)"
  }

  // MARK: Reading

  /// Loads the index with a key and the changes since its base was made; nil if there is none that can be trusted. The
  /// blocks of rows are checked when they are searched.
  func load(_ key: String, dimension: Int) -> (head: IndexHead, index: VectorIndex)? {
    guard let directory = Descriptor(open(path, Self.directoryFlags)), directory.isPrivate(.directory),
      let file = openFile(Self.name(of: key, Self.suffix), in: directory),
      let bytes = file.contents(count: IndexHead.size), var head = try? IndexHead(sealed: bytes),
      head.key == key, head.dimension == dimension
    else { return nil }
    let layout = RowLayout(dimension: dimension)
    let size = IndexHead.size + layout.blocks(for: head.rows) * layout.byteCount
    guard let fileSize = file.size, fileSize == size, size <= sizeLimit else { return nil }
    var index = VectorIndex(base: .file(FileRows(file: file, layout: layout, count: head.rows)), layout)
    if let file = openFile(Self.name(of: key, Self.changesSuffix), in: directory), let size = file.size,
      size <= min(sizeLimit, 256 << 20), let bytes = file.contents(count: size),
      let mark = try? index.apply(bytes, to: head)
    {
      head.mark = mark
    }
    // The time records the last use. If it cannot be set, the file is deleted a little earlier.
    _ = futimens(file.number, nil)
    return (head, index)
  }

  /// Opens a file of this user, without a check of its size.
  private func openFile(_ name: String, in directory: Descriptor) -> Descriptor? {
    guard
      let file = Descriptor(openat(directory.number, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
      file.isPrivate(.file)
    else { return nil }
    return file
  }

  private static let directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

  // MARK: Writing

  /// A file for a new base; nil if none can be made.
  func makeFile(_ key: String) -> IndexFileWriter? {
    guard let directory = makeDirectory() else { return nil }
    return IndexFileWriter(in: directory, name: Self.name(of: key, Self.suffix), sizeLimit: sizeLimit)
  }

  /// Keeps a base, and replaces an earlier one.
  /// - Returns: whether it is kept.
  @discardableResult
  func keep(_ file: IndexFileWriter, _ head: IndexHead) -> Bool {
    guard file.keep(head), let directory = makeDirectory() else { return false }
    unlinkat(directory.number, Self.name(of: head.key, Self.changesSuffix), 0)
    sweep(directory)
    return true
  }

  /// Keeps the changes to a base.
  /// - Returns: whether they are kept.
  @discardableResult
  func keepChanges(_ index: VectorIndex, _ head: IndexHead) -> Bool {
    guard let directory = makeDirectory() else { return false }
    let name = Self.name(of: head.key, Self.changesSuffix)
    let temporary = Self.temporaryName(for: name)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    guard let file = Descriptor(openat(directory.number, temporary, flags, 0o600)) else { return false }
    do {
      guard fchmod(file.number, 0o600) == 0 else { throw SystemFailure() }
      try index.changes(head).withUnsafeBytes { try file.write($0) }
      guard renameat(directory.number, temporary, directory.number, name) == 0 else { throw SystemFailure() }
    } catch {
      unlinkat(directory.number, temporary, 0)
      return false
    }
    return true
  }

  /// Opens the directory, and makes it if it does not exist; nil if other users have access to it.
  private func makeDirectory() -> Descriptor? {
    var end = path.utf8.startIndex
    while let slash = path.utf8[end...].dropFirst().firstIndex(of: UInt8(ascii: "/")) {
      mkdir(String(path[..<slash]), 0o700)
      end = slash
    }
    mkdir(path, 0o700)
    guard let directory = Descriptor(open(path, Self.directoryFlags)) else { return nil }
    if let status = directory.status, status.st_uid == geteuid() { _ = fchmod(directory.number, 0o700) }
    return directory.isPrivate(.directory) ? directory : nil
  }

  /// Removes temporary files of killed processes, changes without their base, and the oldest files over the limit.
  private func sweep(_ directory: Descriptor) {
    var files: [(name: String, status: stat)] = []
    let names = Set(directory.names())
    for name in names {
      var status = stat()
      guard [Self.suffix, Self.changesSuffix, Self.temporarySuffix].contains(where: { name.hasSuffix($0) }),
        fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG
      else { continue }
      let isLeftBehind =
        name.hasSuffix(Self.temporarySuffix) && status.st_mtim.tv_sec < time(nil) - 3600
        || name.hasSuffix(Self.changesSuffix)
          && !names.contains(name.dropLast(Self.changesSuffix.count) + Self.suffix)
      if isLeftBehind {
        unlinkat(directory.number, name, 0)
      } else {
        files.append((name, status))
      }
    }
    files.sort {
      ($0.status.st_mtim.tv_sec, $0.status.st_mtim.tv_nsec) < (
        $1.status.st_mtim.tv_sec, $1.status.st_mtim.tv_nsec
      )
    }
    var total = files.reduce(0) { $0 + Int($1.status.st_size) }
    for file in files where total > sizeLimit && file.name.hasSuffix(Self.suffix) {
      guard unlinkat(directory.number, file.name, 0) == 0 else { continue }
      total -= Int(file.status.st_size)
      let changes = file.name.dropLast(Self.suffix.count) + Self.changesSuffix
      if let status = files.first(where: { $0.name == changes })?.status,
        unlinkat(directory.number, String(changes), 0) == 0
      {
        total -= Int(status.st_size)
      }
    }
  }
}

struct SystemFailure: Error {}

/// An open file or directory, closed with the last reference.
final class Descriptor: Sendable {
  let number: Int32

  /// Wraps a descriptor; nil if the number means that opening failed.
  init?(_ number: Int32) {
    guard number >= 0 else { return nil }
    self.number = number
  }

  deinit { close(number) }

  var status: stat? {
    var status = stat()
    return fstat(number, &status) == 0 ? status : nil
  }

  enum Kind { case file, directory }

  var size: Int? { status.map { Int($0.st_size) } }

  /// Reads bytes from a place in a file.
  /// - Returns: whether all bytes were read.
  func read(_ bytes: UnsafeMutableRawBufferPointer, at place: Int) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = pread(number, bytes.baseAddress! + done, bytes.count - done, off_t(place + done))
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        return false
      }
    }
    return true
  }

  /// The first bytes of a file; nil if there are fewer.
  func contents(count: Int) -> [UInt8]? {
    guard count > 0, let size, size >= count else { return nil }
    var isRead = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      buffer.initialize(repeating: 0)
      isRead = read(UnsafeMutableRawBufferPointer(buffer), at: 0)
      initialized = count
    }
    return isRead ? bytes : nil
  }

  /// Whether it is of this kind, belongs to this user and is closed to all others, and, for a file, has only one name.
  func isPrivate(_ kind: Kind) -> Bool {
    guard let status, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else { return false }
    return switch kind {
    case .file: status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1
    case .directory: status.st_mode & S_IFMT == S_IFDIR
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let written = Glibc.write(number, rest.baseAddress, rest.count)
      if written > 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      } else if written == 0 || errno != EINTR {
        throw SystemFailure()
      }
    }
  }

  /// The names in a directory.
  func names() -> [String] {
    guard let stream = fdopendir(dup(number)) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
      }
      if let name { names.append(name) }
    }
    return names
  }
}
