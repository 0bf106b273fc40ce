import Foundation
import TestSupport
import Testing

/// Questions that people have asked their bank, a thousand of them or in a thorough run all ten thousand, with ages,
/// uses, intents and times to live: each selection finds what a plain Python program finds in the export.
@Suite("Random selections of Banking77", .needsBanking77, .needs(program: "python3"))
struct RandomSelectionTests {
  private struct Choice {
    var words: [String]
    var ids: [Int]
  }

  private let now = Int(Date().timeIntervalSince1970)
  private let directory: TemporaryDirectory
  private let fixture: CacheFixture

  init() throws {
    directory = try TemporaryDirectory()
    fixture = try CacheFixture(on: RedisServer(), prefix: "bank")
    let lines = try Self.python("lines", Repository.banking77, "\(now)", Effort.isThorough ? "4" : "11")
    try fixture.mneme.run(["import", "--embedder", "none", "-q"], input: lines.output).expecting(0)
    // Values that mneme never stores.
    for id in stride(from: 40, to: 800, by: 40) {
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "response", " \n")
    }
  }

  private static func python(_ words: String...) throws -> Outcome {
    try ChildProcess(
      ["python3", Repository.top + "/Tests/Interop/selections.py"] + words,
      environment: Mneme.plainEnvironment
    ).finish().expecting(0)
  }

  private func choices(_ count: Int, seed: UInt64) throws -> [Choice] {
    let file = directory.path("export.jsonl")
    try fixture.mneme.run("export", "--include-expired", "--embeddings", "none", "-q", "-o", file)
    return try Self.python("choose", file, "\(now)", "\(seed)", "\(count)").jsonLines().map { line in
      Choice(
        words: line["words"].array?.compactMap(\.string) ?? [],
        ids: line["ids"].array?.compactMap(\.int) ?? [])
    }
  }

  private func ids(_ words: [String]) throws -> [Int] {
    try fixture.mneme.run(["list", "--json"] + words).jsonLines().compactMap { $0["id"].int }
  }

  @Test("each option alone and several together select what Python selects")
  func selections() throws {
    var random = SeededGenerator()
    let seed = random.next()
    let choices = try choices(Effort.rounds(20, thorough: 40), seed: seed)
    for choice in choices {
      let found = try ids(choice.words)
      #expect(found == choice.ids, "seed \(seed): \(choice.words)")
    }
    // Many selections are not empty.
    #expect(choices.count { !$0.ids.isEmpty } > choices.count / 4)
  }

  @Test("delete and set-ttl change a selection, and not entries that other programs write at the same time")
  func changes() throws {
    var random = SeededGenerator()
    let seed = random.next()
    let choices = try choices(40, seed: seed).filter { !$0.ids.isEmpty && !$0.words.contains("--id") }
    let wide = try #require(choices.max { $0.ids.count < $1.ids.count })
    let narrow = try #require(choices.first { $0.ids.count < wide.ids.count / 2 })
    let others = ["-n", "default", "-n", "cards", "-n", "transfers", "-n", "top-up: cash", "-n", "é"]
    let before = try ids(["--include-expired"])

    let writer = try fixture.mneme.start(["import", "-q", "-n", "written"])
    try writer.write(importLines(0..<1500, namespace: "written"))
    let words = narrow.words.contains("-n") ? narrow.words : narrow.words + others
    let deleted = try fixture.mneme.run(["delete", "--yes", "--json"] + words).json()
    #expect(deleted["deleted"].int == narrow.ids.count, "seed \(seed): \(words)")
    let rest = Set(wide.ids).subtracting(narrow.ids)
    let choice = wide.words.contains("-n") ? wide.words : wide.words + others
    let changed = try fixture.mneme.run(["set-ttl", "5d", "--yes", "--json"] + choice).json()
    #expect(
      (changed["changed"].int ?? 0) + (changed["unchanged"].int ?? 0) == rest.count, "seed \(seed): \(choice)"
    )
    try writer.finish(input: importLines(1500..<3000, namespace: "written")).expecting(0)

    #expect(try ids(["-n", "written"]).count == 3000)
    let gone = Set(narrow.ids)
    #expect(try ids(["--include-expired"] + others) == before.filter { !gone.contains($0) })
    let expiring = try Set(ids(["--expires-within", "121h"] + others))
    #expect(rest.isSubset(of: expiring), "seed \(seed): \(choice)")
    try fixture.mneme.run("inspect-keys", "--check")
    try fixture.expectSound()
  }
}
