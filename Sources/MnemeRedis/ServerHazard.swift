import Mneme

/// A setting or a state of the server that a cache may come to harm by.
public struct ServerHazard: Sendable, Equatable {
  /// The names by which programs know them.
  public enum Kind: String, Sendable, CaseIterable {
    case evictionPolicy = "eviction_policy"
    case noMaxMemory = "no_maxmemory"
    case noPersistence = "no_persistence"
    case savingFailed = "saving_failed"
    case memoryUnknown = "memory_settings_withheld"
    case persistenceUnknown = "persistence_settings_withheld"
  }

  /// How much it matters.
  public enum Severity: String, Sendable, CaseIterable {
    /// The cache can be damaged or lost, or cannot be written: it is not healthy.
    case danger
    /// Worth knowing; many servers are run so on purpose.
    case note
  }

  public var kind: Kind
  public var severity: Severity
  /// What it means for the cache. One line.
  public var detail: String
  /// A step that can be taken.
  public var remedy: Remedy
}

extension ServerSettings {
  /// What is to be said about the settings, dangers first.
  ///
  /// A danger is what breaks a cache unseen. `allkeys-*` with a limit may drop `by_id`, `lru:` or `meta`, whose loss no
  /// entry survives, while the entries stay and fill the memory. `volatile-*` can only drop what has a native TTL,
  /// entries and their `hash:` keys; vacuum sweeps what that leaves, so it is worth a note. Without `maxmemory` nothing is
  /// evicted, and a cache that is lost by a restart is filled again: both are how Redis comes, and worth a note.
  /// - Parameter expectsBackups: the cache is to outlive a restart, and so it is a danger that it cannot.
  public func hazards(expectingBackups expectsBackups: Bool = false) -> [ServerHazard] {
    let all = [memoryHazard, policyHazard, savingHazard, persistenceHazard(expectsBackups)].compactMap(\.self)
    return all.filter { $0.severity == .danger } + all.filter { $0.severity == .note }
  }

  private var memoryHazard: ServerHazard? {
    guard let maxMemory else {
      return ServerHazard(
        kind: .memoryUnknown, severity: .note,
        detail: "the server does not tell maxmemory and the eviction policy, which can endanger a cache",
        remedy: .permitInformation)
    }
    guard maxMemory == 0 else { return nil }
    return ServerHazard(
      kind: .noMaxMemory, severity: .note,
      detail:
        "maxmemory is not set: where memory runs out the system ends Redis, with all that is on it",
      remedy: .limitMemory)
  }

  private var policyHazard: ServerHazard? {
    guard let policy = evictionPolicy, policy != "noeviction" else { return nil }
    let isLimited = maxMemory.map { $0 > 0 } ?? true
    if policy.hasPrefix("volatile-") {
      return ServerHazard(
        kind: .evictionPolicy, severity: .note,
        detail:
          "the policy \(policy) drops entries with a native TTL before their time, and their index members stay",
        remedy: .stopEvictionOrVacuum)
    }
    return ServerHazard(
      kind: .evictionPolicy, severity: isLimited ? .danger : .note,
      detail:
        "the policy \(policy) \(isLimited ? "may" : "would, with a maxmemory,") drop the keys of indexes, and "
        + "entries that no index names are never found again and stay",
      remedy: .stopEviction)
  }

  private var savingHazard: ServerHazard? {
    guard savingFailed == true else { return nil }
    return ServerHazard(
      kind: .savingFailed, severity: .danger,
      detail: "the server could not save to its disk the last time, and may refuse every write until it can",
      remedy: .freeDisk)
  }

  private func persistenceHazard(_ expectsBackups: Bool) -> ServerHazard? {
    if logsWrites == true || savePoints?.isEmpty == false { return nil }
    guard savePoints != nil, logsWrites != nil else {
      return ServerHazard(
        kind: .persistenceUnknown, severity: .note,
        detail: "the server does not tell whether it writes snapshots, so a restart may lose the cache",
        remedy: .permitConfiguration)
    }
    return ServerHazard(
      kind: .noPersistence, severity: expectsBackups ? .danger : .note,
      detail:
        "the server writes neither snapshots nor a log: a restart loses the cache, and there is nothing to back up",
      remedy: .persist)
  }
}
