import Foundation
import TestSupport
import Testing

@testable import Mneme

@Suite("The directory of kept vectors")
struct IndexDirectoryTests {
  private static let key = String(repeating: "a1", count: 32)
  private let temporary: TemporaryDirectory
  private let directory: IndexDirectory
  private let image: VectorImage
  private let header: VectorImageHeader

  init() throws {
    temporary = try TemporaryDirectory()
    directory = IndexDirectory(path: temporary.path("cache/mneme"), cacheName: "test")
    let builder = VectorImageBuilder(dimension: 3)
    for (number, row) in try VectorIndexTests.vectors(37, dimension: 3).enumerated() {
      Embedding(row).bytes.withUnsafeBytes { builder.append(EntryID(Int64(number) * 2 + 1), $0) }
    }
    image = builder.image()
    header = VectorImageHeader(
      key: Self.key,
      mark: StoreMark(lineage: ["server", "cache"], version: 41, entries: 38, highestID: EntryID(73)),
      dimension: 3,
      rows: 37)
  }

  private var path: String { directory.path + "/" + Self.key.prefix(40) + ".index" }
  private func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }
  private func replace(_ bytes: [UInt8]) throws {
    #expect(FileManager.default.createFile(atPath: path + "x", contents: Data(bytes)))
    chmod(path + "x", 0o600)
    rename(path + "x", path)
  }

  /// Whether the file is one that a search would use.
  private func isSound(_ key: String = IndexDirectoryTests.key) throws -> Bool {
    guard let (_, image) = directory.load(key) else { return false }
    return try image.search(.normalizing([Float](repeating: 1, count: image.dimension))) != nil
  }

  // MARK: Keeping

  @Test("gives back what it was given, closed to everyone else")
  func keeps() throws {
    #expect(directory.load(Self.key) == nil)
    #expect(directory.save(image, header))
    let (found, kept) = try #require(directory.load(Self.key))
    #expect(found == header)
    #expect(Array(kept.ids) == Array(image.ids))
    #expect(Array(kept.scales) == Array(image.scales))
    #expect(Array(kept.errors) == Array(image.errors))
    let count = 37 * image.width
    #expect(
      UnsafeBufferPointer(start: kept.vectors, count: count).elementsEqual(
        UnsafeBufferPointer(start: image.vectors, count: count)))
    #expect(try isSound())
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    for place in [directory.path, temporary.path("cache")] {
      #expect(try FileManager.default.attributesOfItem(atPath: place)[.posixPermissions] as? Int == 0o700)
    }
    // Another's file is not this one's, also when it has its name.
    #expect(directory.load(Self.key.prefix(40) + String(repeating: "b", count: 24)) == nil)
  }

  @Test("keeps no more rows than it was told to, and none", arguments: [0, 1, 36])
  func part(rows: Int) throws {
    var header = header
    header.rows = rows
    #expect(directory.save(image, header))
    let (found, kept) = try #require(directory.load(Self.key))
    #expect(found.rows == rows && Array(kept.ids) == Array(image.ids.prefix(rows)))
    #expect(try isSound())
  }

  @Test("has another key for every server, prefix, namespace, fingerprint and dimension")
  func keys() throws {
    var keys: Set<String> = []
    for name in ["a", "b", "ab", ""] {
      for namespace in ["n", "m", "nm"] {
        for fingerprint in ["f", "g"] {
          for dimension in [3, 33] {
            keys.insert(
              IndexDirectory(path: "/", cacheName: name).key(
                of: try Namespace(namespace), CacheIdentity(fingerprint: fingerprint, dimension: dimension)))
          }
        }
      }
    }
    #expect(keys.count == 4 * 3 * 2 * 2)
  }

  // MARK: Odd files

  @Test("takes no file of which a single byte has changed, wherever")
  func everyByte() throws {
    directory.save(image, header)
    let sound = try bytes()
    let file = open(path, O_RDWR)
    try #require(file >= 0)
    defer { close(file) }
    func set(_ position: Int, to byte: UInt8) {
      withUnsafeBytes(of: byte) { #expect(pwrite(file, $0.baseAddress, 1, position) == 1) }
    }
    for (position, byte) in sound.enumerated() {
      set(position, to: byte ^ [0x01, 0x80, 0xff][position % 3])
      #expect(try !isSound(), "byte \(position)")
      set(position, to: byte)
    }
    #expect(try isSound())
  }

  @Test("takes no file that is shorter or longer, by whatever")
  func everyLength() throws {
    directory.save(image, header)
    let sound = try bytes()
    for count in [0, 1, 7, 8, 16, 80, 184, 191, 192, 193, 256] + stride(from: 300, to: sound.count, by: 61) {
      try replace(Array(sound.prefix(count)))
      #expect(try !isSound(), "\(count) bytes")
    }
    try replace(Array(sound.dropLast()))
    #expect(try !isSound())
    for more in [1, 64, 4096] {
      try replace(sound + [UInt8](repeating: 0, count: more))
      #expect(try !isSound())
    }
  }

  /// What a damaged disk cannot make, but a program can: all in order but the numbers.
  @Test("reads whatever stands under a right checksum without harm", arguments: 1...8 as ClosedRange<UInt64>)
  func fuzz(seed: UInt64) throws {
    directory.save(image, header)
    let sound = try bytes()
    var random = SplitMix64(seed: seed)
    var read = 0
    for _ in 0..<400 {
      var changed = sound
      for _ in 0...(random.next() % 6) {
        // The header half of the time.
        let end = random.next() % 2 == 0 ? VectorImageHeader.size : changed.count
        let position = Int(random.next() % UInt64(end))
        let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next())]
        for offset in 0..<Int(random.next() % 9) where position + offset < end {
          changed[position + offset] = values[Int(random.next() % 6)]
        }
      }
      try replace(sealed(changed))
      guard let (_, image) = directory.load(Self.key) else { continue }
      var query = [Float](repeating: 0, count: image.dimension)
      query[0] = 1
      guard var search = image.search(Embedding(query)) else { continue }
      read += 1
      for limit in [1, 3, 1000] {
        for row in search.next(limit: limit, threshold: 0.5) {
          _ = search.id(of: row)
          search.exclude(row)
        }
      }
    }
    #expect(read > 20)
  }

  /// With the checksum that belongs to the bytes.
  private func sealed(_ file: [UInt8]) -> [UInt8] {
    var file = file
    let place = VectorImageHeader.checksumOffset..<VectorImageHeader.checksumOffset + 8
    file.replaceSubrange(place, with: repeatElement(0, count: 8))
    var checksum = Checksum()
    file.withUnsafeBytes { checksum.update(UnsafeRawBufferPointer(rebasing: $0[..<($0.count / 64 * 64)])) }
    withUnsafeBytes(of: checksum.value) { file.replaceSubrange(place, with: $0) }
    return file
  }

  @Test("takes no file that others may read, that has a second name, or that is no file")
  func oddFiles() throws {
    func remade() throws {
      try? FileManager.default.removeItem(atPath: path)
      #expect(directory.save(image, header))
      #expect(try isSound())
    }
    for mode in [0o644, 0o640, 0o602, 0o610] as [mode_t] {
      try remade()
      chmod(path, mode)
      #expect(try !isSound())
    }
    try remade()
    #expect(link(path, temporary.path("second")) == 0)
    #expect(try !isSound())

    try remade()
    rename(path, temporary.path("elsewhere"))
    #expect(symlink(temporary.path("elsewhere"), path) == 0)
    #expect(try !isSound())
    let before = try Data(contentsOf: URL(filePath: temporary.path("elsewhere")))
    // It is replaced, and where it led to stays as it was.
    #expect(directory.save(image, header))
    #expect(try isSound())
    #expect(try Data(contentsOf: URL(filePath: temporary.path("elsewhere"))) == before)

    try? FileManager.default.removeItem(atPath: path)
    #expect(mkfifo(path, 0o600) == 0)
    #expect(try !isSound())
    try? FileManager.default.removeItem(atPath: path)
    #expect(mkdir(path, 0o700) == 0)
    #expect(try !isSound())
    #expect(!directory.save(image, header))
  }

  @Test(
    "takes no file and no directory of another user",
    .enabled(if: geteuid() == 0, "only root can give files away"))
  func otherUser() throws {
    #expect(directory.save(image, header))
    #expect(chown(path, 65_534, 65_534) == 0)
    #expect(try !isSound())
    #expect(directory.save(image, header))
    #expect(try isSound())
    #expect(chown(directory.path, 65_534, 65_534) == 0)
    #expect(try !isSound())
    #expect(!directory.save(image, header))
  }

  @Test("is not read while others may look into it, and closed by the next file")
  func openDirectory() throws {
    #expect(directory.save(image, header))
    chmod(directory.path, 0o755)
    #expect(try !isSound())
    #expect(directory.save(image, header))
    #expect(try isSound())
  }

  @Test("is none where it is a link, a file, or cannot be made")
  func noDirectory() throws {
    let real = IndexDirectory(path: temporary.path("real"), cacheName: "test")
    #expect(real.save(image, header))
    #expect(symlink(temporary.path("real"), temporary.path("link")) == 0)
    let link = IndexDirectory(path: temporary.path("link"), cacheName: "test")
    #expect(link.load(Self.key) == nil && !link.save(image, header))

    try temporary.write("text".utf8, to: "file")
    for path in ["file", "file/below", "file/below/that"] {
      let place = IndexDirectory(path: temporary.path(path), cacheName: "test")
      #expect(place.load(Self.key) == nil && !place.save(image, header))
    }
    let unwritable = IndexDirectory(path: "/proc/mneme", cacheName: "test")
    #expect(unwritable.load(Self.key) == nil && !unwritable.save(image, header))
    #expect(try temporary.read("file") == Array("text".utf8))
  }

  // MARK: Size

  @Test("stays under its size: what was not used for longest goes, and only what it made")
  func size() throws {
    var directory = directory
    let keys = (0..<5).map { String(repeating: "\($0)", count: 64) }
    func keep(_ key: String) {
      var header = header
      header.key = key
      #expect(directory.save(image, header))
    }
    keep(keys[0])
    let fileSize = try bytes(of: keys[0]).count
    try Data("mine".utf8).write(to: URL(filePath: directory.path + "/notes.txt"))
    directory.sizeLimit = 3 * fileSize
    for key in keys[1...2] { keep(key) }
    for (age, key) in zip([30, 20, 10], keys) { try setAge(age, of: key) }
    // Reading is using.
    #expect(try isSound(keys[0]))
    keep(keys[3])
    #expect(try keys.map { try isSound($0) } == [true, false, true, true, false])
    directory.sizeLimit = fileSize
    keep(keys[4])
    #expect(try keys.map { try isSound($0) } == [false, false, false, false, true])
    directory.sizeLimit = fileSize - 1
    #expect(!directory.save(image, header))
    #expect(FileManager.default.fileExists(atPath: directory.path + "/notes.txt"))
  }

  @Test("takes away what a writer left that died, and leaves what one may be writing")
  func leftovers() throws {
    #expect(directory.save(image, header))
    for (name, age) in [("dead.1.2.new", 7200), ("alive.1.2.new", 60)] {
      try Data("half".utf8).write(to: URL(filePath: directory.path + "/" + name))
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -Double(age))],
        ofItemAtPath: directory.path + "/" + name)
    }
    #expect(directory.save(image, header))
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    #expect(names == [Self.key.prefix(40) + ".index", "alive.1.2.new"])
  }

  private func bytes(of key: String) throws -> Data {
    try Data(contentsOf: URL(filePath: directory.path + "/" + key.prefix(40) + ".index"))
  }

  private func setAge(_ seconds: Int, of key: String) throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -Double(seconds))],
      ofItemAtPath: directory.path + "/" + key.prefix(40) + ".index")
  }
}

@Suite("The mark of a store")
struct StoreMarkTests {
  private static let mark = StoreMark(lineage: ["a"], version: 100, entries: 50, highestID: EntryID(60))

  @Test(
    "proves that only entries came",
    arguments: [
      (100, 0, 50, true), (103, 3, 50, true),
      // Replaced, removed, went back.
      (101, 0, 50, false), (104, 3, 50, false), (101, 0, 49, false), (100, 0, 49, false), (99, 0, 50, false),
      (102, 3, 50, false), (100, 0, 51, false), (Int64.min, 0, 50, false), (Int64.max, 3, 50, false),
    ] as [(Int64, Int64, Int64, Bool)])
  func proof(version: Int64, added: Int64, remaining: Int64, holds: Bool) {
    #expect(Self.mark.allowsOnlyAdditions(version: version, added: added, remaining: remaining) == holds)
  }

  @Test("knows its lineage by all of its parts")
  func lineage() {
    let mark = StoreMark(lineage: ["ab", "c"], version: 0, entries: 0, highestID: EntryID(0))
    #expect(mark.isOfLineage(["ab", "c"]))
    for parts in [["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""], []] {
      #expect(!mark.isOfLineage(parts))
    }
  }
}
