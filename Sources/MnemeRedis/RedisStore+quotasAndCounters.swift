import Mneme

extension RedisStore {
  // MARK: Quotas

  /// Sets a quota in both places in one transaction: in the hash `quotas` and in the string of the Python library. A
  /// full server accepts the removal of a quota, but no new one.
  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try checkOpen()
    try client.change(freeing: maxEntries == nil) { pipeline in
      pipeline.append("WATCH", layout.quotas, layout.quota(namespace))
      // This read fails if a key has another type. The value of the quota is not used.
      appendQuotaQuestion(for: namespace, to: &pipeline)
      return .nothing
    } decide: { _, _ in
      .write { pipeline in
        if let maxEntries {
          pipeline.append("HSET", layout.quotas, namespace.name, maxEntries)
          pipeline.append("SET", layout.quota(namespace), maxEntries)
        } else {
          pipeline.append("HDEL", layout.quotas, namespace.name)
          pipeline.append("DEL", layout.quota(namespace))
        }
        return .nothing
      }
    }
  }

  /// One round trip.
  public func quota(for namespace: Namespace) throws -> Int? {
    try read { appendQuotaQuestion(for: namespace, to: &$0) }
  }

  /// Appends the reads of both forms of a quota.
  @discardableResult
  func appendQuotaQuestion(for namespace: Namespace, to pipeline: inout Pipeline) -> Question<Int?> {
    let field = pipeline.append("HGET", layout.quotas, namespace.name)
    let string = pipeline.append("GET", layout.quota(namespace))
    return Question { try self.quota(in: ($0[field], $0[string]), of: namespace) }
  }

  /// If both places have a number, the string is the later one, since only Python writes it alone. A quota of 0
  /// or less, which Python accepts, is not a limit: it would empty the namespace with each put.
  func quota(in replies: (field: Reply, string: Reply), of namespace: Namespace) throws -> Int? {
    let value = replies.string.isNull ? replies.field : replies.string
    if value.isNull { return nil }
    guard let number = value.integer else {
      throw CorruptCacheError(
        "The quota of namespace '\(namespace)' is not a whole number.",
        about: .namespace(namespace), remedy: .setQuotaAgain)
    }
    return number > 0 ? Int(number) : nil
  }

  // MARK: Counters

  /// One round trip once it is known that there is a cache.
  public func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    guard try identity() != nil, !uncounted.contains(namespace) else { return }
    do {
      // Both are in one transaction, so that a server at its memory limit refuses both. A server without transactions runs
      // them one by one before it reports an error, which does no harm.
      try client.change { _ in
        .nothing
      } decide: { _, _ in
        .write { pipeline in
          appendCount(count, of: counter, in: namespace, to: &pipeline)
          return .nothing
        }
      }
    } catch let error as StoreBackendError
      where error.reason == .refused && (error.cause as? ServerError)?.code == "ERR"
    {
      // The number cannot grow. Any other error has another code.
      uncounted.insert(namespace)
    }
  }

  /// Appends the commands that count. The field `counted:` is set only if it is missing, so that transactions which
  /// watch `meta` do not fail.
  func appendCount(
    _ count: Int64, of counter: Counter, in namespace: Namespace, to pipeline: inout Pipeline
  ) {
    guard isSound(layout.counters(namespace)), !uncounted.contains(namespace) else { return }
    pipeline.append("HINCRBY", layout.counters(namespace), counter.rawValue, count)
    pipeline.append("HSETNX", layout.meta, KeyLayout.MetaField.counted(namespace), 1)
  }

  /// Appends the read of the counters in the order of `Counter.allCases`.
  @discardableResult
  func appendCounterQuestion(for namespace: Namespace, to pipeline: inout Pipeline) -> Slot {
    let slot = pipeline.begin("HMGET", argumentCount: 1 + Counter.allCases.count)
    pipeline.argument(layout.counters(namespace))
    for counter in Counter.allCases { pipeline.argument(counter.rawValue) }
    return slot
  }

  /// The largest number that a counter may have. It leaves room for the increments of one transaction.
  static let largestNumber = Int64.max - 1_000_000

  /// Checks whether a counter cannot grow, which would fail in the middle of a transaction. Then nothing is counted
  /// for its namespace.
  func checkCounters(_ reply: Reply, of namespace: Namespace) {
    let canGrow = reply.elements.allSatisfy { StoredNumber($0).canGrow }
    // A repair by another process may have set it to zero.
    if canGrow { uncounted.remove(namespace) } else { uncounted.insert(namespace) }
  }

  /// Sets counters that were exported. Two round trips for each 64 namespaces.
  /// - Parameter identity: creates a cache of this identity in the same transaction; nil if the cache exists.
  /// - Returns: whether they were set; false if another client has created the cache first.
  package func restore(
    _ counters: [Namespace: Counters], inNewCacheOf identity: CacheIdentity?
  ) throws -> Bool {
    try checkOpen()
    var identity = identity
    for page in counters.sorted(by: { $0.key < $1.key }).slices(of: Batch.keys) {
      let isSet = try client.change { pipeline in
        pipeline.append("WATCH", each: [layout.meta] + page.map { layout.counters($0.key) })
        let stored = appendIdentityQuestion(to: &pipeline)
        // Fails if a key is of another type.
        for (namespace, _) in page { appendCounterQuestion(for: namespace, to: &pipeline) }
        return stored
      } decide: { [identity] _, stored -> Plan<Bool> in
        if identity != nil, stored != nil { return .done(false) }
        return .write { pipeline in
          if let identity { appendStamp(identity, to: &pipeline) }
          for (namespace, counters) in page {
            pipeline.append("DEL", layout.counters(namespace))
            for counter in Counter.allCases where counters[counter] > 0 {
              appendCount(counters[counter], of: counter, in: namespace, to: &pipeline)
            }
          }
          return Question { _ in true }
        }
      }
      guard isSet else { return false }
      identity = nil
    }
    return true
  }

  /// The counters of a namespace, or of all.
  public func counters(in namespace: Namespace?) throws -> Counters {
    try summaries().filter { namespace == nil || $0.namespace == namespace }
      .reduce(Counters()) { $0 + $1.counters }
  }

  /// A round trip for each page of the sets that name namespaces, one for Python's counters, and one for each 64
  /// namespaces. Anything that is damaged is an error.
  public func summaries() throws -> [NamespaceSummary] { try summaries { throw $0 } }

  /// A round trip for each page of the sets that name namespaces, one for Python's counters, and one for each 64
  /// namespaces.
  package func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary] {
    var known = Set(try namespaces())
    let python = try pythonCounters()
    known.formUnion(python.keys)
    try forEachPairPage(of: .hash(layout.meta)) { page in
      known.formUnion(page.compactMap { KeyLayout.MetaField.namespace(ofCounted: $0.name.bytes) })
    }
    try forEachPairPage(of: .hash(layout.quotas)) { page in
      known.formUnion(page.compactMap { pair in pair.name.string.map { Namespace(unchecked: $0) } })
    }
    return try known.sorted().slices(of: Batch.keys).flatMap {
      try summaries(of: $0, python: python, whenDamaged: whenDamaged)
    }
  }

  private func summaries(
    of namespaces: some Sequence<Namespace>, python: [Namespace: Counters],
    whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [NamespaceSummary] {
    var request = Pipeline()
    let questions = namespaces.map { namespace in
      (
        namespace: namespace, entries: request.append("ZCARD", layout.lru(namespace)),
        quota: appendQuotaQuestion(for: namespace, to: &request),
        counters: request.append("HGETALL", layout.counters(namespace))
      )
    }
    let replies = try read(request)
    return try questions.map { question in
      NamespaceSummary(
        namespace: question.namespace, entries: replies[question.entries].size ?? 0,
        quota: try passingOver(whenDamaged) { try replies[question.quota] },
        counters: Counters(fields: replies[question.counters])
          + (python[question.namespace] ?? Counters()))
    }
  }

  private func passingOver<Value>(
    _ whenDamaged: (CorruptCacheError) throws -> Void, _ value: () throws -> Value?
  ) throws -> Value? {
    do {
      return try value()
    } catch let error as CorruptCacheError {
      try whenDamaged(error)
      return nil
    }
  }

  /// The Python library's counters: a JSON object whose names are `ns:counter`, split at the last colon since
  /// the namespace may contain colons. Other names and values are skipped.
  package func pythonCounters() throws -> [Namespace: Counters] {
    let stored = try answer { $0.append("HGET", layout.meta, KeyLayout.MetaField.pythonCounters) }.string
    return stored.map { Counters.namespaces(inPythonText: $0) } ?? [:]
  }
}

extension Counters {
  /// The counters in a reply to `HGETALL`. Other fields, and values that are not numbers, are skipped.
  init(fields reply: Reply) {
    self.init()
    var elements = reply.elements.makeIterator()
    while let field = elements.next(), let value = elements.next() {
      if let counter = field.string.flatMap(Counter.init(rawValue:)), let count = value.integer {
        self[counter] = count
      }
    }
  }
}
