import Testing

@testable import MnemeRedis

@Suite("Settings that endanger a cache")
struct ServerHazardTests {
  private func settings(
    maxMemory: Int64? = 1 << 30, policy: String? = "noeviction", save: String? = "3600 1", log: Bool? = false,
    failed: Bool? = false
  ) -> ServerSettings {
    var settings = ServerSettings()
    settings.maxMemory = maxMemory
    settings.evictionPolicy = policy
    settings.savePoints = save
    settings.logsWrites = log
    settings.savingFailed = failed
    return settings
  }

  private func found(_ settings: ServerSettings, expectingBackups: Bool = false) -> [String] {
    settings.hazards(expectingBackups: expectingBackups).map { "\($0.severity) \($0.kind)" }
  }

  @Test("a server with a limit, without eviction and with snapshots or a log endangers nothing")
  func sound() {
    #expect(found(settings(), expectingBackups: true) == [])
    #expect(found(settings(save: "", log: true), expectingBackups: true) == [])
    #expect(found(settings(save: nil, log: true), expectingBackups: true) == [])
    #expect(found(settings(log: nil), expectingBackups: true) == [])
  }

  @Test(
    "a policy that may drop any key is a danger where there is a limit, and a note where there is none",
    arguments: ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
  func allKeys(policy: String) {
    #expect(found(settings(policy: policy)) == ["danger evictionPolicy"])
    #expect(found(settings(maxMemory: 0, policy: policy)) == ["note noMaxMemory", "note evictionPolicy"])
    #expect(found(settings(maxMemory: nil, policy: policy)).contains("danger evictionPolicy"))
  }

  @Test(
    "a policy that drops only what has a time to live is a note",
    arguments: ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
  func volatile(policy: String) {
    #expect(found(settings(policy: policy)) == ["note evictionPolicy"])
  }

  @Test("no persistence is a note, and a danger where backups are expected")
  func persistence() {
    #expect(found(settings(save: "")) == ["note noPersistence"])
    #expect(found(settings(save: ""), expectingBackups: true) == ["danger noPersistence"])
  }

  @Test("a disk that cannot be written to is a danger")
  func failedSaves() { #expect(found(settings(failed: true)) == ["danger savingFailed"]) }

  @Test("what the server does not tell is said, and is no danger")
  func withheld() {
    let nothing = ServerSettings()
    #expect(found(nothing, expectingBackups: true) == ["note memoryUnknown", "note persistenceUnknown"])
    #expect(found(settings(save: nil)) == ["note persistenceUnknown"])
    #expect(found(settings(save: "", log: nil)) == ["note persistenceUnknown"])
  }

  @Test("dangers come first, and each is told in one line with what to do")
  func order() {
    let all = settings(maxMemory: 0, policy: "volatile-ttl", save: "", failed: true)
      .hazards(expectingBackups: true)
    #expect(all.map(\.severity) == [.danger, .danger, .note, .note])
    for hazard in all {
      #expect(!hazard.detail.isEmpty)
      #expect(!hazard.detail.contains("\n"))
    }
  }
}
