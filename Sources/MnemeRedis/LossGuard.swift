import Mneme

/// Notices when a server loses what it had stored while long work reads or writes it: a restart without its latest data,
/// a failover to a replica that lacked it, a flush.
///
/// It compares who the server says it is, and how far the cache's version counter has come: at the beginning, after each
/// new connection, once a second, and at the end. A server that does not say who it is (an ACL may forbid `INFO`) is judged
/// by the counter alone, which another writer's growth can hide. Used by one thread.
package final class LossGuard {
  /// The server and the cache at one moment.
  private struct Snapshot {
    /// Another one with each start of a server.
    var runID: String?
    /// Another one with each server whose writes this one follows.
    var replicationID: String?
    /// The one before, where a replica has become a primary.
    var formerReplicationID: String?
    /// nil where it cannot be read.
    var version: Int64?
    var address: String
    var isCluster: Bool
    var isReplica: Bool
  }

  /// The server and the cache as they were seen last; nil where the server does not say who it is.
  package var mark: ServerMark? { Self.mark(of: last, version: highestVersion) }

  private let store: RedisStore
  private var last: Snapshot
  private var highestVersion: Int64
  private var connections: Int
  private var time = Instant.now

  /// While no connection is lost, it looks again after this time.
  private static let interval = Duration.seconds(1)
  /// The interval at which it asks for lost connections, which waits for a request in progress.
  private static let shortInterval = Duration.milliseconds(100)
  private var lastCheck = Instant.now

  /// One round trip.
  package init(_ store: RedisStore) throws {
    self.store = store
    last = try Self.look(at: store)
    highestVersion = last.version ?? 0
    connections = store.client.traffic.connections
  }

  /// Looks again where there is a reason to. To be called between batches.
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

  /// Looks now. One round trip.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  package func confirm() throws { try compare(with: Self.look(at: store)) }

  /// Looks once more, at the end: where connections were lost or several were made, over a new one, since an old one may
  /// still lead to a server that others have left. One round trip.
  /// - Throws: `StoreBackendError` with `lostWrites`.
  package func finish() throws {
    guard store.client.traffic.connections > 1 else { return try compare(with: Self.look(at: store)) }
    let other = store.another()
    defer { other.close() }
    try compare(with: Self.look(at: other))
    store.client.count(other.client.traffic)
  }

  /// Compares what was seen first with what an earlier run has seen.
  /// - Throws: `StoreBackendError` with `lostWrites` where the server may have lost something since.
  package func check(since mark: ServerMark) throws {
    guard let now = self.mark, now.server == mark.server, now.version >= mark.version else {
      throw StoreBackendError(
        .lostWrites,
        "The server at \(store.client.address) was started again, replaced or emptied since, and may have lost what was "
          + "stored.", about: .server(store.client.address), remedy: .repeatFromStart)
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
    // A repair sets a number that cannot grow to a lower one.
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
    // The nodes of a cluster hand keys over to each other, with the counter among them.
    let isOtherNode = now.isCluster && now.address != last.address
    if !isOtherNode {
      let hasOtherData =
        differs(last.replicationID, now.replicationID) && differs(last.replicationID, now.formerReplicationID)
      // An address for readers leads to one replica of a primary or another.
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
      "The server has lost what it had stored: '\(store.layout.version.text)' went back from \(before) to \(now).",
      about: .server(store.client.address), remedy: .repeatFromStart)
  }

  private var replaced: StoreBackendError {
    StoreBackendError(
      .lostWrites,
      "Another server answers at \(store.client.address) now, or another start of it, and may have lost what was stored "
        + "last.",
      about: .server(store.client.address), remedy: .repeatFromStart)
  }
}

/// The identity of a server at a moment, and the version of a cache on it: `e3c4ecb6.41234`. An import that continues later
/// finds out with it whether the server still has what was stored by then.
package struct ServerMark: Sendable, Equatable, CustomStringConvertible {
  /// Another one with each start of a server, and with each server whose writes it follows: 8 hexadecimal digits.
  let server: String
  /// The version counter of the cache.
  let version: Int64

  init(server: String, version: Int64) { (self.server, self.version) = (server, version) }

  /// nil where the text is not one.
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
  /// Counts the entries of a namespace with an id up to this one. After these were removed, any left means that the server
  /// has lost the removal.
  ///
  /// One round trip where the namespace is empty, and one for each page of 200 else.
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
