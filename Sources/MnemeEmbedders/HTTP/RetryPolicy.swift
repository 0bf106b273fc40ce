/// The rules for repeating a request.
struct RetryPolicy: Sendable {
  /// The most attempts at a request, the first included.
  var attempts = 5
  /// The pause after the first attempt. Each further pause is twice as long.
  var firstPause = Duration.milliseconds(500)

  /// The pause before another attempt, or nil if there is no time for one.
  ///
  /// The time in `Retry-After` is kept exactly. Otherwise the pause is a random time in the upper half of its length,
  /// so that hosts which were refused at the same time do not retry at the same time.
  /// - Parameters:
  ///   - attempt: the number of the failed attempt, from 1.
  ///   - asked: the time in `Retry-After`.
  ///   - left: the time left.
  func pause(after attempt: Int, asked: Duration?, left: Duration) -> Duration? {
    guard attempt < attempts else { return nil }
    let own = firstPause * (1 << (attempt - 1))
    let pause = asked ?? own * Double.random(in: 0.5...1)
    return pause < left ? pause : nil
  }

  /// Whether a later attempt may have another status than this one.
  static func isTemporary(status: Int) -> Bool {
    status == 429 || (500...599).contains(status) && status != 501
  }
}
