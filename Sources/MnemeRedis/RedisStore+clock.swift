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
  /// The largest lead of a clock. A time that is later is a mistake.
  static let farthestLead = Seconds(86_400)

  /// A comparison of the clocks.
  struct ClockComparison {
    /// The lead of this machine's clock; nil if the server does not report its time.
    var lead: Seconds?
    var at: Instant
  }

  /// The moment by which entries expire: `now`, or the server's time if the two differ by more than a minute. At most
  /// one round trip a minute.
  package func time(for now: UnixTime) throws -> UnixTime {
    if isComparisonOld {
      var request = Pipeline()
      let server = request.append("INFO", "server")
      note(serverInformation: try client.read(request, tolerating: true)[server].information)
    }
    guard let lead = clockLead else { return now }
    return now + Seconds(-lead.rawValue)
  }

  var isComparisonOld: Bool {
    clockComparison.map { $0.at.duration(to: .now) > Self.comparisonAge } ?? true
  }

  /// The lead of this machine's clock over the server's, negative if it is behind; nil unless it is known and more
  /// than a minute. No round trip.
  package var clockLead: Seconds? {
    clockComparison?.lead.flatMap { $0.rawValue.magnitude > UInt64(Self.clockTolerance.rawValue) ? $0 : nil }
  }

  /// Compares the clocks with the time in the server's `INFO`.
  func note(serverInformation information: [String: String]) {
    clockComparison = ClockComparison(lead: information.serverTime.map { systemClock() - $0 }, at: .now)
  }

  /// The time to record for an access: now, or, if a later access is recorded already, the server's time and at least
  /// that of the later access. Otherwise an entry just put or served by a machine whose clock is behind would be the
  /// next to be evicted.
  ///
  /// On such a machine: at most one round trip a minute.
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

  /// Appends the read of the latest access in a namespace. It fails if the key has another type.
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
