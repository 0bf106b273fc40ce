import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// An index answers as a search over every vector in the store does, whatever happened to the store since it was made.
@Suite("The index of a namespace is updated from the store")
struct IndexFileTests {
  static let there = Namespace(unchecked: "there")

  /// A cache of 300 entries whose file has been made.
  private func stage(_ what: String, on server: RedisServer? = nil, count: Int = 300) throws -> IndexStage {
    let stage = try IndexStage(what, on: server)
    try stage.fill(0..<count)
    try stage.look()
    try #require(try stage.file() != nil)
    try stage.lookThroughServers()
    return stage
  }

  // MARK: Changes after which the file stays in use

  @Test("it is used again while nothing changes, and after hits were recorded")
  func unchanged() throws {
    let stage = try stage("unchanged")
    #expect(try stage.compare(questions: 12))
    for _ in 0..<5 { try stage.look(threshold: -1) }
    #expect(try stage.compare())
  }

  @Test("new entries are found, of this namespace alone")
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

  @Test("entries that an import stored with their old times are found")
  func imported() throws {
    let stage = try stage("imported")
    let vector = stage.vector()
    try stage.store.insert(try stage.entry("old", vector, age: 1_000_000))
    #expect(try stage.compare())
    #expect(try stage.look(vector).hasPrefix("hit 301 "))
  }

