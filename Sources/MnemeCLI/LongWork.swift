import Mneme
import Synchronization

/// Work that goes on in batches: between two of them it may be interrupted, run out of time, or pause for the
/// server's sake.
final class LongWork: Sendable {
  private let interrupt: Interrupt
  private let deadline: ContinuousClock.Instant?
  private let pause: @Sendable () -> Void

  /// - Parameters:
  ///   - pace: the pause after each batch.
  ///   - deadline: from when on to stop.
  init(_ context: Context, pace: Duration = .zero, deadline: ContinuousClock.Instant? = nil) {
    interrupt = context.interrupt
    self.deadline = deadline
    pause = { sleep(for: pace) }
    interrupt.begin()
  }

  /// Whether to end after the batch in hand.
  var shouldStop: Bool { interrupt.isRequested || deadline.map { .now >= $0 } ?? false }

  /// Between two batches.
  func batchDone() { pause() }

  /// - Throws: `Interruption` when a signal has come.
  func check() throws {
    if let status = interrupt.status { throw Interruption(status: status) }
  }
}

/// A line on the terminal that says how far the work has come, once it takes longer than half a second.
final class Progress: Sendable {
  private struct State {
    var shown = false
    var next: ContinuousClock.Instant
    var width = 0
  }

  private let write: @Sendable (String) -> Void
  private let isWanted: Bool
  private let unit: String
  private let total: Int?
  private let columns: Int
  private let start = ContinuousClock.now
  private let state: Mutex<State>

  /// - Parameter total: how much there is, as far as is known; it may change meanwhile.
  init(_ context: Context, unit: String, total: Int?) {
    let style = context.output.style
    isWanted = style.usesProgress && !context.settings.isQuiet
    write = { Output.noteInPlace($0) }
    self.unit = unit
    self.total = total
    columns = style.width
    state = Mutex(State(next: start + .milliseconds(500)))
  }

  /// How much is done so far.
  func update(_ done: Int) {
    guard isWanted else { return }
    state.withLock { state in
      let now = ContinuousClock.now
      guard now >= state.next else { return }
      state.next = now + .milliseconds(100)
      state.shown = true
      write("\r\u{1B}[K" + line(done, after: start.duration(to: now)))
    }
  }

  /// Takes the line away.
  func end() {
    state.withLock { state in
      guard state.shown else { return }
      state.shown = false
      write("\r\u{1B}[K")
    }
  }

  private func line(_ done: Int, after elapsed: Duration) -> String {
    let rate = Double(done) / max(elapsed.inSeconds, 0.001)
    var line = "\(grouped(done)) \(unit), \(grouped(Int(rate)))/s"
    if let total, total > 0 {
      let share = min(1, Double(done) / Double(total))
      let filled = Int(share * 20)
      line =
        "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled) + "] "
        + "\(Int(share * 100)) %, " + line
      if rate > 0, done < total { line += ", \(span(Int64(Double(total - done) / rate) + 1)) left" }
    }
    return String(line.prefix(columns - 1))
  }
}
