import Mneme

/// A difference between a store and the model.
struct Divergence: Error, CustomStringConvertible {
  /// The step at which it was seen; nil for the look at the end.
  var step: Int?
  var what: String

  var description: String { "\(step.map { "after step \($0)" } ?? "at the end"): \(what)" }
}

/// Caches that share a server, each as a store and as a model, on which a history is played.
final class HistoryRun {
  private var stores: [any CacheStore] = []
  private var models: [CacheModel] = []
  private let open: (Int) throws -> any CacheStore
  private let losesStillborn: Bool
  private var now = History.start
  /// Which step is played: it makes every text and time of a history different.
  private var step = 0

  /// - Parameters:
  /// - losesStillborn: the store has native expiry, so that an entry that has already expired is gone immediately.
  ///   - open: another store on the given place.
  init(places: Int, losesStillborn: Bool, open: @escaping (Int) throws -> any CacheStore) throws {
    self.open = open
    self.losesStillborn = losesStillborn
    for place in 0..<places {
      stores.append(try opened(place))
      models.append(CacheModel())
    }
  }

  deinit { for store in stores { store.close() } }

  private func opened(_ place: Int) throws -> any CacheStore {
    let store = try open(place)
    try store.open(expecting: History.identity)
    return store
  }

  /// Plays every step on both, compares what they answer, and now and then all that they hold.
  /// - Throws: `Divergence`, or what the store threw.
  func play(_ history: [PlacedStep]) throws {
    for (index, placed) in history.enumerated() {
      step = index
      now = now + Seconds(1)
      do {
        try play(placed.step, on: placed.place)
        try compare(
          "version", try stores[placed.place].versionCounter(), models[placed.place].version)
        if index % 8 == 7 { try compareAll(placed.place) }
      } catch var divergence as Divergence {
        divergence.step = index
        throw divergence
      }
    }
    for place in stores.indices { try compareAll(place) }
  }

  /// Removes what native expiry has left, after which there are only entries.
  func sweep() throws {
    now = now + Seconds(1)
    for place in stores.indices {
      try compare(
        "expired", stores[place].removeExpired(at: now, in: nil), models[place].removeExpired(at: now))
      try compareAll(place)
    }
  }

  // MARK: One step

  private func play(_ step: Step, on place: Int) throws {
    let store = stores[place]
    func id(_ number: Int) -> EntryID { EntryID(Int64(number + 1)) }
    switch step {
    case .insert(let namespace, let query, let lifetime, let limit):
      try insert(entry(namespace, query, lifetime), evicting: limit, on: place)
    case .recordAccess(let number):
      try store.recordAccess(id: id(number), at: now)
      models[place].recordAccess(id(number), at: now)
    case .recordHit(let number):
      guard let entry = models[place].entry(id(number)) else { return }
      try store.recordHit(entry, counting: .hitsExact, at: now)
      models[place].recordAccess(id(number), at: now)
      models[place].count(1, .hitsExact, entry.namespace)
    case .remove(let number):
      try compare("removed", store.remove(id: id(number)), models[place].remove(id(number)))
    case .removeMany(let numbers):
      let ids = Set(numbers.map(id)).sorted()
      try compare("removed", Set(store.remove(ids: ids)), Set(ids.filter { models[place].remove($0) }))
    case .removeExpired:
      try compare(
        "expired", store.removeExpired(at: now, in: nil), models[place].removeExpired(at: now))
    case .removeIfExpired(let number):
      let entry = models[place].entry(id(number))
      let isExpired = entry?.isExpired(at: now) ?? false
      try compare(
        "removed, being expired", !store.removeExpired(ids: [id(number)], at: now).isEmpty, isExpired)
      if isExpired, let entry, models[place].remove(entry.id) {
        models[place].count(1, .expirations, entry.namespace)
      }
    case .removeAll(let number):
      let namespace = History.namespaces[number]
      try compare("cleared", store.removeAll(in: namespace), models[place].removeAll(namespace))
    case .setQuota(let number, let quota):
      try store.setQuota(quota, for: History.namespaces[number])
      models[place].setQuota(quota, History.namespaces[number])
    case .evict(let number, let limit):
      let namespace = History.namespaces[number]
      try compare(
        "evicted", store.evict(for: namespace, maxEntries: limit.maxEntries),
        models[place].evict(namespace, maxEntries: limit.maxEntries))
    case .count(let number, let counter):
      try store.add(3, to: counter, in: History.namespaces[number])
      models[place].count(3, counter, History.namespaces[number])
    case .reopen:
      store.close()
      stores[place] = try opened(place)
    case .wait(let seconds):
      now = now + Seconds(seconds)
    }
  }

