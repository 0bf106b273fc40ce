import Foundation
import Mneme

extension StoreBattery {
  static let healthCases = [
    StoreCase("a store is consistent after every operation") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(50), ttl: Seconds(100))
      try store.insertAll(Sample.queries(50), in: Sample.there)
      try store.insertAll(Sample.queries(20))
      try store.setQuota(30, for: Sample.here)
      _ = try store.insert(Sample.entry("new", at: .after(50), ttl: Seconds(100)), evictingOver: nil)
      for entry in try store.allEntries(in: Sample.there).prefix(20) { try store.remove(id: entry.id) }
      try store.removeExpired(at: .after(120), in: nil)
      try expect(try store.integrityCheck(), "the store is not sound")
      try store.removeAll(in: Sample.there)
      try expect(try store.integrityCheck(), "the store is not sound")
    },

    StoreCase("a snapshot is restored unchanged, or both methods throw CheckpointError") { place in
      let store = try place.bareStore()
      try store.insertAll(Sample.queries(5))
      let directory = FileManager.default.temporaryDirectory.appending(path: "mneme-\(UUID())")
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: directory) }
      let (path, copy) = (directory.appending(path: "snapshot").path, directory.appending(path: "copy").path)
      do {
        try store.snapshot(to: path)
      } catch is CheckpointError {
        try expectThrows(CheckpointError.self, "restore") {
          try type(of: store).restore(from: path, to: copy)
        }
        try expectEqual(try FileManager.default.contentsOfDirectory(atPath: directory.path), [], "files")
        return
      }
      let restored = try type(of: store).restore(from: path, to: copy)
      try restored.open(expecting: Sample.identity)
      try expectEqual(try restored.allEntries(), try store.allEntries(), "entries")
      try expectEqual(try restored.versionCounter(), try store.versionCounter(), "version")
    },
  ]

  static let closingCases = [
    StoreCase("every method throws CacheClosedError after close") { place in
      let store = try place.store()
      let id = try store.insert(Sample.entry("q"))
      let entry = try present(store.entry(id: id), "the entry")
      store.close()
      func expectClosed<Result>(_ method: String, _ body: () throws -> Result) throws {
        try expectThrows(CacheClosedError.self, method, body)
      }
      let here = Sample.here
      try expectClosed("open") { try store.open(expecting: Sample.identity) }
      try expectClosed("identity") { try store.identity() }
      try expectClosed("entry by hash") { try store.entry("q") }
      try expectClosed("entry by id") { try store.entry(id: id) }
      try expectClosed("entries") { try store.entries(ids: [id]) }
      try expectClosed("count") { try store.count(in: nil) }
      try expectClosed("namespaces") { try store.namespaces() }
      try expectClosed("leastRecentlyUsed") { try store.leastRecentlyUsed(1, in: nil) }
      try expectClosed("forEachEntry") { try store.forEachEntry(after: nil, in: nil) { _ in } }
      try expectClosed("forEachEmbedding") { try store.forEachEmbedding(in: here) { _, _ in } }
      try expectClosed("insert") { try store.insert(entry) }
      try expectClosed("insert evicting") { try store.insert(entry, evictingOver: nil) }
      try expectClosed("recordAccess") { try store.recordAccess(id: id, at: Sample.start) }
      try expectClosed("recordHit") { try store.recordHit(entry, counting: .hitsExact, at: Sample.start) }
      try expectClosed("remove") { try store.remove(id: id) }
      try expectClosed("removeExpired") { try store.removeExpired(at: Sample.start, in: nil) }
      try expectClosed("removeAll") { try store.removeAll(in: here) }
      try expectClosed("setQuota") { try store.setQuota(1, for: here) }
      try expectClosed("quota") { try store.quota(for: here) }
      try expectClosed("versionCounter") { try store.versionCounter() }
      try expectClosed("summaries") { try store.summaries() }
      try expectClosed("add") { try store.add(1, to: .misses, in: here) }
      try expectClosed("counters") { try store.counters(in: nil) }
      try expectClosed("integrityCheck") { try store.integrityCheck() }
      try expectClosed("snapshot") { try store.snapshot(to: "/nonexistent/snapshot") }
    },

    StoreCase("a second close does nothing") { place in
      let store = try place.store()
      store.close()
      store.close()
      try expectThrows(CacheClosedError.self, "count") { try store.count(in: nil) }
    },

    StoreCase("a walk whose receiver closes the store ends with CacheClosedError") { place in
      let store = try place.store()
      try store.insertAll(Sample.queries(500))
      try expectThrows(CacheClosedError.self, "the walk") {
        try store.forEachEntry(after: nil, in: nil) { _ in store.close() }
      }
    },
  ]
}
