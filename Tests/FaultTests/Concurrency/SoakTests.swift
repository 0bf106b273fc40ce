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
    ?? (Effort.isThorough ? 10 : 4)
  static let workers = 4
  /// Whether it runs alone in its process, as `Tests/soak` has it.
  static let isLong = duration > 60
  /// The time between two samples, in milliseconds.
  static let interval = isLong ? 10_000 : 500

  @Test(
    "the number of connections does not grow under mixed traffic",
    .enabled(if: !SoakTests.isLong, "the test of memory does it too"))
  func connections() throws {
    try expectSteadyConnections(settledSamples())
  }

  @Test(
    "neither memory nor the numbers of descriptors and connections grow under mixed traffic for long",
    .enabled(if: SoakTests.isLong, "other tests use the same process; Tests/soak runs it alone"))
  func memoryAndDescriptors() throws {
    let samples = try settledSamples()
    try expectSteadyConnections(samples)
    let (first, last) = (try #require(samples.first), try #require(samples.last))
    #expect(samples.allSatisfy { $0.descriptors <= first.descriptors + 2 * Self.workers }, "\(samples)")
    #expect(last.memory < first.memory + 16 << 20, "\(samples)")
  }

  private func expectSteadyConnections(_ samples: ArraySlice<Sample>) throws {
    let (first, last) = (try #require(samples.first), try #require(samples.last))
    // A vacuum or clear that removes much has two more for a moment.
    #expect(samples.allSatisfy { $0.clients <= 3 * Self.workers + 1 }, "\(samples)")
    // The watcher itself sends two for each sample.
    #expect(last.commands > first.commands + 2 * samples.count, "\(samples)")
  }

  /// Uses a cache, and looks at the process and the server meanwhile. Without the first third, which fills what is kept
  /// for ever: indexes, buffers, the pages of the allocator.
  private func settledSamples() throws -> ArraySlice<Sample> {
    let server = try RedisServer()
    let redis = try server.connect()
    let caches = try (0..<Self.workers).map { _ in
      try SemanticCache(
        store: try RedisStore(url: server.url, keyPrefix: "soak"), embedder: HashedNgramEmbedder())
    }
    defer { for cache in caches { cache.close() } }
    let watcher = Watcher(redis: redis)
    let traffic = Traffic()
    Thread.detachNewThread {
      traffic.end(with: Result { try atOnce(Self.workers) { try work(on: caches[$0], $0, in: traffic) } })
    }
    var samples: [Sample] = []
    do {
      defer { traffic.stop() }
      // Counted in samples: on a busy machine it takes longer.
      while traffic.result == nil, samples.count < Self.duration * 1000 / Self.interval {
        usleep(useconds_t(Self.interval * 1000))
        samples.append(try watcher.sample())
      }
    }
    try eventually("the end of the work") { traffic.result != nil }
    _ = try traffic.result?.get()
    try eventually("the connections of the caches alone") { try watcher.sample().clients == Self.workers + 1 }
    return samples.dropFirst(samples.count / 3)
  }

  private func work(on cache: SemanticCache, _ worker: Int, in traffic: Traffic) throws {
    var random = SeededGenerator(stream: UInt64(worker + 1))
    var step = 0
    while !traffic.isOver {
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
    private var count = 0

    init(redis: RawRedis) { self.redis = redis }

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
      if SoakTests.isLong, count % 6 == 0 { print("soak after \(count / 6) min: \(sample)") }
      count += 1
      return sample
    }
  }

  private final class Traffic: Sendable {
    private let stops = Atomic(false)
    private let outcome = Mutex<Result<[Void], any Error>?>(nil)

    var isOver: Bool { stops.load(ordering: .relaxed) }
    func stop() { stops.store(true, ordering: .relaxed) }

    /// The result of the workers; nil while they work.
    var result: Result<[Void], any Error>? { outcome.withLock { $0 } }
    func end(with new: Result<[Void], any Error>) { outcome.withLock { $0 = new } }
  }
}
