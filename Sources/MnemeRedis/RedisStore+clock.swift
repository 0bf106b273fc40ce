import Mneme

/// This machine's clock compared with the server's.
///
/// Entries expire by the clock of the machine that reads them. A machine whose clock is a day ahead would delete the
/// good entries of all others. If the two differ by more than a minute, the server's clock is used, which all
/// machines share.
extension RedisStore {
  /// The largest difference of the clocks that is ignored.
  static let clockTolerance = Seconds(60)
  /// The time for which a comparison holds.
  private static let comparisonAge = Duration.seconds(60)
  /// Later than this after now, a time is a mistake rather than that of a clock that is ahead.
  static let farthestLead = Seconds(86_400)

  /// A comparison of the clocks.
  struct ClockComparison {
    /// The lead of this machine's clock; nil if the server does not report its time.
    var lead: Seconds?
    var at: Instant
  }

  /// The moment by which entries expire: `now`, or what the server's clock says instead where the two differ by more than
  /// a minute. One round trip in a minute.
  package func time(for now: UnixTime) throws -> UnixTime {
    if isComparisonOld {
      var request = Pipeline()
      let server = request.append("INFO", "server")
      note(serverInformation: try client.read(request, tolerating: true)[server].information)
    }
    guard let lead = clockLead else { return now }
    return now + Seconds(-lead.rawValue)
  }

  private var isComparisonOld: Bool {
    clockComparison.map { $0.at.duration(to: .now) > Self.comparisonAge } ?? true
  }

  /// The lead of this machine's clock over the server's, negative if it is behind; nil unless it is known and more
  /// than a minute. No round trip.
  package var clockLead: Seconds? {
    clockComparison?.lead.flatMap { $0.rawValue.magnitude > UInt64(Self.clockTolerance.rawValue) ? $0 : nil }
  }

  /// Compares the clocks by what the server has said.
  func note(serverInformation information: [String: String]) {
    clockComparison = ClockComparison(lead: information.serverTime.map { systemClock() - $0 }, at: .now)
  }

  /// When an access counts as made: now, or where a later one has been made, by the server's clock and no earlier than
  /// that one. Otherwise what was just put or served by a machine whose clock is behind would be the next to be evicted.
  ///
  /// One round trip in a minute on such a machine.
  /// - Parameter latest: the highest score in `lru`.
  func accessTime(
    _ now: UnixTime, after latest: UnixTime?, _ transaction: borrowing Transaction
  ) throws -> UnixTime {
    guard let latest, latest > now, latest <= now + Self.farthestLead else { return now }
    if isComparisonOld {
      var request = Pipeline()
      let server = request.append("INFO", "server")
      note(serverInformation: try transaction.read(request, tolerating: true)[server].information)
    }
    return max(latest, now + Seconds(-(clockComparison?.lead?.rawValue ?? 0)))
  }

  /// Asks for the time of the latest access in a namespace. Fails where the key is of another type.
  func appendLatestAccess(in namespace: Namespace, to pipeline: inout Pipeline) -> Slot {
    pipeline.append("ZRANGE", layout.lru(namespace), -1, -1, "WITHSCORES")
  }
}

extension Reply {
  /// The score in a reply to `RedisStore.appendLatestAccess`.
  var latestAccess: UnixTime? {
    self[1].string.flatMap(Double.init).flatMap { Int64(exactly: $0.rounded()) }.map { UnixTime($0) }
  }
}
