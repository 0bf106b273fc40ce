import Glibc
import Mneme
import Synchronization

@testable import MnemeCLI
@testable import MnemeRedis

extension Target {
  /// The answers of a server to a store that works with it, over a socket: each operation ends, and throws only
  /// errors of the documented types. An entry that it returns is valid.
  ///
  /// The first byte is the operation, the second selects which of the first answers of every operation come from the
  /// input. The answers follow as `Answers` has them.
  static let store = Target(
    name: "store",
    words: EntryField.inOrder.map { "\u{1}\(String(decoding: $0, as: UTF8.self))" } + [
      "QUEUED", "OK", "WRONGTYPE ", "NOPERM ", "LOADING ", "OOM ", "READONLY ", "EXECABORT ", "0", "default",
      "9223372036854775807", "9223372036854775806", "zset", "string", "hash", "set", "none",
      String(repeating: "0a", count: 32), "mneme:entry:1", "mneme:hash:default:", "used_memory:1\r\n",
    ]
  ) { input in
    let operation = operations[Int(input.byte()) % operations.count]
    let flags = input.byte()
    let server = AnsweringServer.shared
    server.answers = Answers(input.fields(), answersGreeting: flags & 1 != 0, answersMeta: flags & 2 != 0)
    var connections = 0
    do {
      var options = ConnectionOptions()
      options.commandTimeout = .seconds(5)
      let client = RedisClient(url: try RedisURL("unix://\(server.path)"), options: options)
      defer {
        connections = client.traffic.connections
        client.close()
      }
      let store = try RedisStore(
        client: client, useNativeTTL: flags & 4 != 0, decodeResponses: flags & 8 != 0)
      try operation(store)
    } catch {
      expect(error is any MnemeError, "\(type(of: error)): \(error)")
      expect(ExitStatus(error) != .bug, "\(error)")
    }
    server.awaitEnd(of: connections)
  }
}

// MARK: - Operations

private let now = UnixTime(1_700_000_000)
private let ids = (1...3).map { EntryID($0) }
private let faq = Namespace(unchecked: "faq")

private func examine(_ entry: StoredEntry?) {
  guard let entry else { return }
  expect(
    QueryNormalizer.isHash(entry.queryHash) && !entry.namespace.name.isEmpty && entry.id.rawValue > 0,
    "an odd entry")
  expect(entry.embedding.dimension == 2 || entry.embedding.bytes.count % 4 == 0, "an odd vector")
  _ = entry.isExpired(at: now)
}

private func new(_ query: String, ttl: Seconds? = nil) -> StoredEntry {
  StoredEntry(
    namespace: faq, queryHash: QueryNormalizer.queryHash(query), query: query, response: "r",
    embedding: Embedding([1, 0]), createdAt: now, lastAccessedAt: now, ttl: ttl)
}

/// A cache of two dimensions over the store.
private func cache(_ store: RedisStore) throws -> SemanticCache {
  var options = SemanticCache.Options()
  options.clock = { now }
  return try SemanticCache(store: store, options: options) {
    AbsentEmbedder(fingerprint: $0?.fingerprint ?? "f", dimension: $0?.dimension ?? 2)
  }
}

private let operations: [@Sendable (RedisStore) throws -> Void] = [
  { store in examine(try store.entry(namespace: faq, queryHash: String(repeating: "0a", count: 32))) },
  { store in try store.entries(ids: ids, whenDamaged: { _ in }).forEach(examine) },
  { store in
    _ = (try store.count(in: nil), try store.namespaces(), try store.versionCounter())
    expect(try store.leastRecentlyUsed(2, in: nil).count <= 2, "more than was asked for")
  },
  { store in try store.forEachEntry(in: .everything, reading: .all, whenCorrupt: { _, _ in }) { examine($0) }
  },
  { store in try store.forEachEntry(after: EntryID(1), in: faq) { examine($0) } },
  { store in try store.forEachEmbedding(in: faq, whenDamaged: { _ in }) { _, _ in } },
  { store in _ = try cache(store).stats() },
  { store in _ = try cache(store).health() },
  { store in
    _ = try store.serverSettings()
    _ = try store.examine(ConditionOptions())
  },
  { store in
    var options = KeySurveyOptions()
    options.sample = .all
    options.top = 2
    let survey = try store.surveyKeys(options)
    expect(survey.families.allSatisfy { $0.keys >= 0 && ($0.memoryBytes ?? 0) >= 0 }, "\(survey)")
  },
  { store in _ = try store.check() },
  { store in _ = try store.repair(CheckOptions()) { _, _ in } },
  { store in _ = try store.client.discoverCaches() },
  { store in _ = try store.insert(new("q", ttl: Seconds(60)), evictingOver: 2) },
  { store in
    let cache = try cache(store)
    let hit = try cache.get("q", namespace: faq, embedding: [1, 0])
    expect(hit.map { (0...1.001).contains($0.similarity) } ?? true, "a hit at \(String(describing: hit))")
  },
  { store in _ = try cache(store).put("q", "r", namespace: faq, ttl: Seconds(60), embedding: [1, 0]) },
  { store in try store.recordAccess(id: ids[0], at: now) },
  { store in expect(try store.remove(ids: ids).allSatisfy(ids.contains), "others are removed") },
  { store in _ = (try store.removeExpired(at: now, in: nil), try store.removeExpired(at: now, in: faq)) },
  { store in _ = try store.removeAll(in: faq) },
  { store in
    try store.setQuota(5, for: faq)
    _ = try store.quota(for: faq)
  },
  { store in _ = try store.evict(for: faq, maxEntries: 2, sparing: []) },
  { store in
    guard var mark = try store.mark(of: faq, leavingTrace: true) else { return }
    mark.samples = try store.samples(of: store.recentlyUsed(in: faq)).compactMap(\.self)
    if let changes = try store.changes(in: faq, since: mark, atMost: 3) {
      expect(changes.mark.version >= mark.version, "the version went back")
    }
  },
  { store in _ = try store.vacuum(VacuumOptions()) },
  { store in
    var options = VacuumOptions()
    options.repair = true
    _ = try store.vacuum(options)
  },
  { store in
    _ = try store.beginCopy(of: "p", as: CacheIdentity(fingerprint: "f", dimension: 2))
    _ = try store.creations(of: [new("q")])
    try store.finishCopy()
  },
]
