import CommandGrammar
import Mneme
import MnemeRedis

/// Figures of the entries of a namespace, or of a whole cache. A figure that was not counted is nil.
struct EntryFigures {
  /// Entries that were put or served in the last 24 hours.
  var used: Int?
  /// Entries that expire in the next 24 hours.
  var expiring: Int?
  /// Members of the indexes whose entry Redis has expired.
  var leftovers: Int?
  /// The time at which the oldest entry was put.
  var oldest: UnixTime?
  /// The sum of a number in the metadata of each entry times its uses.
  var saved: Double?
  /// Entries without that number.
  var unpriced: Int?

  var json: [(String, JSONOutput)] {
    [
      ("leftovers", JSONOutput(leftovers)), ("used_24h", JSONOutput(used)),
      ("expiring_24h", JSONOutput(expiring)), ("oldest_created_at", JSONOutput(oldest?.rawValue)),
    ]
      + (unpriced == nil
        ? []
        : [
          ("saved", JSONOutput(saved.flatMap { $0.isFinite ? $0 : nil })),
          ("without_number", JSONOutput(unpriced)),
        ])
  }
}

/// The figures of a cache that go beyond its counters.
struct StatsFigures {
  private(set) var total = EntryFigures()
  private(set) var namespaces: [Namespace: EntryFigures] = [:]
  /// Expired entries that still exist; nil if they were not counted.
  private(set) var expired: Int?
  private(set) var now = UnixTime(0)
  /// Whether figures are missing because there are too many entries to read each.
  private(set) var isPartial = false

  /// The most entries for which `stats` reads each entry. `health` reads any number.
  static let largestWalk = 100_000

  init() {}

  /// One round trip for each 64 namespaces, and one for each 32 entries if there are not too many.
  /// - Parameters:
  ///   - stats: of the whole cache, or of the namespace.
  ///   - savings: the path of a number in the metadata. To add it up, every entry is looked at.
  init(
    of stats: Stats, in namespace: Namespace?, savings: MetadataPath?, _ store: RedisStore,
    _ context: Context
  ) throws {
    now = try store.time(for: context.clock())
    let day = Seconds(86_400)
    let names = stats.namespaces.map(\.namespace)
    let activity = try store.activity(
      of: names, since: now + Seconds(-day.rawValue), now: now, until: now + day)
    for name in names { namespaces[name] = EntryFigures(used: activity.used[name]) }
    total.used = activity.used.values.reduce(0, +)
    // The index of expiry times is one for all namespaces, so counting it gives the number for the whole cache only.
    if namespace == nil { total.expiring = activity.expiring }
    isPartial = savings == nil && stats.entries > Self.largestWalk
    guard !isPartial else { return }
    try walk(stats, in: namespace, savings, until: now + day, store, context)
  }

  private mutating func walk(
    _ stats: Stats, in namespace: Namespace?, _ savings: MetadataPath?, until end: UnixTime,
    _ store: RedisStore, _ context: Context
  ) throws {
    let work = try LongWork(context, unit: "entries", total: stats.entries)
    var selection = Selection.everything
    if let namespace { selection.namespaces = [namespace] }
    var found: [Namespace: Int] = [:]
    var seen = 0
    var damaged: [EntryID] = []
    expired = 0
    for summary in stats.namespaces {
      namespaces[summary.namespace, default: .init()].expiring = 0
      if savings != nil { namespaces[summary.namespace]?.unpriced = 0 }
    }
    try store.forEachEntry(in: selection, at: now, reading: savings == nil ? [] : .metadata) { id, _ in
      damaged.append(id)
    } _: { entry in
      try work.check()
      seen += 1
      work.tell(seen)
      found[entry.namespace, default: 0] += 1
      if entry.isExpired(at: now) { expired = (expired ?? 0) + 1 }
      var figures = namespaces[entry.namespace] ?? .init()
      figures.oldest = min(figures.oldest ?? entry.createdAt, entry.createdAt)
      if let expiry = entry.expiresAt, expiry > now, expiry <= end {
        figures.expiring = (figures.expiring ?? 0) + 1
      }
      if let savings {
        if let number = savings.number(in: entry.metadata) {
          figures.saved = (figures.saved ?? 0) + number * Double(max(0, entry.accessCount))
        } else {
          figures.unpriced = (figures.unpriced ?? 0) + 1
        }
      }
      namespaces[entry.namespace] = figures
    }
    for case let name? in try store.statedNamespaces(of: damaged) { found[name, default: 0] += 1 }
    for summary in stats.namespaces {
      namespaces[summary.namespace]?.leftovers = max(
        0, summary.entries - found[summary.namespace, default: 0])
    }
    let all = namespaces.values
    total.oldest = all.compactMap(\.oldest).min()
    total.leftovers = all.reduce(0) { $0 + ($1.leftovers ?? 0) }
    total.expiring = all.reduce(0) { $0 + ($1.expiring ?? 0) }
    if savings != nil {
      total.saved = all.compactMap(\.saved).reduce(nil) { ($0 ?? 0) + $1 }
      total.unpriced = all.reduce(0) { $0 + ($1.unpriced ?? 0) }
    }
  }
}

/// A member of metadata that holds a number.
struct MetadataPath: Sendable {
  private let names: [String]
  /// The path as it was typed.
  let text: String

  /// - Parameter text: names, with a dot between each two.
  /// - Returns: nil if a part is empty.
  init?(_ text: String) {
    names = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    self.text = text
    if names.contains(where: \.isEmpty) { return nil }
  }

  /// - Returns: nil if there is no such member, or if it is not a finite number.
  func number(in metadata: String) -> Double? {
    var value = JSONText(metadata: metadata)
    for name in names {
      // If a name comes twice, the last member is used, as in Python.
      value = value?.members.last { $0.name.map { $0.utf8.elementsEqual(name.utf8) } ?? false }?.value
    }
    guard let value, value.kind == .number, let number = value.double, number.isFinite else { return nil }
    return number
  }
}

extension ValueKind where Value == MetadataPath {
  static var metadataPath: ValueKind {
    ValueKind(
      placeholder: "PATH",
      parse: { text throws(ValueProblem) in
        guard let path = MetadataPath(text) else {
          throw ValueProblem(
            "has an empty part", advice: "write names with a dot between each two, as in usage.tokens")
        }
        return path
      },
      format: \.text)
  }
}
