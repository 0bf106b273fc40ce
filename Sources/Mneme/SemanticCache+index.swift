import Synchronization

/// The index of one namespace, with its own lock. While it is built or refreshed, only searches in the same namespace
/// wait.
final class NamespaceIndex: Sendable {
  struct Known {
    var index: VectorIndex
    /// The state of the store that the index reflects.
    var mark: StoreMark
    /// The head of the file that the base is in; nil if it is in memory.
    var head: IndexHead?
    /// Changes that are not in a file yet.
    var unsaved = 0
  }

  struct State {
    var known: Known?
    /// The number of times that a file was found damaged during a search. After the first, the file is replaced and not
    /// loaded again. After the second, rows are kept in memory: something else writes to the files.
    var damagedFiles = 0
  }

  let state = Mutex(State())
}

/// An index for a search.
struct CurrentIndex {
  let index: VectorIndex
  /// The index to update with the findings of the search.
  let slot: NamespaceIndex
  /// The id of the file that the base is in; nil if it is in memory.
  let baseID: UInt128?
  /// Whether there is a directory, but nothing that identifies the store, so that no file can be trusted or kept.
  var isUnproven = false
}

extension SemanticCache {
  /// The number of changes from which a file of changes is written. The next process reads fewer again as quickly.
  fileprivate static let leastSavedChanges = 64

  /// Returns the index of a namespace in the current state of the store.
  ///
  /// It is built when the namespace is first searched, or taken from a file, and follows the store from then on (one
  /// round trip where nothing was written): see `CacheStore.changes`. Rows are streamed into their file as they are
  /// read.
  /// - Parameters:
  ///   - leavesTrace: allows the store to write a value by which it is recognized later.
  ///   - damaged: receives the errors of entries that could not be read.
  func currentIndex(
    of namespace: Namespace, dimension: Int, leavesTrace: Bool, damaged: inout [CorruptCacheError]
  ) throws -> CurrentIndex {
    let slot = try shared.state.withLock { state in
      guard !state.isClosed else { throw CacheClosedError() }
      let slot = state.indexes[namespace] ?? NamespaceIndex()
      state.indexes[namespace] = slot
      return slot
    }
    let work = IndexWork(
      self, namespace, dimension: dimension, leavesTrace: leavesTrace && options.indexDirectory != nil)
    // The lock returns a copy, because a value that leaves it must not be shared with its state.
    let (index, baseID, isUnproven, found) = try slot.state.withLock { state in
      var work = work
      try work.refresh(&state)
      return (
        state.known?.index ?? VectorIndex(dimension: dimension), state.known?.head?.baseID, work.isUnproven,
        work.damaged
      )
    }
    damaged += found
    return CurrentIndex(index: index, slot: slot, baseID: baseID, isUnproven: isUnproven)
  }

  /// Updates the index with the findings of a search: entries that are gone, and vectors that differ from their rows.
  func note(gone: [EntryID], changed: [(EntryID, [UInt8])], in current: CurrentIndex) {
    guard !gone.isEmpty || !changed.isEmpty else { return }
    current.slot.state.withLock { state in
      guard state.known?.index.dimension == current.index.dimension else { return }
      for id in gone { state.known?.index.remove(id) }
      for (id, bytes) in changed { bytes.withUnsafeBytes { state.known?.index.set(id, $0) } }
      state.known?.unsaved += gone.count + changed.count
      save(&state)
    }
  }

  /// Writes the changes since the base was made to their file, if there are enough of them.
  fileprivate func save(_ state: inout NamespaceIndex.State) {
    guard let known = state.known, known.unsaved >= Self.leastSavedChanges else { return }
    state.known?.unsaved = 0
    guard let directory = options.indexDirectory, var head = known.head else { return }
    head.mark = known.mark
    directory.keepChanges(known.index, head)
  }

  /// Drops an index whose file is damaged, unless another search has done so.
  func drop(_ current: CurrentIndex) {
    current.slot.state.withLock { state in
      guard let known = state.known, known.head?.baseID == current.baseID else { return }
      state.known = nil
      state.damagedFiles += 1
    }
  }
}

/// One refresh of the index of a namespace.
private struct IndexWork {
  private let cache: SemanticCache
  private let namespace: Namespace
  private let dimension: Int
  private let leavesTrace: Bool
  private var store: any CacheStore { cache.store }
  private(set) var damaged: [CorruptCacheError] = []
  private(set) var isUnproven = false

  init(_ cache: SemanticCache, _ namespace: Namespace, dimension: Int, leavesTrace: Bool) {
    (self.cache, self.namespace, self.dimension) = (cache, namespace, dimension)
    self.leavesTrace = leavesTrace
  }

  private var directory: IndexDirectory? { cache.options.indexDirectory }

  /// Brings the index up to date with the store. An error leaves an index that the next call completes.
  mutating func refresh(_ state: inout NamespaceIndex.State) throws {
    let key = try directory.flatMap { directory in
      try store.identity().map { directory.key(of: namespace, $0) }
    }
    if state.known?.index.dimension != dimension {
      state.known = nil
      if let directory, let key, state.damagedFiles == 0,
        let (head, index) = directory.load(key, dimension: dimension)
      {
        state.known = NamespaceIndex.Known(index: index, mark: head.mark, head: head)
      }
    }
    if try follow(&state) {
      if state.known?.index.isWorn ?? false { try renew(&state, state.damagedFiles < 2 ? key : nil) }
      cache.save(&state)
    }
    if state.known == nil {
      state.known = try built(state.damagedFiles < 2 ? key : nil)
    }
  }

  // MARK: Following

