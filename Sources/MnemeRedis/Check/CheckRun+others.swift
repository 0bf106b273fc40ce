import Mneme

/// Examines keys of exact matches, members and numbers.
extension CheckRun {
  /// - Parameter pointer: the value of a `hash:` key.
  func appendQuestion(
    about candidate: (Candidate, pointer: Reply?), to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    switch candidate.0 {
    case .entry: Question { _ in [] }
    case .hashKey(let key): appendQuestion(aboutHashKey: key, candidate.pointer, to: &pipeline)
    case .member(let key, let member): appendQuestion(about: member, of: key, to: &pipeline)
    case .namespace(let namespace): appendQuestion(aboutNamespace: namespace, to: &pipeline)
    case .quota(let namespace): appendQuestion(aboutQuotaOf: namespace, to: &pipeline)
    case .counters(let namespace): appendQuestion(aboutCountersOf: namespace, to: &pipeline)
    case .wholeCache: appendQuestionAboutWholeCache(to: &pipeline)
    }
  }

  // MARK: Hash keys

  /// The values of the `hash:` keys among the candidates. One round trip if there are any.
  func pointers(of candidates: ArraySlice<Candidate>) throws -> [Reply?] {
    try ask(about: Array(candidates)) { candidate, pipeline in
      guard case .hashKey(let key) = candidate else { return Question { _ in nil } }
      let pointer = pipeline.append("GET", key)
      return Question { $0[pointer] }
    }
  }

  /// Reads the key before and after its entry, so that the values are known to be from one moment.
  private func appendQuestion(
    aboutHashKey key: [UInt8], _ before: Reply?, to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    let id = before.flatMap { EntryID(member: $0.bytes) }
    let head = id.map { EntryQuestion.appendHead(of: layout.entry($0), to: &pipeline) }
    let after = pipeline.append("GET", key)
    return Question { replies in
      self.problems(
        ofHashKey: key, id, head.map { replies[$0] },
        isStill: before.map { replies[after].isSame(as: $0) } ?? false, pointer: replies[after])
    }
  }

  private func problems(
    ofHashKey name: [UInt8], _ id: EntryID?, _ head: Reply?, isStill: Bool, pointer: Reply
  ) -> [CacheProblem] {
    guard let parsed = layout.parse(name), let namespace = parsed.namespace else { return [] }
    func problem(_ kind: CacheProblem.Kind, _ detail: String) -> [CacheProblem] {
      [CacheProblem(kind, Key(bytes: name), id: id, namespace: namespace, detail)]
    }
    if pointer.kind == .error {
      return problem(.wrongType, "A hash key of '\(namespace)' is not a string.")
    }
    guard !pointer.isNull, isStill else { return [] }
    guard let id, let head else {
      return problem(.danglingHashKey, "A hash key of '\(namespace)' does not hold an id.")
    }
    // An entry whose key has another type is reported as such.
    if head.kind == .error || head.isEntry(of: namespace, parsed.queryHash ?? "") { return [] }
    if head[0].isNull, head[1].isNull {
      return problem(
        .leftoverHashKey, "A hash key of '\(namespace)' leads to entry \(id), which does not exist.")
    }
    return problem(
      .danglingHashKey, "A hash key of '\(namespace)' leads to entry \(id), which has another query.")
  }

  // MARK: Members

  /// Appends the read of a member that is not an id or a namespace. It is always a problem.
  private func appendQuestion(
    about member: [UInt8], of key: Key, to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    let isSet = key == layout.namespaces
    let slot =
      isSet ? pipeline.append("SISMEMBER", key, member) : pipeline.append("ZSCORE", key, member)
    return Question { replies in
      let isThere = isSet ? replies[slot].integer == 1 : IndexPlace(replies[slot]).score != nil
      return isThere ? [self.stray(member, in: key, isSet: isSet)] : []
    }
  }

  private func stray(_ member: [UInt8], in key: Key, isSet: Bool) -> CacheProblem {
    let parsed = layout.parse(key.bytes)
    let name = parsed?.namespace.map { "lru:\($0)" } ?? parsed?.family.rawValue ?? key.text
    let shown = String(decoding: member.prefix(40), as: UTF8.self)
    let what = isSet ? "namespace that is text" : "id of an entry"
    var problem = CacheProblem(
      .strayMember, key, namespace: parsed?.namespace,
      "\(name) lists '\(shown)', which is not a \(what).")
    problem.member = member
    return problem
  }

  // MARK: Namespaces

