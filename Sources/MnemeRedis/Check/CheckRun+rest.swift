import Mneme

/// What is no entry: keys of the exact layer, members, numbers.
extension CheckRun {
  // MARK: The exact layer

  /// The key is asked before and after its entry, so that all of it was so at one moment.
  func judge(hashKeys keys: [[UInt8]]) throws -> [[CacheProblem]] {
    guard !keys.isEmpty else { return [] }
    let named = try ask { for key in keys { $0.append("GET", key) } }
    let ids = named.map { EntryID(member: $0.bytes) }
    let replies = try ask {
      for (key, id) in zip(keys, ids) {
        $0.append("GET", key)
        EntryQuestion.appendHead(of: layout.entry(id ?? EntryID(0)), to: &$0)
        $0.append("GET", key)
      }
    }
    return keys.enumerated().map { place, name in
      let (before, head, after) = (replies[3 * place], replies[3 * place + 1], replies[3 * place + 2])
      let key = Key(bytes: name)
      guard let parsed = layout.parse(name), let namespace = parsed.namespace else { return [] }
      func problem(_ kind: CacheProblem.Kind, _ detail: String) -> [CacheProblem] {
        [CacheProblem(kind, key, id: ids[place], namespace: namespace, detail)]
      }
      if after.kind == .error { return problem(.wrongType, "A hash key of '\(namespace)' is no string.") }
      guard !after.isNull, before.bytes == after.bytes, after.bytes == named[place].bytes else { return [] }
      guard let id = ids[place] else {
        return problem(.danglingHashKey, "A hash key of '\(namespace)' holds no id.")
      }
      // An entry of another type is a problem of its own.
      if head.kind == .error { return [] }
      if head[0].isNull, head[1].isNull {
        return problem(
          .danglingHashKey, "A hash key of '\(namespace)' leads to entry \(id), which is not there.")
      }
      guard head[0].bytes.elementsEqual(namespace.name.utf8),
        head[1].bytes.elementsEqual((parsed.queryHash ?? "").utf8)
      else {
        return problem(
          .danglingHashKey, "A hash key of '\(namespace)' leads to entry \(id), which is of another query.")
      }
      return []
    }
  }

  // MARK: Members

  /// A member that is no id, or no namespace. Nothing can give it a meaning later.
  func judge(member: [UInt8], of key: Key) throws -> [CacheProblem] {
    let isSet = key == layout.namespaces
    let reply = try ask {
      if isSet { $0.append("SISMEMBER", key, member) } else { $0.append("ZSCORE", key, member) }
    }[0]
    guard isSet ? reply.integer == 1 : Self.score(reply) != nil else { return [] }
    let parsed = layout.parse(key.bytes)
    let name = parsed?.namespace.map { "lru:\($0)" } ?? parsed?.family.rawValue ?? key.text
    let shown = String(decoding: member.prefix(40), as: UTF8.self)
    let what = isSet ? "namespace that is text" : "id of an entry"
    var problem = CacheProblem(
      .strayMember, key, namespace: parsed?.namespace, "\(name) lists '\(shown)', which is no \(what).")
    problem.member = member
    return [problem]
  }

  /// Namespaces that seem to have no entries. One round trip: an enemy may list a million.
  func judge(namespaces: [Namespace]) throws -> [[CacheProblem]] {
    guard !namespaces.isEmpty else { return [] }
    let replies = try ask {
      for namespace in namespaces {
        $0.append("SISMEMBER", layout.namespaces, namespace.name)
        $0.append("ZCARD", layout.lru(namespace))
        $0.append("SISMEMBER", layout.namespaces, namespace.name)
      }
    }
    return namespaces.enumerated().map { place, namespace in
      judge(namespace, (replies[3 * place], replies[3 * place + 1], replies[3 * place + 2]))
    }
  }

  private func judge(_ namespace: Namespace, _ replies: (Reply, Reply, Reply)) -> [CacheProblem] {
    if replies.1.kind == .error {
      return [
        CacheProblem(
          .wrongType, layout.lru(namespace), namespace: namespace, "lru:\(namespace) is no sorted set.")
      ]
    }
    guard replies.0.integer == 1, replies.1.integer == 0, replies.2.integer == 1 else { return [] }
    return [
      CacheProblem(
        .emptyNamespace, layout.namespaces, namespace: namespace,
        "namespaces lists '\(namespace)', which has no entries.")
    ]
  }

  // MARK: Quotas and counters

  /// Python writes the string alone, and takes it away alone.
  static func isSoundQuota(field: Reply, string: Reply) -> Bool {
    if string.isNull { return field.isNull }
    guard let number = string.integer else { return false }
    return field.isNull || field.integer == number
  }

  func judge(quotaOf namespace: Namespace) throws -> [CacheProblem] {
    let replies = try ask {
      $0.append("HGET", layout.quotas, namespace.name)
      $0.append("GET", layout.quota(namespace))
      $0.append("HGET", layout.quotas, namespace.name)
    }
    let (field, string) = (replies[0], replies[1])
    if string.kind == .error {
      return [
        CacheProblem(
          .wrongType, layout.quota(namespace), namespace: namespace, "quota:\(namespace) is no string.")
      ]
    }
    guard field.kind != .error, field.bytes == replies[2].bytes,
      !Self.isSoundQuota(field: field, string: string)
    else { return [] }
    func problem(_ key: Key, _ detail: String) -> [CacheProblem] {
      [CacheProblem(.wrongQuota, key, namespace: namespace, detail)]
    }
    if string.isNull {
      return problem(
        layout.quota(namespace),
        "The quota of '\(namespace)' stands in quotas alone, where Python does not look.")
    }
    guard let number = string.integer else {
      return problem(layout.quota(namespace), "quota:\(namespace) holds no whole number.")
    }
    return problem(
      layout.quotas,
      field.integer.map { "quotas says \($0) for '\(namespace)', and quota:\(namespace) says \(number)." }
        ?? "quotas holds no whole number for '\(namespace)'.")
  }

