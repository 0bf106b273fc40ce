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
  /// - Parameter embedding: the query's vector, if the caller has it; of any length but zero.
  public func get(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, bypass: Bool = false
  ) throws -> Hit? {
    var options = GetOptions()
    options.bypass = bypass
    return try lookUp(query, namespace: namespace, embedding: embedding, options: options).hit
  }

  /// The answer for a query, or the reason why there is none.
  ///
  /// On Redis an exact hit takes three round trips: the index, the entry, the access and the counter. An embedder
  /// that fails is a miss with that reason, not an error.
  public func lookUp(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, options get: GetOptions
  ) throws -> Lookup {
    try checkOpen()
    if get.bypass { return try miss(.bypass, in: namespace, get) }
    let now = options.clock()

    // Layer 1.
    if let entry = try exact(query, in: namespace, at: now, peek: get.peek) {
      return Lookup(hit: Hit(entry, layer: .exact, similarity: 1, at: now))
    }
    guard !get.exactOnly, try store.identity() != nil else { return try miss(.noMatch, in: namespace, get) }

    // Layer 2.
    let vector: Embedding
    do {
      let embedder = try embedder()
      if embedding == nil, embedder is AbsentEmbedder { return try miss(.noEmbedder, in: namespace, get) }
      vector = try .normalizing(embedding ?? embedder.embed(embeddedText(query)))
    } catch let error where error is EmbedderError || error is QuantizationError {
      var lookup = try miss(.embedderFailure, in: namespace, get)
      lookup.embedderFailure = error
      return lookup
    }
    return try weigh(neighboursOf: vector, in: namespace, at: now, get)
  }

  private func exact(
    _ query: String, in namespace: Namespace, at now: UnixTime, peek: Bool
  ) throws -> StoredEntry? {
    let hash = queryHash(query)
    guard peek else { return try store.serve(namespace: namespace, queryHash: hash, at: now) }
    return try store.entry(namespace: namespace, queryHash: hash).flatMap { $0.isExpired(at: now) ? nil : $0 }
  }

  /// Goes through the neighbours, nearest first, up to the first that may be served.
  private func weigh(
    neighboursOf vector: Embedding, in namespace: Namespace, at now: UnixTime, _ get: GetOptions
  ) throws -> Lookup {
    let threshold = get.threshold ?? self.threshold
    let minConfidence = get.minConfidence ?? options.minConfidence
    var lookup = Lookup()
    var servable: StoredEntry?
    for (rank, neighbour) in try neighbours(of: vector, in: namespace, atLeast: threshold, get).enumerated() {
      var candidate = Candidate(neighbour, at: now)
      if candidate.similarity < threshold {
        candidate.verdict = .belowThreshold
      } else if neighbour.entry == nil {
        candidate.verdict = .gone
      } else if neighbour.entry?.isExpired(at: now) == true {
        candidate.verdict = .expired
      } else if let response = neighbour.entry?.response, !options.validator(response) {
        candidate.verdict = .refused
      } else if candidate.confidence < minConfidence {
        candidate.verdict = .lowConfidence
      } else if let entry = neighbour.entry, lookup.hit == nil, rank < options.neighbours {
        candidate.verdict = .served
        servable = entry
        lookup.hit = Hit(entry, layer: .semantic, similarity: neighbour.similarity, at: now)
      } else {
        candidate.verdict = .notNeeded
      }
      lookup.candidates.append(candidate)
    }
    if let servable {
      if !get.peek { try store.recordHit(servable, counting: .hitsSemantic, at: now) }
      return lookup
    }
    let weighed = lookup.candidates.prefix(options.neighbours)
    var missed = try miss(
      weighed.contains { $0.verdict == .lowConfidence }
        ? .lowConfidence : weighed.first?.verdict == .belowThreshold ? .belowThreshold : .noMatch,
      in: namespace, get)
    missed.candidates = lookup.candidates
    return missed
  }

  private func miss(_ reason: MissReason, in namespace: Namespace, _ get: GetOptions) throws -> Lookup {
    if !get.peek { try store.add(1, to: .misses, in: namespace) }
    return Lookup(missReason: reason)
  }

  /// A neighbour with its entry read anew, so that nothing is served by what the index remembers.
  struct Neighbour {
    var id: EntryID
    var similarity: Double
    var entry: StoredEntry?
  }

  /// The nearest entries, nearest first, ties by id. The entry's own embedding has the last word over the
  /// index, which may be older.
  private func neighbours(
    of vector: Embedding, in namespace: Namespace, atLeast threshold: Double, _ get: GetOptions
  ) throws -> [Neighbour] {
    let count = max(options.neighbours, get.explain ?? 0)
    let found = try nearest(to: vector, in: namespace, count: count)
    // Far below the threshold there is nothing to read, unless the caller wants to see it.
    let margin = 0.02
    let worthReading =
      get.explain == nil ? found.filter { Double($0.similarity) >= threshold - margin } : found
    let entries = worthReading.isEmpty ? [] : try store.entries(ids: worthReading.map(\.id))
    var neighbours = found.map { Neighbour(id: $0.id, similarity: Double($0.similarity)) }
    for (rank, entry) in entries.enumerated() {
      // An id names one question for ever, but a hostile or damaged store may move it to another namespace.
      guard let entry, entry.namespace == namespace else { continue }
      neighbours[rank].entry = entry
      neighbours[rank].similarity = entry.embedding.dot(vector)
    }
    return neighbours.sorted { ($1.similarity, $0.id) < ($0.similarity, $1.id) }
  }
}

extension Hit {
  init(_ entry: StoredEntry, layer: Layer, similarity: Double, at now: UnixTime) {
    self.init(
      id: entry.id, layer: layer, similarity: similarity,
      confidence: Confidence.of(similarity: similarity, age: entry.age(at: now)), age: entry.age(at: now),
      namespace: entry.namespace, query: entry.query, response: entry.response, metadata: entry.metadata)
  }
}

extension Candidate {
  init(_ neighbour: SemanticCache.Neighbour, at now: UnixTime) {
    let age = neighbour.entry?.age(at: now) ?? Seconds(0)
    self.init(
      id: neighbour.id, query: neighbour.entry?.query ?? "", similarity: neighbour.similarity,
      confidence: Confidence.of(similarity: neighbour.similarity, age: age), age: age, verdict: .gone)
  }
}
