import Mneme

/// Why a replica may lack what its primary has.
package enum ReplicaFault: Sendable, Equatable {
  /// It is copying what its primary has, and has only a part of it or nothing so far.
  case synchronizing
  /// The link to its primary is down. What it has was right so many seconds ago, if it says.
  case unlinked(since: Seconds?)

  /// - Parameter replication: the section of `INFO`. nil for a primary and for a replica in step.
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

  /// The state, behind "the replica".
  package var description: String {
    switch self {
    case .synchronizing: "is still copying what its primary has"
    case .unlinked(let seconds?): "lost its primary \(seconds.rawValue) s ago"
    case .unlinked(nil): "has lost its primary"
    }
  }
}

extension RedisClient {
  /// The writes that a replica may lack. One round trip on a replica, none elsewhere; nil if the server does not say.
  package func replicaFault() throws -> ReplicaFault? {
    guard role.isReplica == true else { return nil }
    var request = Pipeline()
    let section = request.append("INFO", "replication")
    return ReplicaFault(try read(request, tolerating: true)[section].information)
  }
}

extension RedisStore {
  /// Refuses a replica that may lack what its primary has, for work that must have all of it. To be called when the server
  /// was asked something; one round trip on a replica, none elsewhere.
  /// - Throws: `StoreBackendError` with `notReady`.
  package func requireCompleteReplica() throws {
    guard let fault = try client.replicaFault() else { return }
    throw StoreBackendError(
      .notReady, "The replica \(client.address) \(fault.description).", about: .server(client.address),
      remedy: .waitForPrimary)
  }
}
