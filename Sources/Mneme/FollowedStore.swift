/// A store that says what has changed in a namespace, so that an index of its vectors costs what has changed. The index
/// of any other store is read again whenever its version counter has moved.
package protocol FollowedStore: Store {
  /// Describes the store as it is now, without samples; nil if the store does not say.
  /// - Parameter leavingTrace: something may be left in the store that makes it known again.
  func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark?

  /// The entries that were most recently accessed in a namespace, 8 at most.
  func recentlyUsed(in namespace: Namespace) throws -> [EntryID]

  /// Samples of entries, in the order asked for; nil for each that is gone or cannot be sampled.
  func samples(of ids: [EntryID]) throws -> [EntrySample?]

  /// Finds the changes in a namespace since a mark.
  ///
  /// Entries that are gone are not reported: a search asks the store for its candidates, and finds that out.
  /// - Returns: nil where the mark is not of this store, or more than `limit` entries would have to be looked at.
  func changes(in namespace: Namespace, since mark: StoreMark, atMost limit: Int) throws -> NamespaceChanges?

  /// Reads entries without their responses and vectors, in the order asked for; nil for each that is gone or damaged.
  func outlines(of ids: [EntryID]) throws -> [EntryOutline?]
}

extension FollowedStore {
  package func outlines(of ids: [EntryID]) throws -> [EntryOutline?] {
    try entries(ids: ids) { _ in }.map { $0.map(EntryOutline.init) }
  }
}

/// The changes in a namespace since a mark.
package struct NamespaceChanges: Sendable {
  /// The entries that were written since, and perhaps some that were written shortly before, the last written at the
  /// end as far as that is known. They may be gone again.
  package var written: [EntryID]
  /// The number of entries that were read to find them.
  package var examined: Int
  /// The store as it was before the changes were read. The samples are those of the previous mark that still exist,
  /// as they are now.
  package var mark: StoreMark

  package init(written: [EntryID], examined: Int, mark: StoreMark) {
    self.written = written
    self.examined = examined
    self.mark = mark
  }
}

/// An entry as an explanation shows it.
package struct EntryOutline: Sendable, Equatable {
  package var namespace: Namespace
  package var query: String
  package var createdAt: UnixTime
  /// nil: never expires.
  package var ttl: Seconds?
  package var accessCount: Int64

  package init(
    namespace: Namespace, query: String, createdAt: UnixTime, ttl: Seconds?, accessCount: Int64
  ) {
    (self.namespace, self.query, self.createdAt) = (namespace, query, createdAt)
    (self.ttl, self.accessCount) = (ttl, accessCount)
  }

  package var expiresAt: UnixTime? { ttl.map { createdAt + $0 } }

  package init(_ entry: StoredEntry) {
    self.init(
      namespace: entry.namespace, query: entry.query, createdAt: entry.createdAt, ttl: entry.ttl,
      accessCount: entry.accessCount)
  }
}
