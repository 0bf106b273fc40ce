import Mneme

/// The content of an entry's hash. Of the answer and the vector only the presence and the length count.
struct EntryFacts: Equatable {
  var namespace: Namespace
  var queryHash: String
  var createdAt: UnixTime
  /// `created_at + ttl`; nil: never.
  var expiresAt: UnixTime?
  /// nil where it is not a number.
  var lastAccessedAt: Int64?
  var isAccessCountReadable: Bool
  var embeddingBytes: Int
  /// The hash is that of the query, normalised or as it is.
  var queryHashFits: Bool

  var isUseReadable: Bool { lastAccessedAt != nil && isAccessCountReadable }
}

/// What the answers to questions about an entry come to. `EntryCodec` refuses what is `damaged` here, and what is not
/// `isUseReadable`.
enum EntryReading: Equatable {
  /// There is no such key.
  case absent
  /// The key is of another type.
  case otherType
  /// Nobody can be served from it. Why, as it follows `entry 7`.
  case damaged(String)
  case sound(EntryFacts)

  /// - Parameters:
  ///   - fields: the reply to `EntryQuestion.appendFields`.
  ///   - embeddingBytes: the length of the vector; nil where there is no such field.
  init(fields: Reply, embeddingBytes: Int?, hasResponse: Bool, exists: Bool) {
    if let error = fields.error {
      self = error.code == "WRONGTYPE" ? .otherType : .damaged("cannot be read: \(error)")
    } else if exists {
      self = Self.reading(fields, embeddingBytes, hasResponse)
    } else {
      self = .absent
    }
  }

  private static func reading(_ fields: Reply, _ embeddingBytes: Int?, _ hasResponse: Bool) -> EntryReading {
    func lacks(_ field: String) -> EntryReading { .damaged("lacks the field '\(field)'") }
    func number(_ field: String, _ reply: Reply) -> EntryReading {
      reply.isNull ? lacks(field) : .damaged("has no whole number in the field '\(field)'")
    }
    let (query, metadata) = (fields[6], fields[7])
    if fields[0].isNull, fields[1].isNull, query.isNull, !hasResponse {
      return .damaged("has no query and no answer, as a use leaves it that comes after its deletion")
    }
    guard !fields[0].isNull else { return lacks(EntryField.namespace) }
    guard let name = fields[0].string, let namespace = try? Namespace(name) else {
      return .damaged("has no namespace that is text")
    }
    guard !fields[1].isNull else { return lacks(EntryField.queryHash) }
    guard let queryHash = fields[1].string, isQueryHash(queryHash) else {
      return .damaged("has no query hash in the field '\(EntryField.queryHash)'")
    }
    guard !query.isNull else { return lacks(EntryField.query) }
    guard hasResponse else { return lacks(EntryField.response) }
    guard let embeddingBytes else { return lacks(EntryField.embedding) }
    guard !metadata.isNull else { return lacks(EntryField.metadata) }
    guard Metadata.isSound(String(decoding: metadata.bytes, as: UTF8.self)) else {
      return .damaged("has no JSON object in the field '\(EntryField.metadata)'")
    }
    guard let createdAt = fields[2].integer else { return number(EntryField.createdAt, fields[2]) }
    guard !fields[4].isNull else { return lacks(EntryField.ttl) }
    let ttl = fields[4].integer
    guard ttl != nil || fields[4].bytes.isEmpty else { return number(EntryField.ttl, fields[4]) }
    return .sound(
      EntryFacts(
        namespace: namespace, queryHash: queryHash, createdAt: UnixTime(createdAt),
        expiresAt: ttl.map { UnixTime(createdAt) + Seconds($0) }, lastAccessedAt: fields[3].integer,
        isAccessCountReadable: fields[5].integer != nil, embeddingBytes: embeddingBytes,
        queryHashFits: fits(queryHash, String(decoding: query.bytes, as: UTF8.self))))
  }

  /// An application may hash its queries as they are.
  private static func fits(_ queryHash: String, _ query: String) -> Bool {
    QueryNormalizer.queryHash(query) == queryHash
      || QueryNormalizer.queryHash(query, normalizing: false) == queryHash
  }
}

/// The questions about an entry's hash.
enum EntryQuestion {
  /// Asks for the fields that place an entry and change with each use. They are small, and so they are asked for twice
  /// to see whether the entry stands still.
  static func appendHead(of key: Key, to pipeline: inout Pipeline) -> Slot {
    pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount)
  }

  /// Asks for the fields of the head and for those that an entry is judged by.
  /// - Parameter withVector: as the last one.
  static func appendFields(of key: Key, withVector: Bool = false, to pipeline: inout Pipeline) -> Slot {
    if withVector {
      return pipeline.append(
        "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
        EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount, EntryField.query,
        EntryField.metadata, EntryField.embedding)
    }
    return pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount, EntryField.query,
      EntryField.metadata)
  }

  /// Where the vector is in the reply to `appendFields`.
  static let vector = 8

  /// Asks for all of it together, but for the vector.
  static func append(_ key: Key, to pipeline: inout Pipeline) -> Question<EntryReading> {
    let fields = appendFields(of: key, to: &pipeline)
    let length = pipeline.append("HSTRLEN", key, EntryField.embedding)
    let hasEmbedding = pipeline.append("HEXISTS", key, EntryField.embedding)
    let hasResponse = pipeline.append("HEXISTS", key, EntryField.response)
    let exists = pipeline.append("EXISTS", key)
    return Question { replies in
      EntryReading(
        fields: replies[fields],
        embeddingBytes: replies[hasEmbedding].integer == 1 ? replies[length].size ?? 0 : nil,
        hasResponse: replies[hasResponse].integer == 1, exists: replies[exists].integer != 0)
    }
  }
}

extension Reply {
  /// Whether both hold the same bytes, or neither holds any.
  func isSame(as other: Reply) -> Bool {
    isNull == other.isNull && withBytes { bytes in other.withBytes { bytes.elementsEqual($0) } }
  }
}
