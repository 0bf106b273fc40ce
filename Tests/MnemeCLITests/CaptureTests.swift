import Foundation
import TestSupport
import Testing

/// The README shows what two commands print; this is where that comes from.
@Suite("The README's captures")
struct CaptureTests {
  /// The lines behind a command line that the README shows with its prompt, up to the next empty block of code.
  private func capture(of command: String) throws -> [String] {
    let readme = try String(contentsOfFile: Repository.top + "/README.md", encoding: .utf8)
    let lines = readme.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex(of: "    $ \(command)"))
    let block = lines[(start + 1)...].prefix { $0.isEmpty || $0.hasPrefix("    ") && !$0.hasPrefix("    $ ") }
    let end = try #require(block.lastIndex { !$0.isEmpty })
    return block[...end].map { String($0.dropFirst(4)) }
  }

  /// A line for import. Each namespace speaks of something else.
  private func line(_ namespace: String, _ number: Int, ttl: Int? = nil) -> String {
    let life = ttl.map { ",\"ttl\":\($0)" } ?? ""
    return
      "{\"namespace\":\"\(namespace)\",\"query\":\"\(namespace) question \(number)\",\"response\":\"r\"\(life)}\n"
  }

  /// Three namespaces, one of them with a quota, with hits, misses and entries that expire one day.
  private func cache() throws -> (Mneme, RedisServer) {
    let server = try RedisServer()
    let mneme = Mneme(server, prefix: "mneme")
    let lines =
      (1...1204).map { line("faq", $0) }
      + (1...87).map { line("support", $0, ttl: $0 <= 6 ? 2_592_000 : nil) }
      + (1...12).map { line("日本語", $0) }
    try mneme.run(["import", "--max-entries", "5k"], input: Array(lines.joined().utf8)).expecting(0)
    try mneme.run("set-quota", "faq", "1_500")
    for number in 1...20 { try mneme.run("get", "-n", "faq", "faq question \(number * 7)") }
    for number in 1...6 { try mneme.run("get", "-n", "faq", "question faq \(number * 100)") }
    for number in 10...13 { try mneme.run("get", "-n", "support", "support question \(number)") }
    for word in ["weather", "zebra", "tides"] { try mneme.run("get", "-n", "support", word, expecting: 1) }
    return (mneme, server)
  }

  @Test("are what the commands print")
  func captures() throws {
    let (mneme, server) = try cache()
    defer { withExtendedLifetime(server) {} }
    var narrow = mneme
    narrow.environment = ["COLUMNS": "80"]
    let stats = try narrow.run("stats").outputText
    #expect(
      stats.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        == (try capture(of: "mneme stats")))

    // How much memory a key takes is Redis's affair, and differs between its versions.
    func shape(_ lines: [String]) -> [String] {
      lines.map {
        $0.replacing(/\s+(~?)[0-9.]+ (?:B|KiB|MiB)/) { match in " \(match.1)MEMORY" }
      }
    }
    let keys = try narrow.run("inspect-keys").outputLines
    #expect(shape(keys) == shape(try capture(of: "mneme inspect-keys")), "\(keys.joined(separator: "\n"))")
  }
}
