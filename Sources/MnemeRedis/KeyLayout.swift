import Mneme

/// The names of everything in Redis; no other file spells a key or a field.
///
///     {p}:meta            hash     embedder_fingerprint, embedder_dim, schema_version;
///                                  counters (JSON, written by the Python library alone);
///                                  counted:{ns} (a mark: this namespace has counters);
///                                  incarnation (a random number, see below);
///                                  copy_of (a mark: an unfinished copy, and of which prefix)
///     {p}:version         string   grows by one for each entry written or removed
///     {p}:next_id         string   the last id allocated
///     {p}:entry:{id}      hash     the fields of `EntryField`
///     {p}:hash:{ns}:{qh}  string   id
///     {p}:by_id           zset     id → id
///     {p}:by_ttl          zset     id, or ns|id (Python) → created_at + ttl
///     {p}:lru:{ns}        zset     id → last_accessed_at
///     {p}:namespaces      set      the namespaces that have entries
///     {p}:counters:{ns}   hash     the names of `Counter` → count
///     {p}:quotas          hash     ns → max_entries
///     {p}:quota:{ns}      string   the same, for the Python library
///
/// The field `counted:{ns}` is an addition to the layout of the Python library. Counters outlive the entries of a
/// namespace, and `namespaces` must not list a namespace without entries. To find the counter keys with `SCAN`, each
/// request for totals would walk over the keys of all applications on the server. `copy_of` is in `meta` too, because
/// the transaction that creates a copy must also mark it as one. It is removed when the copy is complete.
///
/// The field `incarnation` is an addition too. The first client that keeps a local copy of the vectors sets it. It is
/// deleted with the keys of the cache. If a cache is filled again under the prefix, its version counter runs through
/// the same numbers, and a different `incarnation` shows that it is another cache.
struct KeyLayout: Sendable {
  let prefix: String
  let base: [UInt8]

  init(prefix: String) {
    self.init(prefixBytes: Array(prefix.utf8))
  }

  /// Makes the layout for a prefix found on the server, which need not be valid UTF-8.
  init(prefixBytes: [UInt8]) {
    prefix = String(decoding: prefixBytes, as: UTF8.self)
    base = prefixBytes + [UInt8(ascii: ":")]
  }

  var meta: Key { key("meta") }
  var version: Key { key("version") }
  var nextID: Key { key("next_id") }
  var byID: Key { key("by_id") }
  var byTTL: Key { key("by_ttl") }
  var namespaces: Key { key("namespaces") }
  var quotas: Key { key("quotas") }

  func entry(_ id: EntryID) -> Key {
    key("entry:", String(id.rawValue))
  }

  func hash(_ namespace: Namespace, _ queryHash: String) -> Key {
    key("hash:", namespace.name, ":", queryHash)
  }

  func lru(_ namespace: Namespace) -> Key { key("lru:", namespace.name) }
  func counters(_ namespace: Namespace) -> Key { key("counters:", namespace.name) }
  func quota(_ namespace: Namespace) -> Key { key("quota:", namespace.name) }

  /// Returns the key of a family that has only one.
  func key(_ family: KeyFamily) -> Key { key(family.rawValue) }

  private func key(_ parts: String...) -> Key {
    var bytes = base
    bytes.reserveCapacity(base.count + parts.reduce(0) { $0 + $1.utf8.count })
    for part in parts { bytes.append(contentsOf: part.utf8) }
    return Key(bytes: bytes)
  }

  // MARK: Fields and members

  /// The fields of `meta`.
  enum MetaField {
    static let fingerprint = CacheIdentity.Field.fingerprint
    static let dimension = CacheIdentity.Field.dimension
    static let schemaVersion = CacheIdentity.Field.schemaVersion
    /// The counters of the Python library, which rewrites the whole field when a process closes. mneme never writes it.
    static let pythonCounters = "counters"
    static let countedPrefix = "counted:"
    static let incarnation = "incarnation"
    static let copyOf = "copy_of"

    static func counted(_ namespace: Namespace) -> String { countedPrefix + namespace.name }

    /// The namespace of a `counted:` field; nil for another field. It compares bytes, since a name may begin with a
    /// combining accent, which Swift would join with the colon to one character.
    static func namespace(ofCounted field: [UInt8]) -> Namespace? {
      guard field.starts(with: countedPrefix.utf8) else { return nil }
      return String(validating: field.dropFirst(countedPrefix.utf8.count), as: UTF8.self)
        .map { Namespace(unchecked: $0) }
    }
  }

  /// The member of `by_ttl` that the Python library writes for an entry.
  static func pythonTTLMember(_ namespace: Namespace, _ id: EntryID) -> [UInt8] {
    Array(namespace.name.utf8) + [UInt8(ascii: "|")] + Array(String(id.rawValue).utf8)
  }

  /// Reads a member of `by_ttl`, in either form. The namespace may itself contain bars.
  static func parseTTLMember(_ member: [UInt8]) -> (id: EntryID, namespace: Namespace?)? {
    guard let bar = member.lastIndex(of: UInt8(ascii: "|")) else {
      return EntryID(member: member).map { ($0, nil) }
    }
    guard let id = EntryID(member: member[(bar + 1)...]),
      let name = String(validating: member[..<bar], as: UTF8.self)
    else { return nil }
    return (id, Namespace(unchecked: name))
  }

  // MARK: Patterns

  /// A `SCAN MATCH` pattern for every key of the prefix.
  var everyKey: [UInt8] { Self.escapingGlob(base) + [UInt8(ascii: "*")] }

