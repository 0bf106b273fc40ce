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
  /// On Redis an exact hit takes three round trips: where it is, what it is, the access and the counter. So does one
  /// by meaning in a namespace of a few entries; in a larger one those that read the vectors come in between. An
  /// embedder that fails is a miss with that reason, not an error.
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
    let count = max(options.neighbours, get.explain ?? 0)
    var damaged: [CorruptCacheError] = []
    let ids: [EntryID]
    if let members = location.members {
      ids = members
    } else {
      // Far below the threshold there is nothing to read, unless the caller wants to see it.
      let margin: Float = 0.02
      let least = get.explain == nil ? Float(get.threshold ?? threshold) - margin : -.infinity
      let kept = try options.indexDirectory.flatMap {
        try nearest(
          to: vector, in: namespace, count: count, threshold: least, by: $0, leavesTrace: !get.peek,
          damaged: &damaged)
      }
      let found =
        try kept
        ?? nearest(to: vector, in: namespace, count: count, version: location.version, damaged: &damaged)
      ids = found.filter { $0.similarity >= least }.map(\.id)
      if ids.isEmpty {
        var lookup = try miss(found.isEmpty ? .noMatch : .belowThreshold, in: namespace, get)
        lookup.damaged = damaged
        return lookup
      }
    }
    var weighing = Weighing()
    func choose(_ entries: [StoredEntry?]) -> Int? {
      weighing = weigh(entries, ids: ids, against: vector, count, in: namespace, at: now, get)
      return weighing.served
    }
    let served =
      get.peek
      ? try { entries in choose(entries).flatMap { entries[$0] } }(
        store.entries(ids: ids) { damaged.append($0) })
      : try store.serve(
        ids: ids, in: namespace, counting: .hitsSemantic, at: now, whenDamaged: { damaged.append($0) },
        choosing: choose)
    guard let served else {
      var lookup = try miss(weighing.missReason(deciding: options.neighbours), in: namespace, get)
      lookup.candidates = weighing.candidates
      lookup.damaged = damaged
      return lookup
    }
    return Lookup(
      hit: Hit(served, layer: .semantic, similarity: weighing.similarity, at: now),
      candidates: weighing.candidates, damaged: damaged)
  }

  /// The neighbours in order, each with its verdict, and which of the entries is served.
  private struct Weighing {
    var candidates: [Candidate] = []
    /// The place of the served entry among those that were read.
    var served: Int?
    var similarity = 0.0

    func missReason(deciding: Int) -> MissReason {
      let weighed = candidates.prefix(deciding)
      if weighed.contains(where: { $0.verdict == .lowConfidence }) { return .lowConfidence }
      return weighed.first?.verdict == .belowThreshold ? .belowThreshold : .noMatch
    }
  }

  /// Goes through the entries, nearest first, ties by id, up to the first that may be served. The entry's own
  /// embedding has the last word over the index, which may be older.
  private func weigh(
    _ entries: [StoredEntry?], ids: [EntryID], against vector: Embedding, _ count: Int,
    in namespace: Namespace, at now: UnixTime, _ get: GetOptions
  ) -> Weighing {
    let threshold = get.threshold ?? self.threshold
    let ranked = entries.enumerated().map { place, entry in
      // An id names one question for ever, but a damaged or hostile store may move it to another namespace.
      let entry = entry.flatMap { $0.namespace == namespace ? $0 : nil }
      // A vector with a NaN, which Python stores without a word, is near nothing.
      let similarity = entry?.embedding.dot(vector) ?? -1
      return (place: place, similarity: similarity.isFinite ? similarity : -1, entry: entry)
    }.sorted { ($1.similarity, ids[$0.place]) < ($0.similarity, ids[$1.place]) }
    var weighing = Weighing()
    for (rank, neighbour) in ranked.prefix(count).enumerated() {
      let age = neighbour.entry?.age(at: now) ?? Seconds(0)
      var candidate = Candidate(
        id: ids[neighbour.place], query: neighbour.entry?.query ?? "", similarity: neighbour.similarity,
        confidence: Confidence.of(similarity: neighbour.similarity, age: age), age: age, verdict: .gone)
      if let entry = neighbour.entry {
        candidate.verdict = verdict(
          on: entry, similarity: neighbour.similarity, confidence: candidate.confidence, threshold, at: now,
          get)
        let cutoff = get.minConfidence ?? options.minConfidence
        if candidate.confidence < cutoff {
          candidate.lowConfidenceSince = Confidence.age(
            belowCutoff: cutoff, similarity: neighbour.similarity
          ).map { entry.createdAt + $0 }
        }
      }
      if candidate.verdict == .served {
        if weighing.served != nil {
          candidate.verdict = .notNeeded
        } else if rank >= options.neighbours {
          candidate.verdict = .notWeighed
        } else {
          weighing.served = neighbour.place
          weighing.similarity = neighbour.similarity
        }
      }
      weighing.candidates.append(candidate)
    }
    return weighing
  }

  private func verdict(
    on entry: StoredEntry, similarity: Double, confidence: Double, _ threshold: Double, at now: UnixTime,
    _ get: GetOptions
  ) -> Candidate.Verdict {
    if similarity < threshold { return .belowThreshold }
    if entry.isExpired(at: now) { return .expired }
    if !options.validator(entry.response) { return .refused }
    return confidence < get.minConfidence ?? options.minConfidence ? .lowConfidence : .served
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
