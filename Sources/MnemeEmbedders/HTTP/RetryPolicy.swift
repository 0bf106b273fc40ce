/// When a request is made again, and after how long.
struct RetryPolicy: Sendable {
  /// The most attempts at a request, the first included.
  var attempts = 5
  /// The pause after the first; each further one is twice as long.
  var firstPause = Duration.milliseconds(500)

  /// The pause before another attempt, or nil if there is no time for one.
  ///
  /// The time in `Retry-After` is kept to the second. A pause of our own is drawn from its upper half, so that hosts
  /// that were refused together do not retry together.
  /// - Parameters:
  ///   - attempt: the number of the one that failed, from 1.
  ///   - asked: what the server asked for.
  ///   - left: the time that there still is.
  func pause(after attempt: Int, asked: Duration?, left: Duration) -> Duration? {
    guard attempt < attempts else { return nil }
    let own = firstPause * (1 << (attempt - 1))
    let pause = asked ?? own * Double.random(in: 0.5...1)
    return pause < left ? pause : nil
  }

  /// Whether an answer with this status may be another one the next time.
  static func isTemporary(status: Int) -> Bool {
    status == 429 || (500...599).contains(status) && status != 501
  }
}
