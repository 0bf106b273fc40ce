/// Holds every key of a prefix against every other, from what the layout says and nothing of our own code.
package struct LayoutAudit {
  /// The inconsistencies, a sentence each; empty for a sound cache.
  package private(set) var problems: [String] = []

  private let prefix: String
  private let keys: [[UInt8]: KeyspaceDump.Key]

  package init(_ dump: KeyspaceDump, prefix: String) {
    self.prefix = prefix + ":"
    keys = Dictionary(uniqueKeysWithValues: dump.keys.map { ($0.name, $0) })
    audit()
  }

  private mutating func audit() {
    let entries = self.entries()
    checkEntries(entries)
    checkSortedSets(entries)
    checkHashKeys(entries)
    checkNamespaces(entries)
    checkNumbers(entries)
    checkQuotas()
  }

  /// The entries by id, each as its fields.
  private mutating func entries() -> [Int64: [String: [UInt8]]] {
    var entries: [Int64: [String: [UInt8]]] = [:]
    for (rest, key) in family("entry:") {
      guard key.type == "hash", let id = Int64(String(decoding: rest, as: UTF8.self)) else {
        problems.append("no entry: \(key)")
        continue
      }
      entries[id] = Dictionary(pairs(of: key).map { (text($0.key), $0.value) }) { $1 }
    }
    return entries
  }

  private mutating func checkEntries(_ entries: [Int64: [String: [UInt8]]]) {
    let fields = [
      "access_count", "created_at", "embedding", "last_accessed_at", "metadata", "namespace", "query",
      "query_hash",
      "response", "ttl",
    ]
    for (id, entry) in entries {
      if entry.keys.sorted() != fields {
        problems.append("entry \(id) has the fields \(entry.keys.sorted())")
      }
      for field in ["access_count", "created_at", "last_accessed_at"] where number(entry[field]) == nil {
        problems.append("entry \(id): \(field) is not a number")
      }
      let own =
        [UInt8]("hash:".utf8) + (entry["namespace"] ?? []) + [UInt8(ascii: ":")] + (entry["query_hash"] ?? [])
      if string(own).flatMap({ Int64($0) }) != id {
        problems.append("entry \(id) is not what its hash key points to")
      }
    }
  }

  /// `by_id`, `lru` and `by_ttl` hold every entry that belongs there, with its score, and no other.
  private mutating func checkSortedSets(_ entries: [Int64: [String: [UInt8]]]) {
    expect("by_id", holds: entries.keys.map { ($0, $0) })
    let mortal = entries.compactMap { id, entry -> (Int64, Int64)? in
      guard let ttl = number(entry["ttl"]), let created = number(entry["created_at"]) else { return nil }
      let (end, overflow) = created.addingReportingOverflow(ttl)
      return (id, overflow ? .max : end)
    }
    expect("by_ttl", holds: mortal)
    var byNamespace = Dictionary(grouping: entries.keys) { entries[$0]?["namespace"] ?? [] }
    for (rest, _) in family("lru:") { byNamespace[rest, default: []] += [] }
    for (namespace, ids) in byNamespace {
      let members = ids.compactMap { id in number(entries[id]?["last_accessed_at"]).map { (id, $0) } }
      expect([UInt8]("lru:".utf8) + namespace, holds: members)
    }
  }

  private mutating func expect(_ name: String, holds members: [(Int64, Int64)]) {
    expect([UInt8](name.utf8), holds: members)
  }

  private mutating func expect(_ name: [UInt8], holds members: [(Int64, Int64)]) {
    let content = keys[[UInt8](prefix.utf8) + name]?.content ?? []
    var found: [String: Double] = [:]
    for index in stride(from: 0, to: content.count - 1, by: 2) {
      found[text(content[index])] = Double(text(content[index + 1]))
    }
    let expected = Dictionary(members.map { (String($0), Double($1)) }) { $1 }
    if found != expected { problems.append("\(escaped(name)) holds \(found), not \(expected)") }
  }

  private mutating func checkHashKeys(_ entries: [Int64: [String: [UInt8]]]) {
    for (rest, key) in family("hash:") {
      guard key.type == "string", let id = Int64(text(key.content[0])), let entry = entries[id] else {
        problems.append("points nowhere: \(key)")
        continue
      }
      let own = (entry["namespace"] ?? []) + [UInt8(ascii: ":")] + (entry["query_hash"] ?? [])
      if rest != own { problems.append("points to another query's entry: \(key)") }
    }
  }

  private mutating func checkNamespaces(_ entries: [Int64: [String: [UInt8]]]) {
    let listed = Set(keys[[UInt8]((prefix + "namespaces").utf8)]?.content ?? [])
    let used = Set(entries.values.compactMap { $0["namespace"] })
    if listed != used { problems.append("namespaces are \(listed.map(escaped)), not \(used.map(escaped))") }
  }

  private mutating func checkNumbers(_ entries: [Int64: [String: [UInt8]]]) {
    guard !entries.isEmpty else { return }
    let last = string([UInt8]("next_id".utf8)).flatMap { Int64($0) } ?? 0
    if let highest = entries.keys.max(), highest > last {
      problems.append("next_id \(last) is behind \(highest)")
    }
    let version = string([UInt8]("version".utf8)).flatMap { Int64($0) } ?? 0
    if version < entries.count { problems.append("version \(version) is less than the entries written") }
    if keys[[UInt8]((prefix + "meta").utf8)] == nil { problems.append("there are entries, and no meta") }
  }

  /// Each quota is in both places, with one value.
  private mutating func checkQuotas() {
    let fields = keys[[UInt8]((prefix + "quotas").utf8)].map { pairs(of: $0) } ?? [:]
    let mirrors = Dictionary(family("quota:").map { ($0.rest, $0.key.content[0]) }) { $1 }
    if fields != mirrors { problems.append("quotas are \(fields) and \(mirrors)") }
  }

  // MARK: Looking

  /// The keys that begin so, with the rest of their names.
  private func family(_ name: String) -> [(rest: [UInt8], key: KeyspaceDump.Key)] {
    let start = [UInt8]((prefix + name).utf8)
    return keys.values.filter { $0.name.starts(with: start) }.map {
      (Array($0.name.dropFirst(start.count)), $0)
    }
  }

  /// By bytes: Swift's strings would take two lookalike names for one.
  private func pairs(of key: KeyspaceDump.Key) -> [[UInt8]: [UInt8]] {
    let flat = key.content
    return Dictionary(stride(from: 0, to: flat.count - 1, by: 2).map { (flat[$0], flat[$0 + 1]) }) { $1 }
  }

  private func string(_ name: [UInt8]) -> String? {
    keys[[UInt8](prefix.utf8) + name].map { text($0.content[0]) }
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
  private func number(_ bytes: [UInt8]?) -> Int64? { bytes.flatMap { Int64(text($0)) } }
}
