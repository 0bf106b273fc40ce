import Mneme

/// The findings of an examination of a cache, in numbers and examples, without a judgement.
package struct CacheCondition: Sendable {
  /// A number of findings and the first of them, each a sentence without the period.
  package struct Findings: Sendable, Equatable {
    package var count = 0
    package var first: [String] = []

    static let shown = 3

    package init() {}

    mutating func add(_ detail: @autoclosure () -> String) {
      count += 1
      if first.count < Self.shown { first.append(detail()) }
    }
  }

  /// A key with a type that differs from the layout's.
  package struct OtherType: Sendable, Equatable {
    package var key: [UInt8]
    package var type: String
    package var expected: String
  }

  /// nil if there is no cache.
  package var identity: CacheIdentity?
  /// The reason why `meta` cannot be read, which ends the examination.
  package var metaError: (any MnemeError)?
  package var otherTypes: [OtherType] = []
  /// The reasons why the version counter or the id counter cannot be used: it is not a number, or cannot grow.
  package var brokenNumbers = Findings()
  /// The last id that was allocated; nil if it is not a number.
  package var lastID: Int64?
  package var highestID: Int64 = 0
  /// The number of members of `by_id`.
  package var entries = 0
  package var namespaces = 0
  /// The number of members of all `lru`, if it differs from that of `by_id` and stays so.
  package var entriesOfNamespaces: Int?
  /// Counters and quotas that are not numbers, or cannot grow.
  package var brokenFigures = Findings()
  package var overQuota = Findings()

  /// Whether every entry was examined.
  package var complete = false
  /// Whether responses and vectors were read too.
  package var isDeep = false
  package var leftovers = 0
  /// The number of entries.
  package var liveEntries: Int { max(0, entries - leftovers) }
  /// Entries that cannot be served.
  package var unreadable = Findings()
  /// Entries that mneme can read and no Python program can, so that none can open the cache.
  package var unreadableByPython = Findings()
  /// Entries whose `hash:` key is of another type.
  package var brokenHashKeys = Findings()
  /// Entries whose `hash:` key is missing.
  package var withoutHashKey = Findings()
  /// Members of indexes that are not ids or names.
  package var strays = Findings()
  /// Entries that are in the index of their namespace and not in `by_id`.
  package var outsideByID = Findings()
  /// Vectors that cannot be compared. Only a deep examination finds them.
  package var incomparable = Findings()
  /// Entries that were put or used more than a day after now.
  package var fromFuture = Findings()
  package var oldest: UnixTime?

  package init() {}
}

/// The options of an examination.
package struct ConditionOptions {
  /// Whether responses and vectors are read too.
  package var isDeep = false
  /// The moment with which times are compared.
  package var now: UnixTime = systemClock()
  /// The control. Progress counts entries.
  package var control = WorkControl()

  package init() {}
}
