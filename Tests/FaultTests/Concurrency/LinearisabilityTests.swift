import Foundation
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// Parallel puts, gets and deletes of one query look as if they had been done one after another.
@Suite("Linearisability")
struct LinearisabilityTests {
  /// Rounds with a new key each.
  static let rounds = Effort.rounds(40, thorough: 160)

  @Test("the checker distinguishes possible histories from impossible ones")
  func checker() {
    let clock = ContinuousClock.now
    func operation(_ action: Operation<Int>.Action, _ begin: Int, _ end: Int) -> Operation<Int> {
      Operation(action: action, begin: clock + .seconds(begin), end: clock + .seconds(end))
    }
    #expect(isLinearisable([Operation<Int>]()))
    // A read during a write may come before or after it; two reads one after another may not go back.
    let write = operation(.put(1), 0, 10)
    #expect(isLinearisable([write, operation(.get(nil), 1, 2), operation(.get(1), 3, 4)]))
    #expect(!isLinearisable([write, operation(.get(1), 1, 2), operation(.get(nil), 3, 4)]))
    // A write that has ended is not lost.
    #expect(!isLinearisable([operation(.put(1), 0, 1), operation(.get(nil), 2, 3)]))
    // One value is not removed twice.
    let deletes = [operation(.delete(true), 2, 5), operation(.delete(true), 3, 6)]
    #expect(!isLinearisable([operation(.put(1), 0, 1)] + deletes))
    #expect(isLinearisable([operation(.put(1), 0, 1), operation(.put(2), 2, 7)] + deletes))
    // A value that nobody wrote is not read.
    #expect(!isLinearisable([write, operation(.get(2), 1, 2)]))
  }

  @Test("of a RedisStore, by four threads with a store each", arguments: [false, true])
  func redisStore(nativeTTL: Bool) throws {
    let server = try RedisServer()
    let prefix = uniquePrefix("register")
    try play { _ in
      let store = try RedisStore(url: server.url, keyPrefix: prefix, useNativeTTL: nativeTTL)
      try store.open(expecting: History.identity)
      return store
    }
  }

  @Test("of a RedisStore that four threads share")
  func sharedStore() throws {
    let store = try RedisStore(url: try RedisServer.shared().url, keyPrefix: uniquePrefix("register"))
    try store.open(expecting: History.identity)
    try play { _ in store }
  }

  @Test("of a MemoryStore")
  func memoryStore() throws {
    let store = MemoryStore()
    try store.open(expecting: History.identity)
    try play { _ in store }
  }

  private func play(_ open: (Int) throws -> any CacheStore) throws {
    let workers = try (0..<4).map(open)
    for round in SeededGenerator.seeds(Self.rounds) {
      let key = Key(namespace: .default, query: "register \(round)")
      let operations = try atOnce(workers.count) { worker in
        try key.play(on: workers[worker], worker, seed: round)
      }.flatMap(\.self)
      guard isLinearisable(operations) else {
        let start = operations.map(\.begin).min() ?? .now
        let lines = operations.sorted { $0.begin < $1.begin }.map {
          "\(start.duration(to: $0.begin)) … \(start.duration(to: $0.end)): \($0)"
        }
        Issue.record("MNEME_SEED=\(round):\n\(lines.joined(separator: "\n"))")
        return
      }
    }
  }

  /// One query of one namespace, as a register that holds an answer or none.
  private struct Key: Sendable {
    let namespace: Namespace
    let query: String

    func play(on store: any CacheStore, _ worker: Int, seed: UInt64) throws -> [Operation<String>] {
      var random = SeededGenerator(seed: seed, stream: UInt64(worker + 1))
      return try (0..<6).map { number in
        let begin = ContinuousClock.now
        let action: Operation<String>.Action =
          switch Int.random(in: 0..<10, using: &random) {
          case 0..<4: .put(try put("\(worker).\(number)", to: store))
          case 4..<8: .get(try entry(in: store)?.response)
          default: .delete(try entry(in: store).map { try store.remove(id: $0.id) } ?? false)
          }
        return Operation(action: action, begin: begin, end: .now)
      }
    }

    private func entry(in store: any CacheStore) throws -> StoredEntry? {
      try store.entry(namespace: namespace, queryHash: QueryNormalizer.queryHash(query))
    }

    private func put(_ response: String, to store: any CacheStore) throws -> String {
      _ = try store.insert(
        StoredEntry(
          namespace: namespace, queryHash: QueryNormalizer.queryHash(query), query: query,
          response: response, embedding: Embedding([1, 0, 0, 0]), createdAt: History.start,
          lastAccessedAt: History.start, ttl: Seconds(100)), evictingOver: nil)
      return response
    }
  }
}
