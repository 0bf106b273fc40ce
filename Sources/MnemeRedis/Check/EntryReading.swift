import Mneme

/// What an entry's hash says, but for the answer and the vector, of which only the presence and the length count.
struct EntryFacts: Equatable {
  var namespace: Namespace
  var queryHash: String
  var createdAt: UnixTime
  /// `created_at + ttl`; nil: never.
  var expiresAt: UnixTime?
  /// nil where it is no number.
  var lastAccessedAt: Int64?
  var isAccessCountReadable: Bool
  var embeddingBytes: Int
  /// The hash is that of the query, normalised or as it is.
  var queryHashFits: Bool

  var isUseReadable: Bool { lastAccessedAt != nil && isAccessCountReadable }
  var expiry: Int64 { expiresAt?.rawValue ?? .max }
}

/// What the answers to questions about an entry come to.
enum EntryReading: Equatable {
  /// There is no such key.
  case absent
  /// The key is of another type.
  case otherType
  /// Nobody can be served from it. Why, as it follows `entry 7`.
  case damaged(String)
  case sound(EntryFacts)
}

/// The questions of a check about one entry, and how their answers are read. `EntryCodec` refuses what is
/// `damaged` here, and what is not `isUseReadable`.
enum EntryQuestion {
  /// What places it and changes with each use: small, and so asked twice to see whether it stands still.
  static func appendHead(of key: Key, to pipeline: inout Pipeline) {
    pipeline.append(
      "HMGET", key, EntryField.namespace, EntryField.queryHash, EntryField.createdAt,
      EntryField.lastAccessedAt, EntryField.ttl, EntryField.accessCount)
  }

  /// How many answers `append` gets.
  static let count = 7

  static func append(_ key: Key, to pipeline: inout Pipeline) {
    appendHead(of: key, to: &pipeline)
    pipeline.append("HMGET", key, EntryField.query, EntryField.metadata)
    pipeline.append("HSTRLEN", key, EntryField.embedding)
    pipeline.append("HEXISTS", key, EntryField.embedding)
    pipeline.append("HEXISTS", key, EntryField.response)
    pipeline.append("EXISTS", key)
    pipeline.append("PTTL", key)
  }

  /// - Parameter first: where the answers begin.
  static func reading(_ replies: Replies, from first: Int) -> EntryReading {
    let head = replies[first]
    if let error = head.error {
      return error.code == "WRONGTYPE" ? .otherType : .damaged("cannot be read: \(error)")
    }
    guard replies[first + 5].integer != 0 else { return .absent }
    let texts = replies[first + 1]
    func lacks(_ field: String) -> EntryReading { .damaged("lacks the field '\(field)'") }
    let isGhost =
      head[0].isNull && head[1].isNull && texts[0].isNull && replies[first + 4].integer == 0
    if isGhost {
      return .damaged("has no query and no answer, as a use leaves it that comes after its deletion")
    }

    guard !head[0].isNull else { return lacks(EntryField.namespace) }
    guard let name = head[0].string, let namespace = try? Namespace(name) else {
      return .damaged("has no namespace that is text")
    }
    guard !head[1].isNull else { return lacks(EntryField.queryHash) }
    guard let queryHash = head[1].string, isQueryHash(queryHash) else {
      return .damaged("has no query hash in the field '\(EntryField.queryHash)'")
    }
    guard !texts[0].isNull else { return lacks(EntryField.query) }
    guard replies[first + 4].integer == 1 else { return lacks(EntryField.response) }
    guard replies[first + 3].integer == 1 else { return lacks(EntryField.embedding) }
    guard !texts[1].isNull else { return lacks(EntryField.metadata) }
    guard Metadata.isSound(String(decoding: texts[1].bytes, as: UTF8.self)) else {
      return .damaged("has no JSON object in the field '\(EntryField.metadata)'")
    }
    guard let createdAt = head[2].integer else { return number(EntryField.createdAt, head[2]) }
    guard !head[4].isNull else { return lacks(EntryField.ttl) }
    let ttl = head[4].integer
    guard ttl != nil || head[4].bytes.isEmpty else { return number(EntryField.ttl, head[4]) }
    return .sound(
      EntryFacts(
        namespace: namespace, queryHash: queryHash, createdAt: UnixTime(createdAt),
        expiresAt: ttl.map { UnixTime(createdAt) + Seconds($0) }, lastAccessedAt: head[3].integer,
        isAccessCountReadable: head[5].integer != nil,
        embeddingBytes: replies[first + 2].size ?? 0,
        queryHashFits: fits(queryHash, String(decoding: texts[0].bytes, as: UTF8.self))))
  }

  private static func number(_ field: String, _ reply: Reply) -> EntryReading {
    reply.isNull
      ? .damaged("lacks the field '\(field)'") : .damaged("has no whole number in the field '\(field)'")
  }

  /// An application may hash its queries as they are.
  private static func fits(_ queryHash: String, _ query: String) -> Bool {
    QueryNormalizer.queryHash(query) == queryHash
      || QueryNormalizer.queryHash(query, normalizing: false) == queryHash
  }
}
