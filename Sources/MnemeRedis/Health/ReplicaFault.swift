import Mneme

/// A state in which a replica may lack data of its primary.
package enum ReplicaFault: Sendable, Equatable {
  /// The replica is copying its primary's data, and has only a part of it or nothing.
  case synchronizing
  /// The link to its primary is down, since the given number of seconds if it is known.
  case unlinked(since: Seconds?)

  /// Reads the section `replication` of `INFO`; nil for a primary, and for a replica that is up to date.
  init?(_ replication: [String: String]) {
    if replication["master_sync_in_progress"] == "1" {
      self = .synchronizing
    } else if replication["master_link_status"] == "down" {
      let seconds = replication["master_link_down_since_seconds"].flatMap { Int64($0) }
      self = seconds == -1 ? .synchronizing : .unlinked(since: seconds.map { Seconds($0) })
    } else {
      return nil
    }
  }

  /// The state, worded to follow "the replica".
  package var description: String {
    switch self {
    case .synchronizing: "is still copying the data of its primary"
    case .unlinked(let seconds?): "lost its primary \(seconds.rawValue) s ago"
    case .unlinked(nil): "has lost its primary"
    }
  }
}

extension RedisClient {
  /// Reads the state of a replica that may lack writes; nil if it has all, or if the server does not report it. One
  /// round trip on a replica, none elsewhere.
  package func replicaFault() throws -> ReplicaFault? {
    guard role.isReplica == true else { return nil }
    var request = Pipeline()
    let section = request.append("INFO", "replication")
    return ReplicaFault(try read(request, tolerating: true)[section].information)
  }
}

extension RedisStore {
  /// Refuses a replica that may lack data of its primary, for work that needs all of it. Call it after the first
  /// command. One round trip on a replica, none elsewhere.
  /// - Throws: `StoreBackendError` with `notReady`.
  package func requireCompleteReplica() throws {
    guard let fault = try client.replicaFault() else { return }
    throw StoreBackendError(
      .notReady, "The replica \(client.address) \(fault.description).", about: .server(client.address),
      remedy: .waitForPrimary)
  }
}
