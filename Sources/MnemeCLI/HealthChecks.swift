import Mneme
import MnemeRedis

/// One check of `health`.
struct HealthCheck {
  /// The names of the checks, in the order of the report. Scripts rely on them.
  enum Name: String, CaseIterable {
    case cache, indexes, numbers, entries
    case hashKeys = "hash_keys"
    case figures, quotas, times, clock, memory
    case evictionPolicy = "eviction_policy"
    case persistence, saving, replication
  }

  enum Status: String, CaseIterable, Comparable {
    case ok, warning, critical

    static func < (a: Status, b: Status) -> Bool {
      (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }
  }

  var name: Name
  var status: Status
  /// The finding, in one sentence without the period.
  var detail: String
  /// The remedy; nil if the check is ok.
  var remedy: String?

  init(_ name: Name, _ status: Status, _ detail: String, _ remedy: String? = nil) {
    (self.name, self.status, self.detail, self.remedy) = (name, status, detail, remedy)
  }
}

// MARK: - The cache

extension CacheCondition {
  /// The checks of the cache.
  func checks(_ keyPrefix: String, at now: UnixTime) -> [HealthCheck] {
    if let metaError {
      return [HealthCheck(.cache, .critical, sentence(metaError.message), metaError.remediation)]
    }
    guard let identity else {
      return [
        HealthCheck(
          .cache, .critical, "there is no cache under the prefix '\(keyPrefix)'",
          "Check --key-prefix; the first put creates a cache.")
      ]
    }
    return [
      HealthCheck(.cache, .ok, "\(identity.fingerprint), schema \(identity.schemaVersion)"), indexCheck,
      numberCheck, entryCheck(at: now), hashKeyCheck, figureCheck, quotaCheck, timeCheck,
    ]
  }

  private func sentence(_ message: String) -> String {
    message.hasSuffix(".") ? String(message.dropLast()) : message
  }

  private func examples(_ findings: Findings) -> String {
    let more =
      findings.count > findings.first.count
      ? ", and \(grouped(findings.count - findings.first.count)) more" : ""
    return findings.first.joined(separator: ", ") + more
  }

  private static let repair = "Run 'mneme vacuum --repair'."

  private var indexCheck: HealthCheck {
    if let first = otherTypes.first {
      let all = otherTypes.map {
        "\(String(decoding: $0.key, as: UTF8.self)) is a \($0.type), not a \($0.expected)"
      }
      return HealthCheck(
        .indexes, .critical, all.prefix(3).joined(separator: "; "),
        "Look at it; then redis-cli DEL \(shellQuoted(String(decoding: first.key, as: UTF8.self))), and 'mneme vacuum --repair' rebuilds it."
      )
    }
    if strays.count > 0 {
      return HealthCheck(
        .indexes, .critical, "\(examples(strays)), which Python programs fail to read", Self.repair)
    }
    if let entriesOfNamespaces {
      let outside = outsideByID.count > 0 ? "; by_id lacks \(examples(outsideByID))" : ""
      return HealthCheck(
        .indexes, .warning,
        "by_id counts \(entryCount(entries)) and the namespaces together \(grouped(entriesOfNamespaces))\(outside)",
        Self.repair)
    }
    return HealthCheck(.indexes, .ok, "every key has its type")
  }

  private var numberCheck: HealthCheck {
    if brokenNumbers.count > 0 {
      return HealthCheck(.numbers, .critical, examples(brokenNumbers), Self.repair)
    }
    guard let lastID, lastID >= highestID else {
      return HealthCheck(
        .numbers, .critical,
        "next_id is \(lastID.map { grouped($0) } ?? "not a number") and \(grouped(highestID)) is in use: a Python "
          + "program would write over entries", Self.repair)
    }
    return HealthCheck(.numbers, .ok, "version and next_id can grow")
  }