  private func appendQuestion(
    aboutNamespace namespace: Namespace, to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    let before = pipeline.append("SISMEMBER", layout.namespaces, namespace.name)
    let count = pipeline.append("ZCARD", layout.lru(namespace))
    let after = pipeline.append("SISMEMBER", layout.namespaces, namespace.name)
    return Question { replies in
      func problem(_ kind: CacheProblem.Kind, _ key: Key, _ detail: String) -> [CacheProblem] {
        [CacheProblem(kind, key, namespace: namespace, detail)]
      }
      if replies[count].kind == .error {
        return problem(.wrongType, self.layout.lru(namespace), "lru:\(namespace) is not a sorted set.")
      }
      let isEmpty =
        replies[before].integer == 1 && replies[count].integer == 0 && replies[after].integer == 1
      return isEmpty
        ? problem(
          .emptyNamespace, self.layout.namespaces,
          "namespaces lists '\(namespace)', which has no entries.") : []
    }
  }

  // MARK: Quotas and counters

  private func appendQuestion(
    aboutQuotaOf namespace: Namespace, to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    let before = pipeline.append("HGET", layout.quotas, namespace.name)
    let string = pipeline.append("GET", layout.quota(namespace))
    let after = pipeline.append("HGET", layout.quotas, namespace.name)
    return Question { replies in
      if replies[string].kind == .error {
        return [
          CacheProblem(
            .wrongType, self.layout.quota(namespace), namespace: namespace,
            "quota:\(namespace) is not a string.")
        ]
      }
      guard replies[before].kind != .error, replies[before].isSame(as: replies[after]) else {
        return []
      }
      return self.problems(
        ofQuota: namespace, field: StoredNumber(replies[before]),
        string: StoredNumber(replies[string]))
    }
  }

  private func problems(
    ofQuota namespace: Namespace, field: StoredNumber, string: StoredNumber
  ) -> [CacheProblem] {
    func problem(
      _ key: Key, _ detail: String, _ kind: CacheProblem.Kind = .wrongQuota
    ) -> [CacheProblem] {
      [CacheProblem(kind, key, namespace: namespace, detail)]
    }
    guard !StoredNumber.isSoundQuota(field: field, string: string) else { return [] }
    guard string != .missing else {
      return problem(
        layout.quota(namespace),
        "The quota of '\(namespace)' is only in quotas, where Python does not look.")
    }
    guard let number = string.number else {
      return problem(layout.quota(namespace), "quota:\(namespace) does not hold a whole number.")
    }
    guard let other = field.number else {
      return problem(layout.quotas, "quotas does not hold a whole number for '\(namespace)'.")
    }
    return problem(
      layout.quotas,
      "quotas says \(other) for '\(namespace)', and quota:\(namespace) says \(number), which a Python program has set.",
      .overwrittenQuota)
  }

  private func appendQuestion(
    aboutCountersOf namespace: Namespace, to pipeline: inout Pipeline
  ) -> Question<[CacheProblem]> {
    let counters = store.appendCounterNumbers(for: namespace, to: &pipeline)
    let mark = pipeline.append("HEXISTS", layout.meta, KeyLayout.MetaField.counted(namespace))
    return Question { replies in
      func problem(_ kind: CacheProblem.Kind, _ detail: String) -> CacheProblem {
        CacheProblem(kind, self.layout.counters(namespace), namespace: namespace, detail)
      }
      guard let numbers = try replies[counters] else {
        return [problem(.wrongType, "counters:\(namespace) is not a hash.")]
      }
      var problems: [CacheProblem] = []
      if let broken = numbers.first(where: { !$0.number.canGrow }) {
        problems.append(
          problem(
            .wrongCounter,
            "\(broken.counter.rawValue) in counters:\(namespace) is not a number that can grow."))
      }
      // A namespace that is only listed may have no counters.
      if replies[mark].integer == 0, numbers.contains(where: { $0.number != .missing }) {
        problems.append(problem(.unmarkedCounters, "meta has no mark for the counters of '\(namespace)'."))
      }
      return problems
    }
  }

  // MARK: The cache as a whole

  /// Reads the length of the vectors, before anything else. Problems of `meta` are examined at the end.
  func lookAtMeta() throws {
    let (meta, expiry) = try ask { pipeline in
      let meta = appendMetaQuestion(to: &pipeline)
      let expiry = pipeline.append("PEXPIRETIME", layout.meta)
      return Question { ($0[meta], $0[expiry]) }
    }
    if let error = meta.error, error.code != "WRONGTYPE" {
      throw store.client.translate(error, command: "HMGET", key: layout.meta.text)
    }
    standard.tellsExpiry = expiry.kind != .error
    do {
      let identity = try CacheIdentity(
        fingerprint: meta[0].string ?? "", dimension: meta[1].string, schemaVersion: meta[2].string)
      if !meta[0].isNull { standard.embeddingBytes = identity.dimension * 4 }
    } catch is CorruptCacheError {}
  }

