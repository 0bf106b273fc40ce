import Mneme

/// What a server says of itself, its memory and its disk: the settings that decide what becomes of a cache.
///
/// nil for what it does not tell: a user may lack `INFO` and `CONFIG`, and managed services withhold the latter.
public struct ServerSettings: Sendable, Equatable {
  /// As in `INFO`: `7.0.15`.
  public var version: String?
  /// One of the nodes of a Redis Cluster.
  public var isCluster: Bool?
  /// A copy that takes no writes.
  public var isReplica: Bool?
  /// Bytes that Redis has allocated.
  public var usedMemory: Int64?
  /// `maxmemory` in bytes; 0: no limit.
  public var maxMemory: Int64?
  /// `maxmemory-policy`.
  public var evictionPolicy: String?
  /// `save`: pairs of seconds and changes; empty: no snapshots.
  public var savePoints: String?
  /// `appendonly`: each write goes to a log on disk.
  public var logsWrites: Bool?
  /// The last snapshot, or the last write of the log, failed.
  public var savingFailed: Bool?

  public init() {}
}

extension RedisStore {
  /// One round trip, for `INFO` and `CONFIG GET`. What the server withholds is left out.
  public func serverSettings() throws -> ServerSettings {
    try checkOpen()
    let replies = try client.read(
      pipeline {
        $0.append("INFO", "memory")
        $0.append("INFO", "persistence")
        $0.append("CONFIG", "GET", "maxmemory*")
        $0.append("CONFIG", "GET", "save")
        $0.append("CONFIG", "GET", "appendonly")
      }, tolerating: true)
    let (memory, persistence) = (replies[0].information, replies[1].information)
    let limits = replies[2].configuration
    let role = client.role
    var settings = ServerSettings()
    (settings.version, settings.isCluster, settings.isReplica) = (
      role.version, role.isCluster, role.isReplica
    )
    settings.usedMemory = memory["used_memory"].flatMap { Int64($0) }
    settings.maxMemory = (memory["maxmemory"] ?? limits["maxmemory"]).flatMap { Int64($0) }
    settings.evictionPolicy = memory["maxmemory_policy"] ?? limits["maxmemory-policy"]
    settings.savePoints = replies[3].configuration["save"]
    settings.logsWrites =
      persistence["aof_enabled"].map { $0 == "1" }
      ?? replies[4].configuration["appendonly"].map { $0 == "yes" }
    let outcomes = ["rdb_last_bgsave_status", "aof_last_write_status"].compactMap { persistence[$0] }
    settings.savingFailed = outcomes.isEmpty ? nil : outcomes.contains("err")
    return settings
  }
}
