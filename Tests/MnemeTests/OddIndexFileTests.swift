import Foundation
import TestSupport
import Testing

@testable import Mneme

@Suite("Odd files among the kept vectors")
struct OddIndexFileTests {
  private let stage: DirectoryStage

  init() throws { stage = try DirectoryStage() }

  @Test("refuses a file in which a single byte has changed, at any place")
  func everyByte() throws {
    try stage.save()
    let sound = try stage.bytes()
    let file = open(stage.path, O_RDWR)
    try #require(file >= 0)
    defer { close(file) }
    func set(_ position: Int, to byte: UInt8) {
      withUnsafeBytes(of: byte) { #expect(pwrite(file, $0.baseAddress, 1, position) == 1) }
    }
    // Every byte of the head and of a block's head in a thorough run, else each seventh, and some of the rest.
    let heads = IndexHead.size + 1024
    let places =
      Array(stride(from: 0, to: heads, by: Effort.isThorough ? 1 : 7))
      + Array(stride(from: heads, to: sound.count, by: 97))
    for position in places {
      let byte = sound[position]
      // Behind the checksum of a block lie 56 bytes of zeros that mean nothing.
      let isPadding =
        position >= IndexHead.size
        && (8..<64) ~= (position - IndexHead.size) % RowLayout(dimension: 3).byteCount
      if isPadding { continue }
      set(position, to: byte ^ [0x01, 0x80, 0xff][position % 3])
      #expect(try !stage.isSound(), "byte \(position)")
      set(position, to: byte)
    }
    #expect(try stage.isSound())
  }

  @Test("refuses a file that is shorter or longer, by any number of bytes")
  func everyLength() throws {
    try stage.save()
    let sound = try stage.bytes()
    let counts =
      [0, 1, 7, 8, 16, 80, 2040, 2047, 2048, 2049, 2112] + stride(from: 3000, to: sound.count, by: 6101)
    for count in counts {
      try stage.replace(Array(sound.prefix(count)))
      #expect(try !stage.isSound(), "\(count) bytes")
    }
    try stage.replace(Array(sound.dropLast()))
    #expect(try !stage.isSound())
    for more in [1, 64, 4096] {
      try stage.replace(sound + [UInt8](repeating: 0, count: more))
      #expect(try !stage.isSound())
    }
    try stage.replace(sound)
    #expect(try stage.isSound())
  }

  @Test("reads only the head of a file that is larger than its head says, or than the limit")
  func sparse() throws {
    try stage.save()
    // Zeros of 3 TiB: reading them would take hours.
    #expect(truncate(stage.path, 3 << 40) == 0)
    #expect(try !stage.isSound())
    try stage.save()
    #expect(try stage.isSound())
    var smaller = stage.directory
    smaller.sizeLimit = try stage.bytes().count - 1
    #expect(smaller.load(DirectoryStage.key, dimension: 3) == nil)
    // A head that announces it.
    var head = try #require(stage.directory.load(DirectoryStage.key, dimension: 3)).head
    head.rows = 1 << 36
    var file = try stage.bytes()
    file.replaceSubrange(0..<IndexHead.size, with: head.sealed)
    try stage.replace(file)
    let layout = RowLayout(dimension: 3)
    #expect(
      truncate(stage.path, off_t(IndexHead.size + layout.blocks(for: head.rows) * layout.byteCount)) == 0)
    #expect(try !stage.isSound())
  }

  @Test("ends a search without a result if the file is truncated or overwritten while it is in use")
  func shrinking() throws {
    for size in [0, 100, IndexHead.size, IndexHead.size + 5000] {
      try stage.save()
      let index = try #require(stage.directory.load(DirectoryStage.key, dimension: 3)).index
      #expect(index.search(Embedding([1, 0, 0]), limit: 3) != nil)
      #expect(truncate(stage.path, off_t(size)) == 0)
      #expect(index.search(Embedding([1, 0, 0]), limit: 3) == nil)
      #expect(throws: DamagedIndex.self) { try index.write(to: VectorRowsBuilder(index.layout)) }
    }
    try stage.save()
    let index = try #require(stage.directory.load(DirectoryStage.key, dimension: 3)).index
    let file = try FileHandle(forWritingTo: URL(filePath: stage.path))
    try file.seek(toOffset: UInt64(IndexHead.size + 3000))
    try file.write(contentsOf: Data(repeating: 1, count: 2000))
    try file.close()
    #expect(index.search(Embedding([1, 0, 0]), limit: 3) == nil)
    // A file that another one replaces keeps working.
    try stage.save()
    let old = try #require(stage.directory.load(DirectoryStage.key, dimension: 3)).index
    try stage.save(count: 256)
    #expect(stage.ids(old).count == 600)
  }

