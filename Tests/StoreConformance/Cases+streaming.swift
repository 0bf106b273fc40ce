import Mneme

extension StoreBattery {
  static let streamingCases = [
    StoreCase("every entry is passed once, in the order of ids") { place in
      let store = try place.store()
      var ids = try store.insertAll(Sample.queries(260))
      let there = try store.insertAll(Sample.queries(140), in: Sample.there)
      ids += there
      try store.recordAccess(id: ids[0], at: .after(100))
      let entries = try store.allEntries()
      try expectEqual(entries.map(\.id), ids, "ids")
      try expectEqual(entries.prefix(260).map(\.query), Sample.queries(260), "queries")
      try expectEqual(try store.allEntries(in: Sample.there).map(\.id), there, "there")
    },

    StoreCase("a walk begins after the id that it is given") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(120))
      let there = try store.insertAll(Sample.queries(3), in: Sample.there)
      try expectEqual(
        try store.allEntries(after: ids[0]).map(\.id), ids.dropFirst() + there, "after the first")
      try expectEqual(
        try store.allEntries(after: ids[99], in: Sample.here).map(\.id), Array(ids[100...]), "here")
      try expectEqual(try store.allEntries(after: there[2]), [], "after the last")
      try expectEqual(try store.allEntries(after: EntryID(.max)), [], "after the last possible")
      try expectEqual(try store.allEntries(after: EntryID(0)).count, 123, "after 0")
      try store.remove(id: ids[50])
      try expectEqual(try store.allEntries(after: ids[50]).first?.id, ids[51], "after one that is gone")
    },

    StoreCase("entries may be removed during a walk") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(300))
      var seen: [EntryID] = []
      try store.forEachEntry(after: nil, in: nil) { entry in
        seen.append(entry.id)
        // This one, and one far ahead that may have been read already.
        try store.remove(id: entry.id)
        if let number = ids.firstIndex(of: entry.id), number.isMultiple(of: 10), number + 150 < ids.count {
          try store.remove(id: ids[number + 150])
        }
      }
      try expect(seen == seen.sorted() && Set(seen).count == seen.count, "seen out of order or twice")
      try expect(Set(seen).isSuperset(of: ids.prefix(150)), "an entry that was there throughout was not seen")
      try store.expectCount(0)
    },

    StoreCase("entries may be used and replaced during a walk") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(200))
      var seen: [EntryID] = []
      try store.forEachEntry(after: nil, in: Sample.here) { entry in
        seen.append(entry.id)
        try store.recordAccess(id: entry.id, at: .after(10))
        try store.insert(Sample.entry(entry.query, response: "again"))
      }
      try expectEqual(seen, ids, "ids")
      try expectEqual(try store.allEntries().count { $0.response == "again" }, 200, "replaced")
    },

    StoreCase("entries may be added during a walk") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(150))
      var seen: [EntryID] = []
      try store.forEachEntry(after: nil, in: nil) { entry in
        seen.append(entry.id)
        if seen.count <= 100 { try store.insert(Sample.entry("new \(seen.count)")) }
      }
      try expect(seen == seen.sorted() && Set(seen).count == seen.count, "seen out of order or twice")
      try expectEqual(seen.filter { $0 <= ids[149] }, ids, "those that were there throughout")
    },

    StoreCase("an error of the receiver ends the walk and is thrown") { place in
      struct Enough: Error {}
      let store = try place.store()
      try store.insertAll(Sample.queries(100))
      var seen = 0
      try expectThrows(Enough.self, "the walk") {
        try store.forEachEntry(after: nil, in: nil) { _ in
          seen += 1
          if seen == 3 { throw Enough() }
        }
      }
      try expectEqual(seen, 3, "seen")
      try expectThrows(Enough.self, "the walk over embeddings") {
        try store.forEachEmbedding(in: Sample.here) { _, _ in throw Enough() }
      }
      try store.expectCount(100)
    },

    StoreCase("the embeddings of a namespace come with their ids, in order") { place in
      let store = try place.store()
      let ids = try store.insertAll(Sample.queries(210))
      try store.insertAll(Sample.queries(5), in: Sample.there)
      var found: [(EntryID, [UInt8])] = []
      try store.forEachEmbedding(in: Sample.here) { id, bytes in found.append((id, Array(bytes))) }
      try expectEqual(found.map(\.0), ids, "ids")
      for (query, (id, bytes)) in zip(Sample.queries(210), found) {
        try expectEqual(bytes, Sample.embedding(query).bytes, "embedding of \(id)")
      }
    },
  ]
}
