import Mneme

extension RedisStore {
  /// Examines a cache: its numbers and indexes, the figures of each namespace, and some fields of every entry.
  ///
  /// It writes nothing, and continues after damaged data. One round trip for each 48 entries and one for each 64
  /// namespaces. Unless it is deep, it reads neither responses nor vectors.
  package func examine(_ options: ConditionOptions) throws -> CacheCondition {
    try checkOpen()
    let examination = Examination(self, options)
    try examination.run()
    return examination.condition
  }
}

/// An examination under way.
private final class Examination {
  private let store: RedisStore
  private let options: ConditionOptions
  private(set) var condition = CacheCondition()
  private var layout: KeyLayout { store.layout }
  /// Keys of another type: no other command is sent to them.
  private var otherTypes: Set<Key> = []

  /// The number of entries that are read in one request.
  private static let pageSize = 48
  /// The largest lead of a clock. Later times are reported.
  private static let day: Int64 = 86_400

  init(_ store: RedisStore, _ options: ConditionOptions) {
    (self.store, self.options) = (store, options)
    condition.isDeep = options.isDeep
  }

  func run() throws {
    do {
      condition.identity = try store.identity()
    } catch let error as CorruptCacheError {
      condition.metaError = error
      return
    } catch let error as SchemaMigrationError {
      condition.metaError = error
      return
    }
    guard condition.identity != nil else { return }
    try lookAtWholeCache()
    try lookAtNamespaces()
    condition.complete = try lookAtEntries()
    try compareCounts()
  }

  private func ask<Answer>(_ build: (inout Pipeline) throws -> Question<Answer>) throws -> Answer {
    let look = try Look(build)
    return try store.client.read(look.commands, tolerating: true)[look.question]
  }

  private func isSound(_ key: Key) -> Bool { !otherTypes.contains(key) }

  private func note(_ key: Key, _ family: KeyFamily, type: Reply) {
    guard type.kind != .error, let type = type.string, type != "none", type != family.redisType else {
      return
    }
    otherTypes.insert(key)
    condition.otherTypes.append(
      CacheCondition.OtherType(key: key.bytes, type: type, expected: family.redisType))
  }

  // MARK: The cache as a whole

  private func lookAtWholeCache() throws {
    let families = KeyFamily.allCases.filter { !$0.isKeyed }
    let types = try ask { pipeline in
      let slots = families.map { ($0, pipeline.append("TYPE", layout.key($0))) }
      return Question { replies in slots.map { ($0, replies[$1]) } }
    }
    for (family, type) in types { note(layout.key(family), family, type: type) }
    try ask { pipeline in
      let nextID = pipeline.append("GET", layout.nextID)
      let version = pipeline.append("GET", layout.version)
      let highest = pipeline.append("ZRANGE", layout.byID, -1, -1)
      let count = pipeline.append("ZCARD", layout.byID)
      return Question { replies in
        self.condition.entries = replies[count].size ?? 0
        self.condition.highestID =
          replies[highest].first.flatMap { EntryID(member: $0.bytes) }?.rawValue ?? 0
        for (name, reply) in [("next_id", replies[nextID]), ("version", replies[version])]
        where reply.kind != .error {
          switch StoredNumber(reply) {
          case .missing: break
          case .number(let number) where number <= RedisStore.largestNumber: break
          case .number(let number): self.condition.brokenNumbers.add("\(name) is \(number) and cannot grow")
          case .other: self.condition.brokenNumbers.add("\(name) is not a whole number")
          }
        }
        self.condition.lastID = replies[nextID].isNull ? 0 : replies[nextID].integer
      }
    }
  }

  // MARK: Namespaces

  private func lookAtNamespaces() throws {
    var names: Set<Namespace> = []
    if isSound(layout.namespaces) {
      try store.forEachPage(of: .set(layout.namespaces)) { page in
        for member in page {
          if let name = member.string {
            names.insert(Namespace(unchecked: name))
          } else {
            condition.strays.add("namespaces lists a name that is not text")
          }
        }
      }
    }
    condition.namespaces = names.count
    // Counters outlive entries, so `meta` may name more namespaces.
    try store.forEachPairPage(of: .hash(layout.meta)) { page in
      names.formUnion(page.compactMap { KeyLayout.MetaField.namespace(ofCounted: $0.name.bytes) })
    }
    if isSound(layout.quotas) {
      try store.forEachPairPage(of: .hash(layout.quotas)) { page in
        names.formUnion(page.compactMap { $0.name.string.map { Namespace(unchecked: $0) } })
      }
    }
    for slice in names.sorted().slices(of: Batch.keys / 2) { try lookAtFigures(of: slice) }
  }

