import Foundation
import Mneme
import MnemeRedis
import TestSupport
import Testing

/// A server that lies about what was sent before the answers to the last were there: it ends with an error of the
/// library, or does its work, and never with a crash.
@Suite("A server that lies to who sends ahead")
struct HostileAheadTests {
  /// Of how many replies one is forged; `MNEME_FORGERIES` forges all, each in so many ways.
  static let forgeriesPerReply = ProcessInfo.processInfo.environment["MNEME_FORGERIES"].flatMap { Int($0) }

  @Test("batch after batch that is stored", .timeLimit(.minutes(20)))
  func insertion() throws {
    try lie { store in
      var insertion = BatchInsertion(store, onConflict: .replace, evictingOver: nil)
      for batch in 0..<5 { try insertion.insert([entry(2 * batch), entry(2 * batch + 1)]) }
      try insertion.finish()
    }
  }

  @Test("page after page that is removed", .timeLimit(.minutes(20)))
  func vacuum() throws {
    try lie { store in
      var options = VacuumOptions()
      options.batchSize = 2
      _ = try store.vacuum(options)
    } preparing: { store in
      for number in 0..<8 { try store.insert(entry(number, ttl: Seconds(10))) }
    }
  }

  private func lie(
    _ work: (RedisStore) throws -> Void, preparing prepare: (RedisStore) throws -> Void = { _ in }
  ) throws {
    let server = try RedisServer()
    var options = ConnectionOptions()
    (options.connectTimeout, options.commandTimeout) = (.milliseconds(500), .milliseconds(200))
    func run(_ reply: Int, _ forgery: ForgingProxy.Forgery?) throws -> (replies: Int, error: (any Error)?) {
      let prefix = uniquePrefix("ahead")
      let honest = try RedisStore(url: server.url, keyPrefix: prefix)
      defer { honest.close() }
      try honest.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
      try honest.insert(entry(-1))
      try prepare(honest)
      let proxy = try ForgingProxy(toSocket: server.socketPath, reply: reply, forgery)
      let client = RedisClient(url: try RedisURL(proxy.url), options: options)
      defer { client.close() }
      do {
        let store = try RedisStore(client: client, keyPrefix: prefix)
        try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
        try work(store)
        return (proxy.replies, nil)
      } catch {
        return (proxy.replies, error)
      }
    }
    let whole = try run(-1, nil)
    #expect(whole.error == nil)
    try #require(whole.replies > 100)
    var random = SplitMix64(state: 11)
    for reply in 0..<whole.replies
    where Self.forgeriesPerReply != nil || Int.random(in: 0..<8, using: &random) == 0 {
      let forgeries = HostileServerTests.forgeries.shuffled(using: &random)
      for (name, forgery) in forgeries.prefix(Self.forgeriesPerReply ?? 1) {
        let error = try run(reply, forgery).error
        let isKnown = error == nil || error is any MnemeError || error is ConflictError
        #expect(isKnown, "\(name) for reply \(reply): \(error!)")
      }
    }
  }

  private func entry(_ number: Int, ttl: Seconds? = nil) -> StoredEntry {
    let query = "q\(number)"
    return StoredEntry(
      namespace: .default, queryHash: QueryNormalizer.queryHash(query), query: query, response: "r",
      embedding: .empty, createdAt: UnixTime(1000), lastAccessedAt: UnixTime(1000), ttl: ttl)
  }
}
