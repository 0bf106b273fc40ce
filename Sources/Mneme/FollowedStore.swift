/// A store that says what has changed in a namespace, so that an index of its vectors costs what has changed. The index of
/// any other store is read again whenever its version counter has moved.
package protocol FollowedStore: Store {
  /// What the store is like now, without samples; nil where it does not say.
  /// - Parameter leavingTrace: something may be left in the store that makes it known again.
  func mark(of namespace: Namespace, leavingTrace: Bool) throws -> StoreMark?

  /// The entries that were most recently accessed in a namespace, 8 at most.
  func recentlyUsed(in namespace: Namespace) throws -> [EntryID]

  /// Samples of entries, in the order asked for; nil for each that is gone or cannot be sampled.
  func samples(of ids: [EntryID]) throws -> [EntrySample?]

  /// What has changed in a namespace since a mark.
  ///
  /// Entries that are gone are not told of: a search meets them, since the store is asked for what it finds.
  /// - Returns: nil where the mark is not of this store, or more than `limit` entries would have to be looked at.
  func changes(in namespace: Namespace, since mark: StoreMark, atMost limit: Int) throws -> NamespaceChanges?
}

/// What has changed in a namespace since a mark.
package struct NamespaceChanges: Sendable {
  /// The entries that were written since, and perhaps some that were written shortly before, the last written at the end
  /// as far as that is known. They may be gone again.
  package var written: [EntryID]
  /// How many entries were looked at to find them.
  package var examined: Int
  /// What the store was like before the changes were read. The samples are those of the mark before that are still
  /// there, as they are now.
  package var mark: StoreMark

  package init(written: [EntryID], examined: Int, mark: StoreMark) {
    self.written = written
    self.examined = examined
    self.mark = mark
  }
}
