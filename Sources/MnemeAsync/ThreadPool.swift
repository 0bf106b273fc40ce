import Mneme

/// Threads that take calls from one queue. Each has a cache with its own store.
final class ThreadPool: Sendable {
  private struct State: @unchecked Sendable {
    var queue: ArraySlice<Job> = []
    var isClosed = false
    /// The threads that have not ended.
    var threads = 0
    /// Functions that are called when the last thread has ended.
    var closers: [@Sendable () -> Void] = []
  }

  private enum Next {
    case job(Job)
    case end
  }

  private let caches: [SemanticCache]
  private let monitor = Monitor(State())

  /// Starts a thread for each cache.
  /// - Throws: `StoreBackendError` if the system allows no more threads.
  init(_ caches: [SemanticCache]) throws {
    self.caches = caches
    for cache in caches {
      monitor.change { $0.threads += 1 }
      guard let thread = WorkerThread({ [self] in work(with: cache) }) else {
        ended()
        close {}
        throw StoreBackendError(
          .refused, "The system does not allow a thread for each of \(caches.count) connections.",
          remedy: .reduceConnections)
      }
      thread.detach()
    }
  }

  private func work(with cache: SemanticCache) {
    while case .job(let job) = next() { job.run(with: cache) }
    ended()
  }

  private func next() -> Next {
    monitor.wait { state in state.queue.popFirst().map(Next.job) ?? (state.isClosed ? .end : nil) }
  }

  /// Records the end of a thread. The last one closes the stores.
  private func ended() {
    let closers = monitor.change { state in
      state.threads -= 1
      defer { if state.threads == 0 { state.closers = [] } }
      return state.threads == 0 && state.isClosed ? state.closers : nil
    }
    guard let closers else { return }
    for cache in caches { cache.close() }
    for closer in closers { closer() }
  }

  /// Queues a call, or refuses it if the pool is closed.
  func submit(_ job: Job) {
    let isClosed = monitor.change { state in
      if !state.isClosed { state.queue.append(job) }
      return state.isClosed
    }
    if isClosed { job.refuse(Self.closed) }
  }

  /// Ends the threads when the running calls have ended. Waiting calls are refused.
  /// - Parameter completion: called when the last thread has ended.
  func close(_ completion: @escaping @Sendable () -> Void) {
    let (waiting, hasEnded) = monitor.change { state in
      defer { state.queue = [] }
      state.isClosed = true
      if state.threads > 0 { state.closers.append(completion) }
      return (state.queue, state.threads == 0)
    }
    for job in waiting { job.refuse(Self.closed) }
    if hasEnded { completion() }
  }

  private static var closed: CacheClosedError {
    CacheClosedError("The cache is closed.", remedy: .reopen)
  }
}
