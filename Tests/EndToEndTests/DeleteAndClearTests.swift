import TestSupport
import Testing

/// `delete` and `clear`.
@Suite struct DeleteAndClearTests {
  @Test("many deleted entries are counted, and named only as JSON")
  func many() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...60)).expecting(0)
    let few = (1...20).map(String.init)
    #expect(
      try fixture.mneme.run(["delete", "--id"] + few).outputText
        == "deleted entries \(few.joined(separator: ", "))\n")
    let more = (21...41).map(String.init)
    #expect(try fixture.mneme.run(["delete", "--id"] + more).outputText == "deleted 21 entries\n")
    let rest = (42...70).map(String.init)
    let json = try fixture.mneme.run(["delete", "--json", "--id"] + rest).json()
    #expect(json["deleted"].array?.count == 19 && json["missing"].int == 10)
  }

  @Test("an entry is deleted by its query or its id, with the keys and members that name it")
  func delete() throws {
    let fixture = try CacheFixture()
    for number in 1...4 { try fixture.mneme.run("put", "q\(number)", "r", "--ttl", "1h") }
    let byQuery = try fixture.mneme.run("delete", "--json", "Q1", "no such query").json()
    #expect(byQuery.keys == ["deleted", "dry_run", "missing"])
    #expect(byQuery["deleted"].array?.map(\.int) == [1])
    let byID = try fixture.mneme.run("delete", "--json", "--id", "2", "--id", "3").json()
    #expect(byID["deleted"].array?.map(\.int) == [2, 3])
    #expect(try fixture.version() == 7)
    try fixture.mneme.run("delete", "q1", expecting: 1)
    try fixture.mneme.run("delete", "-n", "other", "q4", expecting: 1)
    try fixture.mneme.run("delete", "q4")
    #expect(try fixture.dump().names.allSatisfy { isLastingKey($0, of: fixture.prefix) })
  }

  @Test("the entry of a semantic hit is deleted by the id that get shows")
  func retire() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "How do I reset my password?", "Use the link.")
    try fixture.mneme.run("put", "Where is the office?", "In Porto.")
    let question = ["get", "--threshold", "0.5", "--json", "how can I reset my password"]
    let served = try fixture.mneme.run(question).expecting(0).json()
    #expect(served["layer"].string == "semantic")
    let id = try #require(served["id"].int)
    try fixture.mneme.run("delete", "--id", "\(id)")
    try fixture.mneme.run(question).expecting(1)
    #expect(try fixture.mneme.run("get", "--exact", "Where is the office?").outputText == "In Porto.\n")
  }

  @Test("a query or id that is given twice is counted once, even if it does not exist")
  func twice() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run(["import"], input: importLines(1...100)).expecting(0)
    let ids = (1...150).flatMap { ["--id", "\($0)"] }
    let json = try fixture.mneme.run(["delete", "--json", "--id", "1"] + ids).json()
    #expect(json["deleted"].array?.map(\.int) == (1...100).map { $0 })
    #expect(json["missing"].int == 50)
    let queries = try fixture.mneme.run("delete", "--json", "a", "A", "b", expecting: 1).json()
    #expect(queries["missing"].int == 2)
    try fixture.mneme.run("put", "q1", "r")
    let found = try fixture.mneme.run("delete", "--json", "q1", "Q1").json()
    #expect(found["deleted"].array?.count == 1 && found["missing"].int == 0)
  }

  @Test("clear empties the namespaces named, or all, and asks for --yes without a terminal")
  func clear() throws {
    let fixture = try CacheFixture()
    for namespace in ["a", "b", "c"] {
      for number in 1...3 { try fixture.mneme.run("put", "-n", namespace, "q\(number)", "r") }
    }
    try fixture.expectUnchanged { try fixture.refusal(of: ["clear", "a"], status: 64) }
    try fixture.expectUnchanged { try fixture.mneme.run("clear", "--dry-run", "a") }
    let one = try fixture.mneme.run("clear", "--json", "--yes", "a").json()
    #expect(one["cleared"].array?.map { $0["namespace"].string } == ["a"])
    #expect(one["cleared"].array?.map { $0["entries"].int } == [3])
    #expect(try fixture.entryCount() == 6)
    let all = try fixture.mneme.run("clear", "--json", "--yes", "--all").json()
    #expect(all["cleared"].array?.map { $0["namespace"].string } == ["b", "c"])
    #expect(try fixture.dump().names.allSatisfy { isLastingKey($0, of: fixture.prefix) })
    #expect(try fixture.version() == 18)
  }

  @Test("clear walks again for entries that the server did not list, and counts them")
  func clearSeesWhatIsLeft() throws {
    let fixture = try CacheFixture()
    /// Runs it on ten entries, and has the server leave out of its first page all but the first member.
    func clear(forging forgery: ScriptedProxy.Script) throws -> (outcome: Outcome, commands: [String]) {
      for number in 1...10 { try fixture.mneme.run("put", "-n", "a", "q\(number)", "r") }
      let proxy = try ScriptedProxy(to: fixture.server, forgery)
      let outcome = try Mneme(url: proxy.url, prefix: fixture.prefix).run(["clear", "--yes", "a"])
      return (outcome, proxy.roundTrips().flatMap(\.commands))
    }
    let honest = try clear(forging: .none)
    let walk = try #require(honest.commands.firstIndex(of: "ZSCAN"))
    #expect(honest.outcome.outputText == "removed 10 entries from 'a'\n")
    let page = Array("*2\r\n$1\r\n0\r\n*2\r\n$2\r\n11\r\n$1\r\n1\r\n".utf8)
    let outcome = try clear(forging: .forge(reply: walk, .bytes(page))).outcome.expecting(0)
    #expect(outcome.outputText == "removed 10 entries from 'a'\n")
    #expect(try fixture.entryCount() == 0)
  }

  @Test("clear removes an entry that another program puts back behind the walk")
  func putBack() throws {
    let fixture = try CacheFixture("back", configuration: [])
    try fixture.mneme.run(["import"], input: importLines(1...400, namespace: "a")).expecting(0)
    let ids = { try fixture.redis.send("ZRANGE", fixture.key("by_id"), "0", "-1").texts }
    let before = try ids()
    let copy = { (id: String) in try fixture.redis.send("DUMP", fixture.key("entry:\(id)")).bytes }
    let copies = try before.map(copy)
    let command = try fixture.mneme.start(["clear", "--yes", "a", "--pace", "50ms"])
    var removed: String?
    try eventually("an entry is removed") {
      let left = Set(try ids())
      removed = before.first { !left.contains($0) }
      return removed != nil
    }
    let id = try #require(removed)
    // As a Python program does that replaces the response: under the id that it has read before.
    let payload = try #require(copies[before.firstIndex(of: id)!])
    try fixture.redis.send(
      [Array("RESTORE".utf8), Array(fixture.key("entry:\(id)").utf8), Array("0".utf8), payload])
    for index in ["by_id", "lru:a"] { try fixture.redis.send("ZADD", fixture.key(index), id, id) }
    try command.finish().expecting(0)
    #expect(try fixture.entryCount() == 0)
  }

  @Test("a dry run of delete changes nothing")
  func dryRun() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.expectUnchanged {
      let deletion = try fixture.mneme.run("delete", "--dry-run", "--json", "q").json()
      #expect(deletion["deleted"].array?.map(\.int) == [1] && deletion["dry_run"].bool == true)
      let clear = try fixture.mneme.run("clear", "--dry-run", "--json", "--all").json()
      #expect(clear["cleared"][0]["entries"].int == 1 && clear["dry_run"].bool == true)
    }
  }

  @Test("a query is missing if none of the namespaces has it")
  func severalNamespaces() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let words = ["delete", "--json", "-n", "a", "-n", "default"]
    #expect(try fixture.mneme.run(words + ["nope"]).expecting(1).json()["missing"].int == 1)
    let both = try fixture.mneme.run(words + ["q", "nope"]).expecting(0).json()
    #expect(both["deleted"].array?.map(\.int) == [1] && both["missing"].int == 1)
  }
}
