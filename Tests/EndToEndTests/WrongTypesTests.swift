import TestSupport
import Testing

/// Keys of the layout that hold something else than the layout says: reported, and never made worse.
@Suite struct WrongTypesTests {
  static let families = [
    "meta", "version", "by_id", "by_ttl", "namespaces", "lru:default", "entry:1", "next_id",
  ]

  @Test("a key of another type is a CorruptCacheError, and nothing is written", arguments: families)
  func wrongType(family: String) throws {
    let stage = try Stage("wrong")
    try stage.mneme.run("put", "q", "r", "--ttl", "1h")
    try stage.redis.send("DEL", stage.key(family))
    try stage.redis.send("RPUSH", stage.key(family), "a", "list")
    let line = Array("{\"query\":\"new\",\"response\":\"r\"}\n".utf8)
    try stage.expectUnchanged {
      for command in BadInputTests.everyCommand + [["put", "new", "r"]] {
        let outcome = try stage.mneme.run(command, input: line)
        // A command that does not meet the key may do its work, if that writes nothing here.
        if outcome.status > 1 {
          #expect(outcome.status == 65, "\(outcome)")
          #expect(try Complaint(text: outcome).type == "CorruptCacheError", "\(outcome)")
        }
        guard try stage.redis.send("TYPE", stage.key(family)).text == "list" else {
          throw Unexpected("the key's type unchanged", of: outcome)
        }
        if command[0] == "put" { #expect(outcome.status == 65, "\(outcome)") }
        if command[0] == "inspect-keys" { #expect(outcome.status == 0, "\(outcome)") }
      }
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
