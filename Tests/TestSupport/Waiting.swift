import Glibc

/// How long a test waits before it takes what it waits for to hang. No wait that succeeds depends on it.
package let patience = Duration.seconds(300)

/// Waits until something holds.
/// - Throws: `TestTimeout` once `patience` is over.
package func eventually(_ what: String, _ condition: () throws -> Bool) throws {
  let deadline = Deadline(in: patience)
  while try !condition() {
    guard !deadline.hasPassed else { throw TestTimeout(what) }
    usleep(10_000)
  }
}

/// Something did not happen in time.
package struct TestTimeout: Error, CustomStringConvertible {
  package let description: String
  package init(_ what: String) { description = "waited too long for \(what)" }
}

/// A moment after which a test stops waiting.
struct Deadline {
  private let end: ContinuousClock.Instant

  init(in limit: Duration) { end = .now + limit }

  var hasPassed: Bool { ContinuousClock.now >= end }

  /// The time left as `poll` takes it: at most `limit`, never negative.
  func milliseconds(atMost limit: Int) -> Int32 {
    let left = (end - .now) / .milliseconds(1)
    return Int32(max(0, min(Double(limit), left.rounded(.up))))
  }
}
