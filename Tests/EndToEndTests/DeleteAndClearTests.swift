import TestSupport
import Testing

/// `delete` and `clear`.
@Suite struct DeleteAndClearTests {
  @Test("an entry is deleted by its query or its id, and all that points to it")
  func delete() throws {
    let stage = try Stage()
    for number in 1...4 { try stage.mneme.run("put", "q\(number)", "r", "--ttl", "1h") }
    let byQuery = try stage.mneme.run("delete", "--json", "Q1", "no such query").json()
    #expect(byQuery.keys == ["deleted", "missing"])
    #expect(byQuery["deleted"].array?.map(\.int) == [1])
    let byID = try stage.mneme.run("delete", "--json", "--id", "2", "--id", "3").json()
    #expect(byID["deleted"].array?.map(\.int) == [2, 3])
    #expect(try stage.version() == 7)
    try stage.mneme.run("delete", "q1", expecting: 1)
    try stage.mneme.run("delete", "-n", "other", "q4", expecting: 1)
    try stage.mneme.run("delete", "q4")
    #expect(try stage.dump().names.allSatisfy { isLastingKey($0, of: stage.prefix) })
  }

  @Test("clear empties the namespaces named, or all, and asks for --yes without a terminal")
  func clear() throws {
    let stage = try Stage()
    for namespace in ["a", "b", "c"] {
      for number in 1...3 { try stage.mneme.run("put", "-n", namespace, "q\(number)", "r") }
    }
    try stage.expectUnchanged { try stage.refusal(of: ["clear", "a"], status: 64) }
    try stage.expectUnchanged { try stage.mneme.run("clear", "--dry-run", "a") }
    let one = try stage.mneme.run("clear", "--json", "--yes", "a").json()
    #expect(one["cleared"].array?.map { $0["namespace"].string } == ["a"])
    #expect(one["cleared"].array?.map { $0["entries"].int } == [3])
    #expect(try stage.entryCount() == 6)
    let all = try stage.mneme.run("clear", "--json", "--yes", "--all").json()
    #expect(all["cleared"].array?.map { $0["namespace"].string } == ["b", "c"])
    #expect(try stage.dump().names.allSatisfy { isLastingKey($0, of: stage.prefix) })
    #expect(try stage.version() == 18)
  }

  @Test("a trial deletion changes nothing")
  func dryRun() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    try stage.expectUnchanged {
      #expect(
        try stage.mneme.run("delete", "--dry-run", "--json", "q").json()["deleted"].array?.map(\.int) == [1])
      try stage.mneme.run("clear", "--dry-run", "--all")
    }
  }
}
