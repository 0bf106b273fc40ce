/// One cached answer, as a store keeps it.
///
/// The description shows neither query nor response, so that users' questions do not get into logs.
public struct StoredEntry: Sendable, Equatable, CustomStringConvertible {
  /// The id that the store has given it; the value that is passed to `Store.insert` is not used.
  public var id: EntryID
  /// The namespace, part of the key of an exact match.
  public var namespace: Namespace
  /// SHA-256 of the normalized query, 64 lower-case hexadecimal digits.
  public var queryHash: String
  /// The question as it was asked, not normalized.
  public var query: String
  /// The answer. A cache stores at most 4 MiB; see `Limits`.
  public var response: String
  /// The vector, of the cache's dimension and of length 1, unless another writer has stored a different one.
  public var embedding: Embedding
  /// A JSON object, kept as the text it was written in, so that numbers and the order of keys survive.
  public var metadata: String
  /// The time when it was put, or put again.
  public var createdAt: UnixTime
  /// The time when it was last served, or else put.
  public var lastAccessedAt: UnixTime
  /// The time to live; nil if the entry never expires.
  public var ttl: Seconds?
  /// The number of times that it was served since it was put.
  public var accessCount: Int64
  /// The bytes of texts that are not valid UTF-8, which only other programs store; usually nil.
  package var raw: RawTexts?

  /// The bytes of the texts that are not valid UTF-8. The strings of the entry have U+FFFD for invalid bytes. A store
  /// writes these bytes instead, so that a copy keeps them.
  package struct RawTexts: Sendable, Equatable {
    package var query: [UInt8]?
    package var response: [UInt8]?
    package var metadata: [UInt8]?

    package init(query: [UInt8]? = nil, response: [UInt8]? = nil, metadata: [UInt8]? = nil) {
      (self.query, self.response, self.metadata) = (query, response, metadata)
    }
  }

  /// Makes an entry. The store assigns its id.
  public init(
    id: EntryID = EntryID(0), namespace: Namespace, queryHash: String, query: String, response: String,
    embedding: Embedding, metadata: String = "{}", createdAt: UnixTime, lastAccessedAt: UnixTime,
    ttl: Seconds? = nil, accessCount: Int64 = 0
  ) {
    self.id = id
    self.namespace = namespace
    self.queryHash = queryHash
    self.query = query
    self.response = response
    self.embedding = embedding
    self.metadata = metadata
    self.createdAt = createdAt
    self.lastAccessedAt = lastAccessedAt
    self.ttl = ttl
    self.accessCount = accessCount
  }

  /// The moment from which the entry is not served any more; nil if it never expires.
  public var expiresAt: UnixTime? { ttl.map { createdAt + $0 } }

  /// True from the second `createdAt + ttl` on.
  public func isExpired(at now: UnixTime) -> Bool { expiresAt.map { now >= $0 } ?? false }

  /// The age. Never negative, also if the writer's clock is ahead.
  public func age(at now: UnixTime) -> Seconds { max(Seconds(0), now - createdAt) }

  /// Compares all bytes, because Swift takes canonically equivalent texts for equal.
  public static func == (a: StoredEntry, b: StoredEntry) -> Bool {
    a.id == b.id && a.namespace == b.namespace && a.queryHash.utf8.elementsEqual(b.queryHash.utf8)
      && a.query.utf8.elementsEqual(b.query.utf8) && a.response.utf8.elementsEqual(b.response.utf8)
      && a.embedding == b.embedding && a.metadata.utf8.elementsEqual(b.metadata.utf8)
      && a.createdAt == b.createdAt && a.lastAccessedAt == b.lastAccessedAt && a.ttl == b.ttl
      && a.accessCount == b.accessCount && a.raw == b.raw
  }

  public var description: String {
    "StoredEntry(id: \(id), query: \(query.utf8.count) bytes, response: \(response.utf8.count) bytes)"
  }
}
