import Foundation
import TestSupport
import Testing

@testable import Mneme

/// A directory of the test's own, and 600 rows to be kept in it.
struct DirectoryStage {
  static let key = String(repeating: "a1", count: 32)
  let temporary: TemporaryDirectory
  let directory: IndexDirectory
  let rows: [[Float]]
  let dimension = 3

  /// 600 rows: two blocks and part of a third.
  init() throws {
    temporary = try TemporaryDirectory()
    directory = IndexDirectory(path: temporary.path("cache/mneme"), cacheName: "test")
    rows = try VectorIndexTests.vectors(600, dimension: 3)
  }

  static var mark: StoreMark {
    var mark = StoreMark(
      lineage: ["server", "cache"], version: 41, entries: 638, highestID: EntryID(1199),
      time: UnixTime(1_700_000_000))
    mark.accessedSince = UnixTime(1_699_999_850)
    mark.unexplained = 7
    (mark.members, mark.uncompared, mark.comparedAt) = (600, 3, UnixTime(1_699_999_900))
    mark.samples = [
      EntrySample(id: EntryID(3), createdAt: 5, queryHash: Array("hash".utf8)),
      EntrySample(id: EntryID(5), createdAt: -6, queryHash: []),
    ]
    return mark
  }

  /// Writes a base of `count` rows, and keeps it.
  @discardableResult
  func save(
    _ key: String = DirectoryStage.key, in directory: IndexDirectory? = nil, count: Int = 600
  ) throws -> IndexHead? {
    let directory = directory ?? self.directory
    let builder = VectorRowsBuilder(
      RowLayout(dimension: dimension), makeFile: { directory.makeFile(key) })
    do {
      for (number, row) in rows.prefix(count).enumerated() {
        try Embedding(row).bytes.withUnsafeBytes { try builder.append(EntryID(Int64(number) * 2 + 1), $0) }
      }
      let base = try builder.finish()
      guard let file = builder.file else { return nil }
      let head = IndexHead(
        key: key, baseID: file.baseID, dimension: dimension, rows: base.count, mark: Self.mark)
      return directory.keep(file, head) ? head : nil
    } catch is SystemFailure {
      return nil
    }
  }

  var path: String { directory.path + "/" + Self.key.prefix(40) + ".index" }
  func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }
  func replace(_ bytes: [UInt8]) throws {
    #expect(FileManager.default.createFile(atPath: path + "x", contents: Data(bytes)))
    chmod(path + "x", 0o600)
    rename(path + "x", path)
  }

  /// Whether the file is one that a search would use.
  func isSound(_ key: String = DirectoryStage.key) throws -> Bool {
    guard let (_, index) = directory.load(key, dimension: dimension) else { return false }
    return index.search(Embedding([1, 0, 0]), limit: 3) != nil
  }

  func ids(_ index: VectorIndex) -> [Int64] {
    index.search(Embedding([1, 0, 0]), limit: 10_000)?.candidates.map(\.id.rawValue).sorted() ?? []
  }
}
