import Mneme
import Testing

@testable import MnemeCLI
@testable import MnemeRedis

/// The checks of a server, without a server.
@Suite("The checks of a server")
struct HealthChecksTests {
  private func settings(
    maxMemory: Int64? = 1 << 30, used: Int64 = 1 << 20, policy: String? = "noeviction",
    save: String? = "3600 1",
    log: Bool? = false, failed: Bool? = false, lead: Int64 = 0
  ) -> ServerSettings {
    var settings = ServerSettings()
    (settings.maxMemory, settings.usedMemory, settings.evictionPolicy) = (maxMemory, used, policy)
    (settings.savePoints, settings.logsWrites, settings.savingFailed) = (save, log, failed)
    (settings.isReplica, settings.clockLead) = (false, Seconds(lead))
    return settings
  }

  /// All that is not well.
  private func found(_ settings: ServerSettings, expectingBackups: Bool = false) -> [String] {
    settings.checks(expectingBackups: expectingBackups).filter { $0.status > .ok }
      .map { "\($0.status) \($0.name)" }
  }

  @Test("a server with a limit, without eviction and with snapshots or a log is ok")
  func sound() {
    #expect(found(settings(), expectingBackups: true) == [])
    #expect(found(settings(save: "", log: true), expectingBackups: true) == [])
    #expect(found(settings(save: nil, log: true), expectingBackups: true) == [])
    #expect(found(settings(log: nil), expectingBackups: true) == [])
  }

  @Test(
    "a policy that may evict any key is critical with a limit, and a warning without one",
    arguments: ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
  func allKeys(policy: String) {
    #expect(found(settings(policy: policy)) == ["critical evictionPolicy"])
    #expect(found(settings(maxMemory: 0, policy: policy)) == ["warning memory", "warning evictionPolicy"])
    #expect(found(settings(maxMemory: nil, policy: policy)).contains("critical evictionPolicy"))
  }

  @Test(
    "a policy that evicts only keys with a TTL is a warning",
    arguments: ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
  func volatile(policy: String) {
    #expect(found(settings(policy: policy)) == ["warning evictionPolicy"])
  }

  @Test("no persistence is a warning, and critical if backups are expected")
  func persistence() {
    #expect(found(settings(save: "")) == ["warning persistence"])
    #expect(found(settings(save: ""), expectingBackups: true) == ["critical persistence"])
  }

  @Test("a disk that cannot be written to and a full memory are critical")
  func refusedWrites() {
    #expect(found(settings(failed: true)) == ["critical saving"])
    for used in [1 << 30, 1_073_740_000] as [Int64] {
      #expect(found(settings(used: used)) == ["critical memory"])
    }
    #expect(found(settings(used: 1_000_000_000)) == ["warning memory"])
    // With an eviction policy, a full memory is normal.
    #expect(found(settings(used: 1 << 30, policy: "volatile-lru")) == ["warning evictionPolicy"])
  }

  @Test(
    "a clock that is seconds off is a warning, and one that is a minute off critical",
    arguments: [
      (1, nil), (-4, nil), (5, "warning"), (-59, "warning"), (60, "critical"), (-86_400, "critical"),
    ])
  func clock(lead: Int64, status: String?) {
    #expect(found(settings(lead: lead)) == (status.map { ["\($0) clock"] } ?? []))
  }

  @Test(
    "a replica without its primary is critical, and so is a primary without its replicas"
  )
  func replication() {
    var replica = settings()
    replica.isReplica = true
    #expect(found(replica) == ["warning replication"])
    for fault in [ReplicaFault.unlinked(since: nil), .synchronizing] {
      replica.replicaFault = fault
      #expect(found(replica) == ["critical replication"])
    }
    var primary = settings()
    primary.replicas = (wanted: 2, connected: 1)
    #expect(found(primary) == ["critical replication"])
    primary.replicas = (wanted: 2, connected: 2)
    #expect(found(primary) == [])
  }

  @Test("a value that the server does not report is a warning if it can endanger a cache, and else left out")
  func untold() {
    #expect(found(ServerSettings(), expectingBackups: true) == ["warning memory", "warning persistence"])
    #expect(found(settings(save: nil)) == ["warning persistence"])
    #expect(found(settings(save: "", log: nil)) == ["warning persistence"])
  }

  @Test("each check is a line, with a remedy if it is not ok")
  func lines() {
    let all = settings(maxMemory: 0, policy: "volatile-ttl", save: "", failed: true, lead: 99)
      .checks(expectingBackups: true)
    #expect(
      all.map(\.name) == [.clock, .memory, .evictionPolicy, .persistence, .saving, .replication])
    for check in all {
      #expect((check.remedy == nil) == (check.status == .ok), "\(check)")
      #expect(!(check.detail + (check.remedy ?? "")).contains("\n"), "\(check)")
    }
  }
}
