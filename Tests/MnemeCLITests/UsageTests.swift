import CommandGrammar
import Testing

@testable import MnemeCLI

/// Command lines that are refused before anything is done. They are read in this process, as `main` reads them;
/// `BadInputTests` shows with a few that such a line ends with status 64 and changes nothing.
@Suite("Wrong command lines")
struct UsageTests {
  struct Line: Sendable, CustomTestStringConvertible {
    let words: [String]
    /// Words that the message or the remediation must contain to lead to the mistake.
    let mentions: [String]
    var testDescription: String { words.joined(separator: " ") }

    init(_ words: [String], mentions: [String] = []) { (self.words, self.mentions) = (words, mentions) }
  }

  static let lines: [Line] = [
    // Commands and options that there are not; the nearest is named.
    Line(["gte", "q"], mentions: ["gte", "get"]),
    Line(["inspect-key"], mentions: ["inspect-keys"]),
    Line(
      ["put", "q", "r", "--name-space", "x"],
      mentions: ["--name-space", "--namespace"]),
    Line(["get", "-Z", "q"], mentions: ["-Z"]),
    Line(["get", "--name", "x", "q"], mentions: ["--name"]),
    Line(["vacuum", "--threshold", "0.5"], mentions: ["--threshold"]),
    // Arguments missing or too many.
    Line(["put"], mentions: ["QUERY"]),
    Line(["get"], mentions: ["QUERY"]),
    Line(["get", "one", "two"], mentions: ["two"]),
    Line(["put", "q", "r", "more"], mentions: ["more"]),
    Line(["set-quota"], mentions: ["NAMESPACE"]),
    Line(["set-quota", "default", "1", "2"], mentions: ["2"]),
    Line(["delete"]),
    Line(["clear"]),
    Line(["stats", "extra"], mentions: ["extra"]),
    Line(["import", "a.jsonl", "b.jsonl"], mentions: ["b.jsonl", "one file at a time"]),
    Line(["put", "q", "r", "--namespace"], mentions: ["--namespace"]),
    Line(["put", "q", "r", "--namespace", ""], mentions: ["--namespace"]),
    Line(["put", "q", "r", "--key-prefix", ""], mentions: ["--key-prefix"]),
    Line(["set-quota", "", "5"]),
    Line(["set-quota", "default", "5", "--remove"]),
    Line(["clear", "default", "--all", "--yes"]),
    Line(["put", "q", "r", "--response-file", "/dev/null"]),
    Line(["put", "q", "r", "--ttl", "5", "--ttl", "6"], mentions: ["--ttl"]),
    Line(["stats", "--json=yes"], mentions: ["--json"]),
    Line(["stats", "--color", "sometimes"], mentions: ["--color", "sometimes"]),
    Line(["import", "--on-conflict", "merge"], mentions: ["--on-conflict", "merge"]),
    Line(["export", "--format", "xml"], mentions: ["--format", "xml"]),
    Line(["export", "--since-id", "x"], mentions: ["--since-id"]),
    Line(["delete", "--id", "x"], mentions: ["--id"]),
    Line(["get", "q", "--threshold", "high"], mentions: ["--threshold", "high"]),
    Line(["get", "q", "--threshold", "nan"], mentions: ["--threshold"]),
    Line(["get", "q", "--timeout", "0"], mentions: ["--timeout"]),
    // Options that would have no effect.
    Line(["inspect-keys", "--check", "--family", "entry"], mentions: ["--check and --family"]),
    Line(["inspect-keys", "--check", "--json", "--top", "3"], mentions: ["--check and --top"]),
    Line(["inspect-keys", "--discover", "--sample", "all"], mentions: ["--discover and --sample"]),
    Line(["stats", "--watch", "--sort", "full"], mentions: ["--watch", "--sort full"]),
    Line(["stats", "--prometheus", "--sort", "used"], mentions: ["--prometheus and --sort"]),
    Line(["calibrate", "--from-cache", "--format", "csv", "--json"], mentions: ["--format csv and --json"]),
    Line(["calibrate", "--from-cache", "--embedder", "none"], mentions: ["--from-cache and --embedder"]),
    Line(["calibrate", "--from-cache", "--no-normalize"], mentions: ["--from-cache and --no-normalize"]),
    Line(["get", "--exact", "--embedder", "none", "q"], mentions: ["--exact and --embedder"]),
    Line(["list", "--embedder", "none"], mentions: ["--embedder", "--like"]),
    Line(["export", "--embedder-timeout", "5s"], mentions: ["--embedder-timeout", "--like"]),
    Line(["delete", "q", "--embedder", "none"], mentions: ["--embedder", "--like"]),
    Line(["set-ttl", "1h", "--id", "1", "--embedder", "none"], mentions: ["--embedder", "--like"]),
    Line(["delete", "--id", "1", "--no-normalize"], mentions: ["--no-normalize", "QUERY"]),
    Line(["delete", "--id", "1", "2", "--no-normalize"], mentions: ["--no-normalize and --id"]),
  ]

