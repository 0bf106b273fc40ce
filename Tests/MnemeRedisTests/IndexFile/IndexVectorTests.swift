import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

@Suite("The files of vectors that a cache keeps")
struct IndexVectorTests {
  // MARK: Vectors without a file

  @Test("are not kept by a reader until a writer has identified the cache")
  func peeking() throws {
    let stage = try IndexStage("peek")
    try stage.fill(0..<300)
    let before = try stage.redis.dump(prefix: stage.prefix + ":")
    try stage.look(peek: true)
    let changes = try stage.redis.dump(prefix: stage.prefix + ":").changes(since: before)
    #expect(changes.isEmpty, "\(changes)")
    #expect(try stage.file() == nil)
    try stage.look()
    #expect(try stage.compare())
    #expect(try stage.redis.send("HGET", stage.key("meta"), "incarnation").text?.isEmpty == false)
  }

  @Test("are not kept of a small namespace", arguments: [1, 16, 17, 255])
  func small(count: Int) throws {
    let stage = try IndexStage("small")
    try stage.fill(0..<count)
    try stage.look()
    try stage.compare()
    #expect(try stage.file() == nil)
    try stage.fill([0, 900])
    try stage.store.remove(id: EntryID(1))
    try stage.compare()
  }

  @Test("are not kept if the server does not report its identity")
  func withoutInfo() throws {
    let server = try RedisServer(configuration: ["rename-command INFO \"\""])
    let stage = try IndexStage("info", on: server)
    try stage.fill(0..<300)
    try stage.look()
    try stage.compare()
    #expect(try stage.file() == nil)
    #expect(try stage.redis.send("HEXISTS", stage.key("meta"), "incarnation").integer == 0)
    // A server that lives on follows all the same.
    let vector = stage.vector()
    try stage.store.insert(try stage.entry("q17", vector))
    try stage.store.remove(id: EntryID(4))
    try stage.compare()
  }

  // MARK: Vectors of every kind

  @Test("warn of the same entries each time: zeros, NaN, another length")
  func damagedVectors() throws {
    let stage = try IndexStage("damaged")
    try stage.fill(0..<300)
    let bad: [[Float]] = [
      [Float](repeating: 0, count: 16), [.nan] + [Float](repeating: 1, count: 15),
      [-.infinity] + [Float](repeating: 1, count: 15), [1, 2, 3],
    ]
    for (id, numbers) in zip([3, 77, 150, 299], bad) {
      try stage.redis.send([
        Array("HSET".utf8), Array(stage.key("entry:\(id)").utf8), Array("embedding".utf8),
        Embedding(numbers).bytes,
      ])
    }
    try stage.look(threshold: -1)
    try #require(try stage.file() != nil)
    #expect(try stage.compare(questions: 12))
    var options = SemanticCache.Options()
    options.indexDirectory = IndexDirectory(
      path: stage.directory.path("mneme"), cacheName: "\(stage.server.url) \(stage.prefix)")
    for _ in 0..<2 {
      let cache = try SemanticCache(
        store: RedisStore(url: stage.server.url, keyPrefix: stage.prefix), embedder: Placed(16),
        options: options)
      let damaged = try cache.lookUp("none", embedding: stage.vector(), options: .init()).damaged
      #expect(damaged.count == 4)
      for id in [3, 77, 150, 299] { #expect(damaged.contains { $0.message.contains("entry \(id) ") }) }
    }
  }

  @Test("leave out an entry of another type")
  func wrongType() throws {
    let stage = try IndexStage("type")
    try stage.fill(0..<300)
    try stage.redis.send("DEL", stage.key("entry:5"))
    try stage.redis.send("SET", stage.key("entry:5"), "text")
    try stage.look()
    #expect(try stage.compare())
  }

  @Test("return the lower ids if thousands are too similar for int8")
  func allAlike() throws {
    let stage = try IndexStage("alike")
    let vector = stage.vector()
    for start in stride(from: 0, to: 4_200, by: 600) {
      let entries = try (start..<start + 600).map { try stage.entry("q\($0)", vector) }
      _ = try stage.store.insert(entries, onConflict: .fail, evictingOver: nil)
    }
    try stage.look(vector)
    #expect(try stage.look(vector, peek: true).hasPrefix("hit 1 "))
    let ids = try stage.look(vector, peek: true, explain: 40).split(separator: "\n").dropFirst()
      .map { $0.prefix { $0 != " " } }
    #expect(ids == (1...40).map { Substring(String($0)) })
  }

  @Test(
    "name the same neighbours in the same order, near, far and equal",
    arguments: [2, 3, 16, 64, 384])
  func neighbours(dimension: Int) throws {
    let stage = try IndexStage("neighbours", dimension: dimension, stream: UInt64(dimension))
    var vectors = (0..<20).map { _ in stage.vector() }
    for center in vectors { for _ in 0..<20 { vectors.append(stage.vector(near: center, by: 0.05)) } }
    // And each fourth of them a second time.
    vectors += stride(from: 0, to: vectors.count, by: 4).map { vectors[$0] }
    _ = try stage.store.insert(
      vectors.enumerated().map { try stage.entry("q\($0)", $1) }, onConflict: .fail, evictingOver: nil)
    try stage.look()
    #expect(try stage.compare(questions: 12))
  }
}
