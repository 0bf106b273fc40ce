import Foundation
import TestSupport
import Testing

@testable import Mneme

@Suite("The directory of kept vectors")
struct IndexDirectoryTests {
  private let stage: DirectoryStage

  init() throws { stage = try DirectoryStage() }

  // MARK: Keeping

  @Test("returns what was kept, and is closed to all other users", arguments: [256, 257, 512, 600])
  func keeps(count: Int) throws {
    #expect(stage.directory.load(DirectoryStage.key, dimension: 3) == nil)
    let head = try #require(try stage.save(count: count))
    let (found, kept) = try #require(stage.directory.load(DirectoryStage.key, dimension: 3))
    #expect(found == head && found.mark == DirectoryStage.mark && found.rows == count)
    #expect(stage.ids(kept) == (0..<Int64(count)).map { $0 * 2 + 1 })
    let memory = VectorIndexTests.index(Array(stage.rows.prefix(count)))
    for query in stage.rows.prefix(20) {
      let ours = try #require(kept.search(Embedding(query), limit: 5)).candidates
      let theirs = try #require(memory.search(Embedding(query), limit: 5)).candidates
      #expect(ours.map { ($0.id.rawValue - 1) / 2 + 1 } == theirs.map(\.id.rawValue))
      #expect(ours.map(\.least) == theirs.map(\.least) && ours.map(\.most) == theirs.map(\.most))
    }
    #expect(try FileManager.default.attributesOfItem(atPath: stage.path)[.posixPermissions] as? Int == 0o600)
    for place in [stage.directory.path, stage.temporary.path("cache")] {
      #expect(try FileManager.default.attributesOfItem(atPath: place)[.posixPermissions] as? Int == 0o700)
    }
    // Another's file is not this one's, also when it has its name.
    #expect(
      stage.directory.load(DirectoryStage.key.prefix(40) + String(repeating: "b", count: 24), dimension: 3)
        == nil)
    #expect(stage.directory.load(DirectoryStage.key, dimension: 4) == nil)
  }

  @Test("makes no file for fewer rows than a block has", arguments: [0, 1, 255])
  func few(count: Int) throws {
    #expect(try stage.save(count: count) == nil)
    #expect(!FileManager.default.fileExists(atPath: stage.directory.path))
  }

  @Test("keeps one block in memory while a file is written, and removes a file that is given up")
  func streaming() throws {
    do {
      let builder = VectorRowsBuilder(
        RowLayout(dimension: 3), makeFile: { [stage] in stage.directory.makeFile(DirectoryStage.key) })
      for (number, row) in stage.rows.enumerated() {
        try Embedding(row).bytes.withUnsafeBytes { try builder.append(EntryID(Int64(number)), $0) }
      }
      let layout = builder.layout
      #expect(builder.file?.file.size == IndexHead.size + 2 * layout.byteCount)
      #expect(try FileManager.default.contentsOfDirectory(atPath: stage.directory.path).count == 1)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.directory.path) == [])
  }

  @Test("keeps changes of a base, for that base alone")
  func changes() throws {
    var head = try #require(try stage.save())
    var index = try #require(stage.directory.load(DirectoryStage.key, dimension: 3)).index
    index.remove(EntryID(1))
    index.set(EntryID(3), [0, 0, 1])
    index.set(EntryID(3), [0, 1, 0])
    index.set(EntryID(5), [.nan, 0, 0])
    index.set(EntryID(2000), [1, 0, 0])
    index.set(EntryID(2001), [1, 0, 0])
    index.remove(EntryID(2001))
    head.mark.version = 99
    #expect(stage.directory.keepChanges(index, head))
    let (found, kept) = try #require(stage.directory.load(DirectoryStage.key, dimension: 3))
    #expect(found == head)
    #expect(
      stage.ids(kept) == stage.ids(index) && !stage.ids(kept).contains(1) && stage.ids(kept).contains(2000))
    for query in [[1, 0, 0], [0, 1, 0], [0, 0, 1]] as [[Float]] {
      #expect(
        kept.search(Embedding(query), limit: 3)?.candidates
          == index.search(Embedding(query), limit: 3)?.candidates)
    }
    #expect(kept.search(Embedding([1, 0, 0]), limit: 1)?.odd == [EntryID(5)])

    let changes = stage.directory.path + "/" + DirectoryStage.key.prefix(40) + ".changes"
    let sound = Array(try Data(contentsOf: URL(filePath: changes)))
    // Either all changes are read, or none.
    for position in stride(from: 0, to: sound.count - 56, by: 5) {
      var damaged = sound
      damaged[position] ^= 0x10
      try Data(damaged).write(to: URL(filePath: changes))
      chmod(changes, 0o600)
      #expect(
        stage.directory.load(DirectoryStage.key, dimension: 3)?.head.mark == DirectoryStage.mark,
        "byte \(position)")
    }
    for count in [0, 1, 63, 64, 128, sound.count - 64, sound.count - 1] {
      try Data(sound.prefix(count)).write(to: URL(filePath: changes))
      chmod(changes, 0o600)
      #expect(
        stage.directory.load(DirectoryStage.key, dimension: 3)?.head.mark == DirectoryStage.mark,
        "\(count) bytes")
    }
    try Data(sound).write(to: URL(filePath: changes))
    chmod(changes, 0o600)
    #expect(stage.directory.load(DirectoryStage.key, dimension: 3)?.head.mark.version == 99)
    #expect(truncate(changes, 1 << 40) == 0)
    #expect(stage.directory.load(DirectoryStage.key, dimension: 3)?.head.mark == DirectoryStage.mark)
    // A new base has none, and those to the old one are not its own.
    try stage.save()
    #expect(!FileManager.default.fileExists(atPath: changes))
    try Data(sound).write(to: URL(filePath: changes))
    chmod(changes, 0o600)
    #expect(stage.directory.load(DirectoryStage.key, dimension: 3)?.head.mark == DirectoryStage.mark)
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

  // MARK: Size

  @Test("stays under its size limit: the least recently used files are deleted, and only its own")
  func size() throws {
    var directory = stage.directory
    let keys = (0..<5).map { String(repeating: "\($0)", count: 64) }
    func keep(_ key: String) throws { #expect(try stage.save(key, in: directory) != nil) }
    try keep(keys[0])
    let fileSize = try bytes(of: keys[0]).count
    try Data("mine".utf8).write(to: URL(filePath: stage.directory.path + "/notes.txt"))
    directory.sizeLimit = 3 * fileSize
    for key in keys[1...2] { try keep(key) }
    for (age, key) in zip([30, 20, 10], keys) { try setAge(age, of: key) }
    // Reading is using.
    #expect(try stage.isSound(keys[0]))
    try keep(keys[3])
    #expect(try keys.map { try stage.isSound($0) } == [true, false, true, true, false])
    directory.sizeLimit = fileSize
    for key in [keys[0], keys[2], keys[3]] { try setAge(10, of: key) }
    try keep(keys[4])
    #expect(try keys.map { try stage.isSound($0) } == [false, false, false, false, true])
    directory.sizeLimit = fileSize - 1
    #expect(try stage.save(keys[1], in: directory) == nil)
    #expect(FileManager.default.fileExists(atPath: stage.directory.path + "/notes.txt"))
  }

  @Test("removes files of killed writers, and keeps files that may be in use")
  func leftovers() throws {
    #expect(try stage.save() != nil)
    for (name, age) in [("dead.1.2.new", 7200), ("alive.1.2.new", 60)] {
      try Data("half".utf8).write(to: URL(filePath: stage.directory.path + "/" + name))
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -Double(age))],
        ofItemAtPath: stage.directory.path + "/" + name)
    }
    #expect(try stage.save() != nil)
    let names = try FileManager.default.contentsOfDirectory(atPath: stage.directory.path).sorted()
    #expect(names == [DirectoryStage.key.prefix(40) + ".index", "alive.1.2.new"])
  }

  private func bytes(of key: String) throws -> Data {
    try Data(contentsOf: URL(filePath: stage.directory.path + "/" + key.prefix(40) + ".index"))
  }

  private func setAge(_ seconds: Int, of key: String) throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -Double(seconds))],
      ofItemAtPath: stage.directory.path + "/" + key.prefix(40) + ".index")
  }
}
