import Mneme
import TestSupport
import Testing

@testable import MnemeRedis

/// Ids are allocated before entries are stored, so an import may store entries under lower ids than the highest, and
/// with old dates.
@Suite("Entries under ids that were allocated earlier")
struct LowerIDTests {
  @Test(
    "an index finds them, also where other entries were removed in the meantime", arguments: [false, true])
  func found(removes: Bool) throws {
    let stage = try IndexStage("lower")
    try stage.fill(0..<300)
    let ids = try stage.store.allocateRun(of: 20)
    try stage.store.insert(try stage.entry("above"))
    try stage.look()
    try #require(try stage.file() != nil)
    try stage.lookThroughServers()

    let vectors = ids.map { _ in stage.vector() }
    for (id, vector) in zip(ids, vectors) {
      var request = RedisStore.InsertRequest([try stage.entry("old \(id)", vector, age: 100_000)])
      request.ids = AllocatedIDs([id])
      let stored = try stage.store.client.perform(
        stage.store.insertion(request), looked: nil, upcoming: { nil })
      #expect(stored.result.outcomes.map(\.id) == [id])
    }
    if removes { for id in 1...10 { try stage.store.remove(id: EntryID(Int64(id))) } }
    for (id, vector) in zip(ids, vectors) {
      #expect(try stage.look(vector, peek: true).hasPrefix("hit \(id) "))
    }
    #expect(try stage.compare())
  }

  @Test("a run of ids is not watched, and each batch checks its own")
  func unwatched() throws {
    let server = try RedisServer()
    let stage = try IndexStage("run", on: server)
    try stage.fill(0..<3)
    let monitor = try Monitor(server)
    let ids = try stage.store.allocateRun(of: 2048)
    #expect(ids.map(\.rawValue) == Array(4...2051))
    let commands = try monitor.commands()
    #expect(commands.contains { $0.name == "INCRBY" })
    #expect(
      !commands.contains { ["WATCH", "EXISTS"].contains($0.name) && $0.words.count > 8 }, "\(commands)")
  }
}
