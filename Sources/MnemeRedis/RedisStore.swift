import Mneme
import Synchronization

/// A store in Redis, shared by every process that knows its URL and key prefix.
///
/// Each change is one transaction that also increases the version counter and watches the keys that it depends on.
/// `KeyLayout` has the names of the keys. Reads create nothing. The first write creates the cache. The number of round
/// trips is given for each method with more than one. The check of the cache's identity is part of the first.
///
/// Safe to use from several threads, which share one connection.
public final class RedisStore: Store {
  struct State {
    var isClosed = false
    var expected: CacheIdentity?
    /// The identity in `meta`. It never changes while the cache exists.
    var stored: CacheIdentity?
    var batchVersion: Int64?
    var passedOver: Set<Key> = []
    var clockComparison: ClockComparison?
    var uncounted: Set<Namespace> = []
  }

  let client: RedisClient
  let layout: KeyLayout
  let codec: EntryCodec
  /// Whether entries with a time to live, and their `hash:` keys, also get a TTL in Redis.
  let useNativeTTL: Bool
  private let ownsClient: Bool
  /// Whether `another()` has made this store.
  private let isAnother: Bool
  /// The removals that a full server has not recorded yet.
  let ledger: RemovalLedger
  private let state = Mutex(State())

  /// Whether the package was built with the trait `Redis`, and so with hiredis.
  static var isBuilt: Bool {
    #if Redis
      true
    #else
      false
    #endif
  }

  /// Makes a store for a URL. It connects with the first operation.
  /// - Parameters:
  ///   - url: `redis://`, `rediss://` or `unix://`.
  ///   - keyPrefix: the beginning of all keys; not empty. On a cluster it must have a hash tag, as in `{mneme}`.
  ///   - useNativeTTL: also sets `EXPIREAT` on entries with a time to live.
  ///   - decodeResponses: refuses text that is not valid UTF-8. Otherwise invalid bytes are replaced.
  /// - Throws: `StoreBackendError` for a URL that does not parse, `InvalidInputError` for an empty prefix.
  public convenience init(
    url: String, keyPrefix: String = "mneme", useNativeTTL: Bool = false, decodeResponses: Bool = false
  ) throws {
    let parsed: RedisURL
    do {
      parsed = try RedisURL(url)
    } catch {
      throw StoreBackendError(
        .unreachable, "The Redis URL cannot be used: \(error).",
        remedy: .rewriteURL)
    }
    try self.init(
      client: RedisClient(url: parsed, options: ConnectionOptions()), ownsClient: true,
      keyPrefix: keyPrefix,
      useNativeTTL: useNativeTTL, decodeResponses: decodeResponses)
  }

  /// Makes a store on the caller's connection, which `close()` leaves open.
  public convenience init(
    client: RedisClient, keyPrefix: String = "mneme", useNativeTTL: Bool = false,
    decodeResponses: Bool = false
  ) throws {
    try self.init(
      client: client, ownsClient: false, keyPrefix: keyPrefix, useNativeTTL: useNativeTTL,
      decodeResponses: decodeResponses)
  }

  private init(
    client: RedisClient, ownsClient: Bool, keyPrefix: String, useNativeTTL: Bool, decodeResponses: Bool
  ) throws {
    guard Self.isBuilt else { throw StoreBackendError.redisNotBuilt }
    guard !keyPrefix.isEmpty else {
      throw InvalidInputError("The key prefix is empty.", remedy: .namePrefix)
    }
    self.client = client
    self.ownsClient = ownsClient
    (isAnother, ledger) = (false, RemovalLedger())
    layout = KeyLayout(prefix: keyPrefix)
    codec = EntryCodec(layout: layout, requiresUTF8: decodeResponses)
    self.useNativeTTL = useNativeTTL
    client.serve(keyPrefix: keyPrefix, key: layout.meta)
  }

  /// Makes another store for this cache, over a connection of its own. No round trip.
  func another() -> RedisStore {
    let other = RedisStore(like: self, client: client.another())
    other.state.withLock { $0 = state.withLock(\.self) }
    return other
  }

  private init(like other: RedisStore, client: RedisClient) {
    self.client = client
    ownsClient = true
    (isAnother, ledger) = (true, other.ledger)
    (layout, codec, useNativeTTL) = (other.layout, other.codec, other.useNativeTTL)
  }

  // MARK: Opening

  /// Opens the store. No round trip: the identity of the cache is read together with the first command.
  public func open(expecting identity: CacheIdentity?) throws {
    try checkOpen()
    try state.withLock { state in
      if let identity, let stored = state.stored { try identity.check(against: stored) }
      state.expected = identity
    }
  }

  /// One round trip, or none once it is known.
  public func identity() throws -> CacheIdentity? {
    try checkOpen()
    if let known = state.withLock({ $0.stored }) { return known }
    _ = try read(Pipeline())
    return state.withLock { $0.stored }
  }

