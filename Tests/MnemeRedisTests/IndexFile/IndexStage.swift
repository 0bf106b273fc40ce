import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// A cache of small vectors that two look at: one that keeps its vectors in a directory, and one that reads them all
/// each time. What they answer must be the same, whatever happened in between.
final class IndexStage {
  static let dimension = 16

  let server: RedisServer
  let prefix: String
  let directory: TemporaryDirectory
  private(set) var store: RedisStore
  let redis: RawRedis
  var random: SeededGenerator
  private let dimension: Int

  init(
    _ what: String, on server: RedisServer? = nil, dimension: Int = IndexStage.dimension, seed: UInt64 = 1,
    file: String = #fileID
  ) throws {
    self.server = try server ?? RedisServer.shared(for: file)
    self.dimension = dimension
    prefix = uniquePrefix(what)
    directory = try TemporaryDirectory()
    random = SeededGenerator(seed: seed)
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
    _ query: String, in namespace: Namespace = .default, _ vector: [Float]? = nil, ttl: Seconds? = nil
  ) throws -> StoredEntry {
    let now = systemClock()
    return StoredEntry(
      namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query,
      response: "to \(query)",
      embedding: try .normalizing(vector ?? self.vector()), createdAt: now, lastAccessedAt: now, ttl: ttl)
  }

  func fill(_ queries: some Sequence<Int>, in namespace: Namespace = .default) throws {
    let entries = try queries.map { try entry("q\($0)", in: namespace) }
    for start in stride(from: 0, to: entries.count, by: 200) {
      let page = Array(entries[start..<min(start + 200, entries.count)])
      _ = try store.insert(page, onConflict: .replace, evictingOver: nil)
    }
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

  /// What a new process with the directory would be told.
  @discardableResult
  func look(
    _ vector: [Float]? = nil, in namespace: Namespace = .default, keeping: Bool = true, peek: Bool = false,
    explain: Int? = 5, threshold: Double = 0.85
  ) throws -> String {
    var get = SemanticCache.GetOptions()
    (get.peek, get.explain, get.threshold, get.minConfidence) = (peek, explain, threshold, 0)
    let cache = try cache(in: keeping ? directory.path("mneme") : nil)
    defer { cache.close() }
    let vector = vector ?? self.vector()
    let lookup = try cache.lookUp(
      "nothing has this text", namespace: namespace, embedding: vector, options: get)
    return lookup.summary
  }

  /// Asks both, near entries and anywhere, with and without an explanation, and expects the same.
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
    for question in 0..<questions {
      let near = question.isMultiple(of: 2) ? nil : known.randomElement(using: &random)
      let vector = vector(near: near.flatMap { $0.allSatisfy(\.isFinite) ? $0 : nil })
      let explain = [nil, 1, 5, 40][question % 4]
      let threshold = [0.85, 0.5, -1, 0.99][question % 4]
      let kept = try look(vector, in: namespace, peek: true, explain: explain, threshold: threshold)
      let plain = try look(
        vector, in: namespace, keeping: false, peek: true, explain: explain, threshold: threshold)
      #expect(kept == plain, sourceLocation: sourceLocation)
    }
    return try before != nil && file() == before
  }

  /// The number of the file that is kept; another one has another.
  func file() throws -> UInt64? {
    guard let name = try? directory.names().first == "mneme" ? names().first : nil else { return nil }
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
  /// All that a user can see of it.
  fileprivate var summary: String {
    var lines: [String] = []
    if let hit { lines.append("hit \(hit.id) \(hit.layer) \(hit.similarity) \(hit.query)") }
    if let missReason { lines.append("miss \(missReason)") }
    lines += candidates.map { "\($0.id) \($0.similarity) \($0.query) \($0.verdict)" }
    lines += damaged.map(\.message)
    return lines.joined(separator: "\n")
  }
}
