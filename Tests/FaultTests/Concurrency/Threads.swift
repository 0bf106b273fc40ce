import Foundation
import Synchronization

/// Runs `work` on threads of its own, which begin together, and waits for all.
/// - Returns: what each returned, in the order of their numbers.
/// - Throws: the first error that one of them threw.
func atOnce<Result: Sendable>(
  _ count: Int, _ work: @escaping @Sendable (Int) throws -> Result
) throws -> [Result] {
  let outcomes = Outcomes<Result>(count)
  let (start, done) = (DispatchSemaphore(value: 0), DispatchGroup())
  for worker in 0..<count {
    done.enter()
    Thread.detachNewThread {
      start.wait()
      outcomes.set(worker, Swift.Result { try work(worker) })
      done.leave()
    }
  }
  for _ in 0..<count { start.signal() }
  done.wait()
  return try outcomes.all.map { try $0.get() }
}

private final class Outcomes<Value: Sendable>: Sendable {
  private let values: Mutex<[Result<Value, any Error>?]>

  init(_ count: Int) { values = Mutex(Array(repeating: nil, count: count)) }

  func set(_ index: Int, _ result: Result<Value, any Error>) { values.withLock { $0[index] = result } }

  var all: [Result<Value, any Error>] { values.withLock { $0.compactMap(\.self) } }
}
