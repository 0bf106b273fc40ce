extension SemanticCache {
  /// Compares the entries of a namespace with one another, through the index of its vectors.
  ///
  /// The index finds the pairs that can matter, and the stored vectors of these decide. It takes a byte for each
  /// number of the namespace's vectors in memory, or nothing if the index is in a file, and some 100 bytes for each
  /// entry. Round trips as for the first search of a namespace; then for each 1,024 entries one for each 256 vectors,
  /// theirs and those of the pairs that can matter.
  /// - Parameters:
  ///   - entries: those to compare. Others in the namespace play no part.
  ///   - control: asked a few hundred times a second whether to stop. The current lot is then left out.
  package func audit(
    _ entries: [AuditedEntry], of namespace: Namespace, _ options: AuditOptions = .init(),
    _ control: WorkControl = .init()
  ) throws -> NamespaceAudit {
    try checkOpen()
    guard let dimension = try store.identity()?.dimension, dimension > 0 else {
      return NamespaceAudit(entries: entries.count)
    }
    let run = AuditRun(self, entries, of: namespace, dimension: dimension, options)
    return try run.finish(control)
  }
}

/// An audit of one namespace under way.
private final class AuditRun {
  private let cache: SemanticCache
  private let namespace: Namespace
  private let options: AuditOptions
  /// The entries, the oldest first.
  private let entries: [AuditedEntry]
  /// The position of each entry in `entries`.
  private let places: [EntryID: Int]
  /// The entries that are compared with all others, the oldest first.
  private let queries: [Int]
  private let isQuery: [Bool]
  private let lot: QueryLot
  private var result: NamespaceAudit
  private var nearest: [LeaveOneOut.Nearest?] = []
  private var conflicts: MostSimilarPairs
  private var duplicates: MostSimilarPairs
  private var redundancy: Redundancy

  init(
    _ cache: SemanticCache, _ entries: [AuditedEntry], of namespace: Namespace, dimension: Int,
    _ options: AuditOptions
  ) {
    (self.cache, self.namespace, self.options) = (cache, namespace, options)
    self.entries = entries.sorted(by: AuditedEntry.isOlder)
    places = Dictionary(uniqueKeysWithValues: self.entries.enumerated().map { ($1.id, $0) })
    var random = SplitMix64(seed: 1)
    let sample = options.sample.map { $0 < entries.count ? $0 : entries.count } ?? entries.count
    queries =
      sample < entries.count ? random.sample(sample, below: entries.count).sorted() : Array(0..<entries.count)
    isQuery = queries.reduce(into: [Bool](repeating: false, count: entries.count)) { $0[$1] = true }
    lot = QueryLot(RowLayout(dimension: dimension))
    result = NamespaceAudit(entries: entries.count)
    conflicts = MostSimilarPairs(limit: options.pairs)
    duplicates = MostSimilarPairs(limit: options.pairs)
    redundancy = Redundancy(count: entries.count)
  }

  private struct Stopped: Error {}

  func finish(_ control: WorkControl) throws -> NamespaceAudit {
    for chosen in stride(from: 0, to: queries.count, by: lot.capacity).map({
      queries[$0..<min($0 + lot.capacity, queries.count)]
    }) {
      do {
        try compare(chosen, control)
      } catch is Stopped {
        result.isComplete = false
        break
      }
      control.progress(
        WorkProgress(done: result.compared, share: Double(chosen.endIndex) / Double(queries.count)))
    }
    result.conflicts = conflicts.sorted
    result.duplicates = duplicates.sorted
    redundancy.keepers.enumerated().forEach { place, keeper in
      if let keeper { result.redundant.add(entries[place], keeping: entries[keeper]) }
    }
    result.leaveOneOut = LeaveOneOut(nearest, thresholds: options.thresholds)
    return result
  }

  /// Compares some entries with all others. The result is used only if the comparison is complete.
  private func compare(_ chosen: ArraySlice<Int>, _ control: WorkControl) throws {
    while true {
      let current = try cache.currentIndex(
        of: namespace, dimension: lot.layout.dimension, leavesTrace: false, damaged: &result.damaged)
      do {
        var comparison = try comparison(of: chosen)
        try current.index.forEachBlock { block, rows, counts in
          if control.shouldStop() { throw Stopped() }
          try lot.compare(with: block, rows: rows) { query, row, least, most in
            guard counts(row), let place = places[EntryID(block.ids[row])] else { return }
            try comparison.note(query, place, least, most)
          }
        }
        try comparison.settle()
        return take(comparison)
      } catch is DamagedIndex {
        // A file of vectors can turn out to be damaged while it is read. Another index is then made.
        cache.drop(current)
      }
    }
  }

