import Mneme

/// The conversion of an entry to and from the fields of its hash.
struct EntryCodec: Sendable {
  let layout: KeyLayout
  /// Whether text that is not valid UTF-8 is an error (`decode_responses` of the Python library). Otherwise invalid
  /// bytes are replaced in the text, and the original bytes are kept too.
  let requiresUTF8: Bool

  /// Appends the `HSET` that writes the whole entry.
  func appendSet(_ entry: StoredEntry, id: EntryID, to pipeline: inout Pipeline) {
    pipeline.begin("HSET", argumentCount: 1 + 2 * EntryField.count)
    pipeline.argument(layout.entry(id))
    func field(_ name: String, _ value: String) {
      pipeline.argument(name)
      pipeline.argument(value)
    }
    field(EntryField.namespace, entry.namespace.name)
    field(EntryField.queryHash, entry.queryHash)
    func text(_ name: String, _ value: String, _ raw: [UInt8]?) {
      guard let raw else { return field(name, value) }
      pipeline.argument(name)
      pipeline.argument(raw)
    }
    text(EntryField.query, entry.query, entry.raw?.query)
    text(EntryField.response, entry.response, entry.raw?.response)
    pipeline.argument(EntryField.embedding)
    pipeline.argument(entry.embedding.bytes)
    text(EntryField.metadata, entry.metadata, entry.raw?.metadata)
    field(EntryField.createdAt, String(entry.createdAt.rawValue))
    field(EntryField.lastAccessedAt, String(entry.lastAccessedAt.rawValue))
    field(EntryField.ttl, entry.ttl.map { String($0.rawValue) } ?? "")
    field(EntryField.accessCount, String(entry.accessCount))
  }

  /// Decodes a reply to `HGETALL`. The result is nil if the key is gone.
  /// - Parameter dimension: the length of every vector of the cache; nil if it is not known.
  /// - Throws: `CorruptCacheError` naming the entry and the field; `StoreBackendError` for text that is not UTF-8
  /// if that is required.
  func decode(_ reply: Reply, id: EntryID, dimension: Int?) throws -> StoredEntry? {
    guard reply.count > 0 else { return nil }
    return try decode(EntryFields(reply), id: id, dimension: dimension)
  }

  /// Appends the command that reads these fields of an entry.
  func appendGet(_ fields: [EntryFields.Place], of id: EntryID, to pipeline: inout Pipeline) -> Slot {
    let slot = pipeline.begin("HMGET", argumentCount: 1 + fields.count)
    pipeline.argument(layout.entry(id))
    for field in fields { pipeline.argument(EntryField.inOrder[field.rawValue]) }
    return slot
  }

  /// Decodes a reply to `appendGet`. Fields that were not requested are empty. The result is nil if the key is gone.
  /// - Throws: the errors of `decode`.
  func decode(
    _ reply: Reply, of fields: [EntryFields.Place], id: EntryID, dimension: Int?
  ) throws -> StoredEntry? {
    let values = try reply.elements(expecting: fields.count)
    if values.allSatisfy(\.isNull) { return nil }
    return try decode(EntryFields(reply, values: fields), id: id, dimension: dimension)
  }

