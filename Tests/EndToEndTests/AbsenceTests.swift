import TestSupport
import Testing

@Suite("Messages if there is no cache, or no such namespace") struct AbsenceTests {
  private func fixture() throws -> CacheFixture {
    let fixture = try CacheFixture(on: RedisServer(), prefix: "production")
    try fixture.mneme.run("put", "-n", "faq", "q", "r")
    return fixture
  }

  private static let readers = [
    "stats", "stats --json", "stats --prometheus", "vacuum", "vacuum --dry-run", "inspect-keys",
    "inspect-keys --list", "inspect-keys --check", "inspect-keys --check --json", "list", "show 7", "export",
    "clear --yes --all", "clear --yes faq", "delete q", "delete --yes --contains q",
    "set-ttl 1h --yes -n faq",
    "get q", "get --explain q", "health", "drop --yes", "drop --dry-run", "reembed other", "set-quota faq",
    "calibrate --from-cache",
  ]

  @Test("a wrong prefix is status 1, with the prefix that was probably meant", arguments: readers)
  func prefix(line: String) throws {
    let fixture = try fixture()
    let words = line.split(separator: " ").map(String.init)
    let outcome = try fixture.mneme.with(prefix: "prodution").run(words).expecting(1)
    #expect(
      outcome.errorText.contains("mneme: there is no cache under the prefix 'prodution' on "), "\(outcome)")
    // `get` prints the note on a terminal only.
    let isAsked = words[0] == "get"
    #expect(outcome.errorText.contains("did you mean 'production'?") != isAsked, "\(outcome)")
    #expect(try fixture.redis.names(beginningWith: "prodution").isEmpty)
  }

  @Test(
    "a wrong namespace is status 1, with the namespace that was probably meant",
    arguments: [
      "stats -n", "stats --json -n", "stats --prometheus -n", "calibrate --from-cache -n",
      "vacuum -n", "inspect-keys -n", "inspect-keys --list -n",
      "inspect-keys --check -n", "list -n", "export -n", "clear --yes", "clear --dry-run", "delete q -n",
      "delete --yes --min-uses 0 -n", "set-ttl 1h --yes -n", "get q -n", "get --explain q -n", "set-quota",
    ])
  func namespace(line: String) throws {
    let fixture = try fixture()
    let words = line.split(separator: " ").map(String.init)
    let outcome = try fixture.mneme.run(words + ["fag"]).expecting(1)
    let said = "mneme: there is no namespace 'fag' under the prefix 'production'; did you mean 'faq'?\n"
    #expect(outcome.errorText.contains(said), "\(outcome)")
    #expect(!outcome.outputText.contains("no keys under the prefix"), "\(outcome)")
    // The command has not created it, and there is no note for an existing one.
    #expect(try fixture.mneme.run(words + ["fag"]).status == 1)
    let right = try fixture.mneme.run(words + ["faq"])
    #expect(!right.errorText.contains("there is no namespace"), "\(right)")
  }

  @Test("a namespace without entries exists as long as it has a quota or counters of its entries")
  func emptied() throws {
    let fixture = try fixture()
    try fixture.mneme.run("set-quota", "capped", "5")
    try fixture.mneme.run("get", "-n", "faq", "q")
    try fixture.mneme.run("clear", "--yes", "faq")
    for name in ["capped", "faq"] { try fixture.mneme.run("clear", "--yes", name) }
    try fixture.redis.send("HSET", fixture.key("meta"), "counters", #"{"python:hits_exact":3}"#)
    try fixture.mneme.run("stats", "-n", "python")
    // The other namespaces are emptied nevertheless.
    try fixture.mneme.run("put", "-n", "faq", "q", "r")
    let json = try fixture.mneme.run("clear", "--yes", "--json", "faq", "none", expecting: 1).json()
    #expect(json["cleared"].array?.map { $0["entries"].int } == [1, 0])
  }

  @Test("with --quiet only a miss prints nothing")
  func quiet() throws {
    let fixture = try fixture()
    let wrong = fixture.mneme.with(prefix: "prodution")
    #expect(try wrong.run("-q", "vacuum", expecting: 1).errorText.contains("there is no cache"))
    #expect(try wrong.run("-q", "get", "q", expecting: 1).errors.isEmpty)
  }
}