  /// Reads the vectors of some entries. Those that are gone, or cannot be compared, are left out.
  private func comparison(of chosen: ArraySlice<Int>) throws -> Comparison {
    lot.removeAll()
    var compared: [Int] = []
    var damaged: [CorruptCacheError] = []
    var rest = chosen.makeIterator()
    try cache.store.forEachEmbedding(
      of: chosen.map { entries[$0].id }, whenDamaged: { damaged.append($0) }
    ) { _, bytes in
      guard let place = rest.next(), let bytes else { return }
      if lot.add(bytes, bar: Comparison.bar(options)) { compared.append(place) }
    }
    result.damaged += damaged.filter { new in !result.damaged.contains { $0.message == new.message } }
    return Comparison(
      cache.store, entries, isQuery, lot, compared: compared, options, conflicts: conflicts.bar,
      duplicates: duplicates.bar)
  }

  private func take(_ comparison: Comparison) {
    result.compared += comparison.compared.count
    result.conflictCount += comparison.conflictCount
    result.duplicateCount += comparison.duplicateCount
    conflicts.formUnion(comparison.conflicts)
    duplicates.formUnion(comparison.duplicates)
    redundancy.resolve(comparison.edges)
    nearest += zip(comparison.compared, comparison.nearest).map { place, nearest in
      nearest.map { found in
        LeaveOneOut.Nearest(
          similarity: found.similarity,
          hasSameResponse: entries[place].response == entries[found.place].response)
      }
    }
  }
}

/// A younger entry that has an older one's response, by their places.
struct DuplicateEdge {
  var younger: Int
  var older: Int
}

/// The choice of entries to remove because an older one has the same response. An entry that answers in place of a
/// removed one stays.
struct Redundancy {
  /// The entry that stays, for each one that is removed.
  private(set) var keepers: [Int?]
  private var isKeeper: [Bool]

  init(count: Int) {
    keepers = Array(repeating: nil, count: count)
    isKeeper = Array(repeating: false, count: count)
  }

  /// Decides oldest first, so that of a chain of duplicates every other one stays.
  mutating func resolve(_ edges: [DuplicateEdge]) {
    for edge in edges.sorted(by: { ($0.younger, $0.older) < ($1.younger, $1.older) })
    where keepers[edge.younger] == nil && keepers[edge.older] == nil && !isKeeper[edge.younger] {
      keepers[edge.younger] = edge.older
      isKeeper[edge.older] = true
    }
  }
}

/// The pairs of some entries with all others.
private struct Comparison {
  /// An entry that is nearest to another one as far as is known.
  struct Nearest {
    var similarity: Double
    var place: Int
  }

  /// A pair whose similarity is still to be read.
  private struct Pending {
    var query: Int32
    var place: Int32
    var most: Float
  }

  private let store: any CacheStore
  private let entries: [AuditedEntry]
  private let isQuery: [Bool]
  private let lot: QueryLot
  private let options: AuditOptions
  private let floor: Float
  /// The entries of the lot, by their places.
  let compared: [Int]
  private(set) var nearest: [Nearest?]
  private(set) var conflicts: MostSimilarPairs
  private(set) var duplicates: MostSimilarPairs
  private(set) var conflictCount = 0
  private(set) var duplicateCount = 0
  private(set) var edges: [DuplicateEdge] = []
  /// The greatest known lower bound of the similarity to another entry, for each query.
  private var leastNearest: [Float]
  private var pending: [Pending] = []
  private var edgeCounts: [UInt8]

  private static let pageSize = 256
  /// The most duplicates that are kept for an entry. If it has more, the first ones decide whether it can be removed.
  private static let mostEdges: UInt8 = 64

  /// The least similarity that matters.
  static func bar(_ options: AuditOptions) -> Float {
    Float(min(options.threshold, options.thresholds.min() ?? 1))
  }

