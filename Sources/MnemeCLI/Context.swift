import CProcess
import CommandGrammar
import Glibc
import Mneme
import MnemeRedis

/// The surroundings of a command: the resolved options that all commands have, the streams and the clock.
final class Context {
  let settings: GlobalSettings
  let output: Output
  let clock: WallClock
  /// The variables from which embedders read their settings.
  let environment: Environment
  /// Asked between batches: whether a signal wants the command to end.
  let interrupt = Interrupt()
  private let start = Instant.now
  /// Kept, so that the password is asked for once, however many stores are opened.
  private var server: (url: RedisURL, options: ConnectionOptions)?
  /// The clients of the stores that were opened.
  private var clients: [RedisClient] = []
  private var stores: [RedisStore] = []
  /// Whether the cache or namespace that the command is about does not exist, so that its status is 1.
  private(set) var isAbsent = false
  /// The part of a long change that the server has acknowledged, and the words for it.
  var acknowledged: (count: Int, text: (Int) -> String)?
  /// Whether a replica that may lack what its primary has is warned of at the end; false if the command reports it.
  var warnsOfReplicas = true

  init(
    settings: GlobalSettings, output: Output, environment: Environment,
    clock: @escaping WallClock = systemClock
  ) {
    self.settings = settings
    self.output = output
    self.environment = environment
    self.clock = clock
  }

  // MARK: Opening

  /// Opens the store that the options name. Nothing is sent before its first use.
  /// - Parameter keyPrefix: replaces the prefix of the options.
  func openStore(keyPrefix: String? = nil, nativeTTL: Bool = false) throws -> RedisStore {
    let client = try openClient()
    let store = try RedisStore(
      client: client, keyPrefix: keyPrefix ?? settings.keyPrefix, useNativeTTL: nativeTTL)
    stores.append(store)
    return store
  }

  /// Opens a connection to the server that does not belong to a cache. Nothing is sent before its first use.
  func openClient() throws -> RedisClient {
    let (url, options) = try findServer()
    let client = RedisClient(url: url, options: options)
    clients.append(client)
    return client
  }

  /// Opens a store for the embedder that the cache has, whichever it is.
  func openExistingStore() throws -> RedisStore {
    let store = try openStore()
    try store.open(expecting: nil)
    return store
  }

  /// Opens a cache with the embedder that the options name, or else the one that its fingerprint names.
  /// - Parameter lead: how far this machine's clock is ahead, by which the cache's is corrected.
  func openCache(
    _ store: RedisStore, embedder choice: EmbedderChoice = .init(), options: SemanticCache.Options = .init(),
    correctingClockBy lead: Seconds? = nil
  ) throws -> SemanticCache {
    var options = options
    options.clock = clock
    if let lead { options.clock = { [clock] in clock() + Seconds(-lead.rawValue) } }
    return try SemanticCache(store: store, options: options) { [environment] identity in
      try choice.embedder(for: identity, environment)
    }
  }

  /// Returns the directory on this machine for the vectors of the cache that the options name. It is nil if this user
  /// has no cache directory.
  func indexDirectory() throws -> IndexDirectory? {
    let server = try findServer().url.description
    // The length separates the two parts, since either may contain any character.
    return settings.cacheDirectory.map {
      IndexDirectory(path: $0 + "/mneme", cacheName: "\(server.utf8.count):\(server)\(settings.keyPrefix)")
    }
  }

  /// The server's address, with `***` for its password.
  func serverAddress() throws -> String { try findServer().url.description }

  private func findServer() throws -> (url: RedisURL, options: ConnectionOptions) {
    if let server { return server }
    let url = try settings.redisURL()
    remark(settings.whereabouts(url))
    if !url.ignoredParameters.isEmpty {
      remark("ignored parameters of the URL: \(list(url.ignoredParameters))")
    }
    if settings.hasSecret(for: url) { closeMemory() }
    settings.prefixWarning.map(warn)
    let options = try settings.connectionOptions(for: url, warn: warn)
    if settings.sendsPasswordToAnyone(url) {
      note(
        "warning: any server can pretend to be this one and get the password: its certificate is not checked")
    }
    server = (url, options)
    return (url, options)
  }

  // MARK: Every cache

