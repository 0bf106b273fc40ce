import TestSupport
import Testing

/// Keys of the layout that hold something else than the layout says: reported, and never made worse.
@Suite struct WrongTypesTests {
  static let families = [
    "meta", "version", "by_id", "by_ttl", "namespaces", "lru:default", "entry:1", "next_id",
  ]

  @Test(
    "a command that meets a key of another type ends with CorruptCacheError and writes nothing",
    arguments: families, BadInputTests.everyCommand)
  func wrongType(family: String, command: [String]) throws {
    let stage = try Stage("wrong")
    try stage.mneme.run("put", "q", "r", "--ttl", "1h")
    try stage.redis.send("DEL", stage.key(family))
    try stage.redis.send("RPUSH", stage.key(family), "a", "list")
    let before = try stage.dump()
    let line = Array("{\"query\":\"new\",\"response\":\"r\"}\n".utf8)
    let outcome = try stage.mneme.run(command, input: line)
    let after = try stage.dump()
    // Who does not meet the key may do its work. The key stays as it is, for a person to look at.
    if outcome.status > 1 {
      #expect(outcome.status == 65, "\(outcome)")
      // Who reads on tells of it in a warning.
      if !outcome.errorText.hasPrefix("mneme: warning: The key \(stage.key(family)) ") {
        #expect(try Complaint(text: outcome).type == "CorruptCacheError", "\(outcome)")
      }
      #expect(after == before, "\(after.changes(since: before)) by \(outcome)")
    }
    if ["put", "import"].contains(command[0]), family != "entry:1" {
      #expect(outcome.status == 65, "\(outcome)")
    }
    if command[0] == "inspect-keys" { #expect(outcome.status == 0, "\(outcome)") }
    if family != "entry:1" {
      #expect(try stage.redis.send("TYPE", stage.key(family)).text == "list", "\(outcome)")
    }
  }

  @Test(
    "a schema from the future is refused by every command that would rely on it",
    arguments: [["put", "q", "r"], ["get", "q"], ["vacuum"]])
  func futureSchema(command: [String]) throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    try stage.redis.send("HSET", stage.key("meta"), "schema_version", "2")
    try stage.expectUnchanged { try stage.refusal(of: command, status: 78, type: "SchemaMigrationError") }
  }
}
