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
  /// - Parameter version: the store's, read before anything else, so that what is written meanwhile makes the next
  ///   search look again.
  func nearest(
    to vector: Embedding, in namespace: Namespace, count: Int, version: Int64
  ) throws -> [(id: EntryID, similarity: Float)] {
    try state.withLock { state in
      guard !state.isClosed else { throw CacheClosedError() }
      var index: NamespaceIndex
      if let known = state.indexes[namespace] {
        index = known
        if known.version != version {
          index = try updated(known, to: version, in: namespace, dimension: vector.dimension)
        }
      } else {
        index = try built(at: version, of: namespace, dimension: vector.dimension)
      }
      state.indexes[namespace] = index
      return try index.vectors.search(vector.numbers, limit: count)
    }
  }

  private func built(at version: Int64, of namespace: Namespace, dimension: Int) throws -> NamespaceIndex {
    let vectors = VectorIndex(dimension: dimension)
    try store.forEachEmbedding(in: namespace) { id, bytes in try vectors.set(id, bytes) }
    return NamespaceIndex(version: version, vectors: vectors)
  }

  private func updated(
    _ index: NamespaceIndex, to version: Int64, in namespace: Namespace, dimension: Int
  ) throws -> NamespaceIndex {
    let current = try store.leastRecentlyUsed(.max, in: namespace)
    let new = current.filter { !index.vectors.contains($0) }.sorted()
    guard new.count * 4 <= current.count else {
      return try built(at: version, of: namespace, dimension: dimension)
    }
    var index = index
    index.version = version
    let present = Set(current)
    for id in index.vectors.ids where !present.contains(id) { index.vectors.remove(id) }
    for start in stride(from: 0, to: new.count, by: 64) {
      for entry in try store.entries(ids: Array(new[start..<min(start + 64, new.count)])) {
        guard let entry, entry.namespace == namespace else { continue }
        try entry.embedding.bytes.withUnsafeBytes { try index.vectors.set(entry.id, $0) }
      }
    }
    return index
  }
}
