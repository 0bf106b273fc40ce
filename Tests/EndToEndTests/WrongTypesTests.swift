import TestSupport
import Testing

/// Tests of keys with a type that differs from the layout's: they are reported, and never made worse.
@Suite struct WrongTypesTests {
  static let families = [
    "meta", "version", "by_id", "by_ttl", "namespaces", "lru:default", "entry:1", "next_id",
  ]

  @Test(
    "a command that meets a key of another type ends with CorruptCacheError and writes nothing",
    arguments: families)
  func wrongType(family: String) throws {
    for line in CommandExample.oneEach {
      let fixture = try CacheFixture("wrong")
      try CommandExample.sampleCache(fixture)
      try fixture.redis.send("DEL", fixture.key(family))
      try fixture.redis.send("RPUSH", fixture.key(family), "a", "list")
      let before = try fixture.dump()
      let outcome = try fixture.mneme.run(
        line.words(file: "/dev/null", other: fixture.prefix + "2"), input: line.input)
      let after = try fixture.dump()
      // A command that does not use the key may do its work. The key is not changed.
      if outcome.status > 1 {
        #expect(outcome.status == 65, "\(outcome)")
        // A command that reads on tells of it in a warning.
        if !outcome.errorText.hasPrefix("mneme: warning: The key \(fixture.key(family)) ") {
          #expect(try Complaint(text: outcome).type == "CorruptCacheError", "\(outcome)")
        }
        // A vacuum may have done a part of its work before it reads the key.
        if line.command != "vacuum" {
          #expect(after == before, "\(after.changes(since: before)) by \(outcome)")
        }
      }
      if ["put", "import"].contains(line.command), family != "entry:1" {
        #expect(outcome.status == 65, "\(outcome)")
      }
      if line.command == "inspect-keys" { #expect(outcome.status == 0, "\(outcome)") }
      // `drop` removes the key too.
      if family != "entry:1", line.words != ["drop", "--yes"] {
        #expect(try fixture.redis.send("TYPE", fixture.key(family)).text == "list", "\(outcome)")
      }
      try fixture.redis.removeKeys(beginningWith: fixture.prefix)
    }
  }

  @Test(
    "a newer schema is refused by every command that depends on it",
    arguments: [["put", "q", "r"], ["get", "q"], ["vacuum"]])
  func futureSchema(command: [String]) throws {
    let fixture = try CacheFixture()
    try CommandExample.sampleCache(fixture)
    try fixture.redis.send("HSET", fixture.key("meta"), "schema_version", "2")
    try fixture.expectUnchanged { try fixture.refusal(of: command, status: 78, type: "SchemaMigrationError") }
  }
}
