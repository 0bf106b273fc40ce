import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme health`
struct Health: Command {
  static let expectBackups = Switch(
    "expect-backups", summary: "a server that keeps nothing on disk is critical",
    details:
      "For a cache that must outlive a restart. If not given, it is a warning: most caches can be filled again."
  )

  static let deep = Switch(
    "deep", summary: "read every entry whole",
    details: """
      Also reads responses and vectors, and so finds responses that are not UTF-8 and vectors that cannot be \
      compared. If not given, mneme reads only the small fields of every entry.
      """)

  static let spec = CommandSpec(
    name: "health", summary: "check the cache and its server",
    description: """
      Prints a row for each check: `ok`, `warning` or `critical`. Checks of the cache are the types of its keys, \
      the version and id counters, entries that mneme or Python programs cannot read, quotas and counters, and \
      entries from the future. Checks of the server are its clock compared with this machine's, memory, eviction \
      policy, persistence and replication. Critical is what makes another command or a Python program fail, or can \
      damage or lose the cache. Checks that need rights that this user does not have are left out, with a note. \
      Changes nothing.

      The cost grows with the number of entries. {command:inspect-keys} with `--check` also compares each entry \
      with each index.
      """,
    options: [deep, expectBackups, Options.allCaches],
    examples: [
      Example(command: "mneme health", says: "check the cache and its server"),
      Example(command: "mneme -q health || alert", says: "alert from a monitoring script"),
    ],
    exitNotes: [ExitNote(1, "a check is critical")])

  let isDeep: Bool
  let expectsBackups: Bool
  let allCaches: Bool

  init(_ invocation: Invocation) throws(UsageError) {
    isDeep = invocation[Self.deep]
    expectsBackups = invocation[Self.expectBackups]
    allCaches = invocation[Options.allCaches]
  }

  func run(_ context: Context) throws -> any Report {
    try allCaches ? context.forEachCache(examine) : examine(context)
  }

  private func examine(_ context: Context) throws -> any Report {
    let store = try context.openExistingStore()
    defer { store.close() }
    let settings = try store.serverSettings(clock: context.clock)
    context.warnsOfReplicas = false
    let work = try LongWork(context, unit: "entries", total: try? store.count(in: nil))
    var options = ConditionOptions()
    options.isDeep = isDeep
    options.now = try store.time(for: context.clock())
    options.control = work.control()
    let condition = try store.examine(options)
    if condition.identity == nil { try context.noteAbsence(of: store) }
    try work.check()
    return HealthReport(
      keyPrefix: context.settings.keyPrefix, settings: settings, condition: condition, now: options.now,
      expectingBackups: expectsBackups)
  }
}

struct HealthReport: Report {
  let keyPrefix: String
  let settings: ServerSettings
  let condition: CacheCondition
  let now: UnixTime
  let checks: [HealthCheck]
  /// The status of the cache alone, without the server.
  private let cacheStatus: HealthCheck.Status

  init(
    keyPrefix: String, settings: ServerSettings, condition: CacheCondition, now: UnixTime,
    expectingBackups: Bool
  ) {
    (self.keyPrefix, self.settings, self.condition, self.now) = (keyPrefix, settings, condition, now)
    let ofCache = condition.checks(keyPrefix, at: now)
    cacheStatus = ofCache.map(\.status).max() ?? .ok
    checks = ofCache + settings.checks(expectingBackups: expectingBackups)
  }

  private var worst: HealthCheck.Status { checks.map(\.status).max() ?? .ok }

  var isHealthy: Bool { worst < .critical }

  var status: ExitStatus { isHealthy ? .done : .no }

  var isConfirmation: Bool { isHealthy }

  private var oldestAge: Seconds? { condition.oldest.map { max(Seconds(0), now - $0) } }

  var json: JSONOutput {
    let identity = condition.identity
    return [
      "healthy": JSONOutput(isHealthy), "status": JSONOutput(worst.rawValue),
      "schema_version": JSONOutput(identity?.schemaVersion),
      "integrity_ok": JSONOutput(cacheStatus < .critical),
      "embedder_fingerprint": JSONOutput(identity?.fingerprint), "entries": JSONOutput(condition.liveEntries),
      "leftovers": JSONOutput(condition.leftovers), "namespaces": JSONOutput(condition.namespaces),
      "oldest_entry_age_seconds": JSONOutput(oldestAge), "server": serverJSON,
      "checks": .array(checks.map(Self.row)),
    ]
  }

  private static func row(_ check: HealthCheck) -> JSONOutput {
    [
      "check": JSONOutput(check.name.rawValue), "status": JSONOutput(check.status.rawValue),
      "detail": JSONOutput(check.detail), "remediation": JSONOutput(check.remedy),
    ]
  }

  private var serverJSON: JSONOutput {
    func boolean(_ value: Bool?) -> JSONOutput { value.map { JSONOutput($0) } ?? .null }
    return [
      "program": JSONOutput(settings.program), "version": JSONOutput(settings.version),
      "cluster": boolean(settings.isCluster),
      "replica": boolean(settings.isReplica), "used_memory_bytes": JSONOutput(settings.usedMemory),
      "maxmemory_bytes": JSONOutput(settings.maxMemory),
      "maxmemory_policy": JSONOutput(settings.evictionPolicy), "save": JSONOutput(settings.savePoints),
      "appendonly": boolean(settings.logsWrites), "saving_failed": boolean(settings.savingFailed),
      "clock_lead_seconds": JSONOutput(settings.clockLead),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    labelled([
      ("health", worst.rawValue), ("prefix", visible(keyPrefix)),
      (
        "server",
        "\(settings.program ?? "Redis") \(settings.version ?? "of an unknown version")"
          + (settings.isCluster == true ? ", a node of a cluster" : "")
      ),
    ]) + "\n\n"
      + (checks.filter { $0.status == .critical } + checks.filter { $0.status == .warning }
      + checks.filter { $0.status == .ok }).flatMap { row($0, style) }.joined(separator: "\n")
  }

  private func row(_ check: HealthCheck, _ style: TerminalStyle) -> [String] {
    func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    let head = padded(check.status.rawValue, 10) + padded(check.name.rawValue, 17)
    let text = visible(list([check.detail])) + (check.remedy.map { ". \(visible($0))" } ?? "")
    // In a pipe a check stays one line, so that grep finds it.
    guard style.outputIsTerminal else { return [head + text] }
    let indent = head.count
    let lines = filled(text, indent: indent, style.width)
    return [head + (lines.first.map { String($0.dropFirst(indent)) } ?? "")] + lines.dropFirst()
  }
}
