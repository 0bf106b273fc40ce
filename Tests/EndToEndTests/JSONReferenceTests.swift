import Foundation
import TestSupport
import Testing

/// The objects of mneme-json(5), held against the output of each command.
@Suite("mneme-json(5)")
struct JSONReferenceTests {
  /// A member as the page describes it.
  private struct Member {
    var types: Set<String>
    /// Left out under a condition.
    var isConditional: Bool
  }

  /// The members of each object, by the title of its subsection.
  private static let page = Result { () throws -> [String: [String: Member]] in
    var objects: [String: [String: Member]] = [:]
    for section in try Documents.manual("mneme-json.5").components(separatedBy: "\n.SS ").dropFirst() {
      let lines = section.split(separator: "\n")
      let title = String(lines[0]).replacing("\"", with: "")
      for (line, next) in zip(lines, lines.dropFirst()) where line == ".TP" {
        guard let match = next.firstMatch(of: #/^(\w+) \((\w+)( or null)?(; .*)?\)$/#) else { continue }
        objects[title, default: [:]][String(match.1)] = Member(
          types: Set([String(match.2)] + (match.3 == nil ? [] : ["null"])), isConditional: match.4 != nil)
      }
    }
    return objects
  }

  /// The objects inside an object: the member, and the title that describes them.
  private static let nested: [String: [String: String]] = [
    "get": ["candidates": "candidate"], "show": ["keys": "keys", "problems": "problem"],
    "stats": ["namespaces": "namespace"], "vacuum": ["problems": "problem"],
    "inspect-keys": ["families": "family", "largest": "key", "problems": "problem", "notes": "problem"],
    "inspect-keys --discover": ["caches": "cache"], "clear": ["cleared": "cleared"],
    "health": ["server": "server", "checks": "check"], "calibrate": ["curve": "point"],
    "stats --watch": ["namespaces": "rates"],
    "audit": ["namespaces": "audited namespace"], "pair": ["a": "side", "b": "side"],
    "audited namespace": [
      "conflicts": "pair", "duplicates": "pair", "redundant": "redundant", "leave_one_out": "leave-one-out",
    ],
  ]

  /// Objects with the members of another one first.
  private static let extended = ["show": "list", "export": "list"]
  /// Members of the other one that they do not have.
  private static let notInherited = [
    "show": ["similarity"], "export": ["expires_at", "servable", "similarity"],
  ]

  private func members(of title: String) throws -> [String: Member] {
    let page = try Self.page.get()
    var members = try #require(page[title], "mneme-json(5) does not describe \(title)")
    if let base = Self.extended[title] {
      let inherited = try #require(page[base]).filter {
        !(Self.notInherited[title] ?? []).contains($0.key)
      }
      members.merge(inherited) { own, _ in own }
    }
    return members
  }