  /// Runs a command on each cache of the server, one after the other, and prints each report.
  func forEachCache(_ run: (Context) throws -> any Report) throws -> any Report {
    var reports = CacheReports()
    for keyPrefix in try discoverPrefixes() {
      let status = try withCache(keyPrefix) { context in
        let report = try run(context)
        try reports.print(report, context)
        return report.status
      }
      reports.add(status)
    }
    return reports
  }

  /// Runs `body` in a context for a prefix of the same server.
  /// - Returns: the status. An error of this cache alone is printed, so that the command continues with the next one.
  func withCache(_ keyPrefix: String, _ body: (Context) throws -> ExitStatus) throws -> ExitStatus {
    var settings = settings
    settings.keyPrefix = keyPrefix
    let other = Context(settings: settings, output: output, environment: environment, clock: clock)
    other.server = try findServer()
    defer {
      (clients, stores) = (clients + other.clients, stores + other.stores)
      isAbsent = isAbsent || other.isAbsent
      if let (count, text) = other.acknowledged {
        acknowledged = ((acknowledged?.count ?? 0) + count, text)
      }
      warnsOfReplicas = warnsOfReplicas && other.warnsOfReplicas
    }
    do {
      return try body(other)
    } catch let error as any MnemeError where error.isOfOneCache {
      // The results before it come first.
      try output.flush()
      return ErrorPrinter(output: output, isJSON: settings.isJSON, context: other).print(error)
    }
  }

  /// Finds the caches on the server, and warns of keys that may be one and may not be read.
  func discoverCaches(
    on client: RedisClient, _ control: WorkControl = WorkControl()
  ) throws -> [DiscoveredCache] {
    var notPermitted: Set<[UInt8]> = []
    let caches = try client.discoverCaches(control) { key in notPermitted.insert(key) }
    if let first = notPermitted.min(by: { $0.lexicographicallyPrecedes($1) }) {
      let keys = notPermitted.count == 1 ? "a key" : "\(grouped(notPermitted.count)) keys, first"
      warn(
        "this user may not read \(keys) '\(String(decoding: first, as: UTF8.self))', and what may be a cache there "
          + "is left out")
    }
    return caches
  }

  /// The prefixes of the caches on the server.
  func discoverPrefixes() throws -> [String] {
    let client = try openClient()
    defer { client.close() }
    return try discoverCaches(on: client).compactMap { cache in
      guard let prefix = String(validating: cache.keyPrefix, as: UTF8.self) else {
        warn(
          "the prefix '\(String(decoding: cache.keyPrefix, as: UTF8.self))' is not valid UTF-8, and is left out"
        )
        return nil
      }
      if client.isOfCluster, !RedisStore.canBeOnCluster(keyPrefix: prefix) {
        warn("the prefix '\(prefix)' has no hash tag, so its keys are on several nodes, and it is left out")
        return nil
      }
      return prefix
    }
  }

  // MARK: Notes

  /// Prints a note on standard error, unless `--quiet` is given.
  func note(_ text: @autoclosure () -> String) {
    if !settings.isQuiet { output.remark(shown(text())) }
  }

  /// Prints a note if the cache or one of the namespaces does not exist, with the name that was probably meant. The
  /// command then ends with status 1.
  ///
  /// No round trip if there is a cache and no namespace was named, else one. If there is no cache, it also searches for
  /// others, for at most a tenth of a second.
  /// - Parameters:
  ///   - namespaces: those that the command was asked about.
  ///   - isFailure: whether the command ends with status 1.
  ///   - suggesting: whether to look for the prefix that was probably meant.
  /// - Returns: whether the cache or a namespace does not exist.
  @discardableResult
  func noteAbsence(
    of store: RedisStore, _ namespaces: some Sequence<Namespace> = [], isFailure: Bool = true,
    suggesting: Bool = true
  ) throws -> Bool {
    let missing: [Namespace]
    do {
      guard try store.identity() != nil else {
        if isFailure { isAbsent = true }
        let offer = suggesting ? nearestPrefix().map { "did you mean '\($0)'?" } : nil
        tell("\(settings.absence); \(offer ?? "check --key-prefix and --url")")
        return true
      }
      missing = try store.missing(Array(namespaces))
    } catch let error as any MnemeError where !(error is StoreBackendError) {
      // The command itself reports a damaged cache, which is not a missing one.
      return false
    }
    guard !missing.isEmpty else { return false }
    if isFailure { isAbsent = true }
    let present = try store.namespaces().map(\.name)
    for namespace in missing {
      let offer = nearestName(to: namespace.name, among: present).map { "did you mean '\($0)'?" }
      tell(
        "there is no namespace '\(namespace)' under the prefix '\(settings.keyPrefix)'; "
          + (offer ?? "'mneme stats' lists the existing ones"))
    }
    return true
  }