  /// Times to live and quotas that are zero, negative, huge or no number.
  static let values: [Line] = {
    let lifetimes = [
      "0", "-5", "0s", "abc", "", " 5", "5 ", "1x", "1h-5m", "1.5.2", "5m1h5m", "99999999999999999999",
      "10000000000000d",
    ]
    let quotas = ["0", "-1", "abc", "1.5", "99999999999999999999", "9223372036854775808", "1kk", "_1", "10 "]
    let limits = ["0", "-1", "abc", "99999999999999999999"]
    var lines = lifetimes.map { Line(["put", "q", "r", "--ttl=\($0)"], mentions: ["--ttl", $0]) }
    lines += quotas.map { Line(["set-quota", "--", "default", $0], mentions: [$0]) }
    lines += limits.map { Line(["put", "q", "r", "--max-entries=\($0)"], mentions: ["--max-entries", $0]) }
    return lines
  }()

  /// The message about a line that is refused; nil for one that is not.
  private func complaint(of words: [String]) throws -> String? {
    do {
      guard case .run(let invocation) = try CommandTable.grammar.parse(words) else { return nil }
      let command = try #require(CommandTable.command(named: invocation.command.name))
      _ = try command.init(invocation)
      _ = try GlobalSettings(invocation, [:]).redisURL()
      return nil
    } catch let error as UsageError {
      #expect(ExitStatus(error).rawValue == 64)
      return ErrorPrinter(
        output: Output(style: TerminalStyle(), hiding: TypedPasswords(in: words.map { Array($0.utf8) })),
        isJSON: false
      ).text(of: error)
    }
  }

  @Test("a wrong line is refused, and the message leads to the mistake", arguments: lines + values)
  func refused(line: Line) throws {
    let text = try #require(try complaint(of: line.words), "it is taken")
    #expect(text.contains("\nremediation: "), "\(text)")
    for part in line.mentions { #expect(text.contains(part), "\(text)") }
  }

  @Test(
    "a URL that does not parse is refused, and its password is not shown",
    arguments: [
      "http://localhost", "localhost:6379", "redis:/localhost", "redis://localhost:port",
      "redis://localhost:99999", "redis://localhost:0x50", "redis://[::1", "redis://localhost/db",
      "redis://localhost/-1", "redis://localhost?db=x", "redis://localhost/0?no_such_parameter=1",
      "redis://localhost/%zz", "unix://", "redis://localhost:6379/0?socket_timeout=x",
    ])
  func url(text: String) throws {
    let secret = text.replacing("://", with: "://user:hunter2@", maxReplacements: 1)
    for url in [text, secret] {
      let complaint = try #require(try complaint(of: ["stats", "--url", url]), "\(url) is taken")
      #expect(!complaint.contains("hunter2"), "\(complaint)")
    }
  }

  @Test(
    "an error about a URL that is nearly right names the right one",
    arguments: [
      ("host:6379", "'redis://host:6379'"), ("localhost", "'redis://localhost'"),
      ("/run/redis.sock", "'unix:///run/redis.sock'"), ("redis+socket:///x", "'unix:///x'"),
      ("redis+unix:///x", "'unix:///x'"), ("redis://h1:6379,h2:6379/0", "redis+sentinel://host,host/service"),
    ])
  func nearURL(text: String, right: String) throws {
    let complaint = try #require(try complaint(of: ["stats", "--url", text]))
    #expect(complaint.contains(right), "\(complaint)")
  }
}
