extension SemanticCache {
  /// Entries near a vector, nearest first: those that `VectorIndex` would find over all vectors of the namespace, the
  /// same ids with the same similarities, as far as they reach the threshold.
  typealias Nearest = [(id: EntryID, similarity: Float)]

  /// How many entries may have come since a file was made before another is made instead.
  private static let mostAdditions = 512
  /// How many vectors a search may ask the store for. Where int8 leaves more in doubt it is no help.
  private static let mostAsked = 4096
  /// How many rows of a file may be no vectors; each search asks for them.
  private static let mostOdd = 64

  /// As `nearest`, by the files of a directory: the one that is there, where the store shows that it holds, else a
  /// new one.
  /// - Parameters:
  ///   - threshold: below this similarity what is returned need not be complete; it is empty only where there are no
  ///     vectors at all.
  ///   - leavesTrace: the store may be given what it needs to be known again later.
  /// - Returns: nil where it takes a search over all vectors.
  func nearest(
    to vector: Embedding, in namespace: Namespace, count: Int, threshold: Float, by directory: IndexDirectory,
    leavesTrace: Bool, damaged: inout [CorruptCacheError]
  ) throws -> Nearest? {
    guard let identity = try store.identity(), identity.dimension == vector.dimension else { return nil }
    let key = directory.key(of: namespace, identity)
    if let file = directory.load(key), file.header.dimension == vector.dimension,
      let additions = try store.additions(
        since: file.header.mark, in: namespace, atMost: Self.mostAdditions)
    {
      var search = IndexFileSearch(vector, count: count, threshold: threshold)
      if let found = try search.run(file.image, and: additions, in: store, isOfFile: true) {
        damaged += search.damaged
        return found
      }
    }
    guard let mark = try store.mark(leavingTrace: leavesTrace) else { return nil }
    let builder = VectorImageBuilder(dimension: vector.dimension)
    var unreadable: [CorruptCacheError] = []
    try store.forEachEmbedding(in: namespace, whenDamaged: { unreadable.append($0) }) {
      builder.append($0, $1)
    }
    let image = builder.image()
    // What was written while we read may be there in part; rows up to the mark's highest id are the ones that it
    // speaks of.
    let rows = image.ids.firstIndex { $0 > mark.highestID.rawValue } ?? image.count
    if unreadable.isEmpty, builder.oddCount <= Self.mostOdd, rows >= directory.leastVectors {
      directory.save(
        image, VectorImageHeader(key: key, mark: mark, dimension: vector.dimension, rows: rows))
    }
    var search = IndexFileSearch(vector, count: count, threshold: threshold)
    guard let found = try search.run(image, and: [], in: store, isOfFile: false) else { return nil }
    damaged += unreadable + search.damaged
    return found
  }

  /// One search of an image, in which the store's own vectors have the last word.
  private struct IndexFileSearch {
    let vector: Embedding
    let count: Int
    let threshold: Float
    private(set) var damaged: [CorruptCacheError] = []
    /// The vectors that were asked for.
    private let candidates: VectorIndex
    private let quantizer: RowQuantizer
    private var row: [Int8]

    init(_ vector: Embedding, count: Int, threshold: Float) {
      self.vector = vector
      self.count = count
      self.threshold = threshold
      candidates = VectorIndex(dimension: vector.dimension)
      quantizer = RowQuantizer(dimension: vector.dimension)
      row = [Int8](repeating: 0, count: quantizer.width)
    }

    /// - Parameters:
    ///   - additions: entries that are not in the image.
    ///   - isOfFile: the image may be out of date for all that is known, and shows it by a row that is not its
    ///     entry's vector any more.
    /// - Returns: nil where the image cannot be used.
    mutating func run(
      _ image: VectorImage, and additions: [EntryID], in store: any Store, isOfFile: Bool
    ) throws -> Nearest? {
      guard var search = image.search(vector) else { return nil }
      try ask(store, for: additions)
      var limit = count
      var threshold = threshold
      while true {
        let rows = search.next(limit: limit, threshold: threshold)
        guard search.askedCount <= SemanticCache.mostAsked else { return nil }
        if rows.isEmpty {
          let found = try candidates.search(vector.numbers, limit: count)
          // Whether there is nothing near or nothing at all is told by the one that comes nearest.
          if !found.isEmpty || threshold == -.infinity { return found }
          (limit, threshold) = (1, -.infinity)
          continue
        }
        guard try ask(store, for: rows, of: image, &search, isOfFile: isOfFile) else { return nil }
      }
    }

    private mutating func ask(_ store: any Store, for ids: [EntryID]) throws {
      try store.forEachEmbedding(of: ids, whenDamaged: { damaged.append($0) }) { id, bytes in
        if let bytes { add(id, bytes) }
      }
    }

    /// - Returns: false where the rows are not their entries' any more.
    private mutating func ask(
      _ store: any Store, for rows: [Int], of image: VectorImage, _ search: inout VectorImageSearch,
      isOfFile: Bool
    ) throws -> Bool {
      var next = rows.makeIterator()
      var isCurrent = true
      let ids = rows.map { search.id(of: $0) }
      try store.forEachEmbedding(of: ids, whenDamaged: { damaged.append($0) }) { id, bytes in
        guard let row = next.next() else { return }
        guard let bytes else { return search.exclude(row) }
        if isOfFile, !isRow(row, of: image, bytes) { isCurrent = false }
        if !add(id, bytes) { search.exclude(row) }
      }
      return isCurrent
    }

    @discardableResult
    private mutating func add(_ id: EntryID, _ bytes: UnsafeRawBufferPointer) -> Bool {
      do {
        try candidates.set(id, bytes)
        return true
      } catch {
        damaged.append(CorruptCacheError(notComparable: error))
        return false
      }
    }

    private mutating func isRow(_ number: Int, of image: VectorImage, _ bytes: UnsafeRawBufferPointer) -> Bool
    {
      let scale = row.withUnsafeMutableBufferPointer {
        quantizer.quantize(bytes, into: $0.baseAddress!).scale
      }
      let kept = UnsafeBufferPointer(start: image.vectors + number * image.width, count: image.width)
      return scale == image.scales[number] && kept.elementsEqual(row)
    }
  }
}
