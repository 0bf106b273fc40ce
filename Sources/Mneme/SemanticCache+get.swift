extension SemanticCache {
  /// Options of a lookup.
  public struct GetOptions: Sendable {
    /// Whether only exact hits are served.
    public var exactOnly = false
    /// Whether the lookup changes nothing: it records no access, counts nothing, and removes no expired entry.
    public var peek = false
    /// Whether to force a miss, which is counted as one.
    public var bypass = false
    /// The number of neighbours to weigh and report beyond those that decide; nil reports those that decide.
    public var explain: Int?
    /// The least similarity, which replaces `SemanticCache.threshold`.
    public var threshold: Double?
    /// The least confidence, which replaces `Options.minConfidence`.
    public var minConfidence: Double?

    /// Makes the options of a usual lookup.
    public init() {}
  }

  /// Finds the answer to a query; nil if there is none. Its round trips are those of `lookUp`.
  /// - Parameters:
  ///   - embedding: the query's vector, if the caller has it.
  ///   - bypass: forces a miss, which is counted as one.
  public func get(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, bypass: Bool = false
  ) throws -> Hit? {
    var options = GetOptions()
    options.bypass = bypass
    return try lookUp(query, namespace: namespace, embedding: embedding, options: options).hit
  }

  /// Finds the answer to a query, or the reason why there is none.
  ///
  /// On Redis an exact hit takes three round trips: one for the id, one for the entry, and one to record the access
  /// and the counter. So does a semantic hit in a namespace of up to 4 entries. With up to 16 one more is needed, for
  /// their vectors. In a larger one two more are usual: to check that the index is up to date, and to read the vectors
  /// of the candidates. The first lookup in a namespace
  /// reads all of its vectors. A lookup after changes reads the changed ones. Expired candidates are removed, with
  /// three round trips for each 16. If the embedder fails, the result is a miss with that reason and not an error.
  public func lookUp(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, options get: GetOptions
  ) throws -> Lookup {
    try checkOpen()
    let recorder = Recorder(isPeeking: get.peek)
    var lookup = try lookUp(query, namespace: namespace, embedding: embedding, options: get, recorder)
    lookup.unrecorded = recorder.refusal
    return lookup
  }

  private func lookUp(
    _ query: String, namespace: Namespace, embedding: [Float]?, options get: GetOptions, _ recorder: Recorder
  ) throws -> Lookup {
    if get.bypass { return try miss(.bypass, in: namespace, recorder) }
    let queryHash = queryHash(query)
    let location = try store.locate(namespace: namespace, queryHash: queryHash)
    let now = try store.time(for: options.clock())

    // The exact match.
    if let id = location.exact,
      let entry = try exactEntry(id, in: namespace, queryHash, at: now, recorder)
    {
      var lookup = Lookup()
      if get.explain != nil {
        switch try vector(of: query, embedding) {
        case .success(let vector):
          lookup = try weigh(
            neighboursOf: vector, in: namespace, at: now, location, get, recorder, behind: entry)
        case .failure(let absence): lookup.embedderFailure = absence.cause
        }
      }
      lookup.hit = Hit(entry, layer: .exact, similarity: 1, at: now)
      return lookup
    }
    guard !get.exactOnly, try store.identity() != nil else {
      return try miss(.noMatch, in: namespace, recorder)
    }

    // The semantic match.
    switch try vector(of: query, embedding) {
    case .success(let vector):
      return try weigh(neighboursOf: vector, in: namespace, at: now, location, get, recorder, behind: nil)
    case .failure(let absence):
      var lookup = try miss(absence.reason, in: namespace, recorder)
      lookup.embedderFailure = absence.cause
      return lookup
    }
  }

  /// The reason why a query has no vector.
  private struct VectorAbsence: Error {
    var reason: MissReason
    var cause: (any Error)?
  }

  /// Returns the vector of a query: the caller's, or the embedder's.
  private func vector(
    of query: String, _ embedding: [Float]?
  ) throws -> Result<Embedding, VectorAbsence> {
    do {
      let embedder = try embedder { try store.identity() }
      if embedding?.isEmpty ?? true, embedder is AbsentEmbedder {
        return .failure(VectorAbsence(reason: .noEmbedder))
      }
      if let embedding { try Self.check(embedding, isOf: embedder) }
      return .success(try .normalizing(embedding ?? embed(query, with: embedder)))
    } catch let error where error is EmbedderError || error is QuantizationError {
      return .failure(VectorAbsence(reason: .embedderFailure, cause: error))
    }
  }

  /// Returns the entry of the query itself. If it has expired, it is removed.
  private func exactEntry(
    _ id: EntryID, in namespace: Namespace, _ queryHash: String, at now: UnixTime, _ recorder: Recorder
  ) throws -> StoredEntry? {
    var isExpired = false
    func choose(_ entries: [StoredEntry?]) -> Int? {
      // A `hash:` key that leads to another query's entry must not return its response.
      guard let entry = entries[0], entry.namespace == namespace, entry.queryHash == queryHash else {
        return nil
      }
      isExpired = entry.isExpired(at: now)
      return isExpired ? nil : 0
    }
    guard !recorder.isPeeking else {
      let entries = try store.entries(ids: [id])
      return choose(entries) == nil ? nil : entries[0]
    }
    // Damage of the query's own entry is an error.
    if let entry = try recorder.serve(
      ids: [id], of: store, in: namespace, counting: .hitsExact, at: now, whenDamaged: { throw $0 },
      choosing: choose)
    {
      return entry
    }
    if isExpired { try recorder.record { try store.removeExpired(ids: [id], at: now) } }
    return nil
  }

  // MARK: Layer 2

  /// The most whole entries that are read at a time after the nearest few. Four of the largest have 16 MiB.
  private static let weighedAtOnce = 4
  /// The most neighbours of an explanation that are read at a time, without their responses.
  private static let outlinedAtOnce = 64

  /// Weighs the neighbours of a vector, and serves the first that may be served.
  /// - Parameter exact: the entry that was served already. Neighbours are then only explained.
  private func weigh(
    neighboursOf vector: Embedding, in namespace: Namespace, at now: UnixTime, _ location: Location,
    _ get: GetOptions, _ recorder: Recorder, behind exact: StoredEntry?
  ) throws -> Lookup {
    let start = Weighing(
      vector: vector, namespace: namespace, now: now, threshold: get.threshold ?? threshold,
      minConfidence: get.minConfidence ?? options.minConfidence, deciding: options.neighbours,
      reporting: max(options.neighbours, get.explain ?? 0), validator: options.validator, exact: exact?.id)
    var weighing = start
    var lookup = Lookup()
    var served = exact
    var isEmpty = location.members?.isEmpty ?? false
    if let members = location.members, members.count <= Self.weighedAtOnce, get.explain == nil {
      // There are so few that reading and weighing all is one step.
      served = try weigh(members, &weighing, &lookup, recorder)
    } else if let members = location.members {
      var neighbours = Neighbours(of: vector, among: members, store: store)
      try weigh(&neighbours, &weighing, &lookup, &served, get, recorder)
    } else {
      // A file of vectors can turn out to be damaged while it is searched. Then another index is made; the third is in
      // memory.
      while true {
        let current = try currentIndex(
          of: namespace, dimension: vector.dimension, leavesTrace: !get.peek, damaged: &lookup.damaged)
        lookup.isIndexUnproven = current.isUnproven
        isEmpty = current.index.isEmpty
        do {
          var neighbours = try Neighbours(
            of: vector, in: current.index, atLeast: weighing.reporting,
            threshold: get.explain == nil ? Float(weighing.threshold) : -.infinity, store: store)
          defer { note(gone: neighbours.gone, changed: neighbours.changed, in: current) }
          try weigh(&neighbours, &weighing, &lookup, &served, get, recorder)
          break
        } catch is DamagedIndex {
          drop(current)
          if served != nil { break }
          (weighing, lookup.damaged) = (start, [])
        }
      }
    }
    let expired = weighing.candidates.filter { $0.verdict == .expired }.map(\.id)
    if !expired.isEmpty {
      try recorder.record(orServe: served != nil) { try store.removeExpired(ids: expired, at: now) }
    }
    if let served {
      lookup.hit = Hit(served, layer: .semantic, similarity: weighing.similarity, at: now)
    } else {
      lookup.missReason = try miss(weighing.missReason(isEmpty: isEmpty), in: namespace, recorder).missReason
    }
    lookup.candidates = weighing.candidates
    return lookup
  }

  /// Weighs neighbours, nearest first, until one is served or none can be, and as many as must be explained.
  private func weigh(
    _ neighbours: inout Neighbours, _ weighing: inout Weighing, _ lookup: inout Lookup,
    _ served: inout StoredEntry?, _ get: GetOptions, _ recorder: Recorder
  ) throws {
    defer { lookup.damaged += neighbours.damaged }
    while !weighing.isDone(explaining: get.explain != nil) {
      if weighing.isDecided {
        let page = try neighbours.next(
          min(Self.outlinedAtOnce, weighing.reporting - weighing.candidates.count))
        if page.isEmpty { return }
        for (neighbour, outline) in zip(page, try store.outlines(of: page.map(\.id))) {
          weighing.add(outline, neighbour)
        }
      } else {
        let page = try neighbours.next(
          weighing.candidates.isEmpty ? weighing.deciding : Self.weighedAtOnce)
        guard let nearest = page.first else { return }
        let damaged = lookup.damaged.count
        let hit = try weigh(page.map(\.id), &weighing, &lookup, recorder)
        served = served ?? hit
        if lookup.damaged.count > damaged, nearest.similarity >= weighing.threshold {
          weighing.hasMetDamage = true
        }
      }
    }
  }

  /// Reads entries and weighs them. The first that may be served is served, if none was before.
  private func weigh(
    _ ids: [EntryID], _ weighing: inout Weighing, _ lookup: inout Lookup, _ recorder: Recorder
  ) throws -> StoredEntry? {
    var damaged: [CorruptCacheError] = []
    defer { lookup.damaged += damaged }
    guard !recorder.isPeeking else {
      let entries = try store.entries(ids: ids) { damaged.append($0) }
      return weighing.weigh(entries, ids: ids).flatMap { entries[$0] }
    }
    // Entries that change while the access is recorded are read and weighed again.
    var weighed = weighing
    defer { weighing = weighed }
    return try recorder.serve(
      ids: ids, of: store, in: weighing.namespace, counting: .hitsSemantic, at: weighing.now,
      whenDamaged: { damaged.append($0) },
      choosing: { entries in
        weighed = weighing
        return weighed.weigh(entries, ids: ids)
      })
  }

  private func miss(
    _ reason: MissReason, in namespace: Namespace, _ recorder: Recorder
  ) throws -> Lookup {
    try recorder.record { try store.add(1, to: .misses, in: namespace) }
    return Lookup(missReason: reason)
  }
}

