import TestSupport

/// Compares every key of a shared cache with every other, by the contract about the layout and without either
/// library's code. The forms that Python writes (`ns|id` in `by_ttl`, quotas as strings alone) are sound.
struct CacheCheck {
  /// The disagreements of two keys. Each has one cause, and one repair.
  enum Kind: String, CaseIterable, Comparable {
    /// An entry hash that lacks fields, or holds what is not a value of them.
    case damagedEntry = "damaged entry"
    /// Its query's `hash:` key names another entry of the same query.
    case shadowedEntry = "shadowed entry"
    /// Its query has no `hash:` key, or one that names no entry of that query.
    case unindexedEntry = "entry without its hash key"
    /// A sorted set lacks an entry, or has it with another score.
    case wrongMember = "wrong index member"
    /// An index names an id that has no entry, or none of that namespace.
    case danglingMember = "index member without an entry"
    /// A `hash:` key that names no entry of its query.
    case danglingHashKey = "hash key without its entry"
    /// `namespaces` lacks one that has entries, or has one without.
    case wrongNamespace = "wrong namespace"
    /// `next_id` is below an id in use, or `version` is not a number.
    case wrongNumber = "wrong number"

    static func < (a: Kind, b: Kind) -> Bool { a.rawValue < b.rawValue }
  }

  struct Problem: CustomStringConvertible {
    var kind: Kind
    var detail: String

    var description: String { "\(kind.rawValue): \(detail)" }
  }

  struct Entry {
    var id: Int64
    var namespace: [UInt8]
    var queryHash: [UInt8]
    var lastAccessedAt: Int64
    /// nil: never.
    var expiresAt: Int64?
  }

  private(set) var problems: [Problem] = []
  /// The sound ones, by id.
  private(set) var entries: [Int64: Entry] = [:]

  private let base: [UInt8]
  private let keys: [[UInt8]: KeyspaceDump.Key]
  private var damaged: Set<Int64> = []

  init(_ cache: CacheFixture) throws {
    base = Array((cache.prefix + ":").utf8)
    keys = Dictionary(uniqueKeysWithValues: try cache.dump().keys.map { ($0.name, $0) })
    readEntries()
    checkSortedSet("by_id", holds: entries.values.map { ($0.id, $0.id) })
    checkSortedSet(
      "by_ttl", holds: entries.values.compactMap { entry in entry.expiresAt.map { (entry.id, $0) } })
    let namespaces = Dictionary(grouping: entries.values, by: \.namespace)
    for namespace in Set(namespaces.keys).union(family("lru:").map(\.rest)) {
      checkSortedSet(
        "lru:", namespace, holds: (namespaces[namespace] ?? []).map { ($0.id, $0.lastAccessedAt) })
    }
    checkHashKeys()
    checkNamespaces(Set(namespaces.keys))
    checkNumbers()
  }

  /// The number of problems of each kind.
  var counts: [Kind: Int] { Dictionary(grouping: problems, by: \.kind).mapValues(\.count) }

  private mutating func report(_ kind: Kind, _ detail: String) {
    problems.append(Problem(kind: kind, detail: detail))
  }

  // MARK: Entries

  private mutating func readEntries() {
    for (rest, key) in family("entry:") {
      guard let id = Int64(text(rest)) else {
        report(.damagedEntry, "\(key)")
        continue
      }
      if let entry = entry(id, key) {
        entries[id] = entry
      } else {
        damaged.insert(id)
        report(.damagedEntry, "\(key)")
      }
    }
  }

