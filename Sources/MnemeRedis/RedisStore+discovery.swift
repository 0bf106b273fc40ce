import Mneme

/// A cache that is on a server, under whatever prefix.
package struct DiscoveredCache: Sendable, Equatable {
  /// The prefix as bytes, because another program's need not be text.
  package var keyPrefix: [UInt8]
  /// The number of entries; nil if `by_id` may not be read, or is not a sorted set.
  package var entries: Int?
  package var fingerprint: String
  /// nil where `meta` does not say it in numbers.
  package var dimension: Int?
}

extension RedisStore {
  /// Finds every cache in the database by its `meta`, sorted by prefix; the prefix of this store plays no part.
  ///
  /// `SCAN` for hashes whose name ends so, 200 keys a page, and one round trip for those on it: of a hash that
  /// is another program's the fields of `meta` are asked for and not found. On a cluster it sees the node that it is
  /// connected to.
  /// - Parameters:
  ///   - control: stopped early, it returns what was found. Progress counts about how many keys were passed.
  ///   - whenNotPermitted: called with the names of keys that may be the `meta` of a cache, and that an ACL keeps from this
  ///     user.
  /// - Throws: `StoreBackendError` with `accessDenied` where the user may not run `SCAN`.
  package func discoverCaches(
    _ control: WorkControl = WorkControl(), whenNotPermitted: (_ key: [UInt8]) -> Void = { _ in }
  ) throws -> [DiscoveredCache] {
    try checkOpen()
    var found: [[UInt8]: DiscoveredCache] = [:]
    var passed = 0
    let everyMeta = Cursor.Subject.keys(matching: Array(KeyLayout.everyMeta.utf8), type: "hash")
    try forEachPage(of: everyMeta, shouldStop: control.shouldStop) { page in
      for cache in try caches(ofMetaKeys: page.map(\.bytes), whenNotPermitted) {
        found[cache.keyPrefix] = cache
      }
      passed += Cursor.pageSize
      control.progress(WorkProgress(done: passed))
    }
    return found.values.sorted { $0.keyPrefix.lexicographicallyPrecedes($1.keyPrefix) }
  }

  private func caches(
    ofMetaKeys keys: [[UInt8]], _ whenNotPermitted: (_ key: [UInt8]) -> Void
  ) throws -> [DiscoveredCache] {
    typealias Field = KeyLayout.MetaField
    var request = Pipeline()
    let asked = keys.compactMap(KeyLayout.prefix(ofMeta:)).map { prefix in
      let layout = KeyLayout(prefixBytes: prefix)
      let meta = request.append("HMGET", layout.meta, Field.fingerprint, Field.dimension)
      return (prefix: prefix, meta: meta, count: request.append("ZCARD", layout.byID))
    }
    let replies = try client.read(request, tolerating: true)
    return asked.compactMap { prefix, meta, count in
      let meta = replies[meta]
      if meta.error?.code == "NOPERM" { whenNotPermitted(KeyLayout(prefixBytes: prefix).meta.bytes) }
      guard let fingerprint = meta[0].string else { return nil }
      return DiscoveredCache(
        keyPrefix: prefix, entries: replies[count].size, fingerprint: fingerprint, dimension: meta[1].size)
    }
  }
}
