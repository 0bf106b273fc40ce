import Mneme

/// The fields that decide whether an entry is removed, read under `WATCH`.
struct EntryHead: Sendable, Equatable {
  var id: EntryID
  var namespace: Namespace
  var queryHash: String
  var expiry: Expiry

  enum Expiry: Sendable, Equatable {
    case never
    case at(UnixTime)
    /// The fields that decide about the expiry are damaged, so the entry must not be treated as expired.
    case unreadable
  }

  func isExpired(at now: UnixTime) -> Bool {
    if case .at(let moment) = expiry { now >= moment } else { false }
  }
}

/// The namespaces for which removed entries are counted: each entry for its own, or all for one.
enum Counting: Sendable {
  case own(Counter)
  case all(Counter, Namespace)
}

/// The records of a removal, in addition to the keys and members that are removed. They may need memory, which a full
/// server does not have.
struct RemovalRecord: Equatable, Sendable {
  /// The amount by which the version counter grows.
  var removed = 0
  var counts: [Count] = []
  /// Namespaces that were left without entries, and are still listed.
  var emptied: [Namespace] = []

  /// The amount that is added to a counter.
  struct Count: Equatable, Sendable {
    var counter: Counter
    var namespace: Namespace
    var number: Int64
  }

  var isEmpty: Bool { self == RemovalRecord() }

  /// The namespaces of the counters, sorted.
  var countedNamespaces: [Namespace] { Set(counts.map(\.namespace)).sorted() }

  static func += (record: inout RemovalRecord, other: RemovalRecord) {
    record.removed += other.removed
    for count in other.counts {
      let place = record.counts.firstIndex { $0.counter == count.counter && $0.namespace == count.namespace }
      if let place {
        record.counts[place].number += count.number
      } else {
        record.counts.append(count)
      }
    }
    record.emptied = Set(record.emptied + other.emptied).sorted()
  }
}

/// The decision about a removal: the entries, and the keys and members that go with them.
struct RemovalPlan: Equatable, Sendable {
  var heads: [EntryHead]
  /// The `hash:` keys that lead to one of the entries. A key that leads to another entry stays.
  var hashKeys: [Key] = []
  /// The namespaces that are left without entries.
  var emptied: [Namespace] = []

  /// The `hash:` keys of entries, and the number of entries in their namespaces.
  struct Pointers: Equatable {
    /// For each entry the id that its `hash:` key holds.
    var named: [EntryID?]
    var counts: [Namespace: Int]
  }

  init(heads: [EntryHead], _ pointers: Pointers, in layout: KeyLayout) {
    self.heads = heads
    hashKeys = zip(heads, pointers.named).filter { $0.id == $1 }.map {
      layout.hash($0.0.namespace, $0.0.queryHash)
    }
    let going = Dictionary(grouping: heads, by: \.namespace).mapValues(\.count)
    emptied = pointers.counts.filter { $1 <= going[$0] ?? 0 }.keys.sorted()
  }

  /// The namespaces of the entries, sorted.
  var namespaces: [Namespace] { Set(heads.map(\.namespace)).sorted() }

  /// Returns the records of the removal.
  func record(_ counting: Counting?) -> RemovalRecord {
    let counts: [RemovalRecord.Count] =
      switch counting {
      case .own(let counter):
        namespaces.map { namespace in
          let number = heads.count { $0.namespace == namespace }
          return RemovalRecord.Count(counter: counter, namespace: namespace, number: Int64(number))
        }
      case .all(let counter, let namespace):
        [RemovalRecord.Count(counter: counter, namespace: namespace, number: Int64(heads.count))]
      case nil: []
      }
    return RemovalRecord(removed: heads.count, counts: counts, emptied: emptied)
  }
}