  /// Closes the connection, unless it is the caller's own. If the server was too full to record removals, it
  /// waits for up to a second to do so.
  public func close() {
    let wasOpen = state.withLock { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    if wasOpen, !isAnother { recordRemovals(within: .seconds(1)) }
    if wasOpen, ownsClient { client.close() }
  }

  /// The identity of the cache, if it is known without asking.
  var knownIdentity: CacheIdentity? { state.withLock { $0.stored } }

  /// Takes note of an identity that this store has written.
  func note(_ identity: CacheIdentity) { state.withLock { $0.stored = identity } }

  /// Has the next use read the identity again.
  func forgetIdentity() { state.withLock { $0.stored = nil } }

  /// The version counter after the last of several batches.
  var batchVersion: Int64? {
    get { state.withLock { $0.batchVersion } }
    set { state.withLock { $0.batchVersion = newValue } }
  }

  /// The last comparison of this machine's clock with the server's.
  var clockComparison: ClockComparison? {
    get { state.withLock { $0.clockComparison } }
    set { state.withLock { $0.clockComparison = newValue } }
  }

  /// Namespaces with a counter that cannot grow. Nothing is counted for them, but entries are still served and stored.
  /// A repair sets such a counter to zero.
  package internal(set) var uncounted: Set<Namespace> {
    get { state.withLock { $0.uncounted } }
    set { state.withLock { $0.uncounted = newValue } }
  }

  /// Keys of another type, to which a repair sends no command.
  var passedOver: Set<Key> {
    get { state.withLock { $0.passedOver } }
    set { state.withLock { $0.passedOver = newValue } }
  }

  /// Whether a key may be written to. It may always be, except during a repair.
  func isSound(_ key: Key) -> Bool { state.withLock { !$0.passedOver.contains(key) } }

  func checkOpen() throws {
    guard !state.withLock({ $0.isClosed }) else {
      throw CacheClosedError("The store is closed.", remedy: .reopen)
    }
  }

  // MARK: Talking to Redis

  /// Sends reading commands in one round trip. Until the cache's identity is known, the command that reads it is added
  /// at the end.
  func read(_ pipeline: Pipeline, tolerating: Bool = false) throws -> Replies {
    try checkOpen()
    guard state.withLock({ $0.stored }) == nil else {
      return try client.read(pipeline, tolerating: tolerating)
    }
    var pipeline = pipeline
    let identity = appendIdentityQuestion(to: &pipeline)
    let replies = try client.read(pipeline, tolerating: tolerating)
    _ = try replies[identity]
    return replies
  }

  /// The reply to one command that reads. One round trip.
  func answer(_ build: (inout Pipeline) throws -> Slot) throws -> Reply {
    var pipeline = Pipeline()
    let slot = try build(&pipeline)
    return try read(pipeline)[slot]
  }

  /// The value of the replies to several commands that read. One round trip.
  func read<Value>(
    tolerating: Bool = false, _ build: (inout Pipeline) throws -> Question<Value>
  ) throws -> Value {
    let look = try Look(build)
    return try read(look.commands, tolerating: tolerating)[look.question]
  }

  /// Reads the identity of the cache, and checks it against the expected one; nil if there is no cache.
  @discardableResult
  func appendIdentityQuestion(to pipeline: inout Pipeline) -> Question<CacheIdentity?> {
    typealias Field = KeyLayout.MetaField
    let meta = pipeline.append("HMGET", layout.meta, Field.fingerprint, Field.dimension, Field.schemaVersion)
    return Question { try self.checkIdentity($0[meta]) }
  }

  private func checkIdentity(_ reply: Reply) throws -> CacheIdentity? {
    if let error = reply.error { throw client.translate(error, command: "HMGET", key: layout.meta.text) }
    guard let fingerprint = reply[0].string else { return nil }
    let stored = try CacheIdentity(
      fingerprint: fingerprint, dimension: reply[1].string, schemaVersion: reply[2].string)
    try state.withLock { state in
      try state.expected?.check(against: stored)
      state.stored = stored
    }
    return stored
  }

  /// Returns the identity with which a new cache is created.
  func expectedIdentity() throws -> CacheIdentity {
    guard let expected = state.withLock({ $0.expected }) else { throw CacheIdentity.unknownToWriter }
    return expected
  }

  /// A pipeline of one or more commands.
  func pipeline(_ build: (inout Pipeline) throws -> Void) rethrows -> Pipeline {
    var pipeline = Pipeline()
    try build(&pipeline)
    return pipeline
  }

  // MARK: Snapshots

  /// Throws `CheckpointError`, since Redis makes the snapshots.
  public func snapshot(to path: String) throws {
    try checkOpen()
    throw CheckpointError.leftToRedis
  }

  /// Throws `CheckpointError`, since Redis restores its own snapshots.
  public static func restore(from path: String, to destination: String) throws -> Self {
    throw CheckpointError.restoringLeftToRedis
  }
}

extension CheckpointError {
  /// The error of `snapshot`: Redis makes the snapshots.
  public static var leftToRedis: CheckpointError {
    CheckpointError(
      "A cache in Redis is not dumped by mneme: its entries are in Redis's own snapshot.",
      remedy: .copySnapshot)
  }

  /// The error of `restore`: Redis restores its own snapshots.
  public static var restoringLeftToRedis: CheckpointError {
    CheckpointError(
      "A cache in Redis is not restored by mneme: Redis loads its own snapshot when it starts.",
      remedy: .replaceSnapshot)
  }
}
