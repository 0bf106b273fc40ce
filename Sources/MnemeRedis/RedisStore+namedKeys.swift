import Mneme

extension RedisStore {
  /// Hands over the names of keys, some at a time, that the cache itself tells of: what there is to go by where the
  /// server withholds `SCAN`. Not each of them need be there.
  ///
  /// 1. Those of which there is one.
  /// 2. `lru:`, `counters:` and `quota:` of the namespaces that `namespaces`, `quotas` or `meta` names.
  /// 3. The entries that `by_id` lists, each with its `hash:` key.
  ///
  /// It meets no key that is no part of the layout, no entry that `by_id` lacks, no `hash:` key that leads nowhere. An
  /// index that is of another type names nothing.
  /// - Parameter family: only keys of this family; nil: all.
  func forEachNamedKey(_ family: KeyFamily?, _ body: ([[UInt8]]) throws -> Void) throws {
    func wants(_ families: KeyFamily...) -> Bool { family.map(families.contains) ?? true }
    func hand(over keys: [Key]) throws {
      let wanted = keys.map(\.bytes).filter { family == nil || layout.parse($0)?.family == family }
      if !wanted.isEmpty { try body(wanted) }
    }
    try hand(over: KeyFamily.allCases.filter { !$0.isKeyed }.map(layout.key))
    if wants(.lru, .counters, .quota) {
      let named = try namedNamespaces().sorted()
      try inSlices(named, of: Batch.keys) { slice in
        try hand(over: slice.flatMap { [layout.lru($0), layout.counters($0), layout.quota($0)] })
      }
    }
    if wants(.entry, .hash) { try forEachNamedEntry(hand) }
  }

  private func namedNamespaces() throws -> Set<Namespace> {
    var named: Set<Namespace> = []
    func note(_ namespace: Namespace?) { if let namespace { named.insert(namespace) } }
    func namespace(_ name: [UInt8]) -> Namespace? {
      String(validating: name, as: UTF8.self).flatMap { try? Namespace($0) }
    }
    try forEachPage(of: layout.namespaces, "SSCAN") { $0.forEach { note(namespace($0.bytes)) } }
    try forEachPage(of: layout.quotas, "HSCAN") { pairs in
      for place in stride(from: 0, to: pairs.count, by: 2) { note(namespace(pairs[place].bytes)) }
    }
    try forEachPage(of: layout.meta, "HSCAN") { pairs in
      for place in stride(from: 0, to: pairs.count, by: 2) {
        note(KeyLayout.MetaField.namespace(ofCounted: pairs[place].bytes))
      }
    }
    return named
  }

  private func forEachNamedEntry(_ body: ([Key]) throws -> Void) throws {
    try forEachPage(of: layout.byID, "ZSCAN") { pairs in
      let ids = stride(from: 0, to: pairs.count, by: 2).compactMap { EntryID(member: pairs[$0].bytes) }
      try inSlices(ids, of: Batch.keys) { batch in
        let heads = try client.read(
          pipeline {
            for id in batch {
              $0.append("HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash)
            }
          }, tolerating: true)
        let hashKeys = heads.compactMap { head -> Key? in
          guard let name = head[0].string, let namespace = try? Namespace(name), let hash = head[1].string,
            isQueryHash(hash)
          else { return nil }
          return layout.hash(namespace, hash)
        }
        try body(batch.map(layout.entry) + hashKeys)
      }
    }
  }

  /// What a key holds, a page at a time, as `SSCAN`, `HSCAN` or `ZSCAN` answers.
  /// - Returns: false for a key of another type, which holds nothing of the kind.
  @discardableResult
  func forEachPage(
    of key: Key, _ command: StaticString, _ body: ([Reply]) throws -> Void
  ) throws -> Bool {
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    repeat {
      let reply = try client.read(
        pipeline { $0.append(command, key, cursor, "COUNT", Batch.page) }, tolerating: true)[0]
      if let error = reply.error {
        guard error.code == "WRONGTYPE" else {
          throw client.translate(error, command: "\(command)", key: key.text)
        }
        return false
      }
      let page = try reply.elements(expecting: 2)
      cursor = page[0].bytes
      try body(Array(page[1].elements))
    } while cursor != [UInt8(ascii: "0")]
    return true
  }
}
