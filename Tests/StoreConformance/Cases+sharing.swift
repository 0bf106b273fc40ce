import Foundation
import Mneme
import Synchronization

extension StoreBattery {
  static let sharingCases = [
    StoreCase("a store sees the writes of another", sharing: true) { place in
      let (first, second) = (try place.store(), try place.store())
      let id = try first.insert(Sample.entry("q"))
      try expectEqual(try second.entry("q")?.id, id, "id")
      try expectEqual(try second.versionCounter(), 1, "version")
      try second.setQuota(3, for: Sample.here)
      try expectEqual(try first.quota(for: Sample.here), 3, "quota")
      try second.remove(id: id)
      try expect(try first.entry("q") == nil, "the entry is still there")
      try expectEqual(try first.versionCounter(), 2, "version")
      try expectEqual(try first.namespaces(), [], "namespaces")
    },

    StoreCase("one of two first writers with different embedders creates the cache", sharing: true) { place in
      let first = try place.store()
      let second = try place.store(expecting: CacheIdentity(fingerprint: "other", dimension: 4))
      try first.insert(Sample.entry("q"))
      try expectThrows(EmbedderMismatchError.self, "the second writer") {
        try second.insert(Sample.entry("r"))
      }
      try first.expectCount(1)
      try expectEqual(try first.identity(), Sample.identity, "identity")
    },

    StoreCase("closing one store leaves the others open", sharing: true) { place in
      let (first, second) = (try place.store(), try place.store())
      try first.insert(Sample.entry("q"))
      first.close()
      try second.expectCount(1)
    },

    StoreCase("a store that is opened on the data of another continues from there", sharing: true) { place in
      let first = try place.store()
      let ids = try first.insertAll(Sample.queries(3))
      try first.remove(id: ids[2])
      first.close()
      let second = try place.store()
      try expect(try second.insert(Sample.entry("q4")) > ids[2], "an id was used twice")
      try expectEqual(try second.versionCounter(), 5, "version")
    },
  ]

