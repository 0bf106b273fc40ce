import Mneme

/// Work that goes on in batches: between two of them it may be interrupted, run out of time, or pause for the
/// server's sake.
final class LongWork: Sendable {
  private let interrupt: Interrupt
  private let deadline: Instant?
  private let pause: @Sendable () -> Void

  /// - Parameters:
  ///   - pace: the pause after each batch.
  ///   - deadline: from when on to stop.
  init(_ context: Context, pace: Duration = .zero, deadline: Instant? = nil) {
    interrupt = context.interrupt
    self.deadline = deadline
    pause = { sleep(for: pace) }
    interrupt.begin()
  }

  /// Whether to end after the batch in hand.
  var shouldStop: Bool { interrupt.isRequested || deadline.map { .now >= $0 } ?? false }

  /// Between two batches.
  func batchDone() { pause() }

  /// The status with which to end; nil when no signal has come.
  var interruption: ExitStatus? { interrupt.status }

  /// - Throws: `Interruption` when a signal has come.
  func check() throws {
    if let status = interrupt.status { throw Interruption(status: status) }
  }

  /// - Parameter state: what was done so far, and how to go on.
  /// - Throws: `Interruption` when a signal has come.
  func check(_ state: @autoclosure () -> String) throws {
    if let status = interrupt.status { throw Interruption(status: status, state: state()) }
  }
}
