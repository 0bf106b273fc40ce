import CommandGrammar
import Mneme
import MnemeRedis

/// `mneme health`
struct CheckHealth: Command {
  static let expectBackups = Switch(
    "expect-backups", summary: "a server that keeps nothing on disk is not healthy",
    details:
      "For a cache that is to outlive a restart. Without it that is only noted: most caches can be filled again."
  )

  static let spec = CommandSpec(
    name: "health", summary: "say whether the cache and its server are sound",
    description: """
      Looks at the cache (its schema, embedder and counters, and the age of its oldest entry) and at the settings of \
      the server that can endanger it: an eviction policy that may drop the keys of indexes, no `maxmemory`, no \
      persistence. What can damage or lose a cache makes it unhealthy; the rest is noted. What the server withholds \
      from this user is left out, and that is said. Writes nothing.

      {command:inspect-keys} looks at the entries themselves.
      """,
    options: [expectBackups],
    examples: [
      Example(command: "mneme health", says: "look at the cache and its server"),
      Example(command: "mneme -q health || alert", says: "in a monitoring script"),
    ],
    exitNotes: [ExitNote(1, "not healthy, or there is no cache under the prefix")])

  let expectsBackups: Bool

  init(_ invocation: Invocation) throws(UsageError) { expectsBackups = invocation[Self.expectBackups] }

  func run(_ context: Context) throws -> any Report {
    let store = try context.openStore()
    defer { store.close() }
    let settings = try store.serverSettings()
    var report = HealthReport(keyPrefix: context.settings.keyPrefix, settings: settings)
    do {
      let cache = try context.openCache(store)
      let progress = ProgressLine(context, unit: "entries", total: try? store.count(in: nil))
      report.health = try cache.health { progress.update($0) }
    } catch let damage as CorruptCacheError {
      // A cache whose `meta` cannot be read cannot even be opened.
      report.health.damaged = [damage]
    }
    report.judge(expectingBackups: expectsBackups)
    return report
  }
}

struct HealthReport: Report {
  var keyPrefix: String
  var settings: ServerSettings
  var health = Health(integrityOK: false)
  private var problems: [Problem] = []

  struct Problem {
    var name: String
    var severity: ServerHazard.Severity
    var detail: String
    var remedy: String
  }

  init(keyPrefix: String, settings: ServerSettings) {
    (self.keyPrefix, self.settings) = (keyPrefix, settings)
  }

  /// Finds out what there is to say, dangers first.
  mutating func judge(expectingBackups: Bool) {
    problems = health.damaged.map {
      Problem(name: "damaged", severity: .danger, detail: $0.message, remedy: $0.remediation)
    }
    if health.damaged.isEmpty, !health.integrityOK {
      problems.append(
        Problem(
          name: "damaged", severity: .danger, detail: "the cache does not pass its integrity check",
          remedy: "Look at it with 'mneme inspect-keys'."))
    }
    if health.damaged.isEmpty, health.identity == nil {
      problems.append(
        Problem(
          name: "no_cache", severity: .danger, detail: "there is no cache under the prefix '\(keyPrefix)'",
          remedy: "Check --key-prefix; the first put creates a cache."))
    }
    problems += settings.hazards(expectingBackups: expectingBackups).map {
      Problem(name: $0.kind.rawValue, severity: $0.severity, detail: $0.detail, remedy: $0.remedy.words())
    }
  }

  var isHealthy: Bool { !problems.contains { $0.severity == .danger } }

  var status: ExitStatus { isHealthy ? .done : .no }

  var isConfirmation: Bool { isHealthy }

  var json: JSONOutput {
    let identity = health.identity
    return [
      "healthy": JSONOutput(isHealthy), "schema_version": JSONOutput(identity?.schemaVersion),
      "integrity_ok": JSONOutput(health.integrityOK),
      "embedder_fingerprint": JSONOutput(identity?.fingerprint), "entries": JSONOutput(health.entries),
      "namespaces": JSONOutput(health.namespaces),
      "oldest_entry_age_seconds": JSONOutput(health.oldestEntryAge), "server": serverJSON,
      "problems": .array(problems.map(Self.row)),
    ]
  }

  private static func row(_ problem: Problem) -> JSONOutput {
    [
      "problem": JSONOutput(problem.name), "severity": JSONOutput(problem.severity.rawValue),
      "detail": JSONOutput(problem.detail), "remedy": JSONOutput(problem.remedy),
    ]
  }

  private var serverJSON: JSONOutput {
    func boolean(_ value: Bool?) -> JSONOutput { value.map { JSONOutput($0) } ?? .null }
    return [
      "version": JSONOutput(settings.version), "cluster": boolean(settings.isCluster),
      "replica": boolean(settings.isReplica), "used_memory_bytes": JSONOutput(settings.usedMemory),
      "maxmemory_bytes": JSONOutput(settings.maxMemory),
      "maxmemory_policy": JSONOutput(settings.evictionPolicy), "save": JSONOutput(settings.savePoints),
      "appendonly": boolean(settings.logsWrites), "saving_failed": boolean(settings.savingFailed),
    ]
  }

  func text(_ style: TerminalStyle) -> String? {
    let notes = problems.flatMap { problem in
      let note = "\(problem.severity.rawValue): \(visible(problem.detail)). \(problem.remedy)"
      // In a pipe a note stays one line, for who looks for it there.
      return style.outputIsTerminal ? filled(note, indent: 0, style.width) : [note]
    }
    return labelled(summary) + (notes.isEmpty ? "" : "\n\n" + notes.joined(separator: "\n"))
  }

  private var summary: [(label: String, text: String)] {
    let identity = health.identity
    let oldest = health.oldestEntryAge.map { "the oldest \(span($0.rawValue)) old" }
    let entries = "\(grouped(health.entries)) in \(counted(health.namespaces, "namespace"))"
    return [
      ("health", isHealthy ? "good" : "not good"),
      ("prefix", visible(keyPrefix)),
      ("embedder", visible(identity?.fingerprint ?? "-")),
      ("entries", list([entries, oldest])),
      ("schema", identity.map { String($0.schemaVersion) } ?? "-"),
      ("server", server),
      ("memory", memory),
      ("disk", disk),
    ]
  }

  private var server: String {
    list([
      "Redis \(settings.version ?? "of an unknown version")",
      settings.isCluster == true ? "a node of a cluster" : nil,
      settings.isReplica == true ? "a replica" : nil,
    ])
  }

  private var memory: String {
    let used = settings.usedMemory.map { size(Int($0)) + " used" }
    let limit = settings.maxMemory.map { $0 > 0 ? "maxmemory \(size(Int($0)))" : "no maxmemory" }
    let text = list([used, limit, settings.evictionPolicy.map { "policy \($0)" }])
    return text.isEmpty ? "not told" : text
  }

  private var disk: String {
    let snapshots = settings.savePoints.map { $0.isEmpty ? "no snapshots" : "snapshots (save \($0))" }
    let log = settings.logsWrites.map { $0 ? "a log of writes" : "no log of writes" }
    let text = list([snapshots, log])
    return text.isEmpty ? "not told" : text
  }
}