  private func entry(_ id: Int64, _ key: KeyspaceDump.Key) -> Entry? {
    guard key.type == "hash" else { return nil }
    var fields: [String: [UInt8]] = [:]
    for index in stride(from: 0, to: key.content.count - 1, by: 2) {
      fields[text(key.content[index])] = key.content[index + 1]
    }
    func number(_ name: String) -> Int64? { fields[name].flatMap { Int64(text($0)) } }
    guard let namespace = fields["namespace"], !namespace.isEmpty, let queryHash = fields["query_hash"],
      queryHash.count == 64, fields["query"] != nil, fields["response"] != nil, fields["metadata"] != nil,
      let embedding = fields["embedding"], embedding.count % 4 == 0, let createdAt = number("created_at"),
      let lastAccessedAt = number("last_accessed_at"), number("access_count") != nil, let ttl = fields["ttl"],
      ttl.isEmpty || number("ttl") != nil
    else { return nil }
    return Entry(
      id: id, namespace: namespace, queryHash: queryHash, lastAccessedAt: lastAccessedAt,
      expiresAt: number("ttl").map { createdAt + $0 })
  }

  // MARK: Indexes

  /// Compares a sorted set with what the entries say. A member that Python wrote counts for its id.
  private mutating func checkSortedSet(
    _ name: String, _ namespace: [UInt8] = [], holds expected: [(Int64, Int64)]
  ) {
    let expected = Dictionary(expected) { $1 }
    let key = base + Array(name.utf8) + namespace
    var found: [Int64: [Double]] = [:]
    let content = keys[key]?.content ?? []
    for index in stride(from: 0, to: content.count - 1, by: 2) {
      let (member, score) = (content[index], Double(text(content[index + 1])) ?? .nan)
      let digits =
        name == "by_ttl"
        ? Array(member.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false).last!) : member
      guard let id = Int64(text(digits)) else {
        report(.danglingMember, "\(escaped(key)) holds \(escaped(member))")
        continue
      }
      if name == "by_ttl", member != digits, let entry = entries[id],
        member != entry.namespace + [UInt8(ascii: "|")] + digits
      {
        report(.danglingMember, "\(escaped(key)) holds \(escaped(member)) of another namespace")
      }
      found[id, default: []].append(score)
    }
    for (id, scores) in found where !damaged.contains(id) {
      guard let score = expected[id] else {
        report(.danglingMember, "\(escaped(key)) holds \(id)")
        continue
      }
      for found in scores where found != Double(score) {
        report(.wrongMember, "\(escaped(key)) holds \(id) at \(found), not \(score)")
      }
    }
    for id in expected.keys where found[id] == nil {
      report(.wrongMember, "\(escaped(key)) lacks \(id)")
    }
  }

  private mutating func checkHashKeys() {
    var indexed: [[UInt8]: Int64] = [:]
    for (rest, key) in family("hash:") {
      let id = key.content.first.flatMap { Int64(text($0)) }
      let entry = id.flatMap { entries[$0] }
      if let entry, rest == entry.namespace + [UInt8(ascii: ":")] + entry.queryHash {
        indexed[rest] = entry.id
      } else {
        report(.danglingHashKey, "\(key)")
      }
    }
    for entry in entries.values {
      let name = entry.namespace + [UInt8(ascii: ":")] + entry.queryHash
      guard indexed[name] != entry.id else { continue }
      report(indexed[name] == nil ? .unindexedEntry : .shadowedEntry, "entry \(entry.id)")
    }
  }

  private mutating func checkNamespaces(_ used: Set<[UInt8]>) {
    let listed = Set(keys[base + Array("namespaces".utf8)]?.content ?? [])
    for name in listed.symmetricDifference(used) {
      report(.wrongNamespace, "\(escaped(name)) is \(used.contains(name) ? "not " : "")listed")
    }
  }

  private mutating func checkNumbers() {
    let last = number("next_id")
    if let highest = entries.keys.max(), highest > last ?? 0 {
      report(.wrongNumber, "next_id is \(last ?? 0), behind \(highest)")
    }
    if !entries.isEmpty, number("version") == nil { report(.wrongNumber, "version") }
  }

  // MARK: Looking

  private func family(_ name: String) -> [(rest: [UInt8], key: KeyspaceDump.Key)] {
    let start = base + Array(name.utf8)
    return keys.values.filter { $0.name.starts(with: start) }.map {
      (Array($0.name.dropFirst(start.count)), $0)
    }
  }

  private func number(_ name: String) -> Int64? {
    keys[base + Array(name.utf8)]?.content.first.flatMap { Int64(text($0)) }
  }

  private func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
}
