import Mneme

/// A guard that detects the loss of stored data during long work: a restart of the server without its latest data, a
/// failover to a replica that lacks it, or a flush.
///
/// It compares the identity of the server and the cache's version counter: at the beginning, after each new connection,
/// once a second, and at the end. If the server does not report its identity (an ACL may forbid `INFO`), only the
/// counter is compared, and the writes of another client can hide a loss. Used by one thread.
package final class LossGuard {
  /// The server and the cache at one moment.
  private struct Snapshot {
    /// `run_id`, which changes with each start of the server.
    var runID: String?
    /// `master_replid`, which changes when the server follows another primary or becomes one.
    var replicationID: String?
    /// `master_replid2`, the earlier one of a replica that has become a primary.
    var formerReplicationID: String?
    /// The version counter; nil if it cannot be read.
    var version: Int64?
    var address: String
    var isCluster: Bool
    var isReplica: Bool
  }

  /// The last known state of server and cache; nil if the server does not report its identity.
  package var mark: ServerMark? { Self.mark(of: last, version: highestVersion) }

  private let store: RedisStore
  private var last: Snapshot
  private var highestVersion: Int64
  private var connections: Int
  private var time = Instant.now

  /// The time between two comparisons, if no connection is lost.
  private static let interval = Duration.seconds(1)
  /// The time between two checks for lost connections. Each waits for a request in progress.
  private static let shortInterval = Duration.milliseconds(100)
  private var lastCheck = Instant.now

  /// One round trip.
  package init(_ store: RedisStore) throws {
    self.store = store
    last = try Self.look(at: store)
    highestVersion = last.version ?? 0
    connections = store.client.traffic.connections
  }

  /// Compares again if a connection was lost or the interval is over. Call it between batches.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  package func check() throws {
    let now = Instant.now
    guard lastCheck.duration(to: now) >= Self.shortInterval else { return }
    lastCheck = now
    guard store.client.traffic.connections != connections || time.duration(to: now) >= Self.interval else {
      return
    }
    try compare(with: Self.look(at: store))
    (connections, time) = (store.client.traffic.connections, .now)
  }

  /// Compares now. One round trip.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  package func confirm() throws { try compare(with: Self.look(at: store)) }

  /// Compares once more, at the end. If connections were lost, or if there are several, it uses a new connection,
  /// since an old one may lead to a server that is not the primary any more. One round trip.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  package func finish() throws {
    guard store.client.traffic.connections > 1 else { return try compare(with: Self.look(at: store)) }
    let other = store.another()
    defer { other.close() }
    try compare(with: Self.look(at: other))
    store.client.count(other.client.traffic)
  }

  /// Compares the state at the beginning with the one that an earlier run has seen.
  /// - Throws: `StoreBackendError` with `lostWrites` if the server may have lost something since.
  package func check(since mark: ServerMark) throws {
    guard let now = self.mark, now.server == mark.server, now.version >= mark.version else {
      throw StoreBackendError(
        .lostWrites,
        "The server at \(store.client.address) was restarted, replaced or emptied since, and may have lost stored data.",
        about: .server(store.client.address), remedy: .repeatFromStart)
    }
  }

  private static func mark(of snapshot: Snapshot, version: Int64) -> ServerMark? {
    guard let runID = snapshot.runID, let replicationID = snapshot.replicationID else { return nil }
    return ServerMark(
      server: String(unambiguousHash(of: [runID, replicationID]).prefix(8)), version: version)
  }

  private static func look(at store: RedisStore) throws -> Snapshot {
    var request = Pipeline()
    let server = request.append("INFO", "server")
    let replication = request.append("INFO", "replication")
    let version = request.append("GET", store.layout.version)
    let replies = try store.client.read(request, tolerating: true)
    store.note(serverInformation: replies[server].information)
    let counter = replies[version]
    // A repair replaces a number that cannot grow by a lower one, which is not a loss.
    let number = counter.integer.flatMap { $0 <= RedisStore.largestNumber ? $0 : nil }
    return Snapshot(
      runID: replies[server].information["run_id"],
      replicationID: replies[replication].information["master_replid"],
      formerReplicationID: replies[replication].information["master_replid2"],
      version: counter.isNull ? 0 : number, address: store.client.address,
      isCluster: store.client.role.isCluster == true,
      isReplica: replies[replication].information["role"] == "slave")
  }

  private func compare(with now: Snapshot) throws {
    if let version = now.version {
      guard version >= highestVersion else { throw lost(from: highestVersion, to: version) }
      highestVersion = version
    }
    // In a cluster the keys of a slot, the counter included, can move to another node.
    let isOtherNode = now.isCluster && now.address != last.address
    if !isOtherNode {
      let hasOtherData =
        differs(last.replicationID, now.replicationID) && differs(last.replicationID, now.formerReplicationID)
      // An address for readers may lead to different replicas of a primary.
      let isOtherReplica =
        now.isReplica && now.replicationID != nil && !differs(last.replicationID, now.replicationID)
      if differs(last.runID, now.runID) && !isOtherReplica || hasOtherData { throw replaced }
    }
    last = now
  }

  /// Whether two names are known and not the same.
  private func differs(_ before: String?, _ now: String?) -> Bool {
    guard let before, let now else { return false }
    return !before.utf8.elementsEqual(now.utf8)
  }

  private func lost(from before: Int64, to now: Int64) -> StoreBackendError {
    StoreBackendError(
      .lostWrites,
      "The server has lost stored data: '\(store.layout.version.text)' went back from \(before) to \(now).",
      about: .server(store.client.address), remedy: .repeatFromStart)
  }

  private var replaced: StoreBackendError {
    StoreBackendError(
      .lostWrites,
      "Another server answers at \(store.client.address) now, or it was restarted, and the latest writes may be lost.",
      about: .server(store.client.address), remedy: .repeatFromStart)
  }
}

/// The identity of a server at a moment, and the version of a cache on it: `e3c4ecb6.41234`. An import that continues
/// later finds out with it whether the server still has what was stored by then.
package struct ServerMark: Sendable, Equatable, CustomStringConvertible {
  /// A digest of `run_id` and `master_replid`: 8 hexadecimal digits.
  let server: String
  /// The version counter of the cache.
  let version: Int64

  init(server: String, version: Int64) { (self.server, self.version) = (server, version) }

  /// Parses a mark; nil if the text is not one.
  package init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].utf8.count == 8, parts[0].allSatisfy({ $0.isASCII && $0.isHexDigit }),
      let version = Int64(parts[1]), version >= 0
    else { return nil }
    self.init(server: String(parts[0]), version: version)
  }

  package var description: String { "\(server).\(version)" }
}

extension RedisStore {
  /// Counts the entries of a namespace with an id up to this one.
  ///
  /// One round trip if the namespace is empty, and one for each page of 200 else.
  package func countEntries(upTo id: EntryID, in namespace: Namespace) throws -> Int {
    guard try count(in: namespace) > 0 else { return 0 }
    var count = 0
    try forEachPairPage(of: .sortedSet(layout.lru(namespace))) { page in
      count += page.compactMap { EntryID(member: $0.name.bytes) }.count { $0 <= id }
    }
    return count
  }

  /// Whether more than one connection was needed so far. No round trip.
  package var hasLostConnections: Bool { client.traffic.connections > 1 }

  /// The highest id that an entry has. One round trip.
  package func highestID() throws -> EntryID {
    let highest = try answer { $0.append("ZRANGE", layout.byID, -1, -1) }
    return highest.first.flatMap { EntryID(member: $0.bytes) } ?? EntryID(0)
  }
}
