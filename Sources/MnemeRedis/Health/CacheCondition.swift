import Mneme

/// The findings of an examination of a cache, in numbers and examples, without a judgement.
public struct CacheCondition: Sendable {
  /// A number of findings and the first of them, each a sentence without the period.
  public struct Findings: Sendable, Equatable {
    public var count = 0
    public var first: [String] = []

    static let shown = 3

    public init() {}

    mutating func add(_ detail: @autoclosure () -> String) {
      count += 1
      if first.count < Self.shown { first.append(detail()) }
    }
  }

  /// A key, and what it is in place of what it should be.
  public struct OtherType: Sendable, Equatable {
    public var key: [UInt8]
    public var type: String
    public var expected: String
  }

  /// nil if there is no cache.
  public var identity: CacheIdentity?
  /// Why `meta` cannot be read, which ends the examination.
  public var metaError: (any MnemeError)?
  public var otherTypes: [OtherType] = []
  /// Why the version counter, or the counter of ids, cannot be used: it is not a number, or cannot grow.
  public var brokenNumbers = Findings()
  /// The last id that was allocated; nil where that is not a number.
  public var lastID: Int64?
  public var highestID: Int64 = 0
  /// The number of members of `by_id`.
  public var entries = 0
  public var namespaces = 0
  /// The number of members of all `lru`, if it differs from that of `by_id` and stays so.
  public var entriesOfNamespaces: Int?
  /// Counters and quotas that are not numbers, or cannot grow.
  public var brokenFigures = Findings()
  public var overQuota = Findings()

  /// Whether every entry was looked at.
  public var complete = false
  /// Responses and vectors were read too.
  public var isDeep = false
  public var leftovers = 0
  /// Entries that nobody can be served from.
  public var unreadable = Findings()
  /// Entries that mneme can read and no Python program can, so that none can open the cache.
  public var unreadableByPython = Findings()
  /// Entries whose `hash:` key is of another type.
  public var brokenHashKeys = Findings()
  /// Entries whose `hash:` key is missing.
  public var withoutHashKey = Findings()
  /// Members of indexes that are not ids or names.
  public var strays = Findings()
  /// Entries that are in the index of their namespace and not in `by_id`.
  public var outsideByID = Findings()
  /// Vectors that nothing can be compared with. Only a deep examination finds them.
  public var incomparable = Findings()
  /// Entries that were put or used more than a day after now.
  public var fromFuture = Findings()
  public var oldest: UnixTime?

  public init() {}
}

/// The options of an examination.
public struct ConditionOptions {
  /// Reads responses and vectors too.
  public var isDeep = false
  /// Times are compared with this moment.
  public var now: UnixTime = systemClock()
  /// Progress counts entries.
  public var control = WorkControl()

  public init() {}
}
