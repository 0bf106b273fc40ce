import Foundation
import Mneme
import TestSupport
import Testing

enum QueryHash {
  static func of(_ query: String) -> String { QueryNormalizer.queryHash(query) }
}

/// Tests of damaged caches: damage is reported, other entries are read, and nothing is made worse.
@Suite struct DamageTests {
  /// A command line, and the entries that it is meant to change.
  struct Line {
    var words: [String]
    var input = ""
    var targets: Set<String> = []

    init(_ words: String..., input: String = "", targets: Set<String> = []) {
      (self.words, self.input, self.targets) = (words, input, targets)
    }
  }

  static let lines = [
    Line("put", "new", "r"),
    Line("put", "-n", "third", "new", "r", "--ttl", "1h", "--max-entries", "50"),
    Line("put", "victim", "better", targets: ["1"]),
    Line("put", "sound", "better", targets: ["2"]),
    Line("get", "sound"),
    Line("get", "victim"),
    Line("get", "--peek", "--threshold", "0.2", "victims"),
    Line("stats"),
    Line("vacuum"),
    Line("vacuum", "--dry-run"),
    Line("inspect-keys", "--check"),
    Line("health"),
    Line("export"),
    Line(
      "import",
      input: #"{"query":"new","response":"r"}"# + "\n" + #"{"query":"sound","response":"better"}"# + "\n",
      targets: ["2"]),
    Line("set-quota", "default", "50"),
    Line("delete", "sound", targets: ["2"]),
    Line("delete", "--id", "3", targets: ["3"]),
    Line("clear", "--yes", "other", targets: ["4"]),
  ]

  @Test(
    "no command makes a damaged cache worse or changes an entry that it is not about",
    arguments: Damage.all)
  func everyCommand(damage: Damage) throws {
    // Every damage meets a put and a get of the damaged entry, and every fourth of the other lines, by turns.
    let turn = Damage.all.firstIndex { $0.testDescription == damage.testDescription } ?? 0
    let lines = Self.lines.enumerated().filter { number, line in
      Effort.isThorough || ["put", "get"].contains(line.words[0]) && line.words.contains("victim")
        || (number + turn) % 4 == 0
    }
    for (_, line) in lines {
      let cache = try Self.damaged(by: damage)
      defer { try? cache.redis.removeKeys(beginningWith: cache.prefix + ":") }
      let before = try cache.dump()
      let problems = try CacheCheck(cache).problems
      let outcome = try cache.mneme.run(line.words, input: Array(line.input.utf8))
      let what = Comment("\(damage): \(outcome)")

      // The command ends with an answer, with 1 and a reason, or with an error and a reason.
      #expect([0, 1, 65, 78].contains(outcome.status), what)
      if outcome.status > 1 {
        #expect(outcome.errorText.hasPrefix("mneme: "), what)
      }
      // No sound entry is lost, overwritten or changed, except for its last use.
      let after = try cache.dump()
      for id in ["2", "3", "4"] where !line.targets.contains(id) {
        #expect(Self.fields(of: id, cache, after) == Self.fields(of: id, cache, before), what)
      }
      // One that is repaired may uncover another: the old entry of a question is shadowed once that has a new one.
      // A namespace without an `lru` has no entries as far as anyone can tell without reading them all, and is taken
      // off the list; a repair, which does read them all, puts it back.
      let lacksUse = damage.commands == [["DEL", "lru:default"]]
      let left = try CacheCheck(cache).problems.filter { !(lacksUse && $0.kind == .wrongNamespace) }
      #expect(left.count <= problems.count, "made worse: \(problems) → \(left)\n\(what)")
      let isBehind = problems.contains { $0.kind == .wrongNumber }
      #expect(isBehind || !left.contains { $0.kind == .wrongNumber }, "\(left)\n\(what)")
      if outcome.status > 1, !Self.goesOn(line) {
        #expect(after == before, "\(after.changes(since: before))\n\(what)")
      }
    }
  }

