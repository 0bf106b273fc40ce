import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// A cache of small vectors that several indexes follow, each in its way. They must find what a search over every
/// vector in the store finds, whatever happened in between.
final class IndexStage {
  static let dimension = 16

  let server: RedisServer
  let prefix: String
  let directory: TemporaryDirectory
  private(set) var store: RedisStore
  let redis: RawRedis
  var random: SeededGenerator
  let seed: UInt64
  private let dimension: Int
  /// Caches that live as long as the stage does.
  private var servers: [SemanticCache] = []

  /// - Parameters:
  ///   - seed: of one round of a test; nil: the one of this run.
  ///   - stream: tells apart the arguments of a test.
  init(
    _ what: String, on server: RedisServer? = nil, dimension: Int = IndexStage.dimension,
    seed: UInt64? = nil, stream: UInt64 = 0, file: String = #fileID, function: String = #function
  ) throws {
    self.server = try server ?? RedisServer.shared(for: file)
    self.dimension = dimension
    self.seed = seed ?? SeededGenerator.seed
    prefix = uniquePrefix(what)
    directory = try TemporaryDirectory()
    random =
      seed.map { SeededGenerator(seed: $0) }
      ?? SeededGenerator(stream: stream, file: file, function: function)
    store = try RedisStore(url: self.server.url, keyPrefix: prefix)
    try store.open(expecting: CacheIdentity(fingerprint: Placed(dimension).fingerprint, dimension: dimension))
    redis = try self.server.connect()
  }

  func key(_ rest: String) -> String { "\(prefix):\(rest)" }

  // MARK: Filling

  /// A vector anywhere, or near another one.
  func vector(near other: [Float]? = nil, by spread: Float = 0.3) -> [Float] {
    (0..<dimension).map { component in
      let noise = Float.random(in: -1...1, using: &random)
      return other.map { $0[component] + spread * noise / 4 } ?? noise
    }
  }

  func entry(
    _ query: String, in namespace: Namespace = .default, _ vector: [Float]? = nil, ttl: Seconds? = nil,
    age: Int64 = 0
  ) throws -> StoredEntry {
    let now = systemClock() + Seconds(-age)
    return StoredEntry(
      namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query,
      response: "to \(query)",
      embedding: try .normalizing(vector ?? self.vector()), createdAt: now, lastAccessedAt: now, ttl: ttl)
  }

  func fill(_ queries: some Sequence<Int>, in namespace: Namespace = .default, age: Int64 = 0) throws {
    let entries = try queries.map { try entry("q\($0)", in: namespace, age: age) }
    for start in stride(from: 0, to: entries.count, by: 200) {
      let page = Array(entries[start..<min(start + 200, entries.count)])
      _ = try store.insert(page, onConflict: .replace, evictingOver: nil)
    }
  }

  // MARK: Actions of the Python library

  /// Its `insert`: a new entry, or one that takes the place and the id of another.
  func pythonPut(_ query: String, in namespace: String = "default") throws {
    let hash = QueryNormalizer.queryHash(query)
    let known = try redis.send("GET", key("hash:\(namespace):\(hash)")).text
    let id = try known ?? String(redis.send("INCR", key("next_id")).integer!)
    let now = String(systemClock().rawValue)
    let vector = try Embedding.normalizing(vector()).bytes
    try redis.send("MULTI")
    try redis.send("DEL", key("entry:\(id)"))
    let fields = [
      "namespace", namespace, "query_hash", hash, "query", query, "response", "to \(query)", "metadata", "{}",
      "created_at", now, "last_accessed_at", now, "ttl", "", "access_count", "0", "embedding",
    ]
    try redis.send((["HSET", key("entry:\(id)")] + fields).map { Array($0.utf8) } + [vector])
    try redis.send("SET", key("hash:\(namespace):\(hash)"), id)
    try redis.send("ZADD", key("lru:\(namespace)"), now, id)
    try redis.send("ZADD", key("by_id"), id, id)
    try redis.send("SADD", key("namespaces"), namespace)
    try redis.send("INCR", key("version"))
    try redis.send("EXEC")
  }

  /// Its `delete_by_id`.
  func pythonDelete(_ id: Int) throws {
    let fields = try redis.send("HMGET", key("entry:\(id)"), "namespace", "query_hash").texts
    guard fields.count == 2 else { return }
    try redis.send("MULTI")
    try redis.send("DEL", key("entry:\(id)"), key("hash:\(fields[0]):\(fields[1])"))
    try redis.send("ZREM", key("by_id"), "\(id)")
    try redis.send("ZREM", key("lru:\(fields[0])"), "\(id)")
    try redis.send("INCR", key("version"))
    try redis.send("EXEC")
  }

  /// Its `update_access`, which moves no version.
  func pythonTouch(_ id: Int) throws {
    guard let namespace = try redis.send("HGET", key("entry:\(id)"), "namespace").text else { return }
    let now = String(systemClock().rawValue)
    try redis.send("HSET", key("entry:\(id)"), "last_accessed_at", now)
    try redis.send("ZADD", key("lru:\(namespace)"), now, "\(id)")
  }

  /// A store that knows nothing of the cache yet: one that does would say that its version went back.
  func reopen() throws {
    store = try RedisStore(url: server.url, keyPrefix: prefix)
    try store.open(expecting: CacheIdentity(fingerprint: Placed(dimension).fingerprint, dimension: dimension))
  }

  /// Deletes every key of the cache, as a neighbour's `FLUSHDB` would.
  func deleteAllKeys() throws {
    for name in try redis.dump(prefix: prefix + ":").names { try redis.send("DEL", name) }
  }

  // MARK: Looking

