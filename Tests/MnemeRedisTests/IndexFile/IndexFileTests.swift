import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// Vectors that are kept on disk answer as those in the store do, whatever happened to the store since.
@Suite("Vectors kept between runs")
struct IndexFileTests {
  static let there = Namespace(unchecked: "there")

  /// A cache of 300 entries whose file has been made.
  private func stage(_ what: String, on server: RedisServer? = nil, count: Int = 300) throws -> IndexStage {
    let stage = try IndexStage(what, on: server)
    try stage.fill(0..<count)
    try stage.look()
    try #require(try stage.file() != nil)
    return stage
  }

  // MARK: What leaves the file in use

  @Test("serve again while nothing changes, and after hits that were recorded")
  func unchanged() throws {
    let stage = try stage("unchanged")
    #expect(try stage.compare(questions: 12))
    for _ in 0..<5 { try stage.look(threshold: -1) }
    #expect(try stage.compare())
  }

  @Test("are joined by entries that came since, of this namespace alone")
  func additions() throws {
    let stage = try stage("additions")
    try stage.fill(300..<340)
    try stage.fill(0..<30, in: Self.there)
    let vector = stage.vector()
    try stage.store.insert(try stage.entry("new", vector))
    try stage.store.insert(try stage.entry("stranger", in: Self.there, vector))
    #expect(try stage.compare(questions: 12))
    #expect(try stage.look(vector).hasPrefix("hit 371 "))
  }

  @Test("do without entries that Redis has expired by itself, also where these were all that is near")
  func nativeExpiry() throws {
    let stage = try stage("expiry")
    let center = stage.vector()
    for number in 0..<30 {
      try stage.store.insert(try stage.entry("near\(number)", stage.vector(near: center, by: 0.01)))
    }
    try stage.fill(0..<1)
    try stage.look()
    let file = try stage.file()
    for id in 301...330 { try stage.redis.send("DEL", stage.key("entry:\(id)")) }
    for explain in [nil, 5] {
      let kept = try stage.look(center, peek: true, explain: explain)
      #expect(try kept == stage.look(center, keeping: false, peek: true, explain: explain))
      #expect(kept.hasPrefix("miss belowThreshold"))
    }
    for id in 1...300 { try stage.redis.send("DEL", stage.key("entry:\(id)")) }
    #expect(try stage.look(center, peek: true).hasPrefix("miss noMatch"))
    #expect(try stage.compare())
    #expect(try stage.file() == file)
  }

  // MARK: What has it made anew

  @Test("are read anew after a replacement, which keeps its id")
  func replacement() throws {
    let stage = try stage("replaced")
    let vector = stage.vector()
    let id = try stage.store.insert(try stage.entry("q17", vector))
    #expect(id == EntryID(18))
    #expect(try stage.compare() == false)
    #expect(try stage.look(vector).hasPrefix("hit 18 "))
    #expect(try stage.compare())
  }

  @Test("are read anew after a removal, and after one whose place a new entry takes in the count")
  func removal() throws {
    let stage = try stage("removed")
    try stage.store.remove(id: EntryID(7))
    #expect(try stage.compare() == false)
    try stage.store.remove(id: EntryID(8))
    try stage.fill(300..<301)
    #expect(try stage.compare() == false)
    #expect(try stage.compare())
  }

  @Test("are read anew when a namespace was cleared and filled again")
  func cleared() throws {
    let stage = try stage("cleared")
    try stage.store.removeAll(in: .default)
    try stage.compare()
    try stage.fill(0..<300)
    #expect(try stage.compare() == false)
  }

  @Test("are read anew when the keys were deleted and the cache filled again up to the same version")
  func refilled() throws {
    let stage = try stage("refilled")
    let version = try stage.store.versionCounter()
    try stage.deleteAllKeys()
    try stage.reopen()
    try stage.fill(0..<300)
    #expect(try stage.store.versionCounter() == version)
    // Without a trace in the store they cannot be kept at all, and the file is of another life.
    _ = try stage.compare()
    try stage.look()
    #expect(try stage.compare())
  }

