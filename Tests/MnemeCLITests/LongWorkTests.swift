import Foundation
import TestSupport
import Testing

@testable import MnemeCLI

/// Commands that take long, at a terminal: the bar, and Ctrl-C.
@Suite("Long work", .serialized)
struct LongWorkTests {
  private static let count = 1500

  /// A cache of so many entries, all of them expired, on a server of its own.
  private func filled() throws -> (mneme: Mneme, server: RedisServer) {
    let server = try RedisServer()
    let mneme = Mneme(server)
    let lines = (1...LongWorkTests.count).map { "{\"query\":\"q\($0)\",\"response\":\"r\",\"ttl\":3600}\n" }
    try mneme.run("import", input: lines.joined())
    return (mneme, server)
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
      ["export", "--pace", "60ms", "-o", "/dev/null"], ["clear", "--yes", "--all", "--pace", "60ms"],
      ["set-quota", "--evict", "default", "10", "--pace", "60ms"],
    ])
  func bar(words: [String]) throws {
    let (mneme, server) = try filled()
    defer { withExtendedLifetime(server) {} }
    let terminal = try start(words, on: mneme)
    try terminal.expect(" entries, ", within: 60)
    try terminal.expect("/s, ", within: 60)
    try terminal.expect(" left", within: 60)
    #expect(try terminal.finish(within: 120) == 0)
    #expect(terminal.output.contains("[#"))
    let last = try #require(terminal.output.components(separatedBy: "\r\u{1B}[K").last)
    #expect(last.hasSuffix("\r\n") && !last.contains(" left"), "\(terminal.output)")
    // If standard error is not a terminal, there is none.
    let unseen = try mneme.run(["export", "--allow-empty", "--pace", "30ms", "-o", "/dev/null"])
      .expecting(0)
    #expect(unseen.errors.isEmpty, "\(unseen)")
  }

  @Test("Ctrl-C ends a clear after the current batch with a report, and the rest stays")
  func interruptedClear() throws {
    let (mneme, server) = try filled()
    defer { withExtendedLifetime(server) {} }
    let terminal = try start(["clear", "--yes", "--all", "--pace", "100ms"], on: mneme)
    try terminal.expect(" entries, ", within: 60)
    try terminal.send("\u{3}")
    #expect(try terminal.finish(within: 60) == 130)
    let left = try entries(mneme)
    #expect((1..<LongWorkTests.count).contains(left))
    let gone = grouped(LongWorkTests.count - left)
    #expect(
      terminal.output.contains(
        "removed \(gone) entries from 'default'\r\ninterrupted; run it again for the rest"),
      "\(terminal.output)")
  }

  @Test("Ctrl-C ends an eviction after the current batch, with the quota set and the evicted entries counted")
  func interruptedEviction() throws {
    let (mneme, server) = try filled()
    defer { withExtendedLifetime(server) {} }
    let terminal = try start(["set-quota", "--evict", "default", "10", "--pace", "100ms"], on: mneme)
    try terminal.expect(" entries, ", within: 60)
    try terminal.send("\u{3}")
    #expect(try terminal.finish(within: 60) == 130)
    let stats = try mneme.run("stats", "--json").json()["namespaces"].array?.first
    let evicted = try #require(stats?["evictions"].int)
    #expect((1..<LongWorkTests.count - 10).contains(evicted))
    #expect(stats?["entries"].int == LongWorkTests.count - evicted)
    #expect(terminal.output.contains("evicted \(grouped(evicted)), interrupted"), "\(terminal.output)")
  }
}
