import Glibc
import Synchronization

/// A request to end the work of a thread. The work ends before its next round trip.
package final class WorkCancellation: Sendable {
  private let isRequested = Atomic(false)
  private let hasEnded = Atomic(false)

  /// The place of what the calling thread works on.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  package init() {}

  /// Asks the work to end. Called on another thread.
  package func request() { isRequested.store(true, ordering: .relaxed) }

  /// Whether the work has ended because of the request. Its result or error is then not used.
  package var hasEndedWork: Bool { hasEnded.load(ordering: .relaxed) }

  /// Runs work that ends when this is requested.
  package func during(_ work: () -> Void) {
    pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
    defer { pthread_setspecific(Self.key, nil) }
    work()
  }

  /// Ends the work of the calling thread where that is requested. Called before each round trip.
  /// - Throws: `WorkCancelled`.
  package static func check() throws {
    guard let pointer = pthread_getspecific(key) else { return }
    let work = Unmanaged<WorkCancellation>.fromOpaque(pointer).takeUnretainedValue()
    guard work.isRequested.load(ordering: .relaxed) else { return }
    work.hasEnded.store(true, ordering: .relaxed)
    throw WorkCancelled()
  }
}

/// The end of work that was cancelled.
package struct WorkCancelled: Error {}
