/// The events that are counted for each namespace. The raw values are the names in Redis.
public enum Counter: String, Sendable, CaseIterable {
  case hitsExact = "hits_exact"
  case hitsSemantic = "hits_semantic"
  case misses
  case evictions
  case expirations
}

/// The counters of a namespace, or of all together.
public struct Counters: Sendable, Equatable {
  private var counts: [Counter: Int64] = [:]

  /// Makes counters that are all 0.
  public init() {}

  /// The count of an event; 0 for one that was never counted.
  public subscript(counter: Counter) -> Int64 {
    get { counts[counter] ?? 0 }
    set { counts[counter] = newValue == 0 ? nil : newValue }
  }

  /// The sums of two sets of counters. They saturate.
  public static func + (a: Counters, b: Counters) -> Counters {
    var sum = a
    for (counter, count) in b.counts {
      let (total, overflow) = sum[counter].addingReportingOverflow(count)
      sum[counter] = overflow ? .max : total
    }
    return sum
  }
}

extension Counters {
  /// The share of lookups that were answered, from 0 to 1; nil before the first.
  public var hitRate: Double? {
    let hits = Double(self[.hitsExact]) + Double(self[.hitsSemantic])
    let lookups = hits + Double(self[.misses])
    return lookups > 0 ? hits / lookups : nil
  }
}

/// The figures of one namespace.
public struct NamespaceSummary: Sendable, Equatable {
  /// The namespace that the figures are of.
  public var namespace: Namespace
  /// The number of entries.
  public var entries: Int
  /// The most entries that the namespace may have; nil: no quota.
  public var quota: Int?
  /// The counters of the namespace.
  public var counters: Counters

  /// Makes a summary, for a store.
  public init(namespace: Namespace, entries: Int, quota: Int?, counters: Counters) {
    self.namespace = namespace
    self.entries = entries
    self.quota = quota
    self.counters = counters
  }
}
