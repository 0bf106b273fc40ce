import Mneme

extension RedisStore {
  // MARK: Quotas

  /// Written in both places in one transaction: the hash of the document, the string of the Python library.
  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) throws {
    try checkOpen()
    try client.transaction { transaction in
      let seen = try transaction.read(
        pipeline {
          $0.append("WATCH", layout.quotas, layout.quota(namespace))
          appendQuotaQuestion(for: namespace, to: &$0)
        })
      _ = seen
      let written = try transaction.commit(
        pipeline {
          if let maxEntries {
            $0.append("HSET", layout.quotas, namespace.name, maxEntries)
            $0.append("SET", layout.quota(namespace), maxEntries)
          } else {
            $0.append("HDEL", layout.quotas, namespace.name)
            $0.append("DEL", layout.quota(namespace))
          }
        })
      return written == nil ? .retry : .done(())
    }
  }

  /// One round trip.
  public func quota(for namespace: Namespace) throws -> Int? {
    var request = Pipeline()
    let quota = appendQuotaQuestion(for: namespace, to: &request)
    return try read(request)[quota]
  }

  /// The quota of a namespace in its two places; nil where it has none.
  /// - Throws: `CorruptCacheError` where it is not a number.
  @discardableResult
  func appendQuotaQuestion(for namespace: Namespace, to pipeline: inout Pipeline) -> Question<Int?> {
    let field = pipeline.append("HGET", layout.quotas, namespace.name)
    let string = pipeline.append("GET", layout.quota(namespace))
    return Question { try self.quota(in: ($0[field], $0[string]), of: namespace) }
  }

  /// Where both places have a number the string is the later word, since only Python writes it alone. Quotas of
  /// none or less, which Python lets pass, cap at nothing: they would empty the namespace with each put.
  func quota(in replies: (field: Reply, string: Reply), of namespace: Namespace) throws -> Int? {
    let value = replies.string.isNull ? replies.field : replies.string
    if value.isNull { return nil }
    guard let number = value.integer else {
      throw CorruptCacheError(
        "The quota of namespace '\(namespace)' is no whole number.",
        remediation: "Set it anew with 'mneme set-quota'.")
    }
    return number > 0 ? Int(number) : nil
  }

  // MARK: Counters

  /// One round trip once it is known that there is a cache.
  public func add(_ count: Int64, to counter: Counter, in namespace: Namespace) throws {
    guard try identity() != nil else { return }
    _ = try client.write(pipeline { appendCount(count, of: counter, in: namespace, to: &$0) })
  }

  /// The mark is set only where it is not yet, so that it disturbs nobody who watches `meta`.
  func appendCount(
    _ count: Int64, of counter: Counter, in namespace: Namespace, to pipeline: inout Pipeline
  ) {
    pipeline.append("HINCRBY", layout.counters(namespace), counter.rawValue, count)
    pipeline.append("HSETNX", layout.meta, KeyLayout.MetaField.counted(namespace), 1)
  }

  @discardableResult
  func appendCounterQuestion(for namespace: Namespace, to pipeline: inout Pipeline) -> Slot {
    let counters = pipeline.begin("HMGET", argumentCount: 1 + Counter.allCases.count)
    pipeline.argument(layout.counters(namespace))
    for counter in Counter.allCases { pipeline.argument(counter.rawValue) }
    return counters
  }

  /// Numbers that are counted up must not be above this: there is room for what one transaction adds.
  static let largestNumber = Int64.max - 1_000_000

  /// A counter that cannot be counted up would fail in the middle of a transaction.
  func checkCounters(_ reply: Reply, of namespace: Namespace) throws {
    for (counter, value) in zip(Counter.allCases, reply.elements) where !value.isNull {
      guard let count = value.integer, count <= Self.largestNumber else {
        throw CorruptCacheError(
          "The counter '\(counter.rawValue)' in '\(layout.counters(namespace).text)' is no number that can grow.",
          remediation: "Look at it with 'redis-cli HGETALL', and restore the number or delete the field.")
      }
    }
  }

  /// As `summaries`.
  public func counters(in namespace: Namespace?) throws -> Counters {
    try summaries().filter { namespace == nil || $0.namespace == namespace }
      .reduce(Counters()) { $0 + $1.counters }
  }

  public func summaries() throws -> [NamespaceSummary] { try summaries { throw $0 } }

  /// Two round trips and one for each 64 namespaces, or 16 where others use the server, more where sets have thousands of
  /// members.
  public func summaries(whenDamaged: (CorruptCacheError) throws -> Void) throws -> [NamespaceSummary] {
    var known = Set(try namespaces())
    let python = try pythonCounters()
    known.formUnion(python.keys)
    try forEachPair(of: layout.meta) { field, _ in
      known.formUnion(KeyLayout.MetaField.namespace(ofCounted: field.bytes).map { [$0] } ?? [])
    }
    try forEachPair(of: layout.quotas) { field, _ in
      known.formUnion(field.string.flatMap { try? Namespace($0) }.map { [$0] } ?? [])
    }
    return try summaries(of: known.sorted(), python: python, whenDamaged: whenDamaged)
  }

  private func summaries(
    of namespaces: [Namespace], python: [Namespace: Counters],
    whenDamaged: (CorruptCacheError) throws -> Void
  ) throws -> [NamespaceSummary] {
    var summaries: [NamespaceSummary] = []
    try inSlices(namespaces, of: Batch.keys) { page in
      let replies = try read(
        pipeline {
          for namespace in page {
            $0.append("ZCARD", layout.lru(namespace))
            appendQuotaQuestion(for: namespace, to: &$0)
            $0.append("HGETALL", layout.counters(namespace))
          }
        })
      for (offset, namespace) in page.enumerated() {
        let base = offset * 4
        summaries.append(
          NamespaceSummary(
            namespace: namespace, entries: replies[base].size ?? 0,
            quota: try passingOver(whenDamaged) {
              try quota(in: (replies[base + 1], replies[base + 2]), of: namespace)
            },
            counters: Counters(fields: replies[base + 3]) + (python[namespace] ?? Counters())))
      }
    }
    return summaries
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
  /// the namespace may hold others. What is no such name or number there is passed over.
  func pythonCounters() throws -> [Namespace: Counters] {
    guard
      let blob = try read(pipeline { $0.append("HGET", layout.meta, KeyLayout.MetaField.pythonCounters) })[
        0
      ]
      .string, let object = try? JSONText(parsing: Array(blob.utf8))
    else { return [:] }
    var counters: [Namespace: Counters] = [:]
    for (name, value) in object.members {
      guard let name, let colon = name.utf8.lastIndex(of: UInt8(ascii: ":")),
        let namespace = try? Namespace(String(name[..<colon])),
        let counter = Counter(rawValue: String(name[name.utf8.index(after: colon)...])),
        let count = value.integer, count > 0
      else { continue }
      counters[namespace, default: Counters()][counter] = count
    }
    return counters
  }

  /// Hands over every field of a hash, 200 a round trip.
  private func forEachPair(of key: Key, _ body: (Reply, Reply) throws -> Void) throws {
    var field: Reply?
    try forEachMember(of: key, command: "HSCAN") { reply in
      guard let name = field else {
        field = reply
        return
      }
      try body(name, reply)
      field = nil
    }
  }

  // MARK: Meta

  /// One round trip.
  public func setMeta(_ field: String, to value: String) throws {
    try checkOpen()
    _ = try client.write(pipeline { $0.append("HSET", layout.meta, field, value) })
  }
}

extension Counters {
  /// The counters in a reply to `HGETALL`; fields that are none of them, or no number, are passed over.
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
