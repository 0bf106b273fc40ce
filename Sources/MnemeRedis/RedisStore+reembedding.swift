import Mneme

/// A copy of a cache under another prefix, on its way there.
///
/// As long as it is unfinished, its `meta` names the prefix that it comes from, in a field that no other program
/// reads: the copy can be used all the while, and whoever goes on with it knows it again. The mark is written in the
/// transaction that creates `meta` and taken away when all is there.
extension RedisStore {
  /// Makes this prefix the unfinished copy of another one, or finds that it is that already.
  ///
  /// Walks the keyspace once where there is no cache, then two round trips.
  /// - Parameters:
  ///   - source: the prefix that is copied.
  ///   - identity: who makes the copy's vectors.
  /// - Returns: whether it was begun before.
  /// - Throws: `InvalidInputError` for a prefix that holds anything else, `EmbedderMismatchError` and
  ///   `EmbedderDimensionError` for a copy that another embedder began. Nothing is written then.
  public func beginCopy(of source: String, as identity: CacheIdentity) throws -> Bool {
    try open(expecting: nil)
    if try self.identity() == nil { try checkForKeys() }
    let isOld = try client.transaction { transaction -> Transaction.Outcome<Bool> in
      let fixed = [
        layout.version, layout.nextID, layout.byID, layout.byTTL, layout.namespaces, layout.quotas,
      ]
      let seen = try transaction.read(
        pipeline {
          $0.begin("WATCH", argumentCount: fixed.count + 1)
          $0.argument(layout.meta)
          for key in fixed { $0.argument(key) }
          $0.append("HGET", layout.meta, KeyLayout.MetaField.copyOf)
          $0.append("EXISTS", layout.meta)
          $0.begin("EXISTS", argumentCount: fixed.count)
          for key in fixed { $0.argument(key) }
          appendIdentityQuestion(to: &$0)
        })
      if seen[2].integer != 0 {
        guard seen[1].string == source else { throw occupied(by: seen[1].string) }
        try checkIdentity(seen[4]).map { try identity.check(against: $0) }
        return .done(true)
      }
      guard seen[3].integer == 0 else { throw occupied(by: nil) }
      typealias Field = KeyLayout.MetaField
      let replies = try transaction.commit(
        pipeline {
          $0.append(
            "HSET", layout.meta, Field.fingerprint, identity.fingerprint, Field.dimension, identity.dimension,
            Field.schemaVersion, identity.schemaVersion, Field.copyOf, source)
        })
      return replies == nil ? .retry : .done(false)
    }
    try open(expecting: identity)
    return isOld
  }

  /// Takes the mark away: the copy is a cache like any other.
  public func finishCopy() throws {
    _ = try client.write(pipeline { $0.append("HDEL", layout.meta, KeyLayout.MetaField.copyOf) })
  }

  /// When the entries that this store has for the same questions were put; nil where it has none. Two round trips.
  public func creations(of entries: [StoredEntry]) throws -> [UnixTime?] {
    let ids = try read(
      pipeline {
        for entry in entries { $0.append("GET", layout.hash(entry.namespace, entry.queryHash)) }
      }
    ).prefix(entries.count).map { EntryID(member: $0.bytes) }
    let known = ids.compactMap(\.self)
    guard !known.isEmpty else { return ids.map { _ in nil } }
    let replies = try read(
      pipeline {
        for id in known {
          $0.append(
            "HMGET", layout.entry(id), EntryField.namespace, EntryField.queryHash, EntryField.createdAt)
        }
      })
    var next = replies.makeIterator()
    return try zip(ids, entries).map { id, entry in
      guard id != nil, let fields = try next.next()?.elements(expecting: 3),
        fields[0].bytes.elementsEqual(entry.namespace.name.utf8),
        fields[1].bytes.elementsEqual(entry.queryHash.utf8)
      else { return nil }
      return fields[2].integer.map { UnixTime($0) }
    }
  }

  private func occupied(by other: String?) -> InvalidInputError {
    guard let other else {
      return InvalidInputError(
        "The prefix '\(layout.prefix)' is not empty, and holds no unfinished copy of this cache.",
        remediation: "Name a prefix that is empty, or empty that one with 'clear --all' and 'redis-cli DEL'.")
    }
    return InvalidInputError(
      "The prefix '\(layout.prefix)' holds an unfinished copy of another cache, '\(other)'.",
      remediation: "Name a prefix that is empty.")
  }

  /// - Throws: `InvalidInputError` where any key of the layout is there. Keys that are no part of it may belong to a
  ///   neighbour whose prefix begins like this one.
  private func checkForKeys() throws {
    var cursor: [UInt8] = [UInt8(ascii: "0")]
    repeat {
      let page = try client.read(
        pipeline { $0.append("SCAN", cursor, "MATCH", layout.everyKey, "COUNT", Batch.page) })[0]
        .elements(expecting: 2)
      cursor = page[0].bytes
      // `meta` may have come since: the transaction looks at what it says.
      if page[1].elements.contains(where: { layout.parse($0.bytes).map { $0.family != .meta } ?? false }) {
        if try self.identity() == nil { throw occupied(by: nil) }
      }
    } while cursor != [UInt8(ascii: "0")]
  }
}
