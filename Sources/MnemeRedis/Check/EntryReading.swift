import Mneme

/// The content of an entry's hash. Only the length of the vector is used.
struct EntryFacts: Equatable {
  var namespace: Namespace
  var queryHash: String
  var createdAt: UnixTime
  /// `created_at + ttl`; nil for never.
  var expiresAt: UnixTime?
  /// The time of the last access; nil if it is not a number.
  var lastAccessedAt: Int64?
  var isAccessCountReadable: Bool
  var embeddingBytes: Int
  /// Whether the hash is that of the query, normalized or not. It is false for a query that is not valid UTF-8.
  var queryHashFits: Bool
  /// The reason why a Python program cannot read the entry, and so cannot open the cache, worded to follow `entry 7`;
  /// nil if it can.
  var pythonObstacle: String?

  var isUseReadable: Bool { lastAccessedAt != nil && isAccessCountReadable }
}

/// The result of reading an entry. `EntryCodec` refuses an entry that is `damaged` here, or not `isUseReadable`.
enum EntryReading: Equatable {
  /// There is no such key.
  case absent
  /// The key is of another type.
  case otherType
  /// The entry cannot be served. The reason is worded to follow `entry 7`.
  case damaged(String)
  case sound(EntryFacts)

  /// - Parameters:
  ///   - fields: the reply to `EntryQuestion.appendFields`.
  ///   - embeddingBytes: the length of the vector; nil if the field is missing.
  ///   - hasResponse: whether there is a response, if it was not read; nil if it was.
  ///   - checksHash: compares the query's hash with the query.
  init(
    fields: Reply, embeddingBytes: Int?, hasResponse: Bool? = nil, exists: Bool, checksHash: Bool = true
  ) {
    if let error = fields.error {
      self = error.code == "WRONGTYPE" ? .otherType : .damaged("cannot be read: \(error)")
    } else if exists {
      self = Self.reading(fields, embeddingBytes, hasResponse, checksHash)
    } else {
      self = .absent
    }
  }

  private static func reading(
    _ fields: Reply, _ embeddingBytes: Int?, _ hasResponse: Bool?, _ checksHash: Bool
  ) -> EntryReading {
    func lacks(_ field: String) -> EntryReading { .damaged("lacks the field '\(field)'") }
    func number(_ field: String, _ reply: Reply) -> EntryReading {
      reply.isNull ? lacks(field) : .damaged("has no whole number in the field '\(field)'")
    }
    let (query, metadata, response) = (fields[6], fields[7], fields[EntryQuestion.response])
    let isAnswered = hasResponse ?? !response.isNull
    if fields[0].isNull, fields[1].isNull, query.isNull, !isAnswered {
      return .damaged("has neither query nor response: a use was recorded after its deletion")
    }
    guard !fields[0].isNull else { return lacks(EntryField.namespace) }
    guard let name = fields[0].string else { return .damaged("has no valid namespace") }
    guard !fields[1].isNull else { return lacks(EntryField.queryHash) }
    guard let queryHash = fields[1].string, QueryNormalizer.isHash(queryHash) else {
      return .damaged("has no query hash in the field '\(EntryField.queryHash)'")
    }
    guard !query.isNull else { return lacks(EntryField.query) }
    guard isAnswered else { return lacks(EntryField.response) }
    guard let embeddingBytes else { return lacks(EntryField.embedding) }
    guard !metadata.isNull else { return lacks(EntryField.metadata) }
    let metadataText = String(decoding: metadata.bytes, as: UTF8.self)
    guard Metadata.isSound(metadataText) else {
      return .damaged("has no JSON object in the field '\(EntryField.metadata)'")
    }
    guard let createdAt = fields[2].integer else { return number(EntryField.createdAt, fields[2]) }
    guard !fields[4].isNull else { return lacks(EntryField.ttl) }
    let ttl = fields[4].integer
    guard ttl != nil || fields[4].bytes.isEmpty else { return number(EntryField.ttl, fields[4]) }
    let bytes = [
      (EntryField.query, query), (EntryField.response, response), (EntryField.metadata, metadata),
    ].filter { !$0.1.isNull && $0.1.string == nil }.map(\.0)
    let obstacle =
      bytes.isEmpty
      ? Metadata.pythonObstacle(metadataText).map { "has metadata that \($0)" }
      : "has text that is not valid UTF-8 in \(bytes.map { "'\($0)'" }.joined(separator: " and "))"
    return .sound(
      EntryFacts(
        namespace: Namespace(unchecked: name), queryHash: queryHash, createdAt: UnixTime(createdAt),
        expiresAt: ttl.map { UnixTime(createdAt) + Seconds($0) }, lastAccessedAt: fields[3].integer,
        isAccessCountReadable: fields[5].integer != nil, embeddingBytes: embeddingBytes,
        queryHashFits: checksHash ? query.string.map { fits(queryHash, $0) } ?? true : true,
        pythonObstacle: obstacle))
  }

  /// Whether a hash is that of a query. An application may hash its queries without normalizing them.
  private static func fits(_ queryHash: String, _ query: String) -> Bool {
    QueryNormalizer.queryHash(query) == queryHash
      || QueryNormalizer.queryHash(query, normalizing: false) == queryHash
  }
}

/// The questions about an entry's hash.
enum EntryQuestion {
  /// Reads the fields that place an entry and change with each use. They are small, and are read twice to see
  /// whether the entry has changed.
  static func appendHead(of key: Key, to pipeline: inout Pipeline) -> Slot {
    pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount)
  }

  /// Appends the read of the head's fields and of those that a check needs.
  /// - Parameter withVector: also reads the vector, as the last field.
  static func appendFields(of key: Key, withVector: Bool = false, to pipeline: inout Pipeline) -> Slot {
    if withVector {
      return pipeline.append(
        "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
        EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount, EntryField.query,
        EntryField.metadata, EntryField.response, EntryField.embedding)
    }
    return pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount, EntryField.query,
      EntryField.metadata, EntryField.response)
  }

  /// Appends the read of the head's fields, the query and the metadata.
  static func appendSmallFields(of key: Key, to pipeline: inout Pipeline) -> Slot {
    pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount, EntryField.query, EntryField.metadata
    )
  }

  /// The places of the response and the vector in the reply to `appendFields`.
  static let (response, vector) = (8, 9)

  /// Appends the reads of everything but the vector.
  static func append(_ key: Key, to pipeline: inout Pipeline) -> Question<EntryReading> {
    let fields = appendFields(of: key, to: &pipeline)
    let length = pipeline.append("HSTRLEN", key, EntryField.embedding)
    let hasEmbedding = pipeline.append("HEXISTS", key, EntryField.embedding)
    let exists = pipeline.append("EXISTS", key)
    return Question { replies in
      EntryReading(
        fields: replies[fields],
        embeddingBytes: replies[hasEmbedding].integer == 1 ? replies[length].size ?? 0 : nil,
        exists: replies[exists].integer != 0)
    }
  }
}

extension Reply {
  /// Whether both replies have the same bytes, or both have none.
  func isSame(as other: Reply) -> Bool {
    isNull == other.isNull && withBytes { bytes in other.withBytes { bytes.elementsEqual($0) } }
  }
}