  /// Four threads in parallel, on one store or on one each.
  static func concurrencyCases(ownStores: Bool) -> [StoreCase] {
    let who = ownStores ? "four stores" : "four threads"
    func onFour(
      _ sentence: String,
      prepare: @escaping @Sendable (any CacheStore) throws -> Void = { _ in },
      work: @escaping @Sendable (_ store: any CacheStore, _ worker: Int) throws -> Void,
      afterwards: @escaping @Sendable (any CacheStore) throws -> Void
    ) -> StoreCase {
      StoreCase("\(who) \(sentence)", sharing: ownStores) { place in
        let store = try place.store()
        try prepare(store)
        let stores = try (0..<4).map { _ in ownStores ? try place.store() : store }
        try atOnce(4) { try work(stores[$0], $0) }
        try afterwards(store)
        try expect(try store.integrityCheck(), "the store is not sound")
      }
    }

    return [
      onFour("that insert different queries in parallel lose none") { store, worker in
        try store.insertAll(Sample.queries(50, prefix: "worker \(worker) "))
      } afterwards: { store in
        try store.expectCount(200)
        try expectEqual(Set(try store.allEntries().map(\.query)).count, 200, "queries")
        try expectEqual(try store.versionCounter(), 200, "version")
      },

      onFour("that insert the same new queries in parallel make one entry of each") { store, worker in
        for query in Sample.queries(50) { try store.insert(Sample.entry(query, response: "\(worker)")) }
      } afterwards: { store in
        try store.expectCount(50)
        for query in Sample.queries(50) {
          let entry = try present(store.entry(query), "the entry of \(query)")
          try expectEqual(try store.entry(id: entry.id), entry, "by its id")
        }
        try expectEqual(try store.versionCounter(), 200, "version")
      },

      onFour("that use one entry in parallel count every use") { store in
        try store.insert(Sample.entry("q"))
      } work: { store, worker in
        let entry = try present(store.entry("q"), "the entry")
        for _ in 0..<25 {
          try store.recordAccess(id: entry.id, at: .after(10))
          try store.recordHit(entry, counting: .hitsExact, at: .after(10))
        }
      } afterwards: { store in
        try expectEqual(try store.entry("q")?.accessCount, 200, "uses")
        try expectEqual(try store.counters(in: Sample.here)[.hitsExact], 100, "hits")
        try expectEqual(try store.versionCounter(), 1, "version")
      },

      onFour("that remove the same entries in parallel remove each once") { store in
        try store.insertAll(Sample.queries(60))
      } work: { store, worker in
        let removed = try store.allEntries().count { try store.remove(id: $0.id) }
        try store.add(Int64(removed), to: .misses, in: Sample.there)
      } afterwards: { store in
        try expectEqual(try store.counters(in: Sample.there)[.misses], 60, "removed")
        try store.expectCount(0)
        try expectEqual(try store.versionCounter(), 120, "version")
        try expectEqual(try store.namespaces(), [], "namespaces")
      },

      onFour("that remove what has expired in parallel share the work and count each entry once") { store in
        try store.insertAll(Sample.queries(150), ttl: Seconds(100))
        try store.insertAll(["stays"])
      } work: { store, worker in
        let removed = try store.removeExpired(at: .after(100), in: nil)
        try store.add(Int64(removed), to: .misses, in: Sample.there)
      } afterwards: { store in
        try expectEqual(try store.counters(in: Sample.there)[.misses], 150, "removed")
        try expectEqual(try store.counters(in: Sample.here)[.expirations], 150, "expirations")
        try expectEqual(try store.versionCounter(), 301, "version")
        try store.expectCount(1)
      },

      onFour("that insert under a quota in parallel keep it, and count every eviction") { store in
        try store.insertAll(["first"])
        try store.setQuota(10, for: Sample.here)
      } work: { store, worker in
        for query in Sample.queries(25, prefix: "worker \(worker) ") {
          _ = try store.insert(Sample.entry(query, at: .after(1)), evictingOver: nil)
        }
      } afterwards: { store in
        let (left, evicted) = (try store.count(in: nil), try store.counters(in: Sample.here)[.evictions])
        try expect(left <= 10, "\(left) entries are left")
        try expectEqual(Int64(left) + evicted, 101, "left and evicted")
        try expectEqual(try store.versionCounter(), 101 + evicted, "version")
      },

      onFour("that insert, use, remove and read in parallel leave a sound store") { store, worker in
        for round in 0..<25 {
          let id = try store.insert(Sample.entry("q\(round % 7)", ttl: Seconds(100)))
          try store.recordAccess(id: id, at: .after(Int64(round)))
          if round % 3 == worker % 3 { try store.remove(id: id) }
          if round % 10 == worker { try store.removeAll(in: Sample.here) }
          for entry in try store.allEntries() {
            try expectEqual(entry.response, "answer to \(entry.query)", "response")
          }
        }
      } afterwards: { store in
        try store.removeAll(in: Sample.here)
        try store.expectCount(0)
        try expectEqual(try store.namespaces(), [], "namespaces")
      },
    ]
  }
}

/// Runs `work` on threads of its own, which begin together.
/// - Throws: the first error that one of them threw.
private func atOnce(_ count: Int, _ work: @escaping @Sendable (Int) throws -> Void) throws {
  let failure = Shared<(any Error)?>(nil)
  let (start, done) = (DispatchSemaphore(value: 0), DispatchGroup())
  for worker in 0..<count {
    done.enter()
    Thread.detachNewThread {
      start.wait()
      do { try work(worker) } catch { failure.value.withLock { $0 = $0 ?? error } }
      done.leave()
    }
  }
  for _ in 0..<count { start.signal() }
  done.wait()
  if let error = failure.value.withLock({ $0 }) { throw error }
}

private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
}