  /// The prefix of a cache on the server that is spelled nearly as the one of the options.
  private func nearestPrefix() -> String? {
    let start = Instant.now
    let control = WorkControl(shouldStop: { start.duration(to: .now) > .milliseconds(100) })
    let caches = try? openClient().discoverCaches(control)
    let prefixes = (caches ?? []).compactMap { String(validating: $0.keyPrefix, as: UTF8.self) }
    return nearestName(to: settings.keyPrefix, among: prefixes.filter { $0 != settings.keyPrefix })
  }

  /// Prints a line on standard error, even with `--quiet`.
  func tell(_ text: String) { output.remark(shown(text)) }

  /// Prints a warning, even with `--quiet`.
  func warn(_ text: String) { tell("warning: \(text)") }

  /// Warns if nothing was counted because a counter is damaged.
  func warnOfCounters() {
    for namespace in Set(stores.flatMap(\.uncounted)).sorted() {
      warn(
        "a counter of '\(namespace)' is not a number that can grow, and nothing was counted; run 'mneme vacuum --repair'"
      )
    }
  }

  /// Warns of a replica that may lack what its primary has.
  func warnOfReplicas() {
    guard warnsOfReplicas else { return }
    var known: Set<String> = []
    for client in clients where known.insert(client.address).inserted {
      guard let fault = try? client.replicaFault() else { continue }
      warn("the replica \(client.address) \(fault.description): entries may be missing or old")
    }
  }

  /// Warns of removals that a full server could not record.
  func warnOfUnrecorded() {
    let removals = stores.reduce(0) { $0 + $1.unrecordedRemovals }
    guard removals > 0 else { return }
    warn(
      "the server has no memory to record \(counted(removals, "removal")): the entries are gone, but the version counter "
        + "and the statistics do not show it; free more memory, or raise maxmemory")
  }

  /// Warns that mneme uses the server's clock, if this machine's is off.
  func warnOfClock(of store: RedisStore) {
    guard let lead = store.clockLead?.rawValue else { return }
    let distance = span(Int64(clamping: lead.magnitude))
    warn(
      "this machine's clock is \(distance) \(lead > 0 ? "ahead of" : "behind") the server's, so mneme uses the "
        + "server's; synchronize it with NTP")
  }

  /// Warns of damaged entries that were skipped, with the remedy.
  func warn(of damaged: [CorruptCacheError]) {
    for damage in damaged { warn("\(damage.message) \(damage.remediation)") }
  }

  /// Prints a note if `--verbose` is given.
  func remark(_ text: @autoclosure () -> String) {
    if settings.isVerbose { output.remark(shown(text())) }
  }

  private func shown(_ text: String) -> String { visible(output.passwords.masked(in: text)) }

  /// With `--verbose`, prints the servers that were used and the number of round trips and bytes.
  func remarkOnTraffic() {
    guard settings.isVerbose else { return }
    for client in clients where client.traffic.connections > 0 {
      let (role, traffic) = (client.role, client.traffic)
      var server = [role.name]
      if role.isCluster == true { server.append("a node of a cluster") }
      if role.isReplica == true { server.append("a replica") }
      remark(
        "\(client.address) is \(list(server)); \(counted(traffic.roundTrips, "round trip")), "
          + "\(size(traffic.bytesSent)) sent, \(size(traffic.bytesReceived)) received")
    }
    remark("done in \(elapsed(start.duration(to: .now)))")
  }
}

extension MnemeError {
  /// Whether the command can continue with another cache of the server.
  fileprivate var isOfOneCache: Bool {
    (self as? StoreBackendError).map { $0.reason == .accessDenied } ?? true
  }
}
