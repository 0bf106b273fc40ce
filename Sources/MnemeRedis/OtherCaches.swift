import Mneme

/// Another cache whose prefix begins with this one's.
package struct OtherCache: Sendable, Equatable {
  /// The prefix as bytes, since that of another program need not be text.
  package var keyPrefix: [UInt8]
  /// The number of its keys that were met.
  package var keys: Int
}

/// Distinguishes the keys of other caches under a prefix from the cache's own keys.
///
/// With the prefixes `app` and `app:v2`, the keys of the second cache begin like those of the first. With `app` and
/// `app:lru` they also look like its own keys: `app:lru:by_id` is an index of the second cache, and could be the `lru`
/// of a namespace `by_id` of the first. The key `meta`, which every cache has, shows which prefixes are caches. A key
/// that may belong to either is not changed.
///
/// Used by one thread at a time.
final class OtherCaches {
  private let store: RedisStore
  /// The possible prefixes of the keys seen, and whether each is that of a cache.
  private var verdicts: [[UInt8]: Bool] = [:]
  private var keyCounts: [[UInt8]: Int] = [:]

  /// The most prefixes that are kept.
  private static let limit = 10_000
  /// The most possible prefixes of one key.
  private static let candidateLimit = 8

  init(_ store: RedisStore) { self.store = store }

  /// The caches that were met, sorted by prefix.
  var found: [OtherCache] {
    keyCounts.map { OtherCache(keyPrefix: $0, keys: $1) }
      .sorted { $0.keyPrefix.lexicographicallyPrecedes($1.keyPrefix) }
  }

  /// Returns the prefix of the other cache to which each key belongs; nil for a key of this cache or of none. One round
  /// trip for each 64 new prefixes.
  func owners(of keys: [[UInt8]]) throws -> [[UInt8]?] {
    let candidates = keys.map { store.layout.innerPrefixes(of: $0, atMost: Self.candidateLimit) }
    let unknown = Set(candidates.joined()).filter { verdicts[$0] == nil }
    if verdicts.count > Self.limit { verdicts = verdicts.filter(\.value) }
    for slice in Array(unknown).slices(of: Batch.keys) {
      var request = Pipeline()
      let asked = slice.map {
        ($0, request.append("HMGET", KeyLayout(prefixBytes: $0).meta, KeyLayout.MetaField.fingerprint))
      }
      let replies = try store.client.read(request, tolerating: true)
      for (prefix, slot) in asked {
        // If the user may not read the key, it may be the `meta` of a cache.
        verdicts[prefix] = replies[slot].error.map { $0.code != "WRONGTYPE" } ?? !replies[slot][0].isNull
      }
    }
    return candidates.map { prefixes in
      // Takes the longest prefix, since the prefix of that cache may again begin that of another.
      guard let owner = prefixes.last(where: { verdicts[$0] == true }) else { return nil }
      keyCounts[owner, default: 0] += 1
      return owner
    }
  }

  /// Returns the items that do not belong to another cache.
  func own<Item>(_ items: [Item], key: (Item) -> [UInt8]) throws -> [Item] {
    zip(items, try owners(of: items.map(key))).filter { $1 == nil }.map(\.0)
  }
}

extension KeyLayout {
  /// The names of the families, as they are in keys.
  private static let familyNames = KeyFamily.allCases.map {
    (name: Array($0.rawValue.utf8), isKeyed: $0.isKeyed)
  }

  /// The prefixes, longer than this one, under which a key could be one of the layout. Shortest first.
  func innerPrefixes(of key: [UInt8], atMost limit: Int) -> [[UInt8]] {
    guard key.starts(with: base) else { return [] }
    var prefixes: [[UInt8]] = []
    for place in base.count..<key.count where key[place] == UInt8(ascii: ":") {
      let rest = key[(place + 1)...]
      let isOfLayout = Self.familyNames.contains { name, isKeyed in
        guard rest.starts(with: name) else { return false }
        let end = rest.startIndex + name.count
        return isKeyed ? end < key.count && key[end] == UInt8(ascii: ":") : end == key.count
      }
      if isOfLayout { prefixes.append(Array(key[..<place])) }
      if prefixes.count == limit { break }
    }
    return prefixes
  }
}
