/// All keys of a database that begin with a prefix, with their types, contents and expiry: what must be equal
/// before and after when nothing was to change.
package struct KeyspaceDump: Equatable, CustomStringConvertible {
  /// One key. Members of unordered types are sorted; those of a hash and a sorted set are two elements each.
  package struct Key: Equatable, CustomStringConvertible {
    package let name: [UInt8]
    package let type: String
    package let content: [[UInt8]]
    /// Milliseconds since 1970; nil for a key that stays.
    package let expiresAt: Int64?

    package var description: String {
      let shown = content.map { member in
        let text = escaped(member)
        return text.count > 80 ? "\(text.prefix(60))… (\(member.count) bytes)" : text
      }
      let expiry = expiresAt.map { ", expires at \($0)" } ?? ""
      return "\(escaped(name)) (\(type)\(expiry)): \(shown.joined(separator: " "))"
    }
  }

  package let keys: [Key]

  package var names: [String] { keys.map { String(decoding: $0.name, as: UTF8.self) } }
  package var isEmpty: Bool { keys.isEmpty }
  package var description: String { keys.map(\.description).joined(separator: "\n") }

  /// The keys that differ, as they were and as they are; empty when nothing changed.
  package func changes(since before: KeyspaceDump) -> String {
    let gone = before.keys.filter { !keys.contains($0) }.map { "- \($0)" }
    let new = keys.filter { !before.keys.contains($0) }.map { "+ \($0)" }
    return (gone + new).joined(separator: "\n")
  }

  /// The dump without the key families that count uses, which reading may change.
  package func without(_ isLeftOut: (String) -> Bool) -> KeyspaceDump {
    KeyspaceDump(keys: keys.filter { !isLeftOut(String(decoding: $0.name, as: UTF8.self)) })
  }
}

extension RawRedis {
  /// Every key whose name begins with these bytes, in the order of the names.
  ///
  /// The pattern has `?` for whatever means something in one, and the names are compared here, since the escaping of
  /// patterns is a thing under test.
  package func names(beginningWith prefix: String = "") throws -> [[UInt8]] {
    var names: Set<[UInt8]> = []
    var cursor = "0"
    let special = "*?[]\\".unicodeScalars
    let pattern = String(prefix.unicodeScalars.map { special.contains($0) ? "?" : Character($0) })
    repeat {
      let page = try send("SCAN", cursor, "MATCH", pattern + "*", "COUNT", "5000")
      cursor = page.items[0].text ?? "0"
      names.formUnion(page.items[1].items.compactMap(\.bytes).filter { $0.starts(with: prefix.utf8) })
    } while cursor != "0"
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Removes them, so that others find less to look through.
  package func removeKeys(beginningWith prefix: String) throws {
    let names = try names(beginningWith: prefix)
    if !names.isEmpty { try send([Array("UNLINK".utf8)] + names) }
  }

  /// Those keys with all that they hold, in two round trips.
  package func dump(prefix: String = "") throws -> KeyspaceDump {
    let names = try names(beginningWith: prefix)
    func command(_ words: [String], _ name: [UInt8]) -> [[UInt8]] {
      [Array(words[0].utf8), name] + words.dropFirst().map { Array($0.utf8) }
    }
    let types = try pipeline(names.map { command(["TYPE"], $0) }).map { $0.text ?? "none" }
    // A key's own moment of expiry can be asked for from Redis 7.0 on; an older server answers with an error.
    let replies = try pipeline(
      zip(names, types).flatMap { name, type in
        [command(KeyspaceDump.contentCommand(of: type), name), command(["PEXPIRETIME"], name)]
      })
    return KeyspaceDump(
      keys: names.indices.compactMap { index in
        guard types[index] != "none" else { return nil }
        let expiresAt = replies[2 * index + 1].integer ?? 0
        return KeyspaceDump.Key(
          name: names[index], type: types[index],
          content: KeyspaceDump.content(of: types[index], replies[2 * index]),
          expiresAt: expiresAt > 0 ? expiresAt : nil)
      })
  }
}

extension KeyspaceDump {
  fileprivate static func contentCommand(of type: String) -> [String] {
    switch type {
    case "string": ["GET"]
    case "list": ["LRANGE", "0", "-1"]
    case "set": ["SMEMBERS"]
    case "zset": ["ZRANGE", "0", "-1", "WITHSCORES"]
    case "hash": ["HGETALL"]
    default: ["DUMP"]
    }
  }

  fileprivate static func content(of type: String, _ reply: RESPValue) -> [[UInt8]] {
    let items = reply.items.compactMap(\.bytes)
    switch type {
    case "list", "zset": return items
    case "set": return items.sorted { $0.lexicographicallyPrecedes($1) }
    case "hash":
      return stride(from: 0, to: items.count - 1, by: 2)
        .sorted { items[$0].lexicographicallyPrecedes(items[$1]) }
        .flatMap { [items[$0], items[$0 + 1]] }
    default: return [reply.bytes ?? []]
    }
  }
}