  @Test("are read anew when the server came back with a backup, also where the version caught up")
  func restored() throws {
    let server = try RedisServer()
    let stage = try stage("restored", on: server)
    try stage.redis.send("SAVE")
    for number in 0..<5 { try stage.store.insert(try stage.entry("q\(number)")) }
    try stage.look()
    let version = try stage.store.versionCounter()
    try server.crash()
    try server.start()
    for number in 100..<105 { try stage.store.insert(try stage.entry("q\(number)")) }
    #expect(try stage.store.versionCounter() == version)
    #expect(try stage.compare() == false)
    #expect(try stage.compare())
  }

  @Test("are read anew when the version counter went back", arguments: [0, 1, 299])
  func versionWentBack(version: Int) throws {
    let stage = try stage("back")
    try stage.store.insert(try stage.entry("q5"))
    try stage.redis.send("SET", stage.key("version"), "\(version)")
    try stage.reopen()
    #expect(try stage.compare() == false)
    try stage.redis.send("DEL", stage.key("version"))
    try stage.reopen()
    for query in ["q6", "q7"] { try stage.store.insert(try stage.entry(query)) }
    #expect(try stage.compare() == false)
  }

  @Test("are read anew when a writer who was overtaken brings an id below the highest")
  func overtaken() throws {
    let stage = try IndexStage("overtaken")
    try stage.fill(0..<300)
    let skipped = try stage.redis.send("INCR", stage.key("next_id")).integer
    try stage.fill(300..<310)
    try stage.look()
    let vector = stage.vector()
    let late = try stage.store.insert(try stage.entry("late", vector))
    // The entry as it would be under the number that was taken earlier.
    let fields = try stage.redis.send("HGETALL", stage.key("entry:\(late)")).texts
    try stage.redis.send("RENAME", stage.key("entry:\(late)"), stage.key("entry:\(skipped!)"))
    for index in ["by_id", "lru:default"] {
      try stage.redis.send("ZREM", stage.key(index), "\(late)")
      try stage.redis.send("ZADD", stage.key(index), "\(skipped!)", "\(skipped!)")
    }
    #expect(!fields.isEmpty)
    #expect(try stage.compare() == false)
    #expect(try stage.look(vector).hasPrefix("hit \(skipped!) "))
  }

  /// Python's `delete_by_id` on what Redis has expired takes the id away and leaves the version.
  @Test("are read anew when a removal that moves no version would hide a replacement that does")
  func hiddenReplacement() throws {
    let stage = try stage("hidden")
    try stage.redis.send("DEL", stage.key("entry:3"))
    try stage.redis.send("ZREM", stage.key("by_id"), "3")
    let vector = stage.vector()
    try stage.store.insert(try stage.entry("q17", vector))
    #expect(try stage.compare() == false)
    #expect(try stage.look(vector).hasPrefix("hit 18 "))
  }

  @Test("are read anew when more came than are worth asking for")
  func manyAdditions() throws {
    let stage = try stage("many")
    try stage.fill(300..<812)
    #expect(try stage.compare())
    try stage.fill(812..<813)
    #expect(try stage.compare() == false)
    #expect(try stage.compare())
  }

  @Test("show themselves out of date by a vector that is not its entry's any more")
  func changedByHand() throws {
    let stage = try stage("hand")
    let old = try Embedding(bytes: stage.redis.send("HGET", stage.key("entry:9"), "embedding").bytes!).numbers
    let new = try Embedding.normalizing(stage.vector()).bytes
    try stage.redis.send([
      Array("HSET".utf8), Array(stage.key("entry:9").utf8), Array("embedding".utf8), new,
    ])
    let kept = try stage.look(old, peek: true)
    #expect(try kept == stage.look(old, keeping: false, peek: true))
    #expect(try stage.compare())
  }

  // MARK: What no file is made of

  @Test("are not kept by who only looks, until someone has left the trace by which they are known again")
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

  @Test("are not kept of a namespace that is as quickly read", arguments: [1, 16, 17, 255])
  func small(count: Int) throws {
    let stage = try IndexStage("small")
    try stage.fill(0..<count)
    try stage.look()
    try stage.compare()
    #expect(try stage.file() == nil)
  }

