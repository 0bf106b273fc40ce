import Mneme

/// The walks through what is small, and how sets are walked through.
extension CheckRun {
  // MARK: Counters

  /// The counters of the namespaces that `namespaces` lists or `meta` tells of.
  func walkNamedCounters() throws {
    try forEachPage(of: layout.namespaces, "SSCAN") { members in
      try lookAtCounters(of: members.compactMap { $0.string.flatMap { try? Namespace($0) } })
    }
    try forEachPage(of: layout.meta, "HSCAN") { pairs in
      let fields = stride(from: 0, to: pairs.count - 1, by: 2).map { pairs[$0].bytes }
      try lookAtCounters(of: fields.compactMap(KeyLayout.MetaField.namespace(ofCounted:)))
    }
  }

  func lookAtCounters(of namespaces: [Namespace]) throws {
    guard !namespaces.isEmpty else { return }
    let replies = try ask {
      for namespace in namespaces {
        store.appendCounterQuestion(for: namespace, to: &$0)
        $0.append("HEXISTS", layout.meta, KeyLayout.MetaField.counted(namespace))
      }
    }
    for (place, namespace) in namespaces.enumerated() {
      let (counters, mark) = (replies[2 * place], replies[2 * place + 1])
      // A namespace that is only listed need not have any.
      let isUnmarked = mark.integer != 1 && !counters.elements.allSatisfy(\.isNull)
      if counters.kind == .error || isUnmarked || Self.brokenCounter(in: counters) != nil {
        try suspect(.counters(namespace))
      }
    }
  }

  // MARK: Namespaces and quotas

  func walkNamespaces() throws {
    try forEachPage(of: layout.namespaces, "SSCAN") { members in
      var listed: [Namespace] = []
      for member in members {
        if let namespace = member.string.flatMap({ try? Namespace($0) }) {
          listed.append(namespace)
        } else {
          try suspect(.member(layout.namespaces, member.bytes))
        }
      }
      let counts = try ask { for namespace in listed { $0.append("ZCARD", layout.lru(namespace)) } }
      for (namespace, count) in zip(listed, counts) where count.integer == 0 {
        try suspect(.namespace(namespace))
      }
    }
  }

  func walkQuotas() throws {
    try forEachPage(of: layout.quotas, "HSCAN") { pairs in
      let names = stride(from: 0, to: pairs.count - 1, by: 2).map { pairs[$0] }
      try suspectQuota(of: names.compactMap { $0.string.flatMap { try? Namespace($0) } })
    }
  }

  func suspectQuota(of namespaces: [Namespace]) throws {
    let replies = try ask {
      for namespace in namespaces { store.appendQuotaQuestion(for: namespace, to: &$0) }
    }
    for (place, namespace) in namespaces.enumerated()
    where !Self.isSoundQuota(field: replies[2 * place], string: replies[2 * place + 1]) {
      try suspect(.quota(namespace))
    }
  }

  // MARK: Pages

  static func score(_ reply: Reply) -> Double? { reply.string.flatMap(Double.init) }

  /// - Returns: false for a key of another type.
  @discardableResult
  func forEachPair(
    of key: Key, _ command: StaticString, _ body: (Reply, Reply) throws -> Void
  ) throws -> Bool {
    try forEachPage(of: key, command) { page in
      for place in stride(from: 0, to: page.count - 1, by: 2) { try body(page[place], page[place + 1]) }
    }
  }

  @discardableResult
  func forEachPage(
    of key: Key, _ command: StaticString, _ body: ([Reply]) throws -> Void
  ) throws -> Bool {
    try store.forEachPage(of: key, command) { page in
      try body(page)
      try pageDone(share: Self.entriesShare)
    }
  }
}
