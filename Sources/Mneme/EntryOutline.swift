/// An entry as an explanation shows it.
package struct EntryOutline: Sendable, Equatable {
  package var namespace: Namespace
  package var query: String
  package var createdAt: UnixTime
  /// The time to live; nil if the entry never expires.
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
