import Foundation
import Glibc
import Mneme
import MnemeRedis
import Synchronization
import TestSupport
import Testing

/// Tests of one process that uses a cache for a long time: its memory, descriptors and connections do not grow.
///
/// `Tests/soak 3600` runs for an hour and prints a line a minute.
@Suite("Soak")
struct SoakTests {
  static let duration =
    ProcessInfo.processInfo.environment["MNEME_SOAK"].flatMap { Int($0) }
    ?? (Effort.isThorough ? 20 : 4)
  static let workers = 4

  @Test(
    "memory, descriptors and connections do not grow under mixed traffic",
    .timeLimit(.minutes(24 * 60)))
  func soak() throws {
    let server = try RedisServer()
    let redis = try server.connect()
    let end = ContinuousClock.now + .seconds(Self.duration)
    let caches = try (0..<Self.workers).map { _ in
      try SemanticCache(
        store: try RedisStore(url: server.url, keyPrefix: "soak"), embedder: HashedNgramEmbedder())
    }
    defer { for cache in caches { cache.close() } }
    let watcher = Watcher(redis: redis, isLong: Self.duration > 60)
    let outcome = Outcome()
    Thread.detachNewThread {
      outcome.set(Result { try atOnce(Self.workers) { try work(on: caches[$0], $0, until: end) } })
    }
    var samples: [Sample] = []
    while outcome.value == nil {
      usleep(useconds_t(Self.duration > 60 ? 10_000_000 : 500_000))
      samples.append(try watcher.sample())
    }
    _ = try outcome.value?.get()
    // The first third fills what is kept for ever: indexes, buffers, the pages of the allocator.
    let settled = samples.dropFirst(samples.count / 3)
    let (first, last) = (try #require(settled.first), try #require(settled.last))
    #expect(settled.allSatisfy { $0.clients == first.clients }, "\(samples)")
    #expect(last.commands > first.commands, "\(samples)")
    if Self.duration > 60 {
      // Only if it is alone in its process: otherwise the other tests run at the same time.
      #expect(settled.allSatisfy { $0.descriptors == first.descriptors }, "\(samples)")
      #expect(last.memory < first.memory + 16 << 20, "\(samples)")
    }
  }

  private func work(on cache: SemanticCache, _ worker: Int, until end: ContinuousClock.Instant) throws {
    var random = SeededGenerator(stream: UInt64(worker + 1))
    var step = 0
    while ContinuousClock.now < end {
      step += 1
      let namespace = Namespace(unchecked: "tenant \(Int.random(in: 0..<5, using: &random))")
      let query = "how do I reset thing number \(Int.random(in: 0..<400, using: &random))"
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<30: try cache.put(query, "answer \(step)", namespace: namespace, ttl: Seconds(2))
      case 30..<40: try cache.put(query, "answer \(step)", namespace: namespace)
      case 40..<85: _ = try cache.get(query, namespace: namespace)
      case 85..<93: try cache.delete(query, namespace: namespace)
      case 93..<95: _ = try cache.vacuum()
      case 95: _ = try cache.stats()
      case 96: try cache.setQuota(50, for: namespace)
      case 97: try cache.clear(namespace: namespace)
      default: _ = try cache.health()
      }
      // A pause, so that the machine can do other work during an hour of this.
      usleep(10_000)
    }
  }

  private struct Sample: CustomStringConvertible {
    var memory: Int
    var descriptors: Int
    var clients: Int
    var commands: Int

    var description: String {
      "\(memory >> 10) KiB, \(descriptors) descriptors, \(clients) clients, \(commands) commands"
    }
  }

  private final class Watcher {
    private let redis: RawRedis
    private let isLong: Bool
    private var count = 0

    init(redis: RawRedis, isLong: Bool) { (self.redis, self.isLong) = (redis, isLong) }

    func sample() throws -> Sample {
      let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
      let clients = (try redis.send("CLIENT", "LIST").text ?? "").split(separator: "\n").count
      let commands = (try redis.send("INFO", "stats").text ?? "")
        .split(whereSeparator: \.isNewline).first { $0.hasPrefix("total_commands_processed:") }?
        .split(separator: ":").last.flatMap { Int($0) }
      let sample = Sample(
        memory: (Int(pages[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))),
        descriptors: try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count,
        clients: clients, commands: commands ?? 0)
      if isLong, count % 6 == 0 { print("soak after \(count / 6) min: \(sample)") }
      count += 1
      return sample
    }
  }

  /// The result of the workers; nil while they work.
  private final class Outcome: Sendable {
    private let result = Mutex<Result<[Void], any Error>?>(nil)

    func set(_ new: Result<[Void], any Error>) { result.withLock { $0 = new } }
    var value: Result<[Void], any Error>? { result.withLock { $0 } }
  }
}
