import TestSupport
import Testing

/// Given the same history, a put under a limit evicts the same entries here and in Python.
@Suite(.needsPythonPeer) struct EvictionTests {
  /// One thing that an application does.
  enum Step {
    case put(namespace: String, query: String)
    case get(namespace: String, query: String)
  }

  /// The namespace with a quota of its own; the others share the limit of the whole cache.
  static let capped = "faq"
  static let quota = 20
  static let maxEntries = 30

  @Test(
    "the same history leaves the same entries if Python, mneme or both in turn make it",
    arguments: (Effort.isThorough ? [1, 2] : [1]) as [UInt64])
  func histories(stream: UInt64) throws {
    let python = try CacheFixture("python")
    let ours = try CacheFixture("ours")
    let mixed = try CacheFixture("mixed")
    // The quota that Python's constructor stores is all that mneme knows of it.
    for cache in [python, ours, mixed] {
      try cache.python(
        """
        cache = open_cache(native=False, max_entries=\(Self.maxEntries), namespace_quotas={"\(Self.capped)": \(Self.quota)})
        """)
    }
    var random = SeededGenerator(stream: stream)
    var evictions = 0
    for number in 0..<130 {
      let there = try survivors(python).sorted()
      let step = step(number, among: there, &random)
      try play(step, byPython: true, python)
      try play(step, byPython: false, ours)
      try play(step, byPython: number % 2 == 0, mixed)
      let left = try survivors(python)
      if left.count <= there.count, case .put(let namespace, let query) = step {
        evictions += there.contains("\(namespace) \(query)") ? 0 : 1
      }
      #expect(try survivors(ours) == left, "after step \(number), \(step), by ours")
      #expect(try survivors(mixed) == left, "after step \(number), \(step), by both")
      for cache in [python, ours, mixed] { try cache.age(by: 1) }
    }
    #expect(evictions > 5, "the history evicts too little to tell anything")
    for cache in [python, ours, mixed] { #expect(try CacheCheck(cache).problems.isEmpty) }
    // Both sides have counted what they themselves evicted.
    try python.python("cache.close()")
    let counted = try [python, ours].map { try $0.mneme.run("stats", "--json").json()["evictions"].int }
    #expect(counted[0] == counted[1] && counted[0] != 0, "\(counted)")
  }

  @Test(
    "of entries of the same second both evict the same ones, few or many, in a namespace or in all",
    arguments: [(10, nil), (60, nil), (nil, 110), (nil, 60)] as [(Int?, Int?)])
  func ties(quota: Int?, maxEntries: Int?) throws {
    let caches = try [CacheFixture("python"), CacheFixture("ours")]
    let isFew = quota == 10
    for cache in caches {
      let quotas = quota.map { "{'faq': \($0)}" } ?? "None"
      try cache.python(
        """
        cache = open_cache(native=False)
        for number in range(\(isFew ? 12 : 120)):
            cache.put(f"q{number}", "r", namespace=("faq", "other")[\(quota == nil ? "number % 2" : "0")])
        for e in [*cache._store.iter_all()]: cache._store.update_access(e.id, 1_700_000_000)
        cache = open_cache(native=False, max_entries=\(maxEntries.map { "\($0)" } ?? "None"), namespace_quotas=\(quotas))
        """)
    }
    try caches[0].python("cache.put('new', 'r', namespace='faq')")
    let limit = maxEntries.map { ["--max-entries", "\($0)"] } ?? []
    let put = try caches[1].mneme.run(["put", "--json", "-n", "faq", "new", "r"] + limit).expecting(0).json()
    let left = try survivors(caches[0])
    #expect(left.count == (isFew ? 13 : 121) - (put["evicted"].int ?? 0))
    #expect(try survivors(caches[1]) == left)
    for cache in caches { #expect(try CacheCheck(cache).problems.isEmpty) }
  }

  @Test("the entry that was just put stays, although Python may evict it if others are as young")
  func justPut() throws {
    let caches = try [CacheFixture("python"), CacheFixture("ours")]
    for cache in caches {
      try cache.python(
        """
        cache = open_cache(native=False, namespace_quotas={'faq': 5})
        for number in range(5): cache.put(f"q{number}", "r", namespace="faq")
        """)
      // Another host's clock, which is ahead, has the effect of a burst of accesses in one second.
      try cache.age(by: -600)
    }
    try caches[0].python("cache.put('new', 'r', namespace='faq')")
    #expect(try survivors(caches[0]) == ["faq q0", "faq q1", "faq q2", "faq q3", "faq q4"])
    try caches[1].mneme.run("put", "-n", "faq", "new", "r")
    #expect(try survivors(caches[1]) == ["faq new", "faq q1", "faq q2", "faq q3", "faq q4"])
  }

  // MARK: Histories

  /// Puts of new and old questions, and gets of what is there.
  private func step(_ number: Int, among there: [String], _ random: inout SeededGenerator) -> Step {
    if number > 10, Int.random(in: 0..<4, using: &random) == 0,
      let known = there.randomElement(using: &random)?.split(separator: " ", maxSplits: 1)
    {
      return .get(namespace: String(known[0]), query: String(known[1]))
    }
    let namespaces = [Self.capped, Self.capped, "a|b", "c:d"]
    return .put(
      namespace: namespaces.randomElement(using: &random)!,
      query: "question \(Int.random(in: 0..<60, using: &random))")
  }

  private func play(_ step: Step, byPython: Bool, _ cache: CacheFixture) throws {
    switch (step, byPython) {
    case (.put(let namespace, let query), true):
      try cache.python("cache.put('\(query)', 'r', namespace='\(namespace)')")
    case (.put(let namespace, let query), false):
      try cache.mneme.run("put", "-n", namespace, "--max-entries", "\(Self.maxEntries)", query, "r")
    case (.get(let namespace, let query), true):
      #expect(try cache.python("cache.get('\(query)', namespace='\(namespace)').layer").string == "exact")
    case (.get(let namespace, let query), false):
      try cache.mneme.run("get", "--exact", "-n", namespace, query)
    }
  }

  /// Each entry as its namespace and query.
  private func survivors(_ cache: CacheFixture) throws -> Set<String> {
    let list = try cache.python("[e.namespace + ' ' + e.query for e in cache._store.iter_all()]")
    return Set((list.array ?? []).compactMap(\.string))
  }
}
