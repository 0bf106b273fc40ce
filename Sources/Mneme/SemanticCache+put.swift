import Synchronization

extension SemanticCache {
  /// Stores an answer. It replaces an answer to the same question in the same namespace.
  ///
  /// On Redis four round trips at most, one more where the entry of the query has expired or this machine's clock is
  /// behind, and two for each batch that is evicted. An error of an eviction says that the entry was stored.
  /// - Parameters:
  ///   - metadata: a JSON object, stored as it is written.
  ///   - ttl: 1 second … `longestTTL`; nil takes `Options.defaultTTL`.
  ///   - embedding: the query's vector, if the caller has it. Stored normalized to length 1.
  /// - Throws: `InvalidInputError` for a part over its limit or an answer that the validator refuses,
  ///   `EmbedderError`, `EmbedderDimensionError`, `QuantizationError`. Nothing is written then.
  @discardableResult
  public func put(
    _ query: String, _ response: String, namespace: Namespace = .default, metadata: String = "{}",
    ttl: Seconds? = nil, embedding: [Float]? = nil
  ) throws -> Insertion {
    try checkOpen()
    try options.limits.check(query: query, response: response, metadata: metadata)
    try Self.check(ttl: ttl ?? options.defaultTTL)
    guard options.validator(response) else {
      throw InvalidInputError(
        "The response is empty, blank, or an error message of the application, and would never be served.",
        remedy: .storeAnswer)
    }
    let now = options.clock()
    let queryHash = queryHash(query)
    func entry(_ identity: CacheIdentity?) throws -> StoredEntry {
      StoredEntry(
        namespace: namespace, queryHash: queryHash, query: query, response: response,
        embedding: try self.embedding(of: query, given: embedding) { identity }, metadata: metadata,
        createdAt: now, lastAccessedAt: now, ttl: ttl ?? options.defaultTTL)
    }
    // If the embedder is known, the vector is made before the store is used. Otherwise the cache's identity names it.
    guard shared.state.withLock({ $0.embedder }) == nil else {
      return try store.insert(entry(nil), evictingOver: options.maxEntries)
    }
    return try store.insert(
      namespace: namespace, queryHash: queryHash, evictingOver: options.maxEntries, make: entry)
  }

  /// Makes the vector of a query with the cache's embedder, of length 1. One round trip if the embedder is not known
  /// yet.
  /// - Throws: `EmbedderError`, `EmbedderDimensionError`, `QuantizationError`.
  package func embedding(of query: String) throws -> Embedding {
    try checkOpen()
    return try embedding(of: query, given: nil) { try store.identity() }
  }

  /// The vector that is stored for a query.
  private func embedding(
    of query: String, given: [Float]?, for identity: () throws -> CacheIdentity?
  ) throws -> Embedding {
    let embedder = try embedder(for: identity)
    guard let given else { return try .normalizing(embed(query, with: embedder)) }
    try Self.check(given, isOf: embedder)
    return try .normalizing(given)
  }

  /// - Throws: `InvalidInputError` for a vector of another length than the embedder's.
  static func check(_ given: [Float], isOf embedder: any Embedder) throws {
    guard given.count == embedder.dimension else {
      throw InvalidInputError(
        "The embedding has \(given.count) \(given.count == 1 ? "number" : "numbers"); those of '\(embedder.fingerprint)' have \(embedder.dimension).",
        about: .dimension(embedder.dimension), remedy: .matchDimension)
    }
  }

  /// - Throws: `InvalidInputError` for a time to live below one second or beyond `longestTTL`.
  public static func check(ttl: Seconds?) throws {
    guard let ttl, ttl < Seconds(1) || ttl > longestTTL else { return }
    throw InvalidInputError(
      "A time to live of \(ttl.rawValue) seconds is not possible.",
      remedy: .setTTLInRange)
  }
}
