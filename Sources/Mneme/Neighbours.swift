/// The entries of a namespace whose similarity to a vector reaches a threshold, nearest first, ties by id.
///
/// The index gives candidates, and the store's own vectors decide. They are read in pages, only until the next entries
/// in order are certain.
struct Neighbours {
  struct Neighbour: Equatable {
    var id: EntryID
    var similarity: Double
  }

  private let vector: Embedding
  private let numbers: [Double]
  private let threshold: Float
  /// The index; nil if there are only the candidates.
  private let index: VectorIndex?
  private let store: any CacheStore
  /// The next entries to be read, the one with the highest possible similarity first.
  private var candidates: ArraySlice<VectorIndex.Candidate>
  private var odd: [EntryID] = []
  /// Whether there may be more than the candidates.
  private var isCut = false
  private var seen: Set<EntryID> = []
  /// Entries that were read and not returned yet.
  private var read: [Neighbour] = []
  private var foundCount = 0

  /// Entries that could not be compared.
  private(set) var damaged: [CorruptCacheError] = []
  private(set) var gone: [EntryID] = []
  /// Entries whose vectors are not those of their rows.
  private(set) var changed: [(EntryID, [UInt8])] = []

  /// The most vectors that one search reads. If there are more, they are so similar that int8 cannot separate them,
  /// and the result may lack some of the nearest.
  private static let mostRead = 4096
  private static let pageSize = 256

  /// - Throws: `DamagedIndex`.
  init(
    of vector: Embedding, in index: VectorIndex, atLeast count: Int, threshold: Float, store: any CacheStore
  ) throws {
    (self.vector, self.index, self.threshold, self.store) = (vector, index, threshold, store)
    numbers = vector.numbers.map(Double.init)
    candidates = []
    foundCount = count + 64
    try search()
  }

  /// The neighbours among some entries, without an index.
  init(of vector: Embedding, among ids: [EntryID], store: any CacheStore) {
    (self.vector, self.store, index, threshold) = (vector, store, nil, -.infinity)
    numbers = vector.numbers.map(Double.init)
    candidates = ids.map { VectorIndex.Candidate(id: $0, least: -.infinity, most: .infinity) }[...]
  }

  /// Returns the next `count` entries, or fewer if there are no more.
  /// - Throws: what the store throws; `DamagedIndex`.
  mutating func next(_ count: Int) throws -> [Neighbour] {
    if !odd.isEmpty {
      let ids = odd
      odd = []
      try read(ids.map { VectorIndex.Candidate(id: $0, least: -.infinity, most: .infinity) })
    }
    while true {
      if candidates.isEmpty, isCut, seen.count < Self.mostRead {
        foundCount = max(8 * foundCount, seen.count + count)
        try search()
      }
      let most = candidates.first.map { Double($0.most) } ?? -.infinity
      let settled = read.prefix { $0.similarity > most || candidates.isEmpty }.count
      guard settled < count, !candidates.isEmpty, seen.count < Self.mostRead else {
        let ready = read.prefix(seen.count < Self.mostRead ? min(count, settled) : count)
        read.removeFirst(ready.count)
        return Array(ready)
      }
      let page = nextPage(count)
      candidates.removeFirst(page.count)
      try read(Array(page))
    }
  }

  /// The candidates that can be among the next `count`.
  private func nextPage(_ count: Int) -> ArraySlice<VectorIndex.Candidate> {
    let first = candidates.prefix(Self.pageSize)
    let least = (first.map { Double($0.least) } + read.prefix(count).map(\.similarity)).sorted(by: >)
    let bar = least.count < count ? -.infinity : least[count - 1]
    let page = first.prefix { Double($0.most) >= bar }
    return page.isEmpty ? first.prefix(1) : page
  }

  private mutating func search() throws {
    guard let index else { return }
    guard let found = index.search(vector, limit: foundCount, threshold: threshold) else {
      throw DamagedIndex()
    }
    candidates = found.candidates.filter { !seen.contains($0.id) }[...]
    if seen.isEmpty { odd = found.odd }
    isCut = found.isCut
  }

  private mutating func read(_ page: [VectorIndex.Candidate]) throws {
    var rest = page.makeIterator()
    var isUnreadable = false
    try store.forEachEmbedding(
      of: page.map(\.id),
      whenDamaged: {
        damaged.append($0)
        isUnreadable = true
      }
    ) { id, bytes in
      guard let candidate = rest.next() else { return }
      seen.insert(id)
      guard let bytes else {
        if !isUnreadable { gone.append(id) }
        isUnreadable = false
        return
      }
      if let flaw = flaw(of: id, bytes) {
        damaged.append(flaw)
        return
      }
      let similarity = similarity(bytes)
      // If the similarity is not within the bounds, the entry's vector has changed since the row was made.
      if !(Float(similarity) >= candidate.least - 1e-4 && Float(similarity) <= candidate.most + 1e-4)
        || candidate.most == .infinity
      {
        changed.append((id, Array(bytes)))
      }
      read.append(Neighbour(id: id, similarity: similarity))
    }
    read.sort { $0.similarity == $1.similarity ? $0.id < $1.id : $0.similarity > $1.similarity }
  }

  private func similarity(_ bytes: UnsafeRawBufferPointer) -> Double {
    var sum = 0.0
    for index in 0..<numbers.count {
      let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
      sum += Double(Float(bitPattern: bits)) * numbers[index]
    }
    return sum
  }

  /// The reason why a stored vector cannot be compared: another length, zeros (which Python stores for a text that its
  /// embedder cannot place), NaN.
  private func flaw(of id: EntryID, _ bytes: UnsafeRawBufferPointer) -> CorruptCacheError? {
    guard bytes.count == numbers.count * 4 else {
      return CorruptCacheError(
        "The embedding of entry \(id) has \(bytes.count) bytes; \(numbers.count) dimensions take \(numbers.count * 4).",
        about: .entry(id), remedy: .replaceEntry)
    }
    let flaw =
      switch Embedding.Flaw(in: bytes) {
      case .allZeros: "is all zeros and has no direction"
      case .notFinite: "has a component that is not a finite number"
      case .length, nil: nil as String?
      }
    return flaw.map {
      CorruptCacheError(
        "The embedding of entry \(id) \($0).", about: .entry(id), remedy: .replaceEntry)
    }
  }
}
