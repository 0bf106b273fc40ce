/// The traffic of a client with its servers, for `--verbose` and for tests.
package struct Traffic: Sendable, Equatable {
  /// Connections made.
  package internal(set) var connections = 0
  /// Writes whose replies were awaited.
  package internal(set) var roundTrips = 0
  /// The number of commands, including those of greetings and transactions.
  package internal(set) var commandsSent = 0
  /// The bytes sent, without the overhead of TLS.
  package internal(set) var bytesSent = 0
  /// The bytes received, without the overhead of TLS.
  package internal(set) var bytesReceived = 0
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

/// The traffic of all connections of a client.
final class TrafficMeter {
  var traffic = Traffic()
  /// The shortest time that an exchange has taken; nil before the first.
  private(set) var shortestRoundTrip: Duration?

  func count(commands: Int, took span: Duration) {
    traffic.commandsSent += commands
    shortestRoundTrip = min(shortestRoundTrip ?? span, span)
  }
}
