import Mneme

/// A cache that is on a server, under whatever prefix.
public struct DiscoveredCache: Sendable, Equatable {
  /// As bytes: another program's need not be text.
  public var keyPrefix: [UInt8]
  /// nil where `by_id` may not be read, or is none.
  public var entries: Int?
  public var fingerprint: String
  /// nil where `meta` does not say it in numbers.
  public var dimension: Int?
}

extension RedisStore {
  /// Finds every cache in the database by its `meta`, sorted by prefix; the prefix of this store plays no part.
  ///
  /// `SCAN` for hashes whose name ends so, 200 keys a page, and one round trip for those on it: of a hash that
  /// is another program's the fields of `meta` are asked for and not found. On a cluster it sees the node that it is
  /// connected to.
  /// - Parameters:
  ///   - shouldStop: asked before each page; true ends it with what was found.
  ///   - withheld: told the names of keys that may be the `meta` of a cache, and that an ACL keeps from this user.
  ///   - progress: called after each page with about how many keys were passed.
  public func discoverCaches(
    shouldStop: () -> Bool = { false }, withheld: (_ key: [UInt8]) -> Void = { _ in },
    progress: (_ seen: Int) -> Void = { _ in }
  ) throws -> [DiscoveredCache] {
    try checkOpen()
    var found: [[UInt8]: DiscoveredCache] = [:]
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    var seen = 0
    repeat {
      if shouldStop() { break }
      let size = Batch.page
      let page = try client.read(
        pipeline {
          $0.append("SCAN", cursor, "MATCH", KeyLayout.everyMeta, "COUNT", size, "TYPE", "hash")
        })[0].elements(expecting: 2)
      cursor = page[0].bytes
      let keys = page[1].elements.map(\.bytes)
      for cache in try caches(ofMetaKeys: keys, withheld) { found[cache.keyPrefix] = cache }
      seen += size
      progress(seen)
    } while cursor != [UInt8(ascii: "0")]
    return found.values.sorted { $0.keyPrefix.lexicographicallyPrecedes($1.keyPrefix) }
  }

  private func caches(
    ofMetaKeys keys: [[UInt8]], _ withheld: (_ key: [UInt8]) -> Void
  ) throws -> [DiscoveredCache] {
    typealias Field = KeyLayout.MetaField
    let prefixes = keys.compactMap(KeyLayout.prefix(ofMeta:))
    let replies = try client.read(
      pipeline {
        for prefix in prefixes {
          let layout = KeyLayout(prefixBytes: prefix)
          $0.append("HMGET", layout.meta, Field.fingerprint, Field.dimension)
          $0.append("ZCARD", layout.byID)
        }
      }, tolerating: true)
    return prefixes.enumerated().compactMap { place, prefix in
      if replies[2 * place].error?.code == "NOPERM" { withheld(KeyLayout(prefixBytes: prefix).meta.bytes) }
      guard let fingerprint = replies[2 * place][0].string else { return nil }
      return DiscoveredCache(
        keyPrefix: prefix, entries: replies[2 * place + 1].size, fingerprint: fingerprint,
        dimension: replies[2 * place][1].size)
    }
  }
}
