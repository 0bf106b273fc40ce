import Glibc
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// Whether a client finds out that it is not alone at its server.
@Suite("Other clients of the server") struct OtherClientsTests {
  private final class Counter: Sendable {
    let value = Mutex(0)
  }

  /// A server of its own, a client under test, and a cache.
  private final class Stage {
    let server: RedisServer
    let client: RedisClient
    let store: RedisStore
    /// How often the client has told of others.
    let told = Counter()

    init(configuration: [String] = []) throws {
      server = try RedisServer(configuration: configuration)
      var options = ConnectionOptions()
      options.whenServerIsShared = { [told] in told.value.withLock { $0 += 1 } }
      client = RedisClient(url: try RedisURL(server.url), options: options)
      store = try RedisStore(client: client, keyPrefix: "mneme")
      try store.open(expecting: CacheIdentity(fingerprint: "none", dimension: 0))
    }

    func entries(_ numbers: Range<Int>) -> [StoredEntry] {
      numbers.map { number in
        StoredEntry(
          namespace: .default, queryHash: QueryNormalizer.queryHash("question \(number)"),
          query: "question \(number)", response: "answer", embedding: .empty, createdAt: UnixTime(1000),
          lastAccessedAt: UnixTime(1000), ttl: Seconds(60))
      }
    }

    /// Reads until the client says so.
    func wait(untilOthersAreActive expected: Bool) throws {
      let deadline = ContinuousClock.now + .seconds(20)
      while client.othersAreActive != expected {
        guard ContinuousClock.now < deadline else { throw TestTimeout("othersAreActive to be \(expected)") }
        _ = try store.versionCounter()
      }
    }
  }

  @Test("whether a server is shared is asked once there is much to do, and found out when it changes")
  func comeAndGo() throws {
    let stage = try Stage()
    #expect(!stage.client.othersAreActive)
    // Until the second answer it may be.
    try stage.wait(untilOthersAreActive: true)
    #expect(stage.client.traffic.commandsSent >= 2000)
    try stage.wait(untilOthersAreActive: false)
    #expect(stage.told.value.withLock { $0 } == 0)
    var other: OtherClient? = try OtherClient(of: stage.server)
    try stage.wait(untilOthersAreActive: true)
    #expect(stage.told.value.withLock { $0 } == 1)
    withExtendedLifetime(other) {}
    other = nil
    try stage.wait(untilOthersAreActive: false)
  }

  @Test("its own transactions, lost and won, are not taken for somebody else's work")
  func ownWork() throws {
    let stage = try Stage()
    try stage.wait(untilOthersAreActive: true)
    try stage.wait(untilOthersAreActive: false)
    var insertion = BatchInsertion(stage.store, onConflict: .replace, evictingOver: nil)
    for start in stride(from: 0, to: 6000, by: 50) {
      try insertion.insert(stage.entries(start..<start + 50))
      #expect(!stage.client.othersAreActive, "after \(start) entries")
    }
    try insertion.finish()
    let before = stage.client.traffic.commandsSent
    let report = try stage.store.vacuum(VacuumOptions())
    #expect(report.expired == 6000 && stage.client.traffic.commandsSent > before + 2000)
    try stage.wait(untilOthersAreActive: false)
    #expect(try stage.store.count(in: nil) == 0)
  }

  @Test(
    "where the server does not say what it carries out, it is taken to be shared",
    arguments: [
      ["user default on nopass ~* &* +@all -info"], ["rename-command INFO \"\""],
    ])
  func withheld(configuration: [String]) throws {
    let stage = try Stage(configuration: configuration)
    try stage.store.insert(stage.entries(0..<1)[0])
    let deadline = ContinuousClock.now + .milliseconds(500)
    try stage.wait(untilOthersAreActive: true)
    while ContinuousClock.now < deadline {
      #expect(stage.client.othersAreActive)
      #expect(try stage.store.versionCounter() == 1)
    }
    #expect(stage.told.value.withLock { $0 } == 0)
  }

  @Test("a server that has begun to count anew is no sign of others")
  func restarted() throws {
    let stage = try Stage()
    try stage.wait(untilOthersAreActive: true)
    try stage.wait(untilOthersAreActive: false)
    for _ in 0..<2000 { _ = try stage.store.versionCounter() }
    try stage.server.crash()
    try stage.server.start()
    let deadline = ContinuousClock.now + .milliseconds(500)
    while ContinuousClock.now < deadline {
      _ = try stage.store.versionCounter()
      #expect(stage.told.value.withLock { $0 } == 0)
    }
  }
}
