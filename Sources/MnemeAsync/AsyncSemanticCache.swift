import Mneme

/// A `SemanticCache` for servers: its calls are awaited, and run on threads of their own.
///
/// Each thread has a connection to the store, and all share one index of vectors for each namespace. As many calls as
/// there are threads run at the same time. Further calls wait in a queue in their order. No call blocks a thread of
/// Swift's cooperative pool. Lookups that need an index which is being built wait for it, each on its thread.
///
/// A task that is cancelled ends its call with `CancellationError`: immediately if it waits in the queue, otherwise
/// before its next round trip. A step that the store takes in one round trip is whole or not taken. On Redis a round
/// trip lasts at most as long as `ConnectionOptions` allows, by default 5 s to connect and 30 s for an answer.
///
/// The calls, their round trips and their errors are those of `SemanticCache`. This server answers questions that come
/// in UDP packets, many at the same time:
///
///     import Foundation
///     import Mneme
///     import MnemeAsync
///     import MnemeRedis
///
///     struct Question: Sendable {
///       var text: String
///       var sender = sockaddr()
///     }
///
///     @main
///     struct Server {
///       static func main() async throws {
///         let cache = try AsyncSemanticCache(embedder: HashedNgramEmbedder(), connections: 4) {
///           try RedisStore(url: "redis://localhost:6379/0")
///         }
///         let port = try openPort(7007)
///         // Waiting for packets blocks, so it has its own thread.
///         let questions = AsyncStream<Question> { continuation in
///           Thread.detachNewThread { while true { continuation.yield(receive(from: port)) } }
///         }
///         await withDiscardingTaskGroup { tasks in
///           for await question in questions {
///             tasks.addTask {
///               do {
///                 let hit = try await cache.get(question.text)
///                 send(hit?.response ?? "I do not know.", to: question.sender, from: port)
///               } catch {
///                 send("I cannot tell: \(error)", to: question.sender, from: port)
///               }
///             }
///           }
///         }
///         await cache.close()
///       }
///
///       static func openPort(_ number: UInt16) throws -> Int32 {
///         var address = sockaddr_in()
///         address.sin_family = sa_family_t(AF_INET)
///         address.sin_port = number.bigEndian
///         let port = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
///         let code = withUnsafeBytes(of: &address) {
///           bind(port, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t($0.count))
///         }
///         guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
///         return port
///       }
///
///       static func receive(from port: Int32) -> Question {
///         var question = Question(text: "")
///         var bytes = [UInt8](repeating: 0, count: 65_536)
///         var size = socklen_t(MemoryLayout<sockaddr>.size)
///         let count = recvfrom(port, &bytes, bytes.count, 0, &question.sender, &size)
///         question.text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
///         return question
///       }
///
///       static func send(_ text: String, to client: sockaddr, from port: Int32) {
///         var client = client
///         sendto(port, Array(text.utf8), text.utf8.count, 0, &client, socklen_t(MemoryLayout<sockaddr>.size))
///       }
///     }
public final class AsyncSemanticCache: Sendable {
  private let cache: SemanticCache
  private let pool: ThreadPool

  /// Makes a cache for one embedder, which must be the one that filled it. Starts the threads; no round trip.
  /// - Parameters:
  ///   - connections: the number of threads, each with a store; at least 1.
  ///   - makeStore: makes a store that is not opened yet. It is called once for each connection. The stores must have
  ///     the same data, so that each sees the writes of the others. They may be one store.
  /// - Throws: what `makeStore` throws; `StoreBackendError` where the system allows no more threads.
  public init(
    embedder: any Embedder, connections: Int = 4, options: SemanticCache.Options = .init(),
    makeStore: () throws -> any Store
  ) throws {
    precondition(connections > 0, "a cache needs a connection")
    cache = try SemanticCache(store: try makeStore(), embedder: embedder, options: options)
    var caches = [cache]
    do {
      while caches.count < connections {
        caches.append(try SemanticCache(sharing: cache, store: try makeStore(), embedder: embedder))
      }
      pool = try ThreadPool(caches)
    } catch {
      for cache in caches { cache.close() }
      throw error
    }
  }

  deinit { pool.close {} }

  // MARK: Calls

