import Mneme
import TestSupport

/// One thing that is done to a store in a random history.
///
/// Steps name queries, namespaces and entries by small numbers, so that a history means something for any store and
/// stays meaningful when steps before it are taken away.
enum Step: Sendable, Equatable {
  /// - Parameters:
  ///   - lifetime: nil for an entry that stays. Negative: written as if it had expired long ago, which a store with
  /// native expiry loses immediately.
  ///   - evicting: applies the eviction rule in the same step, with this limit for the whole cache.
  case insert(namespace: Int, query: Int, lifetime: Int64?, evicting: Limit?)
  case recordAccess(entry: Int)
  case recordHit(entry: Int)
  case remove(entry: Int)
  case removeMany(entries: [Int])
  case removeExpired
  case removeIfExpired(entry: Int)
  case removeAll(namespace: Int)
  case setQuota(namespace: Int, Int?)
  case evict(namespace: Int, Limit)
  case count(namespace: Int, Counter)
  /// Another store on the same place continues.
  case reopen
  /// Nothing but time.
  case wait(Int64)

  enum Limit: Sendable, Equatable {
    /// A namespace's own quota counts.
    case quotaOnly
    case wholeCache(Int)

    var maxEntries: Int? {
      switch self {
      case .quotaOnly: nil
      case .wholeCache(let limit): limit
      }
    }
  }
}

/// A step on one of the caches that share a server.
struct PlacedStep: Sendable, Equatable, CustomStringConvertible {
  var place: Int
  var step: Step

  var description: String { "on \(place): \(step)" }
}

/// The steps that a history may contain.
struct HistoryKind: Sendable {
  /// Caches side by side.
  var places = 2
  var steps = 5...40
  /// Entries that a store with native expiry loses as soon as they are written.
  var hasStillborn = false
}

/// A random history: the same for the same seed.
func history(seed: UInt64, _ kind: HistoryKind) -> [PlacedStep] {
  var random = SeededGenerator(seed: seed)
  return (0..<Int.random(in: kind.steps, using: &random)).map { _ in
    PlacedStep(
      place: Int.random(in: 0..<kind.places, using: &random),
      step: Step.random(kind, using: &random))
  }
}

extension Step {
  fileprivate static func random(_ kind: HistoryKind, using random: inout SeededGenerator) -> Step {
    func entry() -> Int { Int.random(in: 0..<24, using: &random) }
    func namespace() -> Int { Int.random(in: 0..<History.namespaces.count, using: &random) }
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<40:
      return .insert(
        namespace: namespace(), query: Int.random(in: 0..<History.queries.count, using: &random),
        lifetime: lifetime(kind, using: &random),
        evicting: Bool.random(using: &random) ? limit(using: &random) : nil)
    case 40..<48: return .recordAccess(entry: entry())
    case 48..<54: return .recordHit(entry: entry())
    case 54..<62: return .remove(entry: entry())
    case 62..<65:
      return .removeMany(entries: (0..<Int.random(in: 0...5, using: &random)).map { _ in entry() })
    case 65..<72: return .removeExpired
    case 72..<75: return .removeIfExpired(entry: entry())
    case 75..<78: return .removeAll(namespace: namespace())
    case 78..<84:
      return .setQuota(
        namespace: namespace(),
        Int.random(in: 0..<4, using: &random) == 0 ? nil : Int.random(in: 1...6, using: &random))
    case 84..<88: return .evict(namespace: namespace(), limit(using: &random))
    case 88..<92: return .count(namespace: namespace(), Counter.allCases.randomElement(using: &random)!)
    case 92..<97: return .reopen
    default: return .wait(Int64.random(in: 1...200, using: &random))
    }
  }

  private static func lifetime(_ kind: HistoryKind, using random: inout SeededGenerator) -> Int64? {
    switch Int.random(in: 0..<10, using: &random) {
    case 0..<4: nil
    case 4 where kind.hasStillborn: -1
    default: [1, 5, 30, 100, 1000].randomElement(using: &random)!
    }
  }

  private static func limit(using random: inout SeededGenerator) -> Limit {
    Bool.random(using: &random) ? .quotaOnly : .wholeCache(Int.random(in: 1...10, using: &random))
  }
}

/// The meaning of the numbers in steps.
enum History {
  /// Names that a careless pattern, separator or comparison takes for another: of two families, of two prefixes,
  /// composed and decomposed.
  static let namespaces = [
    "default", "a:b", "a", "hash:a", "x|7", "*", "caf\u{e9}", "cafe\u{301}", " ", "[a]?\\",
  ].map { Namespace(unchecked: $0) }

  static let queries = ["one", "two", "three words here", "4", "fünf", "\u{1F4B6} six?"]

  static let identity = CacheIdentity(fingerprint: "history:embedder:dim4", dimension: 4)

  /// Hours ahead of the clock, so that a store with native expiry drops nothing that is not meant to go.
  static let start = systemClock() + Seconds(100_000)
}
