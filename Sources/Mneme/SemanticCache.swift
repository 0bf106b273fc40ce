import Synchronization

/// A cache of answers by question: an exact hit has the same question, a semantic hit one with a similar meaning.
///
/// For an exact hit it looks up the hash of the normalized query. Otherwise it embeds the query and takes the nearest
/// stored query of the namespace, if that is similar enough, recent enough, and its response can be served. The store
/// decides. An index of a namespace's vectors is built at the first semantic search in the namespace, and is updated
/// from the store at each later one. Other threads wait for that only if they search the same namespace.
///
///     let cache = try SemanticCache(store: MemoryStore(), embedder: HashedNgramEmbedder())
///     try cache.put("How do I reset my password?", "Use the link on the login page.")
///     try cache.get("how do i reset my password")?.response
///
/// Each call blocks its thread: for the round trips that its documentation gives, and for the embedder if a vector is
/// made. On Redis a round trip lasts at most as long as `ConnectionOptions` allows, by default 30 s for a reply, and 5
/// s to connect if there is no connection. A call that has lost its connection, or that competes with another writer,
/// may take a few more. For servers with `async` code, `AsyncSemanticCache` in the module `MnemeAsync` has the same
/// calls.
///
/// Safe to use from several threads, which share the connection of the store. Every method throws `CacheClosedError`
/// after `close()`, and the errors of the store.
public final class SemanticCache: Sendable {
  /// Rules by which a cache decides. The defaults are those of the Python library.
  public struct Options: Sendable {
    /// The least cosine similarity of a semantic hit.
    public var threshold = 0.85
    /// The least confidence of a semantic hit; see `Confidence`.
    public var minConfidence = Confidence.cutoff
    /// The number of neighbours that a semantic search considers.
    public var neighbours = 3
    /// The time to live of entries that are put without one; nil for never.
    public var defaultTTL: Seconds?
    /// The most entries in the whole store. A namespace with a quota has that limit instead.
    public var maxEntries: Int?
    /// Whether queries are normalized before they are hashed and embedded.
    public var normalizesQueries = true
    /// The largest query, response and metadata.
    public var limits = Limits()
    /// The rule for responses that can be stored and served.
    public var validator: Validator = defaultValidator
    /// The directory that keeps vectors between runs of the program; nil to keep them in memory only. Use it for
    /// programs that search once, because vectors in a file are read at each search.
    public var indexDirectory: IndexDirectory?
    /// The source of the time.
    public var clock: WallClock = systemClock

    /// Makes the default options.
    public init() {}
  }

  /// The longest time to live: a hundred years. A later date means "never", which is not a time to live.
  public static let longestTTL = Seconds(100 * 31_557_600)
  /// The largest quota.
  public static let largestQuota = 1_000_000_000

  /// Chooses the embedder of a cache; nil means a cache that does not exist yet. It is called once, in the middle of
  /// the first use. Then other threads wait, so it must use neither the cache nor its store.
  public typealias EmbedderChoice = @Sendable (CacheIdentity?) throws -> any Embedder

  /// The state of a cache, and of others that share it.
  final class Shared: Sendable {
    let state: Mutex<State>
    init(_ state: consuming sending State) { self.state = Mutex(state) }
  }

  struct State {
    var isClosed = false
    var threshold: Double
    var embedder: (any Embedder)?
    var indexes: [Namespace: NamespaceIndex] = [:]
  }

  let store: any CacheStore
  let options: Options
  let chooseEmbedder: EmbedderChoice
  let shared: Shared

  /// Makes a cache for one embedder, which must be the one that filled it.
  /// - Throws: `EmbedderMismatchError`, `EmbedderDimensionError`, now or with the first operation.
  public convenience init(store: any Store, embedder: any Embedder, options: Options = Options()) throws {
    try self.init(store: store.completed, embedder: embedder, options: options)
  }

  package init(store: any CacheStore, embedder: any Embedder, options: Options = Options()) throws {
    self.store = store
    self.options = options
    chooseEmbedder = { _ in embedder }
    shared = Shared(State(threshold: options.threshold, embedder: embedder))
    try store.open(
      expecting: CacheIdentity(fingerprint: embedder.fingerprint, dimension: embedder.dimension))
  }

  /// Makes a cache whose fingerprint decides on the embedder. The embedder is chosen when a vector is first needed,
  /// and never for exact hits.
  public convenience init(
    store: any Store, options: Options = Options(), choosingEmbedder: @escaping EmbedderChoice
  ) throws {
    try self.init(store: store.completed, options: options, choosingEmbedder: choosingEmbedder)
  }

  package init(
    store: any CacheStore, options: Options = Options(), choosingEmbedder: @escaping EmbedderChoice
  ) throws {
    self.store = store
    self.options = options
    chooseEmbedder = choosingEmbedder
    shared = Shared(State(threshold: options.threshold))
    try store.open(expecting: nil)
  }

  /// Makes a cache that shares the indexes, the threshold and the closed state of another one, and has its own store
  /// for the same data.
  package init(sharing other: SemanticCache, store: any Store, embedder: any Embedder) throws {
    self.store = store.completed
    options = other.options
    chooseEmbedder = other.chooseEmbedder
    shared = other.shared
    try store.open(
      expecting: CacheIdentity(fingerprint: embedder.fingerprint, dimension: embedder.dimension))
  }

  /// The least similarity of a semantic hit. It can be changed at any time.
  public var threshold: Double {
    get { shared.state.withLock { $0.threshold } }
    set { shared.state.withLock { $0.threshold = newValue } }
  }

  /// Ends the use of the cache and its store.
  public func close() {
    shared.state.withLock {
      $0.isClosed = true
      $0.indexes = [:]
    }
    store.close()
  }

  func checkOpen() throws {
    guard !shared.state.withLock({ $0.isClosed }) else { throw CacheClosedError() }
  }

  /// The hash under which a query is stored.
  func queryHash(_ query: String) -> String {
    QueryNormalizer.queryHash(query, normalizing: options.normalizesQueries)
  }

  /// Makes the vector of a query. It may wait for a server.
  func embed(_ query: String, with embedder: any Embedder) throws -> [Float] {
    try WorkCancellation.check()
    return try embedder.embed(options.normalizesQueries ? QueryNormalizer.normalize(query) : query)
  }

  /// The embedder, chosen by the cache's own fingerprint when none was given.
  /// - Parameter identity: called only if the embedder is not known yet.
  func embedder(for identity: () throws -> CacheIdentity?) throws -> any Embedder {
    if let known = shared.state.withLock({ $0.embedder }) { return known }
    let chosen = try chooseEmbedder(identity())
    try store.open(expecting: CacheIdentity(fingerprint: chosen.fingerprint, dimension: chosen.dimension))
    shared.state.withLock { $0.embedder = chosen }
    return chosen
  }
}