  /// - Parameters:
  ///   - conflicts: the least similarity of a conflict that is reported.
  ///   - duplicates: the least similarity of a duplicate that is reported.
  init(
    _ store: any CacheStore, _ entries: [AuditedEntry], _ isQuery: [Bool], _ lot: QueryLot, compared: [Int],
    _ options: AuditOptions, conflicts: Double, duplicates: Double
  ) {
    (self.store, self.entries, self.isQuery, self.lot) = (store, entries, isQuery, lot)
    (self.options, self.compared) = (options, compared)
    floor = Float(options.thresholds.min() ?? 1)
    nearest = Array(repeating: nil, count: compared.count)
    leastNearest = Array(repeating: -.infinity, count: compared.count)
    edgeCounts = Array(repeating: 0, count: compared.count)
    self.conflicts = MostSimilarPairs(limit: options.pairs, bar: conflicts)
    self.duplicates = MostSimilarPairs(limit: options.pairs, bar: duplicates)
  }

  /// Adds a pair with the bounds of its similarity.
  mutating func note(_ query: Int, _ place: Int, _ least: Float, _ most: Float) throws {
    let own = compared[query]
    guard place != own else { return }
    let canBeNearest = most >= max(floor, leastNearest[query])
    if canBeNearest, least > leastNearest[query] {
      leastNearest[query] = least
      lot.bars[query] = min(Float(options.threshold), max(floor, least))
    }
    let isPair = isCounted(own, place) && most >= Float(options.threshold)
    guard canBeNearest || isPair else { return }
    if !canBeNearest, least >= Float(options.threshold) {
      let isSame = entries[own].response == entries[place].response
      // This is certainly a pair, but not one that is shown, so its exact similarity is not needed.
      if Double(most) < (isSame ? duplicates.bar : conflicts.bar) { return count(query, place, isSame) }
    }
    pending.append(Pending(query: Int32(query), place: Int32(place), most: most))
    if pending.count == options.mostPending { try settle() }
  }

  /// Whether a pair is counted here. A pair of two queries is found from both sides, and counted once.
  private func isCounted(_ own: Int, _ other: Int) -> Bool { !isQuery[other] || other < own }

  private mutating func count(_ query: Int, _ place: Int, _ isSame: Bool) {
    guard isSame else {
      conflictCount += 1
      return
    }
    duplicateCount += 1
    guard edgeCounts[query] < Self.mostEdges else { return }
    edgeCounts[query] += 1
    edges.append(DuplicateEdge(younger: max(compared[query], place), older: min(compared[query], place)))
  }

  /// Reads the vectors of the pairs that wait, and decides.
  mutating func settle() throws {
    let rest = pending.filter { pair in
      pair.most >= max(floor, leastNearest[Int(pair.query)])
        || pair.most >= Float(options.threshold)
          && isCounted(compared[Int(pair.query)], Int(pair.place))
    }.sorted { $0.place < $1.place }
    pending.removeAll(keepingCapacity: true)
    var start = 0
    while start < rest.count {
      var places: [Int] = []
      var end = start
      while end < rest.count, places.count < Self.pageSize || places.last == Int(rest[end].place) {
        if places.last != Int(rest[end].place) { places.append(Int(rest[end].place)) }
        end += 1
      }
      var next = start
      var number = 0
      // An entry that is gone or damaged by now is left out.
      try store.forEachEmbedding(of: places.map { entries[$0].id }, whenDamaged: { _ in }) { _, bytes in
        defer { number += 1 }
        while next < end, Int(rest[next].place) == places[number] {
          defer { next += 1 }
          guard let bytes, bytes.count == lot.layout.dimension * 4 else { continue }
          decide(Int(rest[next].query), places[number], lot.similarity(of: Int(rest[next].query), to: bytes))
        }
      }
      start = end
    }
  }

  private mutating func decide(_ query: Int, _ place: Int, _ similarity: Double) {
    guard similarity.isFinite else { return }
    let own = compared[query]
    let isNearer =
      nearest[query].map {
        similarity > $0.similarity
          || similarity == $0.similarity && entries[place].id < entries[$0.place].id
      } ?? true
    if isNearer {
      nearest[query] = Nearest(similarity: similarity, place: place)
      leastNearest[query] = max(leastNearest[query], Float(similarity).nextDown)
    }
    guard similarity >= options.threshold, isCounted(own, place) else { return }
    let isSame = entries[own].response == entries[place].response
    count(query, place, isSame)
    let pair = AuditedPair(
      a: entries[min(own, place)].id, b: entries[max(own, place)].id, similarity: similarity)
    if isSame { duplicates.insert(pair) } else { conflicts.insert(pair) }
  }
}