  @Test("are not kept where the server does not say who it is")
  func withoutInfo() throws {
    let server = try RedisServer(configuration: ["rename-command INFO \"\""])
    let stage = try IndexStage("info", on: server)
    try stage.fill(0..<300)
    try stage.look()
    try stage.compare()
    #expect(try stage.file() == nil)
    #expect(try stage.redis.send("HEXISTS", stage.key("meta"), "incarnation").integer == 0)
  }

  // MARK: Vectors of every kind

  @Test("warn of the same entries each time: of zeros, of no number, of another length")
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
    let first = try stage.look(threshold: -1)
    try #require(try stage.file() != nil)
    for id in [3, 77, 150, 299] { #expect(first.contains("entry \(id) ")) }
    #expect(try stage.compare(questions: 12))
  }

  @Test("are not kept beside an entry of another type, and warn of it each time")
  func wrongType() throws {
    let stage = try IndexStage("type")
    try stage.fill(0..<300)
    try stage.redis.send("DEL", stage.key("entry:5"))
    try stage.redis.send("SET", stage.key("entry:5"), "text")
    try stage.look()
    try stage.compare()
    #expect(try stage.file() == nil)
  }

  @Test("give way to a search of all where int8 leaves too much in doubt")
  func allAlike() throws {
    let stage = try IndexStage("alike")
    let vector = stage.vector()
    for start in stride(from: 0, to: 4_200, by: 600) {
      let entries = try (start..<start + 600).map { try stage.entry("q\($0)", vector) }
      _ = try stage.store.insert(entries, onConflict: .fail, evictingOver: nil)
    }
    try stage.look(vector)
    #expect(try stage.look(vector, peek: true).hasPrefix("hit 1 "))
    #expect(
      try stage.look(vector, peek: true, explain: 40)
        == stage.look(vector, keeping: false, peek: true, explain: 40))
  }

  @Test(
    "name the same neighbours in the same order, near, far and equal",
    arguments: [2, 3, 16, 64, 384])
  func neighbours(dimension: Int) throws {
    let stage = try IndexStage("neighbours", dimension: dimension, seed: UInt64(dimension))
    var vectors = (0..<20).map { _ in stage.vector() }
    for center in vectors { for _ in 0..<20 { vectors.append(stage.vector(near: center, by: 0.05)) } }
    // And each fourth of them a second time.
    vectors += stride(from: 0, to: vectors.count, by: 4).map { vectors[$0] }
    _ = try stage.store.insert(
      vectors.enumerated().map { try stage.entry("q\($0)", $1) }, onConflict: .fail, evictingOver: nil)
    try stage.look()
    #expect(try stage.compare(questions: 60))
  }

  // MARK: Whatever happens

  @Test("answer as the store does after any series of changes", arguments: 1...3 as ClosedRange<UInt64>)
  func anySeries(seed: UInt64) throws {
    let stage = try IndexStage("series", seed: seed)
    try stage.fill(0..<320)
    var made = 320
    var reused = 0
    for _ in 0..<40 {
      try stage.look()
      for _ in 0..<Int.random(in: 0...3, using: &stage.random) {
        let some = Int.random(in: 0..<made, using: &stage.random)
        switch Int.random(in: 0..<12, using: &stage.random) {
        case 0...4:
          try stage.fill(made..<made + 3)
          made += 3
        case 5: try stage.fill([some])
        case 6: try stage.store.remove(id: EntryID(Int64(some)))
        case 7: try stage.redis.send("DEL", stage.key("entry:\(some)"))
        case 8: try stage.fill([some], in: Self.there)
        case 9: try stage.store.recordAccess(id: EntryID(Int64(some)), at: systemClock())
        case 10: try stage.redis.send("DECRBY", stage.key("next_id"), "2")
        default:
          let version = try stage.store.versionCounter()
          try stage.redis.send("SET", stage.key("version"), "\(version / 2)")
          try stage.reopen()
        }
      }
      if try stage.compare(questions: 4) { reused += 1 }
    }
    #expect(reused > 5)
  }
}