  /// Applies the changes of the store to the index, in place, since a copy would cost as much as all earlier changes.
  /// - Returns: false if the changes cannot be found, so that all vectors have to be read.
  private mutating func follow(_ state: inout NamespaceIndex.State) throws -> Bool {
    guard let mark = state.known?.mark, let rowCount = state.known?.index.rowCount else { return false }
    guard let changes = try store.changes(in: namespace, since: mark, atMost: 4096 + rowCount),
      changes.mark.unexplained <= Int64(4096 + rowCount / 4)
    else {
      state.known = nil
      return false
    }
    var new = changes.mark
    if !changes.written.isEmpty {
      try store.forEachEmbedding(of: changes.written, whenDamaged: { damaged.append($0) }) { id, bytes in
        if let bytes { state.known?.index.set(id, bytes) } else { state.known?.index.remove(id) }
      }
      // Samples the latest entries, since an older dump does not have them.
      let last = try store.samples(of: Array(changes.written.suffix(8))).compactMap(\.self)
      let kept = new.samples.filter { old in !last.contains { $0.id == old.id } }
      new.samples = kept.suffix(StoreMark.sampleLimit - last.count) + last
    }
    guard try !changes.mayLackEntries || addLacking(to: &state, &new) else { return false }
    state.known?.mark = new
    // Reading the creation time of an entry costs less than reading its vector.
    state.known?.unsaved += changes.written.count + changes.examined / 8
    return true
  }

  /// Adds the entries of the namespace that the index does not have.
  /// - Returns: false if the file of the index is damaged.
  private mutating func addLacking(to state: inout NamespaceIndex.State, _ mark: inout StoreMark) throws
    -> Bool
  {
    var lacking = try store.memberIDs(in: namespace)
    // Listing an id costs less than reading a time.
    state.known?.unsaved += lacking.count / 64
    do {
      try state.known?.index.forEachBlock { block, rows, counts in
        for row in 0..<rows where counts(row) { lacking.remove(EntryID(block.ids[row])) }
      }
    } catch is DamagedIndex {
      state.known = nil
      state.damagedFiles += 1
      return false
    }
    try store.forEachEmbedding(of: lacking.sorted(), whenDamaged: { damaged.append($0) }) { id, bytes in
      if let bytes { state.known?.index.set(id, bytes) }
    }
    state.known?.unsaved += lacking.count
    (mark.uncompared, mark.comparedAt) = (0, mark.time)
    return true
  }

  /// Writes the current rows into a new base.
  private func renew(_ state: inout NamespaceIndex.State, _ key: String?) throws {
    guard let known = state.known else { return }
    state.known = try withNewBase(key, like: known.mark) { builder in
      do {
        try known.index.write(to: builder)
        return true
      } catch is DamagedIndex {
        return false
      }
    }
    if state.known == nil { state.damagedFiles += 1 }
  }

  // MARK: Building

  private mutating func built(_ key: String?) throws -> NamespaceIndex.Known {
    let mark = try store.mark(of: namespace, leavingTrace: leavesTrace)
    isUnproven = directory != nil && mark?.lineage == nil
    // Without a mark changes cannot be found. No version is below 0, so -1 never matches.
    let plain =
      mark
      ?? StoreMark(lineage: nil, version: -1, entries: 0, highestID: EntryID(0), time: UnixTime(0))
    var found: [CorruptCacheError] = []
    let built = try withNewBase(key, like: plain) { builder in
      found = []
      try store.forEachEmbedding(in: namespace, whenDamaged: { found.append($0) }) {
        try builder.append($0, $1)
      }
      return true
    }
    damaged += found
    guard let built else { preconditionFailure("a base that is read from the store is always made") }
    return built
  }

  /// Makes a base, in a file if it can be kept, else in memory.
  /// - Parameter fill: appends the rows, and returns false to give up. It is called again if the file cannot be
  ///   written.
  private func withNewBase(
    _ key: String?, like mark: StoreMark, _ fill: (VectorRowsBuilder) throws -> Bool
  ) throws -> NamespaceIndex.Known? {
    let layout = RowLayout(dimension: dimension)
    var mark = mark
    if let key, let directory, mark.lineage != nil {
      let builder = VectorRowsBuilder(layout, makeFile: { directory.makeFile(key) })
      do {
        guard try fill(builder) else { return nil }
        let rows = try builder.finish()
        let index = VectorIndex(base: rows, layout)
        mark.samples = try samples(builder)
        guard let file = builder.file else { return NamespaceIndex.Known(index: index, mark: mark) }
        let head = IndexHead(
          key: key, baseID: file.baseID, dimension: dimension, rows: rows.count, mark: mark)
        directory.keep(file, head)
        return NamespaceIndex.Known(index: index, mark: mark, head: head)
      } catch is SystemFailure {
        // The disk is full, or the vectors exceed the limit for files.
      }
    }
    let builder = VectorRowsBuilder(layout)
    guard try fill(builder) else { return nil }
    let rows = try builder.finish()
    mark.samples = try samples(builder)
    return NamespaceIndex.Known(index: VectorIndex(base: rows, layout), mark: mark)
  }

  /// Takes samples that identify the store of the index: the entries accessed last, those with the highest ids, and
  /// some from the whole namespace, which remain when new entries come and go.
  private func samples(_ builder: VectorRowsBuilder) throws -> [EntrySample] {
    guard builder.count > 0 else { return [] }
    var ids = Set(try store.recentlyUsed(in: namespace))
    for id in builder.someIDs where ids.count < StoreMark.sampleLimit { ids.insert(id) }
    return try store.samples(of: ids.sorted()).compactMap(\.self)
  }
}
