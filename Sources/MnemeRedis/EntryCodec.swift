import Mneme

/// An entry to and from the fields of its hash.
struct EntryCodec: Sendable {
  let layout: KeyLayout
  /// Text that is no UTF-8 is an error (the document's `decode_responses`); else the bad bytes are replaced.
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
    field(EntryField.query, entry.query)
    field(EntryField.response, entry.response)
    pipeline.argument(EntryField.embedding)
    pipeline.argument(entry.embedding.bytes)
    field(EntryField.metadata, entry.metadata)
    field(EntryField.createdAt, String(entry.createdAt.rawValue))
    field(EntryField.lastAccessedAt, String(entry.lastAccessedAt.rawValue))
    field(EntryField.ttl, entry.ttl.map { String($0.rawValue) } ?? "")
    field(EntryField.accessCount, String(entry.accessCount))
  }

  /// The entry in a reply to `HGETALL`; nil where the key is gone.
  /// - Parameter dimension: the length of every vector of the cache; nil where it is not known.
  /// - Throws: `CorruptCacheError` naming the entry and the field; `StoreBackendError` for text that is no
  ///   UTF-8 where that is asked for.
  func decode(_ reply: Reply, id: EntryID, dimension: Int?) throws -> StoredEntry? {
    guard reply.count > 0 else { return nil }
    var fields: [String: Reply] = [:]
    fields.reserveCapacity(EntryField.count)
    var elements = reply.elements.makeIterator()
    while let name = elements.next(), let value = elements.next() {
      if let name = name.string { fields[name] = value }
    }
    func value(_ name: String) throws -> Reply {
      guard let value = fields[name] else { throw corrupt(id, "lacks the field '\(name)'") }
      return value
    }
    func text(_ name: String) throws -> String {
      let value = try value(name)
      if let text = value.string { return text }
      guard !requiresUTF8 else {
        throw StoreBackendError(
          .refused, "Entry \(id) (\(layout.entry(id).text)): the field '\(name)' is not valid UTF-8.",
          remediation: "Delete the entry, or read it without decodeResponses.")
      }
      return String(decoding: value.bytes, as: UTF8.self)
    }
    func integer(_ name: String) throws -> Int64 {
      guard let number = try value(name).integer else {
        throw corrupt(id, "has no whole number in the field '\(name)'")
      }
      return number
    }
    let namespace = try text(EntryField.namespace)
    guard !namespace.isEmpty else { throw corrupt(id, "has nothing in the field 'namespace'") }
    let queryHash = try text(EntryField.queryHash)
    guard isQueryHash(queryHash) else { throw corrupt(id, "has no query hash in the field 'query_hash'") }
    let embedding = try value(EntryField.embedding).bytes
    guard embedding.count % 4 == 0, dimension == nil || embedding.count == dimension.map({ $0 * 4 }) else {
      let right = dimension.map { "not \($0 * 4)" } ?? "which is no number of float32s"
      throw corrupt(id, "has \(embedding.count) bytes in the field 'embedding', \(right)")
    }
    let metadata = try text(EntryField.metadata)
    guard Metadata.isSound(metadata) else { throw corrupt(id, "has no JSON object in the field 'metadata'") }
    return StoredEntry(
      id: id, namespace: Namespace(unchecked: namespace), queryHash: queryHash,
      query: try text(EntryField.query), response: try text(EntryField.response),
      embedding: Embedding(bytes: embedding), metadata: metadata,
      createdAt: UnixTime(try integer(EntryField.createdAt)),
      lastAccessedAt: UnixTime(try integer(EntryField.lastAccessedAt)),
      ttl: try value(EntryField.ttl).bytes.isEmpty ? nil : Seconds(try integer(EntryField.ttl)),
      accessCount: try integer(EntryField.accessCount))
  }

  func corrupt(_ id: EntryID, _ what: String) -> CorruptCacheError {
    CorruptCacheError(
      "Entry \(id) (\(layout.entry(id).text)) \(what).",
      remediation: "Delete it with 'mneme delete --id \(id)', or let 'mneme vacuum --repair' see to it.")
  }
}