  private func appendMetaQuestion(to pipeline: inout Pipeline) -> Slot {
    typealias Field = KeyLayout.MetaField
    return pipeline.append("HMGET", layout.meta, Field.fingerprint, Field.dimension, Field.schemaVersion)
  }

  private func appendQuestionAboutWholeCache(to pipeline: inout Pipeline) -> Question<
    [CacheProblem]
  > {
    let meta = appendMetaQuestion(to: &pipeline)
    let nextID = pipeline.append("GET", layout.nextID)
    let version = pipeline.append("GET", layout.version)
    let types = KeyFamily.allCases.filter { !$0.isKeyed }.map { family in
      (family, pipeline.append("TYPE", layout.key(family)))
    }
    return Question { replies in
      let wrong = types.compactMap { family, slot -> CacheProblem? in
        guard let type = replies[slot].string, type != "none", type != family.redisType else {
          return nil
        }
        return CacheProblem(
          .wrongType, self.layout.key(family),
          "\(family.rawValue) is a \(type), not a \(family.redisType).")
      }
      return wrong + self.metaProblem(replies[meta]) + self.nextIDProblem(replies[nextID])
        + self.versionProblem(replies[version])
    }
  }

  private var hasEntries: Bool { summary.entries > 0 }

  private func metaProblem(_ reply: Reply) -> [CacheProblem] {
    func problem(_ detail: String) -> [CacheProblem] {
      [CacheProblem(.wrongMeta, layout.meta, detail)]
    }
    if reply.kind == .error { return [] }
    guard let fingerprint = reply[0].string else {
      return hasEntries
        ? problem("There are entries, and meta does not name their embedder.") : []
    }
    do {
      _ = try CacheIdentity(
        fingerprint: fingerprint, dimension: reply[1].string, schemaVersion: reply[2].string)
      return []
    } catch {
      return problem((error as? any MnemeError)?.message ?? "meta cannot be read.")
    }
  }

  /// Returns the problem of `next_id`. A writer increases the number before it uses an id, so it is read after the ids.
  private func nextIDProblem(_ reply: Reply) -> [CacheProblem] {
    if reply.kind == .error
      || reply.integer.map({ $0 >= highestID }) ?? (highestID == 0 && reply.isNull)
    {
      return []
    }
    let detail =
      reply.isNull
      ? "next_id is missing, and \(highestID) is in use."
      : reply.integer.map { "next_id is \($0), and \(highestID) is in use." }
        ?? "next_id is not a whole number."
    return [CacheProblem(.wrongNextID, layout.nextID, detail)]
  }

  private func versionProblem(_ reply: Reply) -> [CacheProblem] {
    func problem(_ detail: String) -> [CacheProblem] {
      [CacheProblem(.wrongVersion, layout.version, detail)]
    }
    if reply.kind == .error { return [] }
    if reply.isNull { return hasEntries ? problem("There are entries, and no version.") : [] }
    guard let version = reply.integer else { return problem("version is not a whole number.") }
    return version > RedisStore.largestNumber ? problem("version cannot grow any more.") : []
  }
}

extension RedisStore {
  /// Appends the read of the counters of a namespace.
  /// - Returns: nil if their key has another type.
  func appendCounterNumbers(
    for namespace: Namespace, to pipeline: inout Pipeline
  ) -> Question<[(counter: Counter, number: StoredNumber)]?> {
    let slot = appendCounterQuestion(for: namespace, to: &pipeline)
    return Question { replies in
      if replies[slot].kind == .error { return nil }
      return zip(Counter.allCases, replies[slot].elements).map { ($0, StoredNumber($1)) }
    }
  }
}

/// The value of a key or field that should hold a whole number.
enum StoredNumber: Equatable {
  case missing
  case number(Int64)
  case other

  init(_ reply: Reply) {
    self = reply.isNull ? .missing : reply.integer.map { .number($0) } ?? .other
  }

  var number: Int64? { if case .number(let number) = self { number } else { nil } }

  /// Whether a transaction can increase it.
  var canGrow: Bool {
    switch self {
    case .missing: true
    case .number(let number): number <= RedisStore.largestNumber
    case .other: false
    }
  }

  /// Whether a quota is consistent. The Python library writes and removes the string alone.
  static func isSoundQuota(field: StoredNumber, string: StoredNumber) -> Bool {
    switch string {
    case .missing: field == .missing
    case .number: field == .missing || field == string
    case .other: false
    }
  }
}