  /// A file that a program can make and a damaged disk cannot: only the numbers are wrong.
  @Test("reads anything under a right checksum without harm", arguments: 1...4 as ClosedRange<UInt64>)
  func fuzz(stream: UInt64) throws {
    try stage.save()
    let sound = try stage.bytes()
    var random = SeededGenerator(stream: stream)
    var read = 0
    for _ in 0..<200 {
      var changed = sound
      for _ in 0...Int.random(in: 0..<6, using: &random) {
        // The head half of the time.
        let end = Bool.random(using: &random) ? 200 : changed.count
        let position = Int.random(in: 0..<end, using: &random)
        let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, .random(in: 0...255, using: &random)]
        for offset in 0..<Int.random(in: 0..<9, using: &random) where position + offset < end {
          changed[position + offset] = values.randomElement(using: &random)!
        }
      }
      try stage.replace(sealed(changed))
      guard let (_, index) = stage.directory.load(DirectoryStage.key, dimension: 3),
        let found = index.search(Embedding([1, 0, 0]), limit: 3, threshold: 0.5)
      else { continue }
      read += 1
      #expect(found.odd.count <= VectorIndex.mostOdd)
    }
    // About a fifth of them.
    #expect(read > 5)
  }

  /// With the checksums that belong to the bytes.
  private func sealed(_ file: [UInt8]) -> [UInt8] {
    var file = file
    let layout = RowLayout(dimension: stage.dimension)
    func seal(_ place: Range<Int>, from start: Int, count: Int) {
      let checksum = file.withUnsafeBytes {
        Checksum.of(UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
      }
      withUnsafeBytes(of: checksum) { file.replaceSubrange(place, with: $0) }
    }
    let place = IndexHead.size - 8..<IndexHead.size
    file.replaceSubrange(place, with: repeatElement(0, count: 8))
    seal(place, from: 0, count: IndexHead.size)
    for start in stride(from: IndexHead.size, to: file.count, by: layout.byteCount) {
      seal(
        start..<start + 8, from: start + RowLayout.headSize, count: layout.byteCount - RowLayout.headSize)
    }
    return file
  }

  @Test("refuses a file that others may read, that has a second name, or that is not a regular file")
  func oddFiles() throws {
    func remade() throws {
      try? FileManager.default.removeItem(atPath: stage.path)
      #expect(try stage.save() != nil)
      #expect(try stage.isSound())
    }
    for mode in [0o644, 0o640, 0o602, 0o610] as [mode_t] {
      try remade()
      chmod(stage.path, mode)
      #expect(try !stage.isSound())
    }
    try remade()
    #expect(link(stage.path, stage.temporary.path("second")) == 0)
    #expect(try !stage.isSound())

    try remade()
    rename(stage.path, stage.temporary.path("elsewhere"))
    #expect(symlink(stage.temporary.path("elsewhere"), stage.path) == 0)
    #expect(try !stage.isSound())
    let before = try Data(contentsOf: URL(filePath: stage.temporary.path("elsewhere")))
    // It is replaced, and where it led to stays as it was.
    #expect(try stage.save() != nil)
    #expect(try stage.isSound())
    #expect(try Data(contentsOf: URL(filePath: stage.temporary.path("elsewhere"))) == before)

    try? FileManager.default.removeItem(atPath: stage.path)
    #expect(mkfifo(stage.path, 0o600) == 0)
    #expect(try !stage.isSound())
    try? FileManager.default.removeItem(atPath: stage.path)
    #expect(mkdir(stage.path, 0o700) == 0)
    #expect(try !stage.isSound())
    #expect(try stage.save() == nil)
  }

  @Test(
    "refuses a file and a directory of another user",
    .enabled(if: geteuid() == 0, "only root can give files away"))
  func otherUser() throws {
    #expect(try stage.save() != nil)
    #expect(chown(stage.path, 65_534, 65_534) == 0)
    #expect(try !stage.isSound())
    #expect(try stage.save() != nil)
    #expect(try stage.isSound())
    #expect(chown(stage.directory.path, 65_534, 65_534) == 0)
    #expect(try !stage.isSound())
    #expect(try stage.save() == nil)
  }

  @Test("is not used while others may read it, and is closed to them with the next file")
  func openDirectory() throws {
    #expect(try stage.save() != nil)
    chmod(stage.directory.path, 0o755)
    #expect(try !stage.isSound())
    #expect(try stage.save() != nil)
    #expect(try stage.isSound())
  }

  @Test("is not used if it is a link or a file, or cannot be made")
  func noDirectory() throws {
    let real = IndexDirectory(path: stage.temporary.path("real"), cacheName: "test")
    #expect(try stage.save(in: real) != nil)
    #expect(symlink(stage.temporary.path("real"), stage.temporary.path("link")) == 0)
    let link = IndexDirectory(path: stage.temporary.path("link"), cacheName: "test")
    #expect(try link.load(DirectoryStage.key, dimension: 3) == nil && stage.save(in: link) == nil)

    try stage.temporary.write("text".utf8, to: "file")
    for path in ["file", "file/below", "file/below/that"] {
      let place = IndexDirectory(path: stage.temporary.path(path), cacheName: "test")
      #expect(try place.load(DirectoryStage.key, dimension: 3) == nil && stage.save(in: place) == nil)
    }
    let unwritable = IndexDirectory(path: "/proc/mneme", cacheName: "test")
    #expect(try unwritable.load(DirectoryStage.key, dimension: 3) == nil && stage.save(in: unwritable) == nil)
    #expect(try stage.temporary.read("file") == Array("text".utf8))
  }
}