  /// Finds the answer to a query; nil if there is none.
  /// - Parameters:
  ///   - embedding: the query's vector, if the caller has it.
  ///   - bypass: forces a miss, which is counted as one.
  public func get(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil, bypass: Bool = false
  ) async throws -> Hit? {
    try await perform { try $0.get(query, namespace: namespace, embedding: embedding, bypass: bypass) }
  }

  /// Finds the answer to a query, or the reason why there is none.
  public func lookUp(
    _ query: String, namespace: Namespace = .default, embedding: [Float]? = nil,
    options: SemanticCache.GetOptions
  ) async throws -> Lookup {
    try await perform {
      try $0.lookUp(query, namespace: namespace, embedding: embedding, options: options)
    }
  }

  /// Stores an answer. It replaces an answer to the same question in the same namespace.
  /// - Parameters:
  ///   - metadata: a JSON object, stored as it is written.
  ///   - ttl: 1 second … `SemanticCache.longestTTL`; nil takes `SemanticCache.Options.defaultTTL`.
  ///   - embedding: the query's vector, if the caller has it. Stored normalized to length 1.
  /// - Throws: `InvalidInputError` for a part over its limit or an answer that the validator refuses,
  ///   `EmbedderError`, `EmbedderDimensionError`, `QuantizationError`. Nothing is written then.
  @discardableResult
  public func put(
    _ query: String, _ response: String, namespace: Namespace = .default, metadata: String = "{}",
    ttl: Seconds? = nil, embedding: [Float]? = nil
  ) async throws -> Insertion {
    try await perform {
      try $0.put(
        query, response, namespace: namespace, metadata: metadata, ttl: ttl, embedding: embedding)
    }
  }

  /// Removes the entry of a query.
  /// - Returns: its id, or nil if there was none.
  @discardableResult
  public func delete(_ query: String, namespace: Namespace = .default) async throws -> EntryID? {
    try await perform { try $0.delete(query, namespace: namespace) }
  }

  /// Empties a namespace. Its quota and its counters stay.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func clear(namespace: Namespace) async throws -> Int {
    try await perform { try $0.clear(namespace: namespace) }
  }

  /// Empties every namespace.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func clear() async throws -> Int { try await perform { try $0.clear() } }

  /// Removes expired entries.
  /// - Parameter namespace: nil for every namespace.
  /// - Returns: the number of entries that were removed.
  @discardableResult
  public func vacuum(namespace: Namespace? = nil) async throws -> Int {
    try await perform { try $0.vacuum(namespace: namespace) }
  }

  /// Reads the totals and a summary of each namespace, or of the one asked for.
  public func stats(namespace: Namespace? = nil) async throws -> Stats {
    try await perform { try $0.stats(namespace: namespace) }
  }

  /// Checks the store, and reads the age of every entry.
  public func health() async throws -> Health { try await perform { try $0.health() } }

  /// Lists the namespaces that have entries, sorted by their bytes.
  public func namespaces() async throws -> [Namespace] { try await perform { try $0.namespaces() } }

  /// Sets the quota of a namespace; nil removes it. The next put evicts entries above it.
  /// - Throws: `InvalidInputError` below 1 and above `SemanticCache.largestQuota`.
  public func setQuota(_ maxEntries: Int?, for namespace: Namespace) async throws {
    try await perform { try $0.setQuota(maxEntries, for: namespace) }
  }

  /// Reads the quota of a namespace; nil if it has none.
  public func quota(for namespace: Namespace) async throws -> Int? {
    try await perform { try $0.quota(for: namespace) }
  }

  /// The least similarity of a semantic hit. No round trip.
  public var threshold: Double {
    get { cache.threshold }
    set { cache.threshold = newValue }
  }

  /// Ends the use of the cache, and returns when the calls that run have ended. Calls that wait, and later ones, throw
  /// `CacheClosedError`.
  public func close() async {
    await withCheckedContinuation { continuation in pool.close { continuation.resume() } }
  }

  // MARK: Threads

  private func perform<Value: Sendable>(
    _ work: @escaping @Sendable (SemanticCache) throws -> Value
  ) async throws -> Value {
    let job = Job()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isQueued = job.queue { cache in
          let result = Result { try work(cache.get()) }
          if job.cancellation.hasEndedWork {
            continuation.resume(throwing: CancellationError())
          } else {
            continuation.resume(with: result)
          }
        }
        if isQueued { pool.submit(job) } else { continuation.resume(throwing: CancellationError()) }
      }
    } onCancel: {
      job.cancel()
    }
  }
}
