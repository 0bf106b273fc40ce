import Foundation
import Synchronization
import Testing

/// The errors of a test's other threads. No test is known there, so that an expectation which fails there fails none.
final class Failures: Sendable {
  private let errors = Mutex<[any Error]>([])

  /// Runs `body`, on any thread, and keeps the error that it throws.
  func keep(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      errors.withLock { $0.append(error) }
    }
  }

  /// Lets the test fail for each error. Called on its own thread.
  func report(sourceLocation: SourceLocation = #_sourceLocation) {
    for error in errors.withLock({ $0 }) { Issue.record(error, sourceLocation: sourceLocation) }
  }
}

/// Something that a test did not expect, thrown where an expectation would belong to no test: see `Failures`.
struct Discrepancy: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Runs all in parallel, each on a thread of its own, and waits for the last. The test fails for each error.
func inParallel(
  _ bodies: [@Sendable () throws -> Void], sourceLocation: SourceLocation = #_sourceLocation
) {
  let (group, failures) = (DispatchGroup(), Failures())
  for body in bodies {
    group.enter()
    Thread.detachNewThread {
      failures.keep(body)
      group.leave()
    }
  }
  group.wait()
  failures.report(sourceLocation: sourceLocation)
}