  /// A `SCAN MATCH` pattern for the `meta` of every cache.
  static let everyMeta = "*:meta"

  /// The prefix of a cache whose `meta` has this name; nil for another name, and for an empty prefix.
  static func prefix(ofMeta name: [UInt8]) -> [UInt8]? {
    let end = Array(":meta".utf8)
    return name.count > end.count && name.suffix(end.count) == end[...]
      ? Array(name.dropLast(end.count)) : nil
  }

  /// A `SCAN MATCH` pattern for the keys of a family, limited to one namespace if the keys contain it.
  func pattern(_ family: KeyFamily, namespace: Namespace? = nil) -> [UInt8] {
    var literal = base + Array(family.rawValue.utf8)
    guard family.isKeyed else { return Self.escapingGlob(literal) }
    literal.append(UInt8(ascii: ":"))
    if let namespace {
      literal += Array(namespace.name.utf8)
      guard family == .hash else { return Self.escapingGlob(literal) }
      literal.append(UInt8(ascii: ":"))
    }
    return Self.escapingGlob(literal) + [UInt8(ascii: "*")]
  }

  /// Escapes a text so that, as a pattern, it matches only itself: puts a backslash before each of `*?[]\`.
  static func escapingGlob(_ text: [UInt8]) -> [UInt8] {
    text.flatMap { byte in
      switch byte {
      case UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "\\"):
        [UInt8(ascii: "\\"), byte]
      default: [byte]
      }
    }
  }

  // MARK: Reading names

  /// The kind of a key under the prefix, by its name alone; nil for a foreign key.
  func parse(_ key: [UInt8]) -> ParsedKey? {
    guard key.starts(with: base) else { return nil }
    let name = key[base.count...]
    let colon = name.firstIndex(of: UInt8(ascii: ":"))
    guard
      let family = KeyFamily(rawValue: String(decoding: name[..<(colon ?? name.endIndex)], as: UTF8.self)),
      family.isKeyed == (colon != nil)
    else { return nil }
    guard let colon else { return ParsedKey(family: family) }
    let rest = name[(colon + 1)...]
    switch family {
    case .entry:
      guard let id = EntryID(member: rest) else { return nil }
      return ParsedKey(family: family, id: id)
    case .hash:
      // The hash has no colon, so the last one ends the namespace.
      guard let last = rest.lastIndex(of: UInt8(ascii: ":")),
        let namespace = Self.namespace(rest[..<last]),
        let queryHash = String(validating: rest[(last + 1)...], as: UTF8.self),
        QueryNormalizer.isHash(queryHash)
      else { return nil }
      return ParsedKey(family: family, namespace: namespace, queryHash: queryHash)
    default:
      guard let namespace = Self.namespace(rest) else { return nil }
      return ParsedKey(family: family, namespace: namespace)
    }
  }

  private static func namespace(_ bytes: ArraySlice<UInt8>) -> Namespace? {
    String(validating: bytes, as: UTF8.self).map { Namespace(unchecked: $0) }
  }
}

/// The families of keys, by the word that follows the prefix.
package enum KeyFamily: String, Sendable, CaseIterable {
  case meta, version
  case nextID = "next_id"
  case entry, hash, lru
  case byID = "by_id"
  case byTTL = "by_ttl"
  case namespaces, counters, quotas, quota

  /// Whether there is a key for each entry or namespace, rather than one for the cache.
  package var isKeyed: Bool {
    switch self {
    case .entry, .hash, .lru, .counters, .quota: true
    case .meta, .version, .nextID, .byID, .byTTL, .namespaces, .quotas: false
    }
  }

  /// The Redis type, as `TYPE` names it.
  package var redisType: String {
    switch self {
    case .meta, .entry, .counters, .quotas: "hash"
    case .version, .nextID, .hash, .quota: "string"
    case .lru, .byID, .byTTL: "zset"
    case .namespaces: "set"
    }
  }
}

/// The parts of a key's name.
struct ParsedKey: Sendable, Equatable {
  var family: KeyFamily
  var id: EntryID?
  var namespace: Namespace?
  var queryHash: String?
}

/// The fields of an entry's hash, in the order in which they are written.
enum EntryField {
  static let namespace = "namespace"
  static let queryHash = "query_hash"
  static let query = "query"
  static let response = "response"
  static let embedding = "embedding"
  static let metadata = "metadata"
  static let createdAt = "created_at"
  static let lastAccessedAt = "last_accessed_at"
  static let ttl = "ttl"
  static let accessCount = "access_count"
  static let count = 10

  /// The names of all fields, as bytes.
  static let inOrder = [
    namespace, queryHash, query, response, embedding, metadata, createdAt, lastAccessedAt, ttl, accessCount,
  ].map { Array($0.utf8) }
}

/// The name of a key, as bytes.
struct Key: Sendable, Hashable, RedisArgument {
  let bytes: [UInt8]

  func withArgumentBytes(_ body: (UnsafeRawBufferPointer) -> Void) { bytes.withUnsafeBytes(body) }

  /// The name for messages. Bytes that are not valid UTF-8 are replaced.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension EntryID {
  /// An id as index members spell it: decimal digits, nothing else, at least 1.
  init?(member: some Collection<UInt8>) {
    guard !member.isEmpty, member.count <= 19, member.first != UInt8(ascii: "0"),
      member.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let number = Int64(String(decoding: member, as: UTF8.self))
    else { return nil }
    self.init(number)
  }

  /// The id as index members spell it.
  var member: String { String(rawValue) }
}