  @Test("entries that Redis has expired are skipped, also if they were the only near ones")
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
      #expect(try stage.look(center, peek: true, explain: explain).hasPrefix("miss"))
    }
    #expect(try stage.compare())
    for id in 1...300 { try stage.redis.send("DEL", stage.key("entry:\(id)")) }
    #expect(try stage.look(center, peek: true) == "miss")
    #expect(try stage.compare())
    #expect(try stage.file() == file)
  }

  @Test("a replaced entry, which keeps its id, is found with its new vector")
  func replacement() throws {
    let stage = try stage("replaced")
    let vector = stage.vector()
    let id = try stage.store.insert(try stage.entry("q17", vector))
    #expect(id == EntryID(18))
    #expect(try stage.compare())
    #expect(try stage.look(vector).hasPrefix("hit 18 "))
  }

  @Test("after removals nothing is read again, also if a new entry leaves the count the same")
  func removal() throws {
    let stage = try stage("removed")
    try stage.store.remove(id: EntryID(7))
    #expect(try stage.compare())
    try stage.store.remove(id: EntryID(8))
    try stage.fill(300..<301)
    #expect(try stage.compare())
  }

  @Test("a namespace that was cleared is empty, and is found again when it is filled again")
  func cleared() throws {
    let stage = try stage("cleared")
    try stage.store.removeAll(in: .default)
    try stage.compare()
    try stage.fill(0..<300)
    try stage.compare(questions: 12)
  }

  @Test("an entry of a slow writer, with an id below the highest, is found")
  func overtaken() throws {
    let stage = try IndexStage("overtaken")
    try stage.fill(0..<300)
    let skipped = try stage.redis.send("INCR", stage.key("next_id")).integer
    try stage.fill(300..<310)
    try stage.look()
    let vector = stage.vector()
    let late = try stage.store.insert(try stage.entry("late", vector))
    // The entry as it would be under the number that was taken earlier.
    try stage.redis.send("RENAME", stage.key("entry:\(late)"), stage.key("entry:\(skipped!)"))
    try stage.redis.send("ZREM", stage.key("by_id"), "\(late)")
    try stage.redis.send("ZADD", stage.key("by_id"), "\(skipped!)", "\(skipped!)")
    try stage.redis.send("ZREM", stage.key("lru:default"), "\(late)")
    try stage.redis.send("ZADD", stage.key("lru:default"), "\(systemClock().rawValue)", "\(skipped!)")
    #expect(try stage.compare())
    #expect(try stage.look(vector).hasPrefix("hit \(skipped!) "))
  }

  /// Python's `delete_by_id` on what Redis has expired takes the id away and leaves the version.
  @Test(
    "a replacement that counts or a wrong clock hide is found a minute later",
    arguments: ["a removal that moves no version", "a writer whose clock is a minute behind"])
  func hiddenReplacement(reason: String) throws {
    let stage = try stage("hidden")
    var mark = try #require(try stage.store.mark(of: .default, leavingTrace: true))
    if reason.contains("removal") {
      try stage.redis.send("DEL", stage.key("entry:3"))
      try stage.redis.send("ZREM", stage.key("by_id"), "3")
      try stage.store.insert(try stage.entry("q17"))
    } else {
      try stage.store.insert(try stage.entry("q17", age: 60))
    }
    // The time of the last walk over all that was accessed is kept until there is another.
    let hidden = try #require(try stage.store.changes(in: .default, since: mark, atMost: 1000))
    #expect(hidden.mark.accessedSince <= mark.accessedSince)
    #expect(hidden.mark.accessedSince + StoreMark.clockMargin < hidden.mark.time)
    mark = hidden.mark
    for _ in 0..<2 {
      mark = try #require(try stage.store.changes(in: .default, since: mark, atMost: 1000)).mark
    }
    mark.time = mark.time + Seconds(-60)
    mark.accessedSince = mark.accessedSince + Seconds(-60)
    let found = try #require(try stage.store.changes(in: .default, since: mark, atMost: 1000))
    #expect(found.written.contains(EntryID(18)))
    #expect(found.mark.accessedSince + StoreMark.clockMargin == found.mark.time)
  }

  @Test("only entries that were removed, added or accessed are read, in a namespace of any size")
  func costOfChanges() throws {
    let stage = try stage("cost")
    let mark = try #require(try stage.store.mark(of: .default, leavingTrace: true))
    for id in 1...20 { try stage.store.remove(id: EntryID(Int64(id))) }
    try stage.fill(300..<310)
    for id in 30...60 { try stage.store.recordAccess(id: EntryID(Int64(id)), at: systemClock()) }
    let changes = try #require(try stage.store.changes(in: .default, since: mark, atMost: 1000))
    #expect(changes.written == (301...310).map { EntryID($0) })
    #expect(changes.examined == 10)
    // A replaced entry is among those that were last accessed.
    let later = changes.mark
    try stage.fill([99])
    let replaced = try #require(try stage.store.changes(in: .default, since: later, atMost: 1000))
    #expect(replaced.written.contains(EntryID(100)))
    #expect(
      try #require(try stage.store.changes(in: .default, since: replaced.mark, atMost: 1000)).examined == 0)
  }

  @Test("changes are kept in a separate file, and written into a new base if there are many")
  func manyChanges() throws {
    let stage = try stage("many")
    try stage.fill(300..<812)
    try stage.look()
    #expect(try stage.names().count == 2)
    #expect(try stage.compare())
    try stage.fill(812..<2000)
    try stage.look()
    #expect(try stage.names().count == 1)
    #expect(try stage.compare(questions: 12))
  }

  @Test("an entry whose vector was changed by hand is not found by its old vector")
  func changedByHand() throws {
    let stage = try stage("hand")
    let old = try Embedding(bytes: stage.redis.send("HGET", stage.key("entry:9"), "embedding").bytes!).numbers
    let new = try Embedding.normalizing(stage.vector()).bytes
    try stage.redis.send([
      Array("HSET".utf8), Array(stage.key("entry:9").utf8), Array("embedding".utf8), new,
    ])
    #expect(try !stage.look(old, peek: true).hasPrefix("hit 9 "))
  }

  // MARK: Changes after which all is read again

  @Test("it is read again when the keys were deleted and the cache filled again up to the same version")
  func refilled() throws {
    let stage = try stage("refilled")
    let version = try stage.store.versionCounter()
    try stage.deleteAllKeys()
    try stage.reopen()
    try stage.fill(0..<300)
    #expect(try stage.store.versionCounter() == version)
    // Without a trace in the store it cannot be kept, and the file is of another life.
    _ = try stage.compare()
    try stage.look()
    #expect(try stage.compare())
  }

  @Test("it is read again after the server was started with a backup, also if the version has caught up")
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

  /// The server runs on, and version, ids and incarnation are the same ones: only what the entries are tells.
  @Test(
    "it is read again when keys were put back with RESTORE and the version caught up with other entries",
    arguments: ["other entries", "entries as they were before", "entries of other queries"])
  func putBack(what: String) throws {
    let stage = try IndexStage("restore")
    try stage.fill(0..<300, age: 100)
    try stage.look()
    var kept: [(name: [UInt8], value: [UInt8])] = []
    for name in try stage.redis.names(beginningWith: stage.prefix + ":") {
      kept.append((name, try stage.redis.send([Array("DUMP".utf8), name]).bytes!))
    }
    let changed = what == "entries of other queries" ? 1000..<1100 : 5..<105
    try stage.fill(changed)
    try stage.look()
    try stage.lookThroughServers()
    #expect(try stage.compare())
    let version = try stage.store.versionCounter()
    for (name, value) in kept {
      try stage.redis.send([Array("RESTORE".utf8), name, Array("0".utf8), value, Array("REPLACE".utf8)])
    }
    for id in 301...400 { try stage.pythonDelete(id) }
    try stage.redis.send("SET", stage.key("version"), "300")
    try stage.reopen()
    switch what {
    case "other entries": try stage.fill(150..<250)
    case "entries of other queries":
      try stage.redis.send("SET", stage.key("next_id"), "300")
      try stage.fill(2000..<2100)
    default: try stage.redis.send("SET", stage.key("version"), "\(version)")
    }
    #expect(try stage.store.versionCounter() == version)
    #expect(try stage.compare(questions: 12) == false)
    #expect(try stage.compare())
  }

  @Test("it is read again when the version counter went back", arguments: [0, 1, 299])
  func versionWentBack(version: Int) throws {
    let stage = try stage("back")
    try stage.store.insert(try stage.entry("q5"))
    try stage.redis.send("SET", stage.key("version"), "\(version)")
    try stage.reopen()
    #expect(try stage.compare() == false)
    try stage.redis.send("DEL", stage.key("version"))
    try stage.reopen()
    for query in ["q6", "q7"] { try stage.store.insert(try stage.entry(query)) }
    try stage.compare()
  }

  // MARK: Random changes

  @Test(
    "answers as a search over every vector does after hundreds of changes of every kind, ours and Python's",
    arguments: SeededGenerator.seeds(Effort.rounds(1, thorough: 2)))
  func anySeries(seed: UInt64) throws {
    let stage = try IndexStage("series", seed: seed)
    try stage.fill(0..<600)
    var made = 600
    var reused = 0
    let rounds = Effort.isThorough ? 25 : 15
    for round in 0..<rounds {
      try stage.look()
      try stage.lookThroughServers()
      for _ in 0..<20 {
        let some = Int.random(in: 1..<made, using: &stage.random)
        switch Int.random(in: 0..<16, using: &stage.random) {
        case 0...2:
          try stage.fill(made..<made + 1)
          made += 1
        case 3:
          try stage.pythonPut("q\(made)")
          made += 1
        case 4: try stage.fill([some])
        case 5: try stage.pythonPut("q\(some)")
        case 6: try stage.store.remove(id: EntryID(Int64(some)))
        case 7: try stage.pythonDelete(some)
        // Redis expires it by itself.
        case 8: try stage.redis.send("DEL", stage.key("entry:\(some)"))
        case 9: try stage.fill([some], in: Self.there)
        case 10: try stage.store.recordAccess(id: EntryID(Int64(some)), at: systemClock())
        case 11: try stage.pythonTouch(some)
        // An entry that has expired, and may be removed or not.
        case 12: try stage.store.insert(try stage.entry("q\(some)", ttl: Seconds(0)))
        case 13: try stage.store.removeExpired(at: systemClock(), in: .default)
        case 14:
          try stage.store.setQuota(max(1, stage.store.count(in: .default) - 3), for: .default)
          _ = try stage.store.evict(for: .default, maxEntries: nil, sparing: [])
          try stage.store.setQuota(nil, for: .default)
        default: try stage.pythonPut("q\(some)", in: "there")
        }
      }
      if try stage.compare(questions: 4) { reused += 1 }
      // Seldom the version counter is set by hand.
      if round % 20 == 9 {
        let version = try stage.store.versionCounter()
        try stage.redis.send("SET", stage.key("version"), "\(version / 2)")
        try stage.reopen()
      }
    }
    #expect(reused * 5 > rounds * 4)
  }
}
