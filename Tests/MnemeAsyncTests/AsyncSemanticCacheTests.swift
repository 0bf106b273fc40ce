import Foundation
import Mneme
import MnemeAsync
import MnemeRedis
import TestSupport
import Testing

/// A task that waits for a thread that a test holds would wait for ever if that thread were one of those that run
/// tasks. No time limit: after each `await` these tests queue behind all others, which may take minutes. `Tests/run`
/// ends what hangs.
@Suite("The cache for async code")
struct AsyncSemanticCacheTests {
  private static func cache(_ store: any Store, connections: Int = 2) throws -> AsyncSemanticCache {
    try AsyncSemanticCache(embedder: HashedNgramEmbedder(), connections: connections) { store }
  }

  /// Waits for a signal of another thread without blocking one that runs tasks.
  private static func wait(for signal: DispatchSemaphore) async {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        signal.wait()
        continuation.resume()
      }
    }
  }

  @Test("each call does the same as that of SemanticCache")
  func calls() async throws {
    let store = MemoryStore()
    let cache = try Self.cache(store)
    let other = try Namespace("other")
    #expect(try await cache.get("How do I reset my password?") == nil)
    let put = try await cache.put("How do I reset my password?", "By mail.", metadata: #"{"a":1}"#)
    #expect(!put.replaced)
    #expect(try await cache.get("how do i reset my password?")?.layer == .exact)
    let hit = try await cache.get("how can I reset my password")
    #expect(hit?.layer == .semantic && hit?.response == "By mail." && hit?.metadata == #"{"a":1}"#)
    var options = SemanticCache.GetOptions()
    options.exactOnly = true
    #expect(try await cache.lookUp("something else", options: options).missReason == .noMatch)
    cache.threshold = 1.01
    #expect(try await cache.get("how can I reset my password") == nil)
    #expect(cache.threshold == 1.01)

    try await cache.put("q", "r", namespace: other)
    #expect(try await cache.namespaces() == [.default, other])
    try await cache.setQuota(5, for: other)
    #expect(try await cache.quota(for: other) == 5)
    let stats = try await cache.stats()
    #expect(stats.entries == 2 && stats.counters[.hitsSemantic] == 1)
    #expect(try await cache.stats(namespace: other).entries == 1)
    let health = try await cache.health()
    #expect(health.isHealthy && health.entries == 2)
    #expect(try await cache.vacuum() == 0)
    #expect(try await cache.delete("q", namespace: other) != nil)
    #expect(try await cache.delete("q", namespace: other) == nil)
    #expect(try await cache.clear(namespace: other) == 0)
    #expect(try await cache.clear() == 1)
    #expect(try store.count(in: nil) == 0)
    await #expect(throws: InvalidInputError.self) { try await cache.put("q", "") }
    await cache.close()
  }

  @Test("calls that wait for their store do not block threads that run tasks")
  func poolIsFree() async throws {
    let held = 2 * ProcessInfo.processInfo.activeProcessorCount + 2
    let store = HeldStore(holding: ["held"])
    let cache = try Self.cache(store, connections: held)
    let calls = (0..<held).map { _ in Task { try await cache.get("held") } }
    for _ in 0..<held { await Self.wait(for: store.isHeld) }
    // All threads of the cache are held. So many tasks would not run, were any of these one of theirs.
    let sum = await withTaskGroup(of: Int.self) { group in
      for number in 0..<100 {
        group.addTask {
          await Task.yield()
          return number
        }
      }
      return await group.reduce(0, +)
    }
    #expect(sum == 4950)
    for _ in 0..<held { store.mayContinue.signal() }
    for call in calls { #expect(try await call.value == nil) }
    await cache.close()
  }

  @Test("a call on one connection ends while one on another is blocked")
  func connections() async throws {
    let store = HeldStore(holding: ["held"])
    let cache = try Self.cache(store, connections: 2)
    try await cache.put("q", "r")
    let call = Task { try await cache.get("held") }
    await Self.wait(for: store.isHeld)
    #expect(try await cache.get("q")?.response == "r")
    store.mayContinue.signal()
    #expect(try await call.value == nil)
    await cache.close()
  }

  @Test("all connections share one index")
  func sharedIndex() async throws {
    let store = HeldStore(holding: ["held"])
    let cache = try Self.cache(store, connections: 2)
    try await cache.put("How do I reset my password?", "By mail.")
    #expect(try await cache.get("how can I reset my password") != nil)
    let walks = store.walkCount
    let call = Task { try await cache.get("held") }
    await Self.wait(for: store.isHeld)
    // One of the threads is held: with the other, and after that with either, nothing is read again.
    #expect(try await cache.get("how can I reset my password please") != nil)
    store.mayContinue.signal()
    _ = try await call.value
    for _ in 0..<4 { #expect(try await cache.get("how can I reset my password") != nil) }
    #expect(store.walkCount == walks)
    await cache.close()
  }

  // MARK: Cancellation

  @Test("a call that is cancelled while it waits for a thread ends immediately")
  func cancelledInQueue() async throws {
    let store = HeldStore(holding: ["held"])
    let cache = try Self.cache(store, connections: 1)
    let first = Task { try await cache.get("held") }
    await Self.wait(for: store.isHeld)
    let second = Task { try await cache.put("never", "stored") }
    second.cancel()
    await #expect(throws: CancellationError.self) { try await second.value }
    store.mayContinue.signal()
    #expect(try await first.value == nil)
    #expect(try await cache.get("never") == nil)
    await cache.close()
  }

  @Test("a task that is cancelled already makes no call")
  func cancelledBefore() async throws {
    let store = MemoryStore()
    let cache = try Self.cache(store)
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await cache.put("q", "r")
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try store.identity() == nil)
    await cache.close()
  }

  @Test("a call that is cancelled while it runs ends before its next step")
  func cancelledWhileRunning() async throws {
    let store = HeldStore(holdsFirstRemoval: true)
    let cache = try Self.cache(store)
    for number in 0..<50 { try await cache.put("q\(number)", "r") }
    let call = Task { try await cache.clear() }
    await Self.wait(for: store.isHeld)
    call.cancel()
    store.mayContinue.signal()
    await #expect(throws: CancellationError.self) { try await call.value }
    #expect(try store.count(in: nil) == 49)
    // The threads work on.
    #expect(try await cache.clear() == 49)
    await cache.close()
  }

  @Test(
    "work on Redis that is cancelled ends before its next round trip, and the connection can be used again")
  func cancelledOnRedis() throws {
    let fixture = try CacheFixture("cancelled")
    let client = RedisClient(url: try RedisURL(fixture.server.url))
    defer { client.close() }
    let store = try RedisStore(client: client, keyPrefix: fixture.prefix)
    let cache = try SemanticCache(store: store, embedder: AbsentEmbedder.none)
    for number in 0..<100 { try cache.put("q\(number)", "r") }
    let cancellation = WorkCancellation()
    cancellation.during {
      // The removal of the first entry is the last step that is taken.
      #expect(throws: WorkCancelled.self) {
        try store.forEachEntry(after: nil, in: nil) { entry in
          try store.remove(id: entry.id)
          cancellation.request()
        }
      }
    }
    #expect(cancellation.hasEndedWork)
    let left = try store.count(in: nil)
    #expect(left == 99)
    let sent = client.traffic
    cancellation.during {
      #expect(throws: WorkCancelled.self) { try store.count(in: nil) }
      #expect(throws: WorkCancelled.self) { try cache.put("q", "r") }
      #expect(throws: WorkCancelled.self) { try store.setQuota(5, for: .default) }
      #expect(throws: WorkCancelled.self) { try store.removeAll(in: .default) }
    }
    #expect(client.traffic == sent)
    try cache.put("q", "r")
    #expect(try store.count(in: nil) == left + 1)
    try fixture.expectSound()
  }

  // MARK: Closing

  @Test("close waits for the call that runs, and refuses those that wait and those that come later")
  func closing() async throws {
    let store = HeldStore(holding: ["held"])
    let cache = try Self.cache(store, connections: 1)
    try SemanticCache(store: store.memory, embedder: HashedNgramEmbedder()).put("held", "answer")
    let first = Task { try await cache.get("held") }
    await Self.wait(for: store.isHeld)
    let second = Task { try await cache.get("q") }
    let closing = Task { await cache.close() }
    await #expect(throws: CacheClosedError.self) { try await second.value }
    #expect(try store.count(in: nil) == 1, "the store is open as long as a call runs")
    store.mayContinue.signal()
    #expect(try await first.value?.response == "answer")
    await closing.value
    #expect(throws: CacheClosedError.self) { try store.count(in: nil) }
    await #expect(throws: CacheClosedError.self) { try await cache.get("q") }
    await cache.close()
  }

  @Test("a released cache ends its threads and closes its stores")
  func forgotten() async throws {
    let store = MemoryStore()
    do {
      let cache = try Self.cache(store)
      try await cache.put("q", "r")
    }
    // Its threads end by themselves.
    func isOpen() -> Bool { (try? store.count(in: nil)) != nil }
    for _ in 0..<60_000 where isOpen() { try await Task.sleep(for: .milliseconds(5)) }
    #expect(!isOpen())
  }

  // MARK: Redis

  @Test("many tasks over several connections to Redis store and find everything")
  func redis() async throws {
    let fixture = try CacheFixture("async")
    let (url, prefix) = (fixture.server.url, fixture.prefix)
    let cache = try AsyncSemanticCache(embedder: HashedNgramEmbedder(), connections: 3) {
      try RedisStore(url: url, keyPrefix: prefix)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        group.addTask {
          try await cache.put("question number \(number)", "answer \(number)")
          let hit = try await cache.get("question number \(number)")
          #expect(hit?.response == "answer \(number)")
        }
      }
      try await group.waitForAll()
    }
    #expect(try await cache.stats().entries == 60)
    #expect(try await cache.get("question  number 7")?.response == "answer 7")
    try fixture.expectSound()
    await cache.close()
  }
}
