import Mneme
import Synchronization

/// A call that waits for a thread, or runs on one.
final class Job: Sendable {
  /// The call. It gets the cache to work with, or the error if there will be none. It is called once.
  typealias Body = @Sendable (Result<SemanticCache, any Error>) -> Void

  private enum Phase {
    /// The call has not been queued yet.
    case new
    case queued(Body)
    /// The call runs, has run, or was refused.
    case begun
  }

  private let phase = Mutex(Phase.new)
  let cancellation = WorkCancellation()

  /// Queues the call.
  /// - Returns: false if it was already cancelled.
  func queue(_ body: @escaping Body) -> Bool {
    phase.withLock { phase in
      guard case .new = phase else { return false }
      phase = .queued(body)
      return true
    }
  }

  private func begin() -> Body? {
    phase.withLock { phase in
      defer { phase = .begun }
      guard case .queued(let body) = phase else { return nil }
      return body
    }
  }

  /// Runs the call, unless it was refused or cancelled.
  func run(with cache: SemanticCache) {
    guard let body = begin() else { return }
    cancellation.during { body(.success(cache)) }
  }

  /// Ends a call that does not run yet. A running call ends before its next round trip.
  func cancel() {
    cancellation.request()
    refuse(CancellationError())
  }

  /// Ends a call that does not run yet.
  func refuse(_ error: any Error) { begin()?(.failure(error)) }
}
