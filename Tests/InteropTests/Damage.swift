import TestSupport
import Testing

/// One way in which somebody has damaged a cache. Entry 1, of the question "victim", is the one that suffers.
struct Damage: CustomTestStringConvertible, Sendable {
  var testDescription: String
  /// The command that does it; the first word after the name is the rest of the key.
  var commands: [[String]]
  /// The words that a report of it must contain, in addition to the entry or key.
  var names: String
  /// Whether entry 1 cannot be read any more.
  var isOfEntry = true

  static let all = lacking + holding + pointing + typed

  private static let fields = [
    "namespace", "query_hash", "query", "response", "embedding", "metadata", "created_at", "last_accessed_at",
    "ttl", "access_count",
  ]

  private static let lacking = fields.map { field in
    Damage(testDescription: "no \(field)", commands: [["HDEL", "entry:1", field]], names: "'\(field)'")
  }

  private static let holding = [
    ("query_hash", "abc"), ("embedding", ""), ("embedding", "abc"),
    ("embedding", String(repeating: "x", count: 1540)), ("metadata", ""), ("metadata", "{"),
    ("metadata", "[1]"),
    ("created_at", "yesterday"), ("created_at", "99999999999999999999"), ("last_accessed_at", "1.5"),
    ("ttl", "1e3"), ("access_count", ""),
  ].map { field, value in
    Damage(
      testDescription: "\(field) is '\(value.prefix(20))'", commands: [["HSET", "entry:1", field, value]],
      names: "'\(field)'")
  }

  private static let victim = "hash:default:" + QueryHash.of("victim")

  private static let pointing = [
    Damage(testDescription: "next_id is 0", commands: [["SET", "next_id", "0"]], names: "next_id"),
    Damage(testDescription: "next_id is behind", commands: [["SET", "next_id", "2"]], names: "next_id"),
    Damage(testDescription: "next_id is gone", commands: [["DEL", "next_id"]], names: "next_id"),
    Damage(
      testDescription: "next_id is far behind zero", commands: [["SET", "next_id", "-9"]], names: "next_id"),
    Damage(
      testDescription: "next_id is not a number", commands: [["SET", "next_id", "x"]], names: "next_id"),
    Damage(
      testDescription: "version is not a number", commands: [["SET", "version", "x"]], names: "version"),
    Damage(testDescription: "version is gone", commands: [["DEL", "version"]], names: "version"),
    Damage(
      testDescription: "the hash key names another question's entry", commands: [["SET", victim, "2"]],
      names: victim),
    Damage(
      testDescription: "the hash key names nothing", commands: [["SET", victim, "77"]], names: victim),
    Damage(testDescription: "the hash key is not an id", commands: [["SET", victim, "abc"]], names: victim),
    Damage(testDescription: "the hash key is gone", commands: [["DEL", victim]], names: "hash"),
    Damage(testDescription: "by_id is gone", commands: [["DEL", "by_id"]], names: "by_id"),
    Damage(testDescription: "the order of use is gone", commands: [["DEL", "lru:default"]], names: "lru"),
    Damage(testDescription: "namespaces is gone", commands: [["DEL", "namespaces"]], names: "namespaces"),
    Damage(
      testDescription: "members that are not ids",
      commands: [
        ["ZADD", "by_id", "1", "x"], ["ZADD", "by_ttl", "1", "x|y"], ["ZADD", "lru:default", "1", "x"],
      ], names: "by_id"),
    Damage(
      testDescription: "a counter is not a number", commands: [["HSET", "counters:default", "misses", "x"]],
      names: "misses"),
    Damage(
      testDescription: "a quota is not a number", commands: [["SET", "quota:default", "x"]], names: "quota"),
  ].map { damage in
    var damage = damage
    damage.isOfEntry = false
    return damage
  }

  /// The key becomes a list. (`WrongTypesTests` has the other families.)
  private static let typed = ["quotas", "quota:default", "counters:default", victim, "entry:1"].map { key in
    Damage(
      testDescription: "\(key.prefix(20)) is a list", commands: [["DEL", key], ["RPUSH", key, "a", "b"]],
      names: key, isOfEntry: key == "entry:1")
  }
}

/// Fills a cache with the entries that the tests of damage work on: a victim, and others.
func fillForDamage(_ cache: CacheFixture) throws {
  try cache.mneme.run("put", "--ttl", "1h", "victim", "the victim's answer", "--metadata", #"{"a":1}"#)
  try cache.mneme.run("put", "--ttl", "2h", "sound", "the answer")
  try cache.mneme.run("put", "also sound", "another answer")
  try cache.mneme.run("put", "-n", "other", "sound", "the other's answer")
  try cache.mneme.run("set-quota", "default", "40")
  try cache.mneme.run("get", "sound")
}
