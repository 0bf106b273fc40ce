extension SemanticCache {
  /// What a lookup may do besides answering.
  public struct GetOptions: Sendable {
    /// Layer 1 alone.
    public var exactOnly = false
    /// Touches nothing: no access recorded, nothing counted, no expired entry removed.
    public var peek = false
    /// A forced miss, counted as one.
    public var bypass = false
    /// How many neighbours to weigh and report beyond those that decide; nil reports those that decide.
    public var explain: Int?
    /// Asked for in place of `SemanticCache.threshold`.
    public var threshold: Double?
    /// Asked for in place of `Options.minConfidence`.
    public var minConfidence: Double?

    public init() {}
  }

  /// The answer for a query, or nil.
  /// - Parameter embedding: the query's vector, if the caller has it.
  public func get(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, bypass: Bool = false
  ) throws -> Hit? {
    var options = GetOptions()
    options.bypass = bypass
    return try lookUp(query, namespace: namespace, embedding: embedding, options: options).hit
  }

  /// The answer for a query, or the reason why there is none.
  ///
  /// On Redis an exact hit takes three round trips: where it is, what it is, the access and the counter. So does a
  /// semantic hit in a namespace of up to 16 entries. In a larger one two more are usual, that the index is as the store
  /// is and the vectors of the candidates; the first lookup of a namespace reads all of its vectors, and one after
  /// changes reads what has changed. An embedder that fails is a miss with that reason, not an error.
  public func lookUp(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, options get: GetOptions
  ) throws -> Lookup {
    try checkOpen()
    if get.bypass { return try miss(.bypass, in: namespace, get) }
    let now = options.clock()
    let queryHash = queryHash(query)
    let location = try store.locate(namespace: namespace, queryHash: queryHash)

    // Layer 1.
    if let id = location.exact,
      let entry = try exactEntry(id, in: namespace, queryHash, at: now, peek: get.peek)
    {
      return Lookup(hit: Hit(entry, layer: .exact, similarity: 1, at: now))
    }
    guard !get.exactOnly, try store.identity() != nil else { return try miss(.noMatch, in: namespace, get) }

    // Layer 2.
    let vector: Embedding
    do {
      let embedder = try embedder { try store.identity() }
      if embedding == nil, embedder is AbsentEmbedder { return try miss(.noEmbedder, in: namespace, get) }
      if let embedding { try Self.check(embedding, isOf: embedder) }
      vector = try .normalizing(embedding ?? embedder.embed(embeddedText(query)))
    } catch let error where error is EmbedderError || error is QuantizationError {
      var lookup = try miss(.embedderFailure, in: namespace, get)
      lookup.embedderFailure = error
      return lookup
    }
    return try weigh(neighboursOf: vector, in: namespace, at: now, location, get)
  }

  /// The entry of the query itself; an expired one is removed instead.
  private func exactEntry(
    _ id: EntryID, in namespace: Namespace, _ queryHash: String, at now: UnixTime, peek: Bool
  ) throws -> StoredEntry? {
    var isExpired = false
    func choose(_ entries: [StoredEntry?]) -> Int? {
      // An index that points at another query's entry must not make that one's answer ours.
      guard let entry = entries[0], entry.namespace == namespace, entry.queryHash == queryHash else {
        return nil
      }
      isExpired = entry.isExpired(at: now)
      return isExpired ? nil : 0
    }
    guard !peek else {
      let entries = try store.entries(ids: [id])
      return choose(entries) == nil ? nil : entries[0]
    }
    // It is the very entry that was asked for: damaged, it is an error.
    if let entry = try store.serve(
      ids: [id], in: namespace, counting: .hitsExact, at: now, whenDamaged: { throw $0 }, choosing: choose)
    {
      return entry
    }
    if isExpired { try store.removeExpired(id: id, at: now) }
    return nil
  }

  // MARK: Layer 2

  private func weigh(
    neighboursOf vector: Embedding, in namespace: Namespace, at now: UnixTime, _ location: Location,
    _ get: GetOptions
  ) throws -> Lookup {
    var weighing = Weighing(
      vector: vector, namespace: namespace, now: now, threshold: get.threshold ?? threshold,
      minConfidence: get.minConfidence ?? options.minConfidence, deciding: options.neighbours,
      reporting: max(options.neighbours, get.explain ?? 0), validator: options.validator)
    var damaged: [CorruptCacheError] = []
    var served: StoredEntry?
    var isUnproven = false
    var isEmpty = location.members?.isEmpty ?? false
    if let members = location.members {
      served = try weigh(members, &weighing, damaged: &damaged, get)
    } else {
      let current: CurrentIndex
      var neighbours: Neighbours
      (current, neighbours) = try self.neighbours(of: vector, in: namespace, get, damaged: &damaged)
      isUnproven = current.isUnproven
      isEmpty = current.index.isEmpty
      defer { note(gone: neighbours.gone, changed: neighbours.changed, in: current) }
      var size = options.neighbours
      while !weighing.isDone(explaining: get.explain != nil) {
        let ids = try neighbours.next(size)
        if ids.isEmpty { break }
        let hit = try weigh(ids, &weighing, damaged: &damaged, get)
        served = served ?? hit
        size = min(16, 2 * size)
      }
      damaged += neighbours.damaged
    }
    var lookup: Lookup
    if let served {
      lookup = Lookup(hit: Hit(served, layer: .semantic, similarity: weighing.similarity, at: now))
    } else {
      lookup = try miss(weighing.missReason(isEmpty: isEmpty), in: namespace, get)
    }
    lookup.candidates = weighing.candidates
    lookup.damaged = damaged
    lookup.isIndexUnproven = isUnproven
    return lookup
  }

  /// The neighbours by an index that is whole: one that turns out to be damaged is made again, once.
  private func neighbours(
    of vector: Embedding, in namespace: Namespace, _ get: GetOptions, damaged: inout [CorruptCacheError]
  ) throws -> (CurrentIndex, Neighbours) {
    let least = get.explain == nil ? Float(get.threshold ?? threshold) : -.infinity
    for _ in 0..<2 {
      let current = try currentIndex(
        of: namespace, dimension: vector.dimension, leavesTrace: !get.peek, damaged: &damaged)
      if let neighbours = Neighbours(
        of: vector, in: current, atLeast: max(options.neighbours, get.explain ?? 0), threshold: least,
        store: store)
      {
        return (current, neighbours)
      }
      drop(current)
    }
    throw StoreBackendError(
      .refused, "The file of vectors was damaged again while it was read.",
      remediation: "Delete the directory that vectors are kept in, or keep none.")
  }

  /// Reads entries and weighs them. The first that may be served is served, if none was before.
  private func weigh(
    _ ids: [EntryID], _ weighing: inout Weighing, damaged: inout [CorruptCacheError], _ get: GetOptions
  ) throws -> StoredEntry? {
    guard !get.peek, !weighing.isDecided else {
      let entries = try store.entries(ids: ids) { damaged.append($0) }
      return weighing.weigh(entries, ids: ids).flatMap { entries[$0] }
    }
    // Entries that change while the access is recorded are read and weighed again.
    var weighed = weighing
    defer { weighing = weighed }
    return try store.serve(
      ids: ids, in: weighing.namespace, counting: .hitsSemantic, at: weighing.now,
      whenDamaged: { damaged.append($0) },
      choosing: { entries in
        weighed = weighing
        return weighed.weigh(entries, ids: ids)
      })
  }

  private func miss(_ reason: MissReason, in namespace: Namespace, _ get: GetOptions) throws -> Lookup {
    if !get.peek { try store.add(1, to: .misses, in: namespace) }
    return Lookup(missReason: reason)
  }
}

extension Hit {
  init(_ entry: StoredEntry, layer: Layer, similarity: Double, at now: UnixTime) {
    self.init(
      id: entry.id, layer: layer, similarity: similarity,
      confidence: Confidence.of(similarity: similarity, age: entry.age(at: now)), age: entry.age(at: now),
      namespace: entry.namespace, query: entry.query, response: entry.response,
      rawResponse: entry.raw?.response, metadata: entry.metadata)
  }
}
