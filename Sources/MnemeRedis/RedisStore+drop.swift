import Mneme

extension RedisStore {
  /// Removes a whole cache: its entries, indexes, counters, quotas, version and identity.
  ///
  /// Keys under the prefix that are not part of the layout stay, and so do other caches beneath it. In three steps:
  /// 1. The entries are removed as `removeAll` removes them. So every reader sees the version grow, and a run that is
  ///    stopped leaves a valid cache with fewer entries.
  /// 2. `SCAN` finds the remaining keys of entries and namespaces.
  /// 3. The keys of the cache as a whole are removed in one transaction, unless the version has changed since step 1.
  ///
  /// If a program writes in between, the steps start again, and its writes are removed too. A write after step 3 begins
  /// a new cache with ids from 1. A Python program that had opened the cache continues to write without a `meta`, so
  /// its entries are not found until it opens the cache again.
  /// - Parameter control: if it stops the work, the cache still exists with the remaining entries.
  /// - Returns: the number of entries that were removed, and whether the cache is gone.
  /// - Throws: `StoreBackendError` with `contention` while other programs keep writing.
  package func drop(_ control: WorkControl) throws -> (entries: Int, isComplete: Bool) {
    var removed = 0
    for _ in 0..<Self.dropAttempts {
      try removeEntries(counting: &removed, control)
      let version = try read(tolerating: true) { appendRawVersion(to: &$0) }
      guard try removeStrayKeys(counting: &removed, control) else { return (removed, false) }
      if try removeCommonKeys(unlessMovedFrom: version) { return (removed, true) }
    }
    throw StoreBackendError(
      .contention,
      "Other programs wrote to the cache under '\(layout.prefix)' each of \(Self.dropAttempts) times that it was empty.",
      about: .keyPrefix(layout.prefix), remedy: .stopWriters)
  }

  private static let dropAttempts = 10

  private func removeEntries(counting removed: inout Int, _ control: WorkControl) throws {
    let names: [Namespace]
    do {
      names = try namespaces()
    } catch is CorruptCacheError {
      return
    }
    for namespace in names where !control.shouldStop() {
      let before = removed
      let shifted = WorkControl(shouldStop: control.shouldStop) { progress in
        control.progress(WorkProgress(done: before + progress.done))
      }
      do {
        removed += try removeAll(in: namespace, shifted)
      } catch is CorruptCacheError {
        // An index has another type. Step 2 removes it and the entries by their names.
      }
    }
  }

  /// Removes the keys of entries and namespaces, of any type.
  /// - Returns: whether the walk came to its end.
  private func removeStrayKeys(counting removed: inout Int, _ control: WorkControl) throws -> Bool {
    let otherCaches = OtherCaches(self)
    return try forEachPage(of: .keys(matching: layout.everyKey), shouldStop: control.shouldStop) { page in
      let keys = try otherCaches.own(page.map(\.bytes)) { $0 }
        .compactMap { key in layout.parse(key).map { (key: key, family: $0.family) } }
        .filter(\.family.isKeyed)
      for slice in keys.slices(of: Batch.keys) {
        let replies = try client.write(
          pipeline { pipeline in for key in slice { pipeline.append("UNLINK", key.key) } })
        removed += zip(slice, replies).count { $0.family == .entry && $1.integer == 1 }
      }
    }
  }

  /// - Returns: false if the version has changed.
  private func removeCommonKeys(unlessMovedFrom version: [UInt8]?) throws -> Bool {
    try client.change(tolerating: true, freeing: true) { pipeline in
      pipeline.append("WATCH", layout.version)
      return appendRawVersion(to: &pipeline)
    } decide: { _, now in
      guard now == version else { return .done(false) }
      return .write { pipeline in
        pipeline.append("UNLINK", each: KeyFamily.allCases.filter { !$0.isKeyed }.map(layout.key))
        return Question { _ in true }
      }
    }
  }

  /// Asks for the version as it is stored; nil if there is none, and where the key has another type.
  private func appendRawVersion(to pipeline: inout Pipeline) -> Question<[UInt8]?> {
    let version = pipeline.append("GET", layout.version)
    return Question { replies in
      let reply = replies[version]
      return reply.isNull || reply.error != nil ? nil : reply.bytes
    }
  }

  /// Whether `meta` exists now. One round trip.
  package func isThere() throws -> Bool {
    try !answer { $0.append("HGET", layout.meta, KeyLayout.MetaField.fingerprint) }.isNull
  }
}
