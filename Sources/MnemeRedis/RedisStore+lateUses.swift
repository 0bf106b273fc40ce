import Mneme

/// Removed entries of which a late use has left two fields.
///
/// If a Python program records a use of an entry that is deleted at the same time, a hash of the two fields
/// `last_accessed_at` and `access_count` remains, and its id is the latest in `lru`. It holds no answer, and Python
/// programs that evict or open the cache fail because of it.
extension RedisStore {
  /// The number of latest uses that are checked if nothing suggests a late one.
  private static let latestUses = 2_000

  /// Whether `by_id` and the `lru` of all namespaces list different numbers of entries. A late use adds its id to an
  /// `lru` and not to `by_id`. Two round trips, and one for each 64 namespaces after the first 64.
  func countsDiffer() throws -> Bool {
    let namespaces = try namespaces().filter { isSound(layout.lru($0)) }
    guard isSound(layout.byID) else { return false }
    for _ in 0..<3 {
      var (sum, total, versions) = (0, 0, Set<[UInt8]>())
      for slice in namespaces.isEmpty ? [[][...]] : namespaces.slices(of: Batch.keys) {
        let seen = try read(tolerating: true) { pipeline in
          let before = pipeline.append("GET", layout.version)
          let count = pipeline.append("ZCARD", layout.byID)
          let counts = slice.map { pipeline.append("ZCARD", layout.lru($0)) }
          let after = pipeline.append("GET", layout.version)
          return Question { replies in
            (
              versions: [replies[before].bytes, replies[after].bytes], total: replies[count].size ?? 0,
              sum: counts.reduce(0) { $0 + (replies[$1].size ?? 0) }
            )
          }
        }
        versions.formUnion(seen.versions)
        (sum, total) = (sum + seen.sum, seen.total)
      }
      if sum == total { return false }
      // Nothing was written in between.
      if versions.count == 1 { return true }
    }
    return false
  }

  /// Removes the fields left by late uses, among the latest uses of each namespace.
  ///
  /// Two round trips for each 200 of at most 2,000 entries.
  /// - Parameters:
  ///   - swept: receives the ids that were removed.
  ///   - shouldStop: asked before each page.
  /// - Returns: whether it came to its end.
  func sweepLatestUses(
    in namespace: Namespace?, dryRun: Bool, into swept: inout Set<EntryID>, shouldStop: () -> Bool
  ) throws -> Bool {
    var left = Self.latestUses
    for scope in try namespace.map({ [$0] }) ?? namespaces() {
      var place = 0
      while left > 0 {
        if shouldStop() { return false }
        let page = try answer {
          $0.append("ZRANGE", layout.lru(scope), -place - min(left, Batch.page), -place - 1)
        }
        if page.count == 0 { break }
        let ids = page.elements.compactMap { EntryID(member: $0.bytes) }
        let absent = try lost(of: ids)
        let leftovers = ids.filter(absent.contains).map { Leftover(id: $0, namespace: scope) }
        swept.formUnion(dryRun ? leftovers.map(\.id) : try sweepLeftovers(leftovers))
        place += page.count - (dryRun ? 0 : leftovers.count)
        left -= page.count
      }
    }
    return true
  }
}
