import TestSupport
import Testing

/// Tests on a server that has reached `maxmemory` and evicts nothing, as `health` recommends: commands that free memory
/// work.
@Suite struct FullServerTests {
  /// 200 entries in `big`, and 100 in `faq` that have expired.
  private func fullCache() throws -> CacheFixture {
    let fixture = try CacheFixture("full", configuration: ["maxmemory-policy noeviction"])
    let answer = String(repeating: "a long answer ", count: 800)
    let lines = try (1...300).map { number in
      try jsonLine(
        number > 200
          ? ["query": "q\(number)", "response": answer, "namespace": "faq", "ttl": 3600]
          : ["query": "q\(number)", "response": answer, "namespace": "big"])
    }.joined()
    try fixture.mneme.run(["import", "--embedder", "none"], input: Array(lines.utf8)).expecting(0)
    try fixture.age(Array(201...300), by: 7200)
    return fixture
  }

  /// Makes the server full by a number of bytes; with nil it stays full after every removal.
  private func fill(_ fixture: CacheFixture, by bytes: Int?) throws {
    let memory = try fixture.redis.send("INFO", "memory").text ?? ""
    let used = memory.split(whereSeparator: \.isNewline).first { $0.hasPrefix("used_memory:") }
      .flatMap { Int($0.dropFirst("used_memory:".count)) }
    let limit = try bytes.map { try #require(used) - $0 } ?? 1
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "\(limit)")
  }

  private func makeRoom(_ fixture: CacheFixture) throws {
    try fixture.redis.send("CONFIG", "SET", "maxmemory", "0")
  }

  struct Removal: CustomTestStringConvertible, Sendable {
    let words: String
    let removed: Int
    /// The counter that it moves: the field of a counter.
    var counted: (namespace: String, field: String)?
    var testDescription: String { words }
  }

  static let removals = [
    Removal(words: "vacuum", removed: 100, counted: ("faq", "expirations")),
    Removal(words: "vacuum --repair", removed: 100, counted: ("faq", "expirations")),
    Removal(words: "vacuum --batch-size 1000", removed: 100, counted: ("faq", "expirations")),
    Removal(words: "delete --id " + (1...100).map(String.init).joined(separator: " "), removed: 100),
    Removal(words: "delete --yes --namespace big", removed: 200),
    Removal(words: "clear --yes big", removed: 200),
    Removal(words: "clear --yes --all", removed: 300),
    Removal(words: "set-quota --evict big 5", removed: 195, counted: ("big", "evictions")),
  ]

  @Test(
    "commands that remove entries work on a full server, with the same result as elsewhere",
    arguments: removals)
  func removal(removal: Removal) throws {
    let fixture = try fullCache()
    try fill(fixture, by: 100_000)
    let complaint = try fixture.refusal(of: ["put", "new", "answer"], status: 69)
    for command in ["mneme vacuum", "mneme delete", "mneme clear", "maxmemory"] {
      #expect(complaint.remediation.contains(command), "\(complaint)")
    }
    let outcome = try fixture.mneme.run(removal.words.split(separator: " ").map(String.init)).expecting(0)
    #expect(outcome.errors.isEmpty, "\(outcome)")
    try makeRoom(fixture)
    #expect(try fixture.entryCount() == 300 - removal.removed)
    #expect(try fixture.version() == 300 + removal.removed)
    if let (namespace, field) = removal.counted {
      let count = try fixture.redis.send("HGET", fixture.key("counters:\(namespace)"), field).text
      #expect(count == "\(removal.removed)")
    }
    try fixture.expectSound()
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test(
    "on a server that stays full the entries are still removed, and mneme reports what it could not record",
    arguments: ["vacuum", "clear --yes faq", "delete --id 201 202 203", "delete -n big q1"])
  func staysFull(words: String) throws {
    let fixture = try fullCache()
    try fill(fixture, by: nil)
    let outcome = try fixture.mneme.run(words.split(separator: " ").map(String.init)).expecting(0)
    #expect(outcome.errorText.contains("no memory to record"), "\(outcome)")
    #expect(outcome.errorLines.count == 1, "\(outcome)")
    #expect(try fixture.version() == 300)
    try makeRoom(fixture)
    #expect(try fixture.entryCount() < 300)
    // Before Redis 7.2 the namespace is still listed.
    try fixture.mneme.run("vacuum")
    try fixture.expectSound()
    try fixture.mneme.run("inspect-keys", "--check")
  }

  @Test("leftovers of native expiry are removed, and so is a quota, on a full server")
  func others() throws {
    let fixture = try fullCache()
    try fixture.mneme.run("set-quota", "big", "1000")
    let entries = (201...260).map { fixture.key("entry:\($0)") }
    try fixture.redis.send((["UNLINK"] + entries).map { Array($0.utf8) })
    try fill(fixture, by: nil)
    try fixture.mneme.run("set-quota", "--remove", "big")
    let report = try fixture.mneme.run("vacuum", "--json").expecting(0).json()
    #expect(report["leftovers"].int == 60 && report["expired"].int == 40, "\(report)")
    try makeRoom(fixture)
    #expect(try fixture.mneme.run("set-quota", "big", expecting: 1).outputText.contains("no quota"))
    try fixture.mneme.run("vacuum")
    try fixture.expectSound()
  }
}