/// Records the effects of a lookup. If the store is full or accepts no writes, the answer is still served.
private final class Recorder {
  /// Whether nothing is recorded.
  let isPeeking: Bool
  /// The error, if something could not be recorded.
  private(set) var refusal: StoreBackendError?

  init(isPeeking: Bool) { self.isPeeking = isPeeking }

  /// - Parameter isServed: an answer was found, which no error of the store may hide.
  func record(orServe isServed: Bool = false, _ body: () throws -> Void) throws {
    if isPeeking || refusal != nil { return }
    do {
      try body()
    } catch let error as StoreBackendError where isServed || error.refusesWrites {
      refusal = error
    }
  }

  /// Serves an entry with the store's method. If the store refuses to record the access, the entry is served
  /// nevertheless.
  func serve(
    ids: [EntryID], of store: any CacheStore, in namespace: Namespace, counting counter: Counter,
    at now: UnixTime, whenDamaged: (CorruptCacheError) throws -> Void,
    choosing choose: ([StoredEntry?]) throws -> Int?
  ) throws -> StoredEntry? {
    var chosen: StoredEntry?
    func chooseAndKeep(_ entries: [StoredEntry?]) throws -> Int? {
      let place = try choose(entries)
      chosen = place.flatMap { entries[$0] }
      return place
    }
    do {
      return try store.serve(
        ids: ids, in: namespace, counting: counter, at: now, whenDamaged: whenDamaged,
        choosing: chooseAndKeep)
    } catch let error as StoreBackendError where error.refusesWrites {
      refusal = error
      return chosen
    }
  }
}

extension StoreBackendError {
  /// Whether the store is there, and takes no writes for now.
  fileprivate var refusesWrites: Bool {
    reason == .outOfMemory || reason == .readOnly || remedy == .waitForReplicas
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