  private func cache(in directory: String?) throws -> SemanticCache {
    var options = SemanticCache.Options()
    if let directory {
      options.indexDirectory = IndexDirectory(path: directory, cacheName: "\(server.url) \(prefix)")
    }
    return try SemanticCache(
      store: RedisStore(url: server.url, keyPrefix: prefix), embedder: Placed(dimension), options: options)
  }

  /// Looks a query up as a new process would, with the files in the directory.
  @discardableResult
  func look(
    _ vector: [Float]? = nil, in namespace: Namespace = .default, keeping: Bool = true, peek: Bool = false,
    explain: Int? = 5, threshold: Double = 0.85
  ) throws -> String {
    let cache = try cache(in: keeping ? directory.path("mneme") : nil)
    defer { cache.close() }
    return try look(
      vector, in: namespace, by: cache, peek: peek, explain: explain, threshold: threshold)
  }

  private func look(
    _ vector: [Float]?, in namespace: Namespace, by cache: SemanticCache, peek: Bool, explain: Int?,
    threshold: Double
  ) throws -> String {
    var get = SemanticCache.GetOptions()
    (get.peek, get.explain, get.threshold, get.minConfidence) = (peek, explain, threshold, -2)
    let vector = vector ?? self.vector()
    let lookup = try cache.lookUp(
      "nothing has this text", namespace: namespace, embedding: vector, options: get)
    return lookup.summary(explained: explain != nil)
  }

  /// The result of a search over every vector in the store.
  private func expectation(
    _ vector: [Float], in namespace: Namespace, explain: Int?, threshold: Double
  ) throws -> String {
    var ids: [EntryID] = []
    try store.forEachEmbedding(in: namespace, whenDamaged: { _ in }) { id, bytes in
      let flaw = Embedding.Flaw(in: bytes)
      if bytes.count == dimension * 4, flaw != .allZeros, flaw != .notFinite { ids.append(id) }
    }
    let query = try Embedding.normalizing(vector)
    let now = systemClock()
    let ranked = try store.entries(ids: ids, whenDamaged: { _ in }).compactMap(\.self)
      .map { (entry: $0, similarity: $0.embedding.dot(query)) }
      .sorted { ($1.similarity, $0.entry.id) < ($0.similarity, $1.entry.id) }
    let hit = ranked.first { $0.similarity >= threshold && !$0.entry.isExpired(at: now) }
    var lines = [
      hit.map { "hit \($0.entry.id) semantic \(min(1, $0.similarity)) \($0.entry.query)" } ?? "miss"
    ]
    if let explain {
      lines += ranked.prefix(max(3, explain)).map {
        "\($0.entry.id) \(min(1, $0.similarity)) \($0.entry.query)"
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Asks a new process with the directory, a server that lives on with one of its own, and one that keeps the vectors in
  /// memory, near entries and anywhere, with and without an explanation. Expects of each what a search over every vector
  /// in the store finds.
  /// - Returns: whether all answers came from the file that was there.
  @discardableResult
  func compare(
    in namespace: Namespace = .default, questions: Int = 6, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Bool {
    let before = try file()
    var known: [[Float]] = []
    try store.forEachEmbedding(in: namespace, whenDamaged: { _ in }) { _, bytes in
      if bytes.count == dimension * 4 { known.append(Embedding(bytes: Array(bytes)).numbers) }
    }
    if servers.isEmpty { servers = [try cache(in: directory.path("server/mneme")), try cache(in: nil)] }
    for question in 0..<questions {
      let near = question.isMultiple(of: 2) ? nil : known.randomElement(using: &random)
      let vector = vector(near: near.flatMap { $0.allSatisfy(\.isFinite) ? $0 : nil })
      let explain = [nil, 1, 5, 40][question % 4]
      let threshold = [0.85, 0.5, -1, 0.99][question % 4]
      let expected = try expectation(vector, in: namespace, explain: explain, threshold: threshold)
      func check(_ found: String, _ who: String) {
        #expect(found == expected, "\(who), seed \(seed)", sourceLocation: sourceLocation)
      }
      check(
        try look(vector, in: namespace, peek: true, explain: explain, threshold: threshold), "a process")
      for (server, who) in zip(servers, ["a server with a directory", "a server"]) {
        check(
          try look(vector, in: namespace, by: server, peek: true, explain: explain, threshold: threshold), who
        )
      }
    }
    return try before != nil && file() == before
  }

  /// Has the two servers that `compare` asks look at the cache.
  func lookThroughServers() throws {
    if servers.isEmpty { servers = [try cache(in: directory.path("server/mneme")), try cache(in: nil)] }
    for server in servers {
      _ = try look(nil, in: .default, by: server, peek: false, explain: nil, threshold: 0.85)
    }
  }

  /// The number of the file that is kept; another one has another.
  func file() throws -> UInt64? {
    guard let name = (try? names())?.first(where: { $0.hasSuffix(".index") }) else { return nil }
    let path = directory.path("mneme/" + name)
    return try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
  }

  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.path("mneme")).sorted()
  }
}

/// An embedder that is never asked: each test brings its vectors.
struct Placed: Embedder {
  let dimension: Int
  var fingerprint: String { "placed:dim\(dimension)" }

  init(_ dimension: Int) { self.dimension = dimension }

  func embed(_ texts: [String]) throws -> [[Float]] {
    throw EmbedderError("No text has a place.", remedy: .provideEmbedding)
  }
}

extension Lookup {
  /// The findings, the entries that were passed over, and the damage.
  fileprivate func summary(explained: Bool) -> String {
    var lines = [hit.map { "hit \($0.id) \($0.layer) \($0.similarity) \($0.query)" } ?? "miss"]
    if explained { lines += candidates.map { "\($0.id) \($0.similarity) \($0.query)" } }
    return lines.joined(separator: "\n")
  }
}