  private func entryCheck(at now: UnixTime) -> HealthCheck {
    var bad = unreadable
    bad.count += unreadableByPython.count
    bad.first += unreadableByPython.first
    bad.first = Array(bad.first.prefix(3))
    if bad.count > 0 {
      return HealthCheck(
        .entries, .critical,
        "\(grouped(bad.count)) of \(entryCount(liveEntries)) cannot be read, and Python programs cannot open the cache: "
          + examples(bad),
        "Run 'mneme vacuum --repair'; with --drop-unreadable it deletes what it cannot repair.")
    }
    if incomparable.count > 0 {
      return HealthCheck(
        .entries, .warning, "vectors that cannot be compared: \(examples(incomparable))",
        "Delete these entries with 'mneme delete --id', and store the answers again.")
    }
    let age = oldest.map { "the oldest \(span(max(0, (now - $0).rawValue))) old" }
    let rest = leftovers > 0 ? "\(counted(leftovers, "leftover")) of Redis's own expiry" : nil
    let unread = isDeep ? nil : "responses and vectors not read (--deep)"
    let text = list(["\(entryCount(liveEntries)) in \(counted(namespaces, "namespace"))", age, rest, unread])
    return complete
      ? HealthCheck(.entries, .ok, text)
      : HealthCheck(.entries, .warning, "\(text); not all were checked", "Repair the index by_id.")
  }

  private var hashKeyCheck: HealthCheck {
    if let first = brokenHashKeys.first.first {
      return HealthCheck(
        .hashKeys, .critical, examples(brokenHashKeys),
        "'mneme inspect-keys --check' names the key; delete it (\(first)), and run 'mneme vacuum --repair'.")
    }
    return withoutHashKey.count > 0
      ? HealthCheck(
        .hashKeys, .warning, "entries without an exact match: \(examples(withoutHashKey))", Self.repair)
      : HealthCheck(.hashKeys, .ok, "every entry has one")
  }

  private var figureCheck: HealthCheck {
    brokenFigures.count > 0
      ? HealthCheck(
        .figures, .critical, examples(brokenFigures),
        "Run 'mneme vacuum --repair', and 'mneme set-quota' for a quota.")
      : HealthCheck(.figures, .ok, "counters and quotas are numbers")
  }

  private var quotaCheck: HealthCheck {
    overQuota.count > 0
      ? HealthCheck(
        .quotas, .warning, "\(examples(overQuota)): a writer does not respect the quota",
        "'mneme vacuum' evicts the entries over it. Python programs respect only the quotas of their own configuration."
      )
      : HealthCheck(.quotas, .ok, "no namespace is over its quota")
  }

  private var timeCheck: HealthCheck {
    fromFuture.count > 0
      ? HealthCheck(
        .times, .warning,
        "\(entryCount(fromFuture.count)) from the future, which never \(fromFuture.count == 1 ? "ages" : "age"): "
          + examples(fromFuture),
        "They have times in milliseconds, or come from a machine whose clock was ahead. Delete them with 'mneme delete --id', or import them again."
      )
      : HealthCheck(.times, .ok, "no entry is from the future")
  }
}

// MARK: - The server

extension ServerSettings {
  /// The checks of the server. Those of its clock, memory use and replication are left out if it does not report them.
  ///
  /// A setting is critical if it can damage or lose a cache without an error, or prevents writes. A policy `allkeys-*`
  /// with a limit may evict `by_id`, `lru:` or `meta`. Without them no entry is found, while the entries stay and fill
  /// the memory. A policy `volatile-*` evicts only keys with a TTL: entries and their `hash:` keys. A vacuum removes
  /// the leftovers.
  /// - Parameter expectsBackups: whether the cache must survive a restart.
  func checks(expectingBackups expectsBackups: Bool) -> [HealthCheck] {
    [
      clockCheck, memoryCheck, policyCheck, persistenceCheck(expectsBackups), savingCheck, replicationCheck,
    ].compactMap(\.self)
  }

  private var clockCheck: HealthCheck? {
    guard let lead = clockLead?.rawValue else { return nil }
    let distance = lead.magnitude
    let text =
      distance <= 1
      ? "this machine and the server agree"
      : "this machine is \(span(Int64(clamping: distance))) \(lead > 0 ? "ahead of" : "behind") the server"
    return HealthCheck(
      .clock, distance >= 60 ? .critical : distance >= 5 ? .warning : .ok, text,
      distance >= 5 ? "Synchronize the clocks with NTP, because entries expire and are evicted by them." : nil
    )
  }