  static func isBroken(_ count: Reply) -> Bool {
    !count.isNull && count.integer.map { $0 > RedisStore.largestNumber } ?? true
  }

  static func brokenCounter(in reply: Reply) -> Counter? {
    zip(Counter.allCases, reply.elements).first { isBroken($1) }?.0
  }

  func judge(countersOf namespace: Namespace) throws -> [CacheProblem] {
    let replies = try ask {
      store.appendCounterQuestion(for: namespace, to: &$0)
      $0.append("HEXISTS", layout.meta, KeyLayout.MetaField.counted(namespace))
    }
    func problem(_ kind: CacheProblem.Kind, _ detail: String) -> CacheProblem {
      CacheProblem(kind, layout.counters(namespace), namespace: namespace, detail)
    }
    if replies[0].kind == .error { return [problem(.wrongType, "counters:\(namespace) is no hash.")] }
    var problems: [CacheProblem] = []
    if let counter = Self.brokenCounter(in: replies[0]) {
      problems.append(
        problem(.wrongCounter, "\(counter.rawValue) in counters:\(namespace) is no number that can grow."))
    }
    // A key that has gone meanwhile has no counters.
    if replies[1].integer == 0, !replies[0].elements.allSatisfy(\.isNull) {
      problems.append(problem(.unmarkedCounters, "meta does not say that '\(namespace)' has counters."))
    }
    return problems
  }

  // MARK: The cache as a whole

  /// The length of the vectors, before anything else. What is wrong with `meta` is judged at the end.
  func lookAtMeta() throws {
    let replies = try ask {
      store.appendIdentityQuestion(to: &$0)
      $0.append("PEXPIRETIME", layout.meta)
      $0.append("SCAN", 0, "MATCH", layout.pattern(.meta), "COUNT", 1)
    }
    if let error = replies[0].error, error.code != "WRONGTYPE" {
      throw store.client.translate(error, command: "HMGET", key: layout.meta.text)
    }
    tellsExpiry = replies[1].kind != .error
    if let error = replies[2].error {
      guard error.isWithholding else { throw store.client.translate(error, command: "SCAN", key: nil) }
      summary.lacksScan = true
    }
    do {
      let identity = try CacheIdentity(
        fingerprint: replies[0][0].string ?? "", dimension: replies[0][1].string,
        schemaVersion: replies[0][2].string)
      if !replies[0][0].isNull { embeddingBytes = identity.dimension * 4 }
    } catch is CorruptCacheError {}
  }

  func judgeWholeCache() throws -> [CacheProblem] {
    let families = KeyFamily.allCases.filter { !$0.isKeyed }
    let replies = try ask {
      store.appendIdentityQuestion(to: &$0)
      $0.append("GET", layout.nextID)
      $0.append("GET", layout.version)
      for family in families { $0.append("TYPE", layout.key(family)) }
    }
    var problems: [CacheProblem] = []
    for (place, family) in families.enumerated() {
      guard let type = replies[3 + place].string, type != "none", type != family.redisType else { continue }
      problems.append(
        CacheProblem(
          .wrongType, layout.key(family), "\(family.rawValue) is a \(type), not a \(family.redisType)."))
    }
    return problems + metaProblem(replies[0]) + nextIDProblem(replies[1]) + versionProblem(replies[2])
  }

  private var hasEntries: Bool { summary.entries > 0 }

  private func metaProblem(_ reply: Reply) -> [CacheProblem] {
    func problem(_ detail: String) -> [CacheProblem] { [CacheProblem(.wrongMeta, layout.meta, detail)] }
    if reply.kind == .error { return [] }
    guard let fingerprint = reply[0].string else {
      return hasEntries ? problem("There are entries, and meta does not say by which embedder.") : []
    }
    do {
      _ = try CacheIdentity(
        fingerprint: fingerprint, dimension: reply[1].string, schemaVersion: reply[2].string)
      return []
    } catch {
      return problem((error as? any MnemeError)?.message ?? "meta cannot be read.")
    }
  }

  /// Whoever takes an id has raised the number first, so it is asked after the ids.
  private func nextIDProblem(_ reply: Reply) -> [CacheProblem] {
    if reply.kind == .error || reply.integer.map({ $0 >= highestID }) ?? (highestID == 0 && reply.isNull) {
      return []
    }
    let detail =
      reply.isNull
      ? "next_id is missing, and \(highestID) is in use."
      : reply.integer.map { "next_id is \($0), and \(highestID) is in use." } ?? "next_id is no whole number."
    return [CacheProblem(.wrongNextID, layout.nextID, detail)]
  }

  private func versionProblem(_ reply: Reply) -> [CacheProblem] {
    func problem(_ detail: String) -> [CacheProblem] { [CacheProblem(.wrongVersion, layout.version, detail)] }
    if reply.kind == .error { return [] }
    if reply.isNull { return hasEntries ? problem("There are entries, and no version.") : [] }
    guard let version = reply.integer else { return problem("version is no whole number.") }
    return version > RedisStore.largestNumber ? problem("version cannot grow any more.") : []
  }
}
