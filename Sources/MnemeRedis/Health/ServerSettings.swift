import Mneme

/// The settings of a server that decide whether a cache is safe: its memory, its disk, its role.
///
/// A value is nil if the server does not report it: a user may not be permitted to run `INFO` and `CONFIG`, and managed
/// services do not permit `CONFIG`.
package struct ServerSettings: Sendable {
  /// The name of the program: `Redis`, `Valkey`.
  package var program: String?
  /// The version as in `INFO`: `7.0.15`.
  package var version: String?
  /// Whether it is a node of a Redis Cluster.
  package var isCluster: Bool?
  /// Whether it is a replica.
  package var isReplica: Bool?
  /// Bytes that Redis has allocated.
  package var usedMemory: Int64?
  /// `maxmemory` in bytes; 0: no limit.
  package var maxMemory: Int64?
  /// `maxmemory-policy`.
  package var evictionPolicy: String?
  /// `save`: pairs of seconds and changes; empty: no snapshots.
  package var savePoints: String?
  /// Whether each write is appended to a log on disk (`appendonly`).
  package var logsWrites: Bool?
  /// Whether the last snapshot, or the last write to the log, failed.
  package var savingFailed: Bool?
  /// The lead of this machine's clock over the server's; negative if it is behind.
  package var clockLead: Seconds?
  /// The state of a replica that may lack writes; nil on a primary, and on a replica that is up to date.
  package var replicaFault: ReplicaFault?
  /// `min-replicas-to-write`, and the number of connected replicas that are up to date; nil if none are required.
  package var replicas: (wanted: Int, connected: Int)?

  package init() {}
}

extension RedisStore {
  /// Reads the settings with `INFO` and `CONFIG GET`. One round trip. Values that the server does not report are nil.
  /// - Parameter clock: the clock that is compared with the server's.
  package func serverSettings(clock: WallClock = systemClock) throws -> ServerSettings {
    try checkOpen()
    var request = Pipeline()
    let memorySection = request.append("INFO", "memory")
    let persistenceSection = request.append("INFO", "persistence")
    let serverSection = request.append("INFO", "server")
    let replicationSection = request.append("INFO", "replication")
    let replicaSetting = request.append("CONFIG", "GET", "min-*-to-write")
    let limitSettings = request.append("CONFIG", "GET", "maxmemory*")
    let saveSetting = request.append("CONFIG", "GET", "save")
    let logSetting = request.append("CONFIG", "GET", "appendonly")
    let replies = try client.read(request, tolerating: true)
    let now = clock()
    let (memory, persistence) = (replies[memorySection].information, replies[persistenceSection].information)
    let limits = replies[limitSettings].configuration
    let role = client.role
    var settings = ServerSettings()
    settings.program = role.program
    (settings.version, settings.isCluster, settings.isReplica) = (
      role.version, role.isCluster, role.isReplica
    )
    settings.usedMemory = memory["used_memory"].flatMap { Int64($0) }
    settings.maxMemory = (memory["maxmemory"] ?? limits["maxmemory"]).flatMap { Int64($0) }
    settings.evictionPolicy = memory["maxmemory_policy"] ?? limits["maxmemory-policy"]
    settings.savePoints = replies[saveSetting].configuration["save"]
    settings.logsWrites =
      persistence["aof_enabled"].map { $0 == "1" }
      ?? replies[logSetting].configuration["appendonly"].map { $0 == "yes" }
    let outcomes = ["rdb_last_bgsave_status", "aof_last_write_status"].compactMap { persistence[$0] }
    settings.clockLead = replies[serverSection].information.serverTime.map { now - $0 }
    let replication = replies[replicationSection].information
    settings.replicaFault = ReplicaFault(replication)
    let wanted = replies[replicaSetting].configuration.values.compactMap { Int($0) }.max() ?? 0
    let connected = (replication["min_slaves_good_slaves"] ?? replication["connected_slaves"]).flatMap {
      Int($0)
    }
    settings.replicas = connected.flatMap { wanted > 0 ? (wanted, $0) : nil }
    settings.savingFailed = outcomes.isEmpty ? nil : outcomes.contains("err")
    return settings
  }
}

extension [String: String] {
  /// The server's time in its `INFO`; nil if it does not report it.
  var serverTime: UnixTime? {
    self["server_time_usec"].flatMap { Int64($0) }.map { UnixTime($0 / 1_000_000) }
  }
}
