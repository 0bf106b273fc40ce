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
    var request = Pipeline()
    let memorySection = request.append("INFO", "memory")
    let persistenceSection = request.append("INFO", "persistence")
    let limitSettings = request.append("CONFIG", "GET", "maxmemory*")
    let saveSetting = request.append("CONFIG", "GET", "save")
    let logSetting = request.append("CONFIG", "GET", "appendonly")
    let replies = try client.read(request, tolerating: true)
    let (memory, persistence) = (replies[memorySection].information, replies[persistenceSection].information)
    let limits = replies[limitSettings].configuration
    let role = client.role
    var settings = ServerSettings()
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
    settings.savingFailed = outcomes.isEmpty ? nil : outcomes.contains("err")
    return settings
  }
}
