import Mneme
import Synchronization

/// A line on the terminal that shows the progress of work that takes longer than half a second.
///
/// It is on standard error. `Output` erases it before anything else is printed, and at the end.
final class ProgressLine: Sendable {
  private let isWanted: Bool
  private let unit: String
  private let total: Int?
  private let columns: Int
  private let start = Instant.now
  /// When to write the next line.
  private let next: Mutex<Instant>

  /// - Parameters:
  ///   - unit: what is counted, in the plural.
  ///   - total: the expected number; nil if it is not known.
  ///   - isAmongResults: results go to standard output at the same time. On a terminal, they show the progress.
  init(_ context: Context, unit: String, total: Int? = nil, isAmongResults: Bool = false) {
    let style = context.output.style
    isWanted =
      style.usesProgress && !context.settings.isQuiet && !(isAmongResults && style.outputIsTerminal)
    self.unit = unit
    self.total = total
    columns = style.width
    next = Mutex(start + .milliseconds(500))
  }

  /// Shows how much is done so far.
  /// - Parameter share: the part of the whole that this is, from 0 to 1. If not given, it follows from the total.
  func update(_ done: Int, share: Double? = nil) {
    guard isWanted else { return }
    let now = Instant.now
    let isTime = next.withLock { next in
      guard now >= next else { return false }
      next = now + .milliseconds(100)
      return true
    }
    guard isTime else { return }
    let share = share ?? total.map { $0 > 0 ? Double(done) / Double($0) : 1 }
    Output.showInPlace(ProgressLine.line(done, unit, share: share, after: start.duration(to: now), columns))
  }

  /// Rounds to whole seconds, at least one, since the work is not done yet.
  private static func rest(_ seconds: Double) -> Int64 { Int64(min(max(1, seconds.rounded()), 1e9)) }

  /// `[########............]  40 %, 4,000 entries, 2,000/s, 3s left`, cut to the width.
  static func line(
    _ done: Int, _ unit: String, share: Double?, after elapsed: Duration, _ columns: Int
  ) -> String {
    let seconds = max(elapsed.inSeconds, 0.001)
    var line = "\(grouped(done)) \(unit), \(grouped(Int(Double(done) / seconds)))/s"
    if let share {
      let share = min(1, max(0, share))
      let filled = Int(share * 20)
      let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled)
      let percent = String(Int(share * 100))
      let indent = String(repeating: " ", count: 3 - percent.count)
      line = "[\(bar)] \(indent)\(percent) %, \(line)"
      if share > 0, share < 1 { line += ", \(span(rest(seconds * (1 - share) / share))) left" }
    }
    return String(line.prefix(columns - 1))
  }
}
