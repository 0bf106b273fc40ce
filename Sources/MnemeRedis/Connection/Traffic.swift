/// What a client has exchanged with its servers so far: for `--verbose`, and for whoever counts round trips.
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

/// The count that the connections of one client keep together.
final class TrafficMeter {
  var traffic = Traffic()
}