  private func insert(_ entry: StoredEntry, evicting limit: Step.Limit?, on place: Int) throws {
    let isGhost = losesStillborn && entry.isExpired(at: systemClock())
    let known = models[place].entry(entry.namespace, entry.queryHash)
    let id = models[place].insert(entry, isGhost: isGhost)
    guard let limit else { return try compare("id", stores[place].insert(entry), id) }
    let evicted = models[place].evict(entry.namespace, maxEntries: limit.maxEntries, sparing: id)
    try compare(
      "insertion", stores[place].insert(entry, evictingOver: limit.maxEntries),
      Insertion(id: id, replaced: known != nil, evicted: evicted))
  }

  private func entry(_ namespace: Int, _ query: Int, _ lifetime: Int64?) -> StoredEntry {
    let text = History.queries[query]
    let isStillborn = lifetime.map { $0 < 0 } ?? false
    let angle = Float(step % 100) / 100
    return StoredEntry(
      namespace: History.namespaces[namespace], queryHash: QueryNormalizer.queryHash(text), query: text,
      response: "answer of step \(step)",
      embedding: Embedding([angle, 0, -0.0, (1 - angle * angle).squareRoot()]),
      metadata: #"{"step":\#(step),"n":1e400}"#, createdAt: isStillborn ? UnixTime(1000) : now,
      lastAccessedAt: now, ttl: lifetime.map { Seconds(abs($0)) }, accessCount: Int64(step % 3))
  }

  // MARK: Comparing

  private func compare<Value: Equatable>(_ what: String, _ store: Value, _ model: Value) throws {
    guard store == model else { throw Divergence(what: "\(what): \(store), not \(model)") }
  }

  private func compareAll(_ place: Int) throws {
    let (store, model) = (stores[place], models[place])
    for scope in [nil] + History.namespaces.prefix(4).map(Optional.some) {
      let whose = scope.map { " in '\($0)'" } ?? ""
      try compare("count" + whose, store.count(in: scope), model.listed(scope).count)
      try compare(
        "order of use" + whose, store.leastRecentlyUsed(.max, in: scope), model.leastRecentlyUsed(scope))
      var entries: [StoredEntry] = []
      try store.forEachEntry(after: nil, in: scope) { entries.append($0) }
      try compareEntries(entries, model.live(scope), whose)
    }
    try compare("namespaces", store.namespaces(), model.namespaces)
    try compare("summaries", store.summaries(), model.summaries)
    try compare("expired", store.expiredCount(at: now), model.expiredCount(at: now))
    for namespace in History.namespaces.prefix(4) {
      let hash = QueryNormalizer.queryHash(History.queries[step % History.queries.count])
      try compare(
        "entry by hash", store.entry(namespace: namespace, queryHash: hash), model.entry(namespace, hash))
    }
    try compare("soundness", store.integrityCheck(), true)
  }

  private func compareEntries(_ found: [StoredEntry], _ expected: [StoredEntry], _ whose: String) throws {
    try compare("ids" + whose, found.map(\.id), expected.map(\.id))
    for (entry, model) in zip(found, expected) where entry != model {
      throw Divergence(what: "entry \(entry.id)\(whose): \(fields(of: entry)), not \(fields(of: model))")
    }
  }

  /// The fields of an entry with its texts, which the description of an entry leaves out.
  private func fields(of entry: StoredEntry) -> String {
    "\(entry.namespace) \(entry.query) \(entry.response) \(entry.metadata) \(entry.createdAt.rawValue) "
      + "\(entry.lastAccessedAt.rawValue) \(entry.ttl?.rawValue ?? -1) \(entry.accessCount)"
  }
}