  private var memoryCheck: HealthCheck {
    guard let maxMemory else {
      return HealthCheck(
        .memory, .warning,
        "the server does not report maxmemory and the eviction policy, which can endanger a cache",
        "Allow this user INFO or CONFIG|GET, or look in the provider's console.")
    }
    let used = usedMemory ?? 0
    guard maxMemory > 0 else {
      return HealthCheck(
        .memory, .warning,
        "maxmemory is not set: if memory runs out, the kernel kills the server and its data is lost",
        "Set maxmemory with the policy noeviction, and give namespaces a quota with 'mneme set-quota'.")
    }
    let text = "\(size(Int(used))) of \(size(Int(maxMemory)))"
    let evicts = evictionPolicy != "noeviction" && evictionPolicy != nil
    // The buffers of a request count too, and are free again when mneme asks.
    if used >= maxMemory - 65_536, !evicts {
      return HealthCheck(
        .memory, .critical, "\(text) used: puts are refused", "Raise maxmemory, or run 'mneme vacuum'.")
    }
    return Double(used) >= 0.9 * Double(maxMemory) && !evicts
      ? HealthCheck(.memory, .warning, "\(text) used", "Raise maxmemory before puts are refused.")
      : HealthCheck(.memory, .ok, "\(text) used")
  }

  private var policyCheck: HealthCheck? {
    guard let policy = evictionPolicy else { return nil }
    guard policy != "noeviction" else { return HealthCheck(.evictionPolicy, .ok, policy) }
    let isLimited = maxMemory.map { $0 > 0 } ?? true
    if policy.hasPrefix("volatile-") {
      return HealthCheck(
        .evictionPolicy, .warning,
        "the policy \(policy) evicts entries with a native TTL before their time, and their index members stay",
        "Use noeviction, or let 'mneme vacuum' remove the leftovers.")
    }
    return HealthCheck(
      .evictionPolicy, isLimited ? .critical : .warning,
      isLimited
        ? "with the policy \(policy) Redis may evict index keys; entries then stay in memory but cannot be found"
        : "with the policy \(policy) Redis may evict index keys once maxmemory is set; entries then stay in memory but "
          + "cannot be found",
      "Use the policy noeviction, and give namespaces a quota with 'mneme set-quota'.")
  }

  private func persistenceCheck(_ expectsBackups: Bool) -> HealthCheck {
    if logsWrites == true || savePoints?.isEmpty == false {
      return HealthCheck(.persistence, .ok, logsWrites == true ? "a log of writes" : "snapshots")
    }
    guard savePoints != nil, logsWrites != nil else {
      return HealthCheck(
        .persistence, .warning,
        "the server does not report whether it writes snapshots, so a restart may lose the cache",
        "Allow this user CONFIG|GET, or look in the provider's console.")
    }
    return HealthCheck(
      .persistence, expectsBackups ? .critical : .warning,
      "the server writes neither snapshots nor a log: a restart loses the cache, and there is nothing to back up",
      "Set 'save' or 'appendonly yes' if the cache must survive a restart.")
  }

  private var savingCheck: HealthCheck? {
    guard let savingFailed else { return nil }
    return savingFailed
      ? HealthCheck(
        .saving, .critical,
        "the last save to disk failed, and the server may refuse writes until one succeeds",
        "Free the disk, or look at the server's log.")
      : HealthCheck(.saving, .ok, "the last save succeeded")
  }

  private var replicationCheck: HealthCheck? {
    if let replicaFault {
      return HealthCheck(
        .replication, .critical, "the replica \(replicaFault.description)",
        "Wait until the link is back, or look at 'redis-cli INFO replication' on both.")
    }
    if isReplica == true {
      return HealthCheck(
        .replication, .warning, "a replica, which accepts no writes",
        "Use the primary's address for commands that write.")
    }
    if let replicas, replicas.connected < replicas.wanted {
      return HealthCheck(
        .replication, .critical,
        "every write needs \(counted(replicas.wanted, "replica")), and \(replicas.connected) can be reached",
        "Bring the replicas back, or lower min-replicas-to-write.")
    }
    return isReplica == false ? HealthCheck(.replication, .ok, "a primary") : nil
  }
}
