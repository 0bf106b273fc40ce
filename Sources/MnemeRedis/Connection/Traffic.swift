/// The traffic of a client with its servers, for `--verbose` and for tests.
public struct Traffic: Sendable, Equatable {
  /// Connections made.
  public internal(set) var connections = 0
  /// Writes whose replies were awaited.
  public internal(set) var roundTrips = 0
  /// Those of greetings and transactions included.
  public internal(set) var commandsSent = 0
  /// Before TLS.
  public internal(set) var bytesSent = 0
  /// After TLS.
  public internal(set) var bytesReceived = 0
}

extension Traffic {
  static func += (sum: inout Traffic, other: Traffic) {
    sum.connections += other.connections
    sum.roundTrips += other.roundTrips
    sum.commandsSent += other.commandsSent
    sum.bytesSent += other.bytesSent
    sum.bytesReceived += other.bytesReceived
  }
}

/// The count that the connections of one client keep together.
final class TrafficMeter {
  var traffic = Traffic()
  /// The shortest time that an exchange has taken; nil before the first.
  private(set) var shortestRoundTrip: Duration?

  func count(commands: Int, took span: Duration) {
    traffic.commandsSent += commands
    shortestRoundTrip = min(shortestRoundTrip ?? span, span)
  }
}
