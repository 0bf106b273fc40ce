import Synchronization

/// The vectors of one namespace, and the version of the store that they show.
struct NamespaceIndex {
  var version: Int64
  var vectors: VectorIndex
}

extension SemanticCache {
  /// The entries whose vectors lie nearest, nearest first, ties by id.
  ///
  /// The index is built when a namespace is first searched. Later it follows the version counter: nothing is read
  /// while nothing changed, else the ids of the namespace and the vectors that are new. Where more than a quarter
  /// is new it is built afresh, which reads in id order and wins from there on. An entry that was replaced keeps
  /// its id and, with one embedder, its vector; who serves a neighbour reads its vector again.
  /// - Parameters:
  ///   - version: the store's, read before anything else, so that what is written meanwhile makes the next search look
  ///     again.
  ///   - damaged: gets the entries without a vector that can be compared; they are near nothing.
  func nearest(
    to vector: Embedding, in namespace: Namespace, count: Int, version: Int64,
    damaged: inout [CorruptCacheError]
  ) throws -> [(id: EntryID, similarity: Float)] {
    try state.withLock { state in
      guard !state.isClosed else { throw CacheClosedError() }
      var index: NamespaceIndex
      if let known = state.indexes[namespace] {
        index = known
        if known.version != version {
          index = try updated(
            known, to: version, in: namespace, dimension: vector.dimension, damaged: &damaged)
        }
      } else {
        index = try built(at: version, of: namespace, dimension: vector.dimension, damaged: &damaged)
      }
      state.indexes[namespace] = index
      return try index.vectors.search(vector.numbers, limit: count)
    }
  }

  private func built(
    at version: Int64, of namespace: Namespace, dimension: Int, damaged: inout [CorruptCacheError]
  ) throws -> NamespaceIndex {
    let vectors = VectorIndex(dimension: dimension)
    try store.forEachEmbedding(in: namespace) {
      damaged.append($0)
    } _: { id, bytes in
      set(id, bytes, in: vectors, damaged: &damaged)
    }
    return NamespaceIndex(version: version, vectors: vectors)
  }

  /// A vector of another length, of zeros (which Python stores for a text that its embedder cannot place) or of NaN
  /// must not keep the others from being found.
  private func set(
    _ id: EntryID, _ bytes: UnsafeRawBufferPointer, in vectors: VectorIndex,
    damaged: inout [CorruptCacheError]
  ) {
    do {
      try vectors.set(id, bytes)
    } catch {
      damaged.append(CorruptCacheError(notComparable: error))
    }
  }

  private func updated(
    _ index: NamespaceIndex, to version: Int64, in namespace: Namespace, dimension: Int,
    damaged: inout [CorruptCacheError]
  ) throws -> NamespaceIndex {
    let current = try store.leastRecentlyUsed(.max, in: namespace)
    let new = current.filter { !index.vectors.contains($0) }.sorted()
    guard new.count * 4 <= current.count else {
      return try built(at: version, of: namespace, dimension: dimension, damaged: &damaged)
    }
    var index = index
    index.version = version
    let present = Set(current)
    for id in index.vectors.ids where !present.contains(id) { index.vectors.remove(id) }
    for start in stride(from: 0, to: new.count, by: 64) {
      let page = Array(new[start..<min(start + 64, new.count)])
      for entry in try store.entries(ids: page, whenDamaged: { damaged.append($0) }) {
        guard let entry, entry.namespace == namespace else { continue }
        entry.embedding.bytes.withUnsafeBytes { set(entry.id, $0, in: index.vectors, damaged: &damaged) }
      }
    }
    return index
  }
}

extension CorruptCacheError {
  /// - Parameter error: what a `VectorIndex` threw for a stored vector.
  init(notComparable error: any Error) {
    guard let error = error as? any MnemeError else {
      preconditionFailure("an index throws errors of ours alone")
    }
    self.init(error.message, about: error.object, remedy: error.remedy)
  }
}