  private func lookAtFigures(of namespaces: ArraySlice<Namespace>) throws {
    try ask { pipeline in
      let asked = namespaces.map { namespace in
        (
          namespace: namespace, type: pipeline.append("TYPE", layout.lru(namespace)),
          countersType: pipeline.append("TYPE", layout.counters(namespace)),
          quotaType: pipeline.append("TYPE", layout.quota(namespace)),
          count: pipeline.append("ZCARD", layout.lru(namespace)),
          counters: store.appendCounterNumbers(for: namespace, to: &pipeline),
          field: pipeline.append("HGET", layout.quotas, namespace.name),
          string: pipeline.append("GET", layout.quota(namespace))
        )
      }
      return Question { replies in
        for seen in asked {
          let name = seen.namespace
          self.note(self.layout.lru(name), .lru, type: replies[seen.type])
          self.note(self.layout.counters(name), .counters, type: replies[seen.countersType])
          self.note(self.layout.quota(name), .quota, type: replies[seen.quotaType])
          for (counter, number) in try replies[seen.counters] ?? [] where !number.canGrow {
            self.condition.brokenFigures.add("\(counter.rawValue) of '\(name)' is not a number that can grow")
          }
          let quota = replies[seen.string].isNull ? replies[seen.field] : replies[seen.string]
          switch StoredNumber(quota) {
          case .other where quota.kind != .error:
            self.condition.brokenFigures.add("the quota of '\(name)' is not a whole number")
          case .number(let limit) where limit > 0:
            let count = replies[seen.count].size ?? 0
            if Int64(count) > limit { self.condition.overQuota.add("'\(name)' holds \(count) of \(limit)") }
          default: break
          }
        }
      }
    }
  }

  // MARK: Entries

  /// - Returns: whether all were examined.
  private func lookAtEntries() throws -> Bool {
    guard isSound(layout.byID) else { return false }
    var (seen, from) = (0, Optional("-inf"))
    var ids: [EntryID] = []
    var hashKeys: [(EntryID, Key)] = []
    while from != nil || !ids.isEmpty || !hashKeys.isEmpty {
      if options.control.shouldStop() { return false }
      // The `hash:` keys of one page, the fields of the next, and the ids after those go in one request.
      let answer = try ask { pipeline in
        let pointers = hashKeys.map { ($0, pipeline.append("GET", $0.1)) }
        let fields = ids.map { ($0, appendQuestion(about: $0, to: &pipeline)) }
        let page = from.map {
          pipeline.append(
            "ZRANGEBYSCORE", layout.byID, $0, "+inf", "WITHSCORES", "LIMIT", 0, Self.pageSize)
        }
        return Question { replies in
          for ((id, _), slot) in pointers { self.note(replies[slot], hashKeyOf: id) }
          let found = try fields.compactMap { id, question in self.note(try replies[question], of: id) }
          return (hashKeys: found, page: page.map { replies[$0] })
        }
      }
      seen += ids.count
      options.control.progress(WorkProgress(done: seen))
      (hashKeys, ids, from) = (answer.hashKeys, [], nil)
      guard let page = answer.page else { continue }
      if let error = page.error {
        throw store.client.translate(error, command: "ZRANGEBYSCORE", key: layout.byID.text)
      }
      var elements = page.elements
      while let member = elements.next(), let score = elements.next()?.string {
        if let id = EntryID(member: member.bytes) {
          ids.append(id)
        } else {
          condition.strays.add("by_id lists a member that is not an id")
        }
        from = "(\(score)"
      }
    }
    return true
  }

  private struct Seen {
    var reading: EntryReading
    var flaw: Embedding.Flaw?
  }

