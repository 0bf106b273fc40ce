import Mneme

/// The rules of a `Store`, as named cases for tests of any implementation.
///
/// A case is a sentence and a function that throws an error where a store breaks the rule. The battery uses no test
/// framework. With Swift Testing a test file is:
///
///     import MyStore
///     import StoreConformance
///     import Testing
///
///     @Test("MyStore keeps the rules of stores", arguments: StoreBattery.cases(sharing: false))
///     func keepsTheRules(rule: StoreCase) throws {
///       try rule.check(StorePlace(sharing: false) { MyStore() })
///     }
///
/// Each case gets a place of its own. If two stores can use one place, such as a file, pass `sharing: true` and make
/// each store on the same new file. The cases for several processes then run too.
public enum StoreBattery {
  /// Every case in a fixed order.
  public static let all: [StoreCase] =
    identityCases + entryCases + versionCases + recencyCases + expiryCases + evictionCases + quotaCases
    + counterCases + namespaceCases + streamingCases + healthCases + closingCases + sharingCases
    + concurrencyCases(ownStores: false) + concurrencyCases(ownStores: true)

  /// The cases for a backend. Those that need two stores on one place are left out where that cannot be.
  public static func cases(sharing: Bool) -> [StoreCase] { all.filter { sharing || !$0.needsSharing } }
}

/// A rule of the contract.
public struct StoreCase: Sendable, CustomStringConvertible {
  /// The rule in words.
  public let sentence: String
  /// The case opens more than one store on its place.
  public let needsSharing: Bool
  private let body: @Sendable (StorePlace) throws -> Void

  init(_ sentence: String, sharing: Bool = false, _ body: @escaping @Sendable (StorePlace) throws -> Void) {
    self.sentence = sentence
    needsSharing = sharing
    self.body = body
  }

  /// Tries the rule on a place that was not used before.
  /// - Throws: `StoreNonconformance` that says what was otherwise, or what the store threw.
  public func check(_ place: StorePlace) throws {
    precondition(place.isShared || !needsSharing, "'\(sentence)' needs several stores on one place")
    try body(place)
  }

  /// The sentence.
  public var description: String { sentence }
}

/// The place of the stores of one case: a key prefix, a file, the memory of one process.
public struct StorePlace: Sendable {
  /// Two stores of this place see the same entries.
  public let isShared: Bool
  private let make: @Sendable () throws -> any Store

  /// - Parameters:
  ///   - sharing: whether a second store made by `make` sees what the first one wrote.
  ///   - make: a store, not yet opened, on a place that is new for each case and the same within one.
  public init(sharing: Bool, make: @escaping @Sendable () throws -> any Store) {
    isShared = sharing
    self.make = make
  }

  /// A store that expects the embedder of the samples, or another one, as a cache uses it.
  func store(expecting identity: CacheIdentity? = Sample.identity) throws -> any CacheStore {
    try bareStore(expecting: identity).completed
  }

  /// A store as it was made, opened.
  func bareStore(expecting identity: CacheIdentity? = Sample.identity) throws -> any Store {
    let store = try make()
    try store.open(expecting: identity)
    return store
  }

  /// The next user of what `store` wrote: another store where the place has room for two, else the same one.
  func next(after store: any CacheStore, expecting identity: CacheIdentity?) throws -> any CacheStore {
    if isShared { return try self.store(expecting: identity) }
    try store.open(expecting: identity)
    return store
  }
}