  @Test(
    "commands that read name the damaged entry and its field, and continue with the rest",
    arguments: Damage.all.filter(\.isOfEntry))
  func reports(damage: Damage) throws {
    let cache = try Self.damaged(by: damage)
    func expectNamed(_ outcome: Outcome) {
      #expect(
        outcome.errorText.contains("ntry 1 ") || outcome.errorText.contains(cache.key("entry:1")),
        "\(outcome)")
      if damage.names.hasPrefix("'") {
        #expect(outcome.errorText.contains(damage.names), "\(outcome)")
      }
    }
    let export = try cache.mneme.run(["export", "--no-settings"])
    #expect(try export.jsonLines().map { $0["id"].int } == [2, 3, 4], "\(export)")
    #expect(export.status == 65, "\(export)")
    expectNamed(export)
    #expect(try cache.mneme.run("get", "--exact", "sound").outputText == "the answer\n")
    let json = try cache.mneme.run("get", "--json", "--threshold", "0.2", "sounds").json()
    #expect(json["response"].string == "the answer")
    // An entry without its fields is counted with the leftovers.
    let stats = try cache.mneme.run("stats", "--json").json()
    #expect((stats["entries"].int ?? 0) + (stats["leftovers"].int ?? 0) == 4, "\(stats)")
    let check = try cache.mneme.run(["inspect-keys", "--check", "--json"])
    #expect(check.status == 1, "\(check)")
    let problems = try #require(try check.json()["problems"].array)
    #expect(problems.contains { $0["key"].string == cache.key("entry:1") }, "\(problems)")
    // A command about the damaged one reports it.
    let get = try cache.mneme.run(["get", "--exact", "victim"])
    #expect(get.status == 65 || get.status == 1 || damage.testDescription.hasPrefix("query_hash"), "\(get)")
  }

  @Test(
    "no query is served another query's entry, with any value of its hash key",
    arguments: ["2", "4", "77", "abc", "1 ", ""])
  func wrongHashKey(id: String) throws {
    let damage = Damage(
      testDescription: id, commands: [["SET", "hash:default:" + QueryHash.of("victim"), id]], names: "hash")
    for words in [["get", "--exact", "victim"], ["get", "--exact", "--peek", "victim"]] {
      let cache = try Self.damaged(by: damage)
      let outcome = try cache.mneme.run(words)
      #expect([1, 65].contains(outcome.status) && outcome.output.isEmpty, "\(outcome)")
    }
    // It is still found as a semantic hit, with its own response.
    let cache = try Self.damaged(by: damage)
    let outcome = try cache.mneme.run(["get", "victim"])
    #expect(outcome.status != 0 || outcome.outputText == "the victim's answer\n", "\(outcome)")
  }

  @Test("put never overwrites another query's entry", arguments: Damage.all.filter { !$0.isOfEntry })
  func putBeside(damage: Damage) throws {
    let cache = try Self.damaged(by: damage)
    let before = try cache.dump()
    for number in 1...3 { _ = try cache.mneme.run(["put", "--json", "new \(number)", "r"]) }
    _ = try cache.mneme.run(["put", "victim", "r"])
    let after = try cache.dump()
    for id in ["2", "3", "4"] {
      #expect(Self.fields(of: id, cache, after) == Self.fields(of: id, cache, before), "entry \(id)")
    }
    let stored = try (1...3).compactMap { number -> Int? in
      let get = try cache.mneme.run(["get", "--exact", "--peek", "--json", "new \(number)"])
      return get.status == 0 ? try get.json()["id"].int : nil
    }
    #expect(Set(stored).count == stored.count && stored.allSatisfy { $0 > 4 }, "\(stored)")
    // If only the counter of ids is damaged, that is not a reason to refuse.
    if damage.testDescription.hasPrefix("next_id"), !damage.testDescription.contains("not a number"),
      !damage.testDescription.contains("list")
    {
      #expect(stored.count == 3)
      #expect(try cache.mneme.run("get", "--exact", "victim").outputText == "r\n")
      #expect(try CacheCheck(cache).problems.isEmpty)
    }
  }

  // MARK: Caches

  /// Reads may be recorded in these.
  private static func fields(of id: String, _ cache: CacheFixture, _ dump: KeyspaceDump) -> [[UInt8]] {
    let key = dump.keys.first { $0.name == Array(cache.key("entry:\(id)").utf8) }
    let content = key?.content ?? []
    let uses = ["access_count", "last_accessed_at"].map { Array($0.utf8) }
    return stride(from: 0, to: content.count - 1, by: 2).filter { !uses.contains(content[$0]) }
      .flatMap { [content[$0], content[$0 + 1]] }
  }

  /// Whether a command works through many entries, and may have done part of it when it meets damage.
  private static func goesOn(_ line: Line) -> Bool { ["vacuum", "import", "clear"].contains(line.words[0]) }

  /// A sound cache, damaged.
  private static func damaged(by damage: Damage) throws -> CacheFixture {
    let cache = try CacheFixture("damaged")
    try cache.fill(from: "sound") { cache in
      try fillForDamage(cache)
    }
    for command in damage.commands {
      try cache.redis.send(
        ([command[0], cache.key(command[1])] + command.dropFirst(2)).map { Array($0.utf8) })
    }
    return cache
  }
}
