import Mneme
import MnemeRedis

/// Work that is done in batches. Between two batches it shows its progress and pauses for other clients. It ends if a
/// signal has come, if its time is over, or if the server has lost stored data. Used by one thread.
final class LongWork {
  private let interrupt: Interrupt
  private let line: ProgressLine
  private let pace: Duration
  private let deadline: Instant?
  private let guards: [LossGuard]
  private let note: (Int) -> Void
  /// The loss that a guard has found.
  private var loss: (any Error)?

  /// - Parameters:
  ///   - unit: what is counted, in the plural.
  ///   - total: the expected number; nil if it is not known.
  ///   - isAmongResults: results go to standard output at the same time. On a terminal, they show the progress.
  ///   - pace: the pause after each batch.
  ///   - deadline: the time at which to stop.
  ///   - stores: the stores that it reads or writes. The work fails if one loses data. One round trip each.
  ///   - change: for work that changes the cache, the words for so many of its units. An error that ends the work says
  ///     how many the server has acknowledged.
  init(
    _ context: Context, unit: String, total: Int? = nil, isAmongResults: Bool = false,
    pace: Duration = .zero, deadline: Instant? = nil, guarding stores: [RedisStore] = [],
    change: ((Int) -> String)? = nil
  ) throws {
    guards = try stores.map { try LossGuard($0) }
    note = { done in change.map { context.acknowledged = done == 0 ? nil : (done, $0) } }
    interrupt = context.interrupt
    line = ProgressLine(context, unit: unit, total: total, isAmongResults: isAmongResults)
    self.pace = pace
    self.deadline = deadline
    interrupt.begin()
  }

  /// Makes the control that the library reports to and asks whether to stop.
  /// - Parameter base: the number that was done before.
  func control(after base: Int = 0) -> WorkControl {
    WorkControl {
      self.look()
      return self.shouldStop
    } progress: { progress in
      self.tell(base + progress.done, share: progress.share)
      self.pause()
    }
  }

  /// Asks the guards. After a loss, `shouldStop` is true.
  private func look() {
    guard loss == nil else { return }
    do {
      for lossGuard in guards { try lossGuard.check() }
    } catch {
      loss = error
    }
  }

  /// The last known identity of the server that the work relies on; nil if it does not report one.
  var mark: ServerMark? { guards.first?.mark }

  /// Checks whether the server still has what the work has stored by now. One round trip.
  /// - Throws: `StoreBackendError` with `lostWrites` if it has not.
  func confirm() throws { for lossGuard in guards { try lossGuard.confirm() } }

  /// - Throws: `StoreBackendError` with `lostWrites` if the server may have lost what an earlier run had stored.
  func check(since mark: ServerMark) throws { try guards.first?.check(since: mark) }

  /// Checks at the end whether the server still has the data that the work relied on. Call it before reporting success.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  func finish() throws {
    if let loss { throw loss }
    for lossGuard in guards { try lossGuard.finish() }
  }

  /// Whether to end after the current batch.
  var shouldStop: Bool { loss != nil || interrupt.isRequested || deadline.map { .now >= $0 } ?? false }

  /// Shows how much is done so far.
  /// - Parameter share: the part of the whole that this is, from 0 to 1. If not given, it follows from the total.
  func tell(_ done: Int, share: Double? = nil) {
    line.update(done, share: share)
    note(done)
  }

  /// Pauses between two batches.
  func pause() { interrupt.pause(for: pace) }

  /// The status with which to end; nil when no signal has come.
  var interruption: ExitStatus? { interrupt.status }

  /// - Throws: `Interruption` when a signal has come; `StoreBackendError` with `lostWrites`.
  func check() throws {
    look()
    if let loss { throw loss }
    if let status = interrupt.status { throw Interruption(status: status) }
  }

  /// - Parameter state: what was done so far, and how to continue.
  /// - Throws: `Interruption` when a signal has come; `StoreBackendError` with `lostWrites`.
  func check(_ state: @autoclosure () -> String) throws {
    look()
    if let loss { throw loss }
    if let status = interrupt.status { throw Interruption(status: status, state: state()) }
  }
}