  private func decode(_ fields: EntryFields, id: EntryID, dimension: Int?) throws -> StoredEntry {
    func value(_ field: EntryFields.Place) throws -> Reply {
      guard let value = fields[field] else { throw corrupt(id, "lacks the field '\(field.name)'") }
      return value
    }
    var isText = true
    func text(_ field: EntryFields.Place, orElse absent: String = "") throws -> String {
      guard fields.wanted.contains(field) else { return absent }
      let value = try value(field)
      if let text = value.string { return text }
      isText = false
      guard !requiresUTF8 else {
        throw StoreBackendError(
          .refused, "Entry \(id) (\(layout.entry(id).text)): the field '\(field.name)' is not valid UTF-8.",
          about: .entry(id), remedy: .deleteOrDecode)
      }
      return String(decoding: value.bytes, as: UTF8.self)
    }
    func integer(_ field: EntryFields.Place) throws -> Int64 {
      guard let number = try value(field).integer else {
        throw corrupt(id, "has no whole number in the field '\(field.name)'")
      }
      return number
    }
    let namespace = try text(.namespace)
    // With replaced bytes, the name would be that of another namespace.
    guard isText else { throw corrupt(id, "has no text in the field 'namespace'") }
    let queryHash = try text(.queryHash)
    guard QueryNormalizer.isHash(queryHash) else {
      throw corrupt(id, "has no query hash in the field 'query_hash'")
    }
    let readsEmbedding = fields.wanted.contains(.embedding)
    let embedding = readsEmbedding ? try value(.embedding).bytes : []
    guard
      !readsEmbedding
        || embedding.count % 4 == 0
          && (dimension == nil || embedding.count == dimension.map({ $0 * 4 }))
    else {
      let right = dimension.map { "not \($0 * 4)" } ?? "which is not a number of float32s"
      throw corrupt(
        id, "has \(embedding.count) bytes in the field 'embedding', \(right)", isRepairable: false)
    }
    let metadata = try text(.metadata, orElse: "{}")
    guard Metadata.isSound(metadata) else { throw corrupt(id, "has no JSON object in the field 'metadata'") }
    let (query, response) = (try text(.query), try text(.response))
    var entry = StoredEntry(
      id: id, namespace: Namespace(unchecked: namespace), queryHash: queryHash,
      query: query, response: response,
      embedding: Embedding(bytes: embedding), metadata: metadata,
      createdAt: UnixTime(try integer(.createdAt)),
      lastAccessedAt: UnixTime(try integer(.lastAccessedAt)),
      ttl: try value(.ttl).bytes.isEmpty ? nil : Seconds(try integer(.ttl)),
      accessCount: try integer(.accessCount))
    if !isText { entry.raw = Self.rawTexts(of: fields) }
    return entry
  }

  private static func rawTexts(of fields: EntryFields) -> StoredEntry.RawTexts {
    func raw(_ field: EntryFields.Place) -> [UInt8]? {
      fields[field].flatMap { $0.string == nil ? $0.bytes : nil }
    }
    return StoredEntry.RawTexts(query: raw(.query), response: raw(.response), metadata: raw(.metadata))
  }

  /// - Parameter isRepairable: whether a repair changes it, rather than only reports it.
  func corrupt(_ id: EntryID, _ what: String, isRepairable: Bool = true) -> CorruptCacheError {
    CorruptCacheError(
      "Entry \(id) (\(layout.entry(id).text)) \(what).",
      about: .entry(id), remedy: isRepairable ? .repairEntry : .replaceEntry)
  }
}

/// The values of an entry's hash by name. There are few, and Redis returns the fields in the order in which they
/// were first written, so nearly each is found at the expected place.
struct EntryFields {
  private let reply: Reply
  /// The place of the value of each field of `EntryField.inOrder` among the elements; -1 for a missing one.
  private var places = [Int](repeating: -1, count: EntryField.count)
  /// The fields that were asked for.
  let wanted: [Place]

  /// - Parameter reply: names and values in turn.
  init(_ reply: Reply) {
    self.reply = reply
    wanted = Place.allCases
    let names = EntryField.inOrder
    for position in 0..<reply.count / 2 {
      reply[2 * position].withBytes { name in
        var field = min(position, names.count - 1)
        for _ in names {
          if name.elementsEqual(names[field]) {
            places[field] = 2 * position + 1
            return
          }
          field = field == names.count - 1 ? 0 : field + 1
        }
      }
    }
  }

  /// - Parameter reply: the values of these fields, null for one that is not there.
  init(_ reply: Reply, values: [Place]) {
    self.reply = reply
    wanted = values
    for (position, place) in values.enumerated() where !reply[position].isNull {
      places[place.rawValue] = position
    }
  }

  subscript(place: Place) -> Reply? {
    let position = places[place.rawValue]
    return position < 0 ? nil : reply[position]
  }

  /// The fields in the order of `EntryField.inOrder`.
  enum Place: Int, CaseIterable {
    case namespace, queryHash, query, response, embedding, metadata, createdAt, lastAccessedAt, ttl,
      accessCount

    var name: String { String(decoding: EntryField.inOrder[rawValue], as: UTF8.self) }
  }
}