  private func type(of value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .boolean: "boolean"
    case .number(let text): text.contains { ".eE".contains($0) } ? "number" : "integer"
    case .text: "string"
    case .list: "array"
    case .object: "object"
    }
  }

  /// Holds an object, and those in it, against the page.
  private func compare(
    _ value: JSONValue, with title: String, _ command: String, seen: inout [String: Set<String>]
  ) throws {
    guard case .object(let printed) = value else {
      Issue.record("\(command): \(title) is not an object: \(value)")
      return
    }
    let described = try members(of: title)
    seen[title, default: []].formUnion(printed.map(\.key))
    for (name, value) in printed {
      guard let member = described[name] else {
        Issue.record("\(command): mneme-json(5) does not describe '\(name)' of \(title)")
        continue
      }
      var types = member.types
      if types.contains("number") { types.insert("integer") }
      // `delete` prints ids or a count, and metadata that is not JSON is a string.
      if title == "delete", name == "deleted" { types.insert("integer") }
      #expect(types.contains(type(of: value)), "\(command): '\(name)' of \(title) is \(type(of: value))")
      guard let inner = Self.nested[title]?[name] else { continue }
      for item in value.array ?? [value] { try compare(item, with: inner, command, seen: &seen) }
    }
    for (name, member) in described where !member.isConditional {
      #expect(printed.contains { $0.key == name }, "\(command): there is no '\(name)' in \(title)")
    }
  }

  /// Entries of two namespaces, with a quota, an expired entry, and two problems.
  private func fill(_ fixture: CacheFixture) throws {
    let mneme = fixture.mneme
    try mneme.run("put", "--metadata", #"{"page":12}"#, "Where is my card?", "On its way.")
    try mneme.run("put", "-n", "faq", "--ttl", "7d", "How do I reset my password?", "Use the link.")
    try mneme.run("put", "--ttl", "1h", "old", "r")
    try mneme.run("set-quota", "faq", "5")
    try mneme.run("get", "where is my card")
    try fixture.age([3], by: 7200)
  }

  private func breakEntries(_ fixture: CacheFixture) throws {
    try fixture.redis.send("ZREM", fixture.key("by_id"), "1")
    try fixture.redis.send("HSET", fixture.key("entry:2"), "embedding", "short")
  }

  @Test("describes the members of each object that a command prints, and no others")
  func objects() throws {
    let fixture = try CacheFixture("json")
    try fill(fixture)
    let directory = try TemporaryDirectory()
    let pairs = try directory.write(#"{"a":"a question","b":"the question"}"#.utf8, to: "same.jsonl")
    let others = try directory.write(#"{"a":"a question","b":"something else"}"#.utf8, to: "other.jsonl")
    var seen: [String: Set<String>] = [:]
    let forms: [(title: String, words: [String], input: String)] = [
      ("get", ["get", "--peek", "Where is my card?"], ""),
      ("get", ["get", "--peek", "--explain", "where is my card"], ""), ("get", ["get", "zebra"], ""),
      ("list", ["list"], ""), ("list", ["list", "--like", "where is my card"], ""),
      ("show", ["show", "1"], ""),
      ("stats", ["stats"], ""), ("stats", ["stats", "--savings", "page"], ""),
      ("stats", ["-p", "nothing", "stats"], ""), ("health", ["health"], ""),
      ("inspect-keys", ["inspect-keys", "--sample", "all", "--top", "2"], ""),
      ("key", ["inspect-keys", "--list"], ""),
      ("inspect-keys --discover", ["inspect-keys", "--discover"], ""),
      ("export", ["export", "--no-settings"], ""),
      ("export", ["export", "--no-settings", "--embeddings", "none"], ""),
      ("export settings", ["export", "--allow-empty", "--contains", "nothing like it"], ""),
      ("export -o", ["export", "-o", directory.path("cache.jsonl")], ""),
      ("set-quota", ["set-quota", "faq"], ""), ("set-quota", ["set-quota", "faq", "6"], ""),
      ("set-ttl", ["set-ttl", "2d", "-n", "faq", "--yes"], ""),
      ("import --dry-run", ["import", "--dry-run"], #"{"query":"q","response":"r"}"#),
      ("put", ["put", "q", "r"], ""), ("vacuum", ["vacuum"], ""),
      ("delete", ["delete", "q", "not there"], ""), ("delete", ["delete", "--contains", "q", "--yes"], ""),
      ("import", ["import"], #"{"query":"q","response":"r"}"#),
      ("calibrate", ["calibrate", "--paraphrases", pairs, "--distractors", others], ""),
      ("calibrate", ["calibrate", "--from-cache"], ""), ("audit", ["audit", "--threshold", "0"], ""),
      ("audit", ["audit", "--apply-duplicates", "--dry-run"], ""),
      ("reembed", ["reembed", fixture.prefix + ":copy"], ""),
      ("error", ["put", "q", ""], ""), ("error", ["get", "--threshold", "x", "q"], ""),
    ]
    for (title, words, input) in forms { try run(words, input, as: title, on: fixture, seen: &seen) }
    try watch(fixture, seen: &seen)
    try breakEntries(fixture)
    for (title, words) in [
      ("show", ["show", "1"]), ("inspect-keys", ["inspect-keys", "--check"]),
      ("vacuum", ["vacuum", "--repair"]), ("clear", ["clear", "--yes", "--all"]),
      ("drop", ["drop", "--yes"]),
    ] { try run(words, "", as: title, on: fixture, seen: &seen) }

    for title in try Self.page.get().keys where title != "error" {
      for (name, member) in try members(of: title) where !(seen[title]?.contains(name) ?? false) {
        // Text that is not valid UTF-8 has its own test, and so has a prefix within another.
        let isElsewhere = name.hasSuffix("_base64") || name == "metadata_text" || name == "caches"
        #expect(member.isConditional && isElsewhere, "no command printed '\(name)' of \(title)")
      }
    }
  }

  /// Compares the first object of a command that prints one at intervals.
  private func watch(_ fixture: CacheFixture, seen: inout [String: Set<String>]) throws {
    let command = try fixture.mneme.start(["stats", "--watch=1s", "--json"])
    let line = try #require(try command.readLine())
    command.signal(SIGINT)
    _ = try command.finish()
    try compare(JSONValue(line), with: "stats --watch", "stats --watch", seen: &seen)
  }

  private func run(
    _ words: [String], _ input: String, as title: String, on fixture: CacheFixture,
    seen: inout [String: Set<String>]
  ) throws {
    let outcome = try fixture.mneme.run(words + ["--json"], input: Array(input.utf8))
    let lines = title == "error" ? outcome.errorLines : outcome.outputLines
    try #require(!lines.isEmpty, "\(outcome)")
    for line in lines {
      try compare(JSONValue(line), with: title, words.joined(separator: " "), seen: &seen)
    }
  }
}
