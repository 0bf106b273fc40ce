import Glibc

/// Where the vectors of namespaces are kept between runs of a program that searches once and ends: a directory of the
/// user's, mode 0700, of files of mode 0600, one for each namespace of each cache. They hold ids and vectors in int8,
/// and no text.
///
/// The directory is a cache in every respect. What is in it may be deleted at any time; a file that is odd in any way
/// (another's, readable by others, a link, of another size or checksum than it should be) is none; and that nothing
/// can be written there is no error. Processes share it without locks: a file is written aside and renamed.
public struct IndexDirectory: Sendable {
  /// Made when something is first kept in it, with those above it.
  public var path: String
  /// Tells this cache from every other: the server and the key prefix. No secret belongs into it, though only its
  /// hash is kept.
  public var cacheName: String
  /// The most bytes that the files may take; the ones that were not used for longest go.
  public var sizeLimit = 1 << 30
  /// A namespace with fewer vectors is read from the store each time, which takes no longer.
  public var leastVectors = 256

  public init(path: String, cacheName: String) {
    self.path = path
    self.cacheName = cacheName
  }

  private static let suffix = ".index"
  private static let temporarySuffix = ".new"

  /// What the file of a namespace is known by: SHA-256, in hexadecimal.
  func key(of namespace: Namespace, _ identity: CacheIdentity) -> String {
    unambiguousHash(of: [cacheName, namespace.name, identity.fingerprint, String(identity.dimension)])
  }

  private static func name(of key: String) -> String { key.prefix(40) + suffix }

  // MARK: Reading

  /// The file with that key; nil where there is none that can be trusted.
  func load(_ key: String) -> (header: VectorImageHeader, image: VectorImage)? {
    guard let directory = Descriptor(open(path, Self.directoryFlags)), directory.isPrivate(.directory),
      let file = Descriptor(
        openat(directory.number, Self.name(of: key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)),
      file.isPrivate(.file), let size = file.status?.st_size,
      let mapping = FileMapping(file.number, byteCount: Int(size)),
      let read = VectorImage.read(mapping), read.header.key == key
    else { return nil }
    // The time says when it was used last. Where that cannot be noted, it goes a little earlier.
    _ = futimens(file.number, nil)
    return read
  }

  private static let directoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC

  // MARK: Writing

  /// Keeps the first `header.rows` rows of an image, in place of what was there.
  /// - Returns: whether it is kept.
  @discardableResult
  func save(_ image: VectorImage, _ header: VectorImageHeader) -> Bool {
    guard let layout = VectorImageHeader.Layout(dimension: header.dimension, rows: header.rows),
      layout.end <= sizeLimit, let directory = makeDirectory()
    else { return false }
    let name = Self.name(of: header.key)
    let temporary = "\(name).\(getpid()).\(UInt32.random(in: 0 ... .max))\(Self.temporarySuffix)"
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    guard let file = Descriptor(openat(directory.number, temporary, flags, 0o600)) else { return false }
    do {
      // The process's mask may have taken away what the owner needs.
      guard fchmod(file.number, 0o600) == 0 else { throw SystemFailure() }
      try image.write(header) { try file.write($0) }
      guard renameat(directory.number, temporary, directory.number, name) == 0 else { throw SystemFailure() }
    } catch {
      unlinkat(directory.number, temporary, 0)
      return false
    }
    sweep(directory)
    return true
  }

  /// The directory, made where it is not there, or nil where it is not ours alone.
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

  /// Removes what a writer that died has left behind, and the oldest files until the rest fits.
  private func sweep(_ directory: Descriptor) {
    var files: [(name: String, status: stat)] = []
    for name in directory.names() {
      var status = stat()
      guard name.hasSuffix(Self.suffix) || name.hasSuffix(Self.temporarySuffix),
        fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG
      else { continue }
      if name.hasSuffix(Self.temporarySuffix), status.st_mtim.tv_sec < time(nil) - 3600 {
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
      if unlinkat(directory.number, file.name, 0) == 0 { total -= Int(file.status.st_size) }
    }
  }
}

private struct SystemFailure: Error {}

/// An open file or directory, closed with the last reference.
private final class Descriptor {
  let number: Int32

  /// nil for a number that says that opening failed.
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

  /// It is of this kind, ours, closed to everyone else, and, a file, not to be had under another name.
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
