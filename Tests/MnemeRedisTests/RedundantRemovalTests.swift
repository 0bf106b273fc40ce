import Mneme
import MnemeRedis
import TestSupport
import Testing

@Suite("Removing duplicates that an audit found") struct RedundantRemovalTests {
  /// Three entries of one vector and one response, the second of which is the oldest.
  private struct Stage {
    let store: RedisStore
    var selection = Selection()
    let ids: [EntryID]

    init() throws {
      store = try RedisStore(url: try RedisServer.shared().url, keyPrefix: uniquePrefix("redundant"))
      let cache = try SemanticCache(store: store, embedder: HashedNgramEmbedder())
      var entries: [StoredEntry] = []
      for (number, time) in [20, 10, 30].enumerated() {
        var entry = try Stage.entry(number, at: Int64(time))
        entry.id = try store.insert(entry)
        entries.append(entry)
      }
      ids = entries.map(\.id)
      let result = try cache.audit(entries.map { AuditedEntry($0) }, of: .default)
      #expect(result.redundant.keepers == [ids[0]: ids[1], ids[2]: ids[1]])
      selection.ids = Set(result.redundant.keepers.keys)
      selection.redundant = result.redundant
    }

    static func entry(_ number: Int, at time: Int64, response: String = "same") throws -> StoredEntry {
      StoredEntry(
        namespace: .default, queryHash: QueryNormalizer.queryHash("query \(number)"),
        query: "query \(number)",
        response: response, embedding: Embedding(try HashedNgramEmbedder().embed("a question")),
        createdAt: UnixTime(time), lastAccessedAt: UnixTime(time))
    }

    func remove() throws -> Int {
      try store.remove(selection, at: UnixTime(100), WorkControl()) { _, error in throw error }
    }
  }

  @Test("entries whose older duplicate still exists are removed")
  func plain() throws {
    let stage = try Stage()
    #expect(try stage.remove() == 2)
    #expect(try stage.ids.map { try stage.store.holdsEntry($0) } == [false, true, false])
  }

  @Test("no entry is removed if the older one was replaced or is gone", arguments: [true, false])
  func lostKeeper(isReplaced: Bool) throws {
    let stage = try Stage()
    if isReplaced {
      try stage.store.insert(try Stage.entry(1, at: 40, response: "another"))
    } else {
      try stage.store.remove(id: stage.ids[1])
    }
    #expect(try stage.remove() == 0)
    #expect(try stage.store.holdsEntry(stage.ids[0]) && stage.store.holdsEntry(stage.ids[2]))
  }

  @Test("a replaced entry stays, with the same response or another one", arguments: ["same", "another"])
  func replaced(response: String) throws {
    let stage = try Stage()
    try stage.store.insert(try Stage.entry(2, at: 40, response: response))
    #expect(try stage.remove() == 1)
    #expect(try stage.ids.map { try stage.store.holdsEntry($0) } == [false, true, true])
  }
}
