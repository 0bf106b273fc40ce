import Foundation
import TestSupport
import Testing

@testable import MnemeCLI

/// Commands that take long, at a terminal: the bar, and Ctrl-C.
@Suite("Long work", .serialized)
struct LongWorkTests {
  private static let count = 400

  /// A cache of so many entries on a server of its own.
  private func filled(_ count: Int = LongWorkTests.count) throws -> CacheFixture {
    let fixture = try CacheFixture("long work", on: RedisServer())
    try fixture.fill(from: "long work \(count)") { fixture in
      let lines = importLines(1...count, ttl: 3600)
      try fixture.mneme.run(["import", "--embedder", "none"], input: lines).expecting(0)
    }
    return fixture
  }

  private func start(_ words: [String], on mneme: Mneme) throws -> PseudoTerminal {
    let own = ["MNEME_URL": mneme.url, "MNEME_KEY_PREFIX": mneme.prefix]
    return try PseudoTerminal([Mneme.binary] + words, environment: Mneme.plainEnvironment.merging(own) { $1 })
  }

  private func entries(_ mneme: Mneme) throws -> Int {
    try mneme.run("stats", "--json").json()["entries"].int ?? 0
  }

  @Test(
    "work of more than half a second shows a bar with rate and time left, which is erased at the end",
    arguments: [
      ["export", "--pace", "150ms", "-o", "/dev/null"], ["clear", "--yes", "--all", "--pace", "60ms"],
      ["set-quota", "--evict", "default", "10", "--pace", "60ms"],
    ])
  func bar(words: [String]) throws {
    let fixture = try filled()
    defer { withExtendedLifetime(fixture) {} }
    let terminal = try start(words, on: fixture.mneme)
    for part in [" entries, ", "/s, ", " left"] { try terminal.expect(part) }
    #expect(try terminal.finish() == 0)
    #expect(terminal.output.contains("[#"))
    let last = try #require(terminal.output.components(separatedBy: "\r\u{1B}[K").last)
    #expect(last.hasSuffix("\r\n") && !last.contains(" left"), "\(terminal.output)")
    // If standard error is not a terminal, there is none.
    let unseen = try fixture.mneme.run(["export", "--allow-empty", "--pace", "150ms", "-o", "/dev/null"])
      .expecting(0)
    #expect(unseen.errors.isEmpty, "\(unseen)")
  }

  @Test("Ctrl-C ends a clear after the current batch with a report, and the rest stays")
  func interruptedClear() throws {
    // More batches than can be under way at the same time.
    let count = 2000
    let fixture = try filled(count)
    defer { withExtendedLifetime(fixture) {} }
    // The signal ends the pause.
    let terminal = try start(["clear", "--yes", "--all", "--pace", "1s"], on: fixture.mneme)
    try terminal.expect(" entries, ")
    try terminal.send("\u{3}")
    #expect(try terminal.finish() == 130)
    let left = try entries(fixture.mneme)
    #expect((1..<count).contains(left))
    let gone = grouped(count - left)
    #expect(
      terminal.output.contains(
        "removed \(gone) entries from 'default'\r\ninterrupted; run it again for the rest"),
      "\(terminal.output)")
  }

  @Test("Ctrl-C ends an eviction after the current batch, with the quota set and the evicted entries counted")
  func interruptedEviction() throws {
    let fixture = try filled()
    defer { withExtendedLifetime(fixture) {} }
    let terminal = try start(["set-quota", "--evict", "default", "10", "--pace", "1s"], on: fixture.mneme)
    try terminal.expect(" entries, ")
    try terminal.send("\u{3}")
    #expect(try terminal.finish() == 130)
    let stats = try fixture.mneme.run("stats", "--json").json()["namespaces"].array?.first
    let evicted = try #require(stats?["evictions"].int)
    #expect((1..<LongWorkTests.count - 10).contains(evicted))
    #expect(stats?["entries"].int == LongWorkTests.count - evicted)
    #expect(terminal.output.contains("evicted \(grouped(evicted)), interrupted"), "\(terminal.output)")
  }
}