  private func appendQuestion(about id: EntryID, to pipeline: inout Pipeline) -> Question<Seen> {
    let key = layout.entry(id)
    let isDeep = options.isDeep
    let dimension = condition.identity?.dimension ?? 0
    let fields =
      isDeep
      ? EntryQuestion.appendFields(of: key, withVector: true, to: &pipeline)
      : EntryQuestion.appendSmallFields(of: key, to: &pipeline)
    let length = pipeline.append("HSTRLEN", key, EntryField.embedding)
    let hasResponse = isDeep ? nil : pipeline.append("HEXISTS", key, EntryField.response)
    let hasEmbedding = dimension == 0 ? pipeline.append("HEXISTS", key, EntryField.embedding) : nil
    return Question { replies in
      let reply = replies[fields]
      let bytes = replies[length].size ?? 0
      let isThere = hasEmbedding.map { replies[$0].integer == 1 } ?? true
      let reading = EntryReading(
        fields: reply, embeddingBytes: isThere ? bytes : nil,
        hasResponse: hasResponse.map { replies[$0].integer == 1 },
        exists: reply.kind == .error || !reply.elements.allSatisfy(\.isNull), checksHash: false)
      var flaw: Embedding.Flaw?
      if isDeep, dimension > 0, bytes == 4 * dimension {
        flaw = reply[EntryQuestion.vector].withBytes { Embedding.Flaw(in: $0) }
      }
      return Seen(reading: reading, flaw: flaw)
    }
  }

  /// - Returns: the `hash:` key to read.
  private func note(_ seen: Seen, of id: EntryID) -> (EntryID, Key)? {
    switch seen.reading {
    case .absent:
      condition.leftovers += 1
      return nil
    case .otherType:
      condition.unreadable.add("the key of entry \(id) is not a hash")
      return nil
    case .damaged(let why):
      condition.unreadable.add("entry \(id) \(why)")
      return nil
    case .sound(let facts):
      note(facts, of: id)
      if seen.flaw != nil { condition.incomparable.add("entry \(id)") }
      return (id, layout.hash(facts.namespace, facts.queryHash))
    }
  }

  private func note(_ facts: EntryFacts, of id: EntryID) {
    let dimension = condition.identity?.dimension ?? 0
    if facts.embeddingBytes != 4 * dimension {
      condition.unreadable.add(
        "the vector of entry \(id) has \(facts.embeddingBytes) bytes, not \(4 * dimension)")
    } else if !facts.isUseReadable {
      condition.unreadable.add("entry \(id) does not say when or how often it was used")
    } else if let obstacle = facts.pythonObstacle {
      condition.unreadableByPython.add("entry \(id) \(obstacle)")
    }
    condition.oldest = min(condition.oldest ?? facts.createdAt, facts.createdAt)
    let latest = max(facts.createdAt, UnixTime(facts.lastAccessedAt ?? .min))
    if latest > options.now + Seconds(Self.day) {
      condition.fromFuture.add("entry \(id) at \(latest.rawValue)")
    }
  }

  private func note(_ pointer: Reply, hashKeyOf id: EntryID) {
    if pointer.kind == .error {
      condition.brokenHashKeys.add("the hash key of entry \(id) is not a string")
    } else if pointer.isNull {
      condition.withoutHashKey.add("entry \(id)")
    }
  }

  // MARK: Counts

  /// Finds entries that are in the index of a namespace and not in `by_id`, if the counts differ.
  private func compareCounts() throws {
    guard isSound(layout.byID), isSound(layout.namespaces), try store.countsDiffer() else { return }
    var sum = 0
    for namespace in try store.namespaces() where isSound(layout.lru(namespace)) {
      try store.forEachPairPage(
        of: .sortedSet(layout.lru(namespace)), shouldStop: options.control.shouldStop
      ) { page in
        sum += page.count
        let ids = page.compactMap { EntryID(member: $0.name.bytes) }
        for _ in ids.count..<page.count {
          condition.strays.add("lru:\(namespace) lists a member that is not an id")
        }
        try lookOutside(ids)
      }
    }
    condition.entriesOfNamespaces = sum
  }

  private func lookOutside(_ ids: [EntryID]) throws {
    for slice in ids.slices(of: Batch.keys) {
      let outside = try ask { pipeline in
        let scores = slice.map { ($0, pipeline.append("ZSCORE", layout.byID, $0.member)) }
        return Question { replies in scores.filter { replies[$0.1].isNull }.map(\.0) }
      }
      for slice in outside.slices(of: Batch.examined) {
        try ask { pipeline in
          let asked = slice.map { ($0, appendQuestion(about: $0, to: &pipeline)) }
          return Question { replies in
            for (id, question) in asked {
              if self.note(try replies[question], of: id) != nil {
                self.condition.outsideByID.add("entry \(id)")
              }
            }
          }
        }
      }
    }
  }
}
