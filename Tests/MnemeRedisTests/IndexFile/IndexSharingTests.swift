import Foundation
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

@Suite("Vectors kept between runs, for several processes")
struct IndexSharingTests {
  @Test(
    "all lookups are answered while some processes write entries and others make files, and one complete file is left"
  )
  func together() throws {
    let stage = try IndexStage("sharing")
    try stage.fill(0..<400)
    let vector = stage.vector()
    try stage.store.insert(try stage.entry("the nearest", vector))
    let directory = IndexDirectory(path: stage.directory.path("mneme"), cacheName: "shared")
    let (url, prefix) = (stage.server.url, stage.prefix)
    let wrong = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { worker in
      do {
        var options = SemanticCache.Options()
        options.indexDirectory = directory
        var random = SeededGenerator(stream: UInt64(worker + 1))
        for round in 0..<25 {
          let cache = try SemanticCache(
            store: RedisStore(url: url, keyPrefix: prefix), embedder: Placed(16), options: options)
          defer { cache.close() }
          if worker == 0 {
            // Some are new, and some replace one.
            try cache.put(
              "q\(round.isMultiple(of: 4) ? round : 1000 + round)", "a",
              embedding: (0..<16).map { _ in Float.random(in: -1...1, using: &random) })
          } else if try cache.get("no such text", embedding: vector)?.query != "the nearest" {
            wrong.withLock { $0.append("worker \(worker), round \(round)") }
          }
        }
      } catch {
        wrong.withLock { $0.append("\(error)") }
      }
    }
    #expect(wrong.withLock { $0 } == [])
    #expect(try stage.names().count { $0.hasSuffix(".index") } == 1)
    #expect(try stage.names().allSatisfy { !$0.hasSuffix(".new") })
    try stage.compare()
  }
}
