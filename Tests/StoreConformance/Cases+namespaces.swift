import Mneme

extension StoreBattery {
  /// Names that a careless key, pattern or comparison would take for one another.
  static let oddNames = [
    "*", "?", "[ab]", "a", "b", "a:b", "a:", ":a", ":", "a|b", "|", "\\", "\\*", "a b", " ", "\n", "a\0b",
    "\0",
    "{a}", "'\"", "%2a", "caf\u{e9}", "cafe\u{301}", "\u{1F9E0}", "\u{202E}", "\u{FEFF}a", "A", "1", "meta",
    "by_id",
    "default:hits_exact", "entry:1", String(repeating: "n", count: 5000),
  ].map { Namespace(unchecked: $0) }

  static let namespaceCases = [
    StoreCase("any text names a separate namespace") { place in
      let store = try place.store()
      for (index, name) in oddNames.enumerated() {
        let id = try store.insert(Sample.entry("q", in: name, response: "\(index)", ttl: Seconds(100)))
        try store.setQuota(index + 1, for: name)
        try store.add(Int64(index + 1), to: .misses, in: name)
        try store.recordAccess(id: id, at: .after(Int64(index)))
      }
      for (index, name) in oddNames.enumerated() {
        let shown = name.name.prefix(20).debugDescription
        let entry = try present(store.entry("q", in: name), "the entry of \(shown)")
        try expectEqual(entry.response, "\(index)", "response of \(shown)")
        try expectEqual(entry.namespace, name, "namespace of \(shown)")
        try expectEqual(try store.count(in: name), 1, "count of \(shown)")
        try expectEqual(try store.allEntries(in: name).map(\.id), [entry.id], "walk through \(shown)")
        try expectEqual(try store.leastRecentlyUsed(9, in: name), [entry.id], "order of use of \(shown)")
        try expectEqual(try store.quota(for: name), index + 1, "quota of \(shown)")
        try expectEqual(try store.counters(in: name)[.misses], Int64(index + 1), "misses of \(shown)")
      }
      try expectEqual(
        try store.leastRecentlyUsed(99, in: nil), try store.allEntries().map(\.id), "order of use")
      try expect(try store.integrityCheck(), "the store is not sound")
    },

    StoreCase("operations on one namespace do not affect others") { place in
      let store = try place.store()
      for name in oddNames {
        try store.insert(Sample.entry("q", in: name))
        try store.insert(Sample.entry("mortal", in: name, ttl: Seconds(100)))
        try store.setQuota(7, for: name)
      }
      var left = oddNames.count * 2
      for (index, name) in oddNames.enumerated() {
        let shown = name.name.prefix(20).debugDescription
        if index.isMultiple(of: 2) {
          try expectEqual(try store.removeExpired(at: .after(100), in: name), 1, "expired in \(shown)")
          left -= 1
        } else {
          try expectEqual(try store.removeAll(in: name), 2, "removed from \(shown)")
          left -= 2
        }
        try store.setQuota(nil, for: name)
        try expectEqual(try store.count(in: nil), left, "what is left after \(shown)")
        try expectEqual(
          try oddNames.count { try store.quota(for: $0) == 7 }, oddNames.count - index - 1, "quotas")
      }
      let stayed = oddNames.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element).sorted()
      try expectEqual(try store.namespaces(), stayed, "namespaces")
    },

    StoreCase("namespaces are sorted by their bytes") { place in
      let store = try place.store()
      for name in oddNames { try store.insert(Sample.entry("q", in: name)) }
      let sorted = oddNames.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
      try expectEqual(try store.namespaces(), sorted, "namespaces")
    },

    StoreCase("evictions stay within a namespace of any name") { place in
      let store = try place.store()
      for name in oddNames { try store.insert(Sample.entry("q", in: name)) }
      for name in oddNames {
        try store.setQuota(1, for: name)
        let insertion = try store.insert(Sample.entry("r", in: name, at: .after(1)), evictingOver: 5)
        try expectEqual(insertion.evicted, 1, "evicted from \(name.name.prefix(20).debugDescription)")
        try expectEqual(try store.allEntries(in: name).map(\.query), ["r"], "what stays")
      }
      try expectEqual(try store.count(in: nil), oddNames.count, "count")
    },
  ]
}
