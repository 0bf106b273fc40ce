import Mneme

/// A copy of a cache under another prefix, while it is made.
///
/// While it is unfinished, its `meta` names the prefix that it comes from, in a field that no other program reads.
/// The copy can be used all the time, and a later run recognizes it. The mark is written in the transaction that
/// creates `meta`, and removed when the copy is complete.
extension RedisStore {
  /// Makes this prefix the unfinished copy of another one, or finds that it is that already.
  ///
  /// Walks the keyspace once if there is no cache, then two round trips.
  /// - Parameters:
  ///   - source: the prefix that is copied.
  ///   - identity: the embedder of the copy's vectors.
  /// - Returns: whether an earlier run has begun the copy.
  /// - Throws: `InvalidInputError` for a prefix that holds anything else, `EmbedderMismatchError` for a copy with entries
  ///   that another embedder began. Nothing is written then.
  package func beginCopy(of source: String, as identity: CacheIdentity) throws -> Bool {
    try open(expecting: nil)
    if try self.identity() == nil { try checkForKeys() }
    let fixed = [
      layout.version, layout.nextID, layout.byID, layout.byTTL, layout.namespaces, layout.quotas,
    ]
    let isOld = try client.change { pipeline in
      pipeline.append("WATCH", each: [layout.meta] + fixed)
      let mark = pipeline.append("HGET", layout.meta, KeyLayout.MetaField.copyOf)
      let meta = pipeline.append("EXISTS", layout.meta)
      let others = pipeline.append("EXISTS", each: fixed)
      let stored = appendIdentityQuestion(to: &pipeline)
      return Question { replies in
        (
          mark: replies[mark].string, hasMeta: replies[meta].integer != 0,
          hasOthers: replies[others].integer != 0, identity: try replies[stored]
        )
      }
    } decide: { _, seen -> Plan<Bool> in
      if seen.hasMeta {
        guard seen.mark == source else { throw occupied(by: seen.mark) }
        if seen.identity == identity { return .done(true) }
        // Without an entry it may be begun with another embedder.
        if seen.hasOthers { throw begunOtherwise(seen.identity) }
      } else if seen.hasOthers {
        throw occupied(by: nil)
      }
      typealias Field = KeyLayout.MetaField
      return .write { pipeline in
        pipeline.append(
          "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
          Field.schemaVersion, identity.schemaVersion, Field.copyOf, source)
        return Question { _ in
          self.note(identity)
          return false
        }
      }
    }
    try open(expecting: identity)
    return isOld
  }

  /// Removes the mark, so that the copy is an ordinary cache.
  package func finishCopy() throws {
    _ = try client.write(pipeline { $0.append("HDEL", layout.meta, KeyLayout.MetaField.copyOf) })
  }

  /// Returns the creation times of the entries that this store has for the same queries; nil for a query without one.
  /// Two round trips for each 64.
  package func creations(of entries: [StoredEntry]) throws -> [UnixTime?] {
    try claims(of: entries.map(\.queryKey)).map { $0?.createdAt }
  }

  private func begunOtherwise(_ stored: CacheIdentity?) -> EmbedderMismatchError {
    EmbedderMismatchError(
      "The unfinished copy under the prefix '\(layout.prefix)' was begun with the embedder '\(stored?.fingerprint ?? "")'.",
      about: .keyPrefix(layout.prefix), remedy: .useCopyEmbedder)
  }

  private func occupied(by other: String?) -> InvalidInputError {
    guard let other else {
      return InvalidInputError(
        "The prefix '\(layout.prefix)' is not empty, and holds no unfinished copy of this cache.",
        about: .keyPrefix(layout.prefix), remedy: .emptyPrefix)
    }
    return InvalidInputError(
      "The prefix '\(layout.prefix)' holds an unfinished copy of another cache, '\(other)'.",
      about: .keyPrefix(layout.prefix), remedy: .useEmptyPrefix)
  }

  /// - Throws: `InvalidInputError` if any key of the layout is there. Keys that are not part of it may belong to a
  ///   neighbour whose prefix begins like this one.
  private func checkForKeys() throws {
    let otherCaches = OtherCaches(self)
    try forEachPage(of: .keys(matching: layout.everyKey)) { page in
      // `meta` may have been created since. The transaction reads it.
      let own = try otherCaches.own(page.map(\.bytes)) { $0 }
      if own.contains(where: { layout.parse($0).map { $0.family != .meta } ?? false }),
        try self.identity() == nil
      {
        throw occupied(by: nil)
      }
    }
  }
}
