import Foundation
import Mneme
import TestSupport
import Testing

@testable import MnemeCLI

/// The command at a terminal: what a person types and sees there.
@Suite("At a terminal", .serialized)
struct TerminalTests {
  private func start(
    _ words: [String], on mneme: Mneme, environment: [String: String] = [:], columns: UInt16 = 80
  ) throws -> PseudoTerminal {
    let own = ["MNEME_URL": mneme.url, "MNEME_KEY_PREFIX": mneme.prefix]
    let variables = Mneme.plainEnvironment.merging(own) { $1 }.merging(environment) { $1 }
    return try PseudoTerminal([Mneme.binary] + words, environment: variables, columns: columns)
  }

  // MARK: Passwords

  /// A server with a user `app` whose password is `hunter2`, and the command as that user.
  private func guarded() throws -> (Mneme, RedisServer) {
    let server = try RedisServer(configuration: ["user app on >hunter2 ~* &* +@all"])
    return (Mneme(url: server.url.replacing("unix://", with: "unix://app@"), prefix: uniquePrefix()), server)
  }

  @Test("--askpass asks without showing what is typed, and restores the echo")
  func askingForPassword() throws {
    let (mneme, server) = try guarded()
    defer { withExtendedLifetime(server) {} }
    let terminal = try start(["--askpass", "put", "q", "r"], on: mneme)
    try terminal.expect("Password: ")
    #expect(!terminal.echoes)
    try terminal.send("hunter2\n")
    #expect(try terminal.finish() == 0)
    #expect(terminal.echoes)
    #expect(terminal.output.contains("stored entry 1"))
    #expect(!terminal.output.contains("hunter2"))
  }

  @Test(
    "Ctrl-C and kill at the question end with their status, and the echo is restored",
    arguments: [SIGINT, SIGTERM])
  func interruptedQuestion(number: Int32) throws {
    let terminal = try start(["--askpass", "get", "q"], on: Mneme(try RedisServer.shared()))
    try terminal.expect("Password: ")
    try terminal.send("half a pass")
    if number == SIGINT { try terminal.send("\u{3}") } else { kill(terminal.pid, number) }
    #expect(try terminal.finish() == 128 + number)
    #expect(terminal.echoes)
    #expect(terminal.output.contains("Interrupted"))
    #expect(!terminal.output.contains("half"))
  }

  @Test("a command that opens two stores asks once")
  func askedOnce() throws {
    let (mneme, server) = try guarded()
    defer { withExtendedLifetime(server) {} }
    let terminal = try start(["--askpass", "reembed", "other"], on: mneme)
    try terminal.expect("Password: ")
    try terminal.send("hunter2\n")
    #expect(try terminal.finish() == 1)
    #expect(terminal.output.split(separator: "Password: ").count <= 2)
  }

  @Test("without input or a terminal, the error says what to do instead")
  func noPassword() throws {
    let mneme = Mneme(try RedisServer.shared())
    let terminal = try start(["--askpass", "get", "q"], on: mneme)
    try terminal.expect("Password: ")
    try terminal.send("\n")
    #expect(try terminal.finish() == 66)
    // In a session of its own there is no terminal.
    let outcome = try ChildProcess(
      ["setsid", "-w", Mneme.binary, "--askpass", "get", "q"], environment: Mneme.plainEnvironment
    ).finish()
    #expect(outcome.status == 66, "\(outcome)")
    #expect(outcome.errorText.contains("--password-file"))
  }

  // MARK: Long work

  /// Lines that take a while: each batch is followed by a pause.
  private func lines(_ count: Int, in directory: TemporaryDirectory) throws -> String {
    let text = (1...count).map { "{\"query\":\"q\($0)\",\"response\":\"r\"}\n" }.joined()
    return try directory.write(text.utf8, to: "lines.jsonl")
  }

  @Test("a long import shows its progress, and erases the line at the end")
  func progress() throws {
    let directory = try TemporaryDirectory()
    let path = try lines(64 * 12, in: directory)
    let terminal = try start(["import", "--pace", "150ms", path], on: Mneme(try RedisServer.shared()))
    try terminal.expect("] ")
    try terminal.expect(" lines, ")
    #expect(try terminal.finish() == 0)
    let last = try #require(terminal.output.components(separatedBy: "\r\u{1B}[K").last)
    #expect(last == "imported 768 entries\r\n", "\(terminal.output)")
    #expect(terminal.output.contains("[#"))
  }

  @Test(
    "there is no progress line if it cannot be shown or is switched off",
    arguments: [
      (["--progress", "never"], [:]), (["-q"], [:]), ([], ["TERM": "dumb"]),
    ] as [([String], [String: String])])
  func noProgress(options: [String], environment: [String: String]) throws {
    let directory = try TemporaryDirectory()
    let path = try lines(64 * 6, in: directory)
    let words = options + ["import", "--pace", "150ms", path]
    let terminal = try start(words, on: Mneme(try RedisServer.shared()), environment: environment)
    #expect(try terminal.finish() == 0)
    #expect(!terminal.output.contains("\u{1B}"), "\(terminal.output)")
    #expect(!terminal.output.contains(" lines"))
  }

  @Test("Ctrl-C ends an import after the current batch: the stored lines, how to continue, status 130")
  func interrupt() throws {
    let directory = try TemporaryDirectory()
    let path = try lines(64 * 20, in: directory)
    let mneme = Mneme(try RedisServer.shared())
    // The signal ends the pause.
    let terminal = try start(["import", "--pace", "1s", path], on: mneme)
    try terminal.expect(" lines, ")
    try terminal.send("\u{3}")
    #expect(try terminal.finish() == 130)
    #expect(terminal.output.contains("mneme: Interrupted: "), "\(terminal.output)")
    let stored = try mneme.run("stats", "--json").json()["entries"].int ?? 0
    #expect(stored > 0)
    #expect(
      terminal.output.contains("The lines up to \(stored) are stored; continue with --since-line \(stored)@"),
      "\(terminal.output)")
  }

  @Test("a note says that input comes from the terminal, and Ctrl-D ends it")
  func typing() throws {
    let mneme = Mneme(try RedisServer.shared())
    let terminal = try start(["put", "q"], on: mneme)
    try terminal.expect("Ctrl-D ends it")
    try terminal.send("typed\n\u{4}")
    #expect(try terminal.finish() == 0)
    #expect(try mneme.run("get", "q").outputText == "typed\n\n")
    let importing = try start(["import"], on: mneme)
    try importing.expect("Ctrl-D ends them")
    try importing.send("{\"query\":\"a\",\"response\":\"b\"}\n\u{4}")
    #expect(try importing.finish() == 0)
    #expect(importing.output.contains("imported 1 entry"))
  }

  @Test(
    "clear asks, and only yes means yes",
    arguments: [("y\n", 0), ("\n", 2), ("n\n", 2), ("\u{4}", 2)])
  func confirmation(answer: String, left: Int) throws {
    let mneme = Mneme(try RedisServer.shared())
    try mneme.run("put", "a", "b")
    try mneme.run("put", "c", "d")
    let terminal = try start(["clear", "default"], on: mneme)
    let place = "under the prefix '\(mneme.prefix)' at \(mneme.url)"
    try terminal.expect("Remove 2 entries from 'default' \(place)? [y/N] ")
    try terminal.send(answer)
    #expect(try terminal.finish() == (left == 0 ? 0 : 1))
    #expect(try mneme.run("stats", "--json").json()["entries"].int == left)
  }

  @Test(
    "set-ttl and audit ask about the entries that they would change, and end with 1 if the answer is no",
    arguments: [["set-ttl", "30d", "--only-shorten", "--min-uses", "0"], ["audit", "--apply-duplicates"]])
  func declined(words: [String]) throws {
    let mneme = Mneme(try RedisServer.shared())
    try mneme.run("put", "--ttl", "1h", "What does the delivery of a parcel cost?", "Five euros.")
    try mneme.run("put", "--ttl", "60d", "what does delivery of the parcel cost", "Five euros.")
    let terminal = try start(words, on: mneme)
    #expect(try terminal.expect("? [y/N] ").contains(" 1 entry under the prefix"))
    try terminal.send("n\n")
    #expect(try terminal.finish() == 1)
    #expect(try mneme.run("stats", "--json").json()["entries"].int == 2)
  }

  @Test(
    "a list of more entries than a terminal is shown says so, below them",
    arguments: [["list"], ["list", "--sort", "age"]])
  func cutList(words: [String]) throws {
    let mneme = Mneme(try RedisServer.shared())
    let lines = (1...51).map { "{\"query\":\"question \($0)\",\"response\":\"r\"}\n" }
    try mneme.run(["import"], input: Array(lines.joined().utf8)).expecting(0)
    let terminal = try start(words, on: mneme)
    #expect(try terminal.finish() == 0)
    let shown = terminal.output.split(whereSeparator: \.isNewline)
    #expect(
      shown.count == 52 && shown.last == "mneme: these are the first 50; --limit N shows more", "\(shown)")
    #expect(shown[50].contains("question 50"), "\(shown)")
  }

  // MARK: Colour and width

  @Test(
    "bold type is used on a terminal, unless NO_COLOR, TERM or --color prevents it",
    arguments: [
      ([], [:], true), ([], ["NO_COLOR": "1"], false), ([], ["NO_COLOR": ""], true),
      ([], ["TERM": "dumb"], false),
      (["--color", "never"], [:], false), (["--color", "always"], ["NO_COLOR": "1", "TERM": "dumb"], true),
    ] as [([String], [String: String], Bool)])
  func color(options: [String], environment: [String: String], isBold: Bool) throws {
    let mneme = Mneme(try RedisServer.shared())
    try mneme.run("put", "a", "b")
    let terminal = try start(options + ["stats"], on: mneme, environment: environment)
    #expect(try terminal.finish() == 0)
    #expect(terminal.output.contains("\u{1B}[1m") == isBold, "\(terminal.output)")
  }

  @Test(
    "a text that is cut has an ellipsis if the locale has one, and dots elsewhere",
    arguments: [
      (["LANG": "C.UTF-8"], "\u{2026}"), (["LANG": "de_DE.utf8@euro"], "\u{2026}"), (["LANG": "C"], "..."),
      (["LANG": "C.UTF-8", "LC_ALL": "C"], "..."), (["LANG": "C", "LC_CTYPE": "en_US.UTF-8"], "\u{2026}"),
    ] as [([String: String], String)])
  func ellipsis(environment: [String: String], mark: String) throws {
    let mneme = Mneme(try RedisServer.shared())
    try mneme.run("put", "-n", String(repeating: "n", count: 100), "a", "b")
    let terminal = try start(["stats"], on: mneme, environment: environment)
    #expect(try terminal.finish() == 0)
    #expect(terminal.output.contains("nnn\(mark)nnn"), "\(terminal.output)")
  }

  @Test("in a pipe nothing is bold, and no name is cut")
  func pipe() throws {
    let mneme = Mneme(try RedisServer.shared())
    let name = String(repeating: "n", count: 200)
    try mneme.run("put", "-n", name, "a", "b")
    let outcome = try mneme.run("stats")
    #expect(!outcome.outputText.contains("\u{1B}"))
    #expect(outcome.outputText.contains(name))
    let terminal = try start(["stats"], on: mneme, columns: 60)
    #expect(try terminal.finish() == 0)
    #expect(!terminal.output.contains(name) && terminal.output.contains("nnn…"))
  }

  @Test("text from a cache is escaped on a terminal, by every command")
  func hazards() throws {
    let mneme = Mneme(try RedisServer.shared())
    let hazard = "\u{1B}]0;title\u{7}\u{9B}31m\u{202E}"
    let metadata = "{\"k\":\"\u{9B}31m\u{202E}\"}"
    try mneme.run("put", "-n", hazard, "--metadata", metadata, hazard, "a\n\(hazard)")
    for words in [
      ["get", "-n", hazard, hazard], ["get", "--json", "-n", hazard, hazard], ["stats"], ["stats", "--json"],
      ["inspect-keys", "--sample", "all", "--top", "50"], ["inspect-keys", "--list"],
      ["inspect-keys", "--list", "--json"],
      ["export"], ["export", "--format", "csv"], ["set-quota", hazard, "5"], ["clear", "--dry-run", hazard],
      ["delete", "--dry-run", "-n", hazard, hazard],
      ["get", "-n", hazard, "--url", "redis://\(hazard)", "q"],
      ["get", hazard, hazard],
    ] {
      let terminal = try start(["--color", "never"] + words, on: mneme)
      _ = try terminal.finish()
      let hostile = terminal.output.unicodeScalars.filter {
        isHazardous($0) && !["\r", "\n", "\t"].contains($0)
      }
      #expect(hostile.isEmpty, "\(words.prefix(2)): \(escaped(Array(terminal.output.utf8)))")
    }
    // To a pipe they are the bytes.
    #expect(try mneme.run("get", "-n", hazard, hazard).outputText == "a\n\(hazard)\n")
  }

  @Test("the name of a damaged key is escaped on a terminal")
  func hazardousRepair() throws {
    let server = try RedisServer.shared()
    let mneme = Mneme(server)
    let hazard = "n\u{1B}[31mX\u{9B}31m\u{202E}Y"
    try mneme.run("put", "-n", hazard, "q", "r")
    let redis = try server.connect()
    try redis.send("DEL", "\(mneme.prefix):lru:\(hazard)")
    try redis.send("SET", "\(mneme.prefix):lru:\(hazard)", "x")
    for words in [["inspect-keys", "--check"], ["vacuum", "--repair", "--dry-run"]] {
      let terminal = try start(["--color", "never", "--progress", "never"] + words, on: mneme)
      _ = try terminal.finish()
      let hostile = terminal.output.unicodeScalars.filter { isHazardous($0) && $0 != "\r" && $0 != "\n" }
      let shown = escaped(Array(terminal.output.utf8))
      #expect(hostile.isEmpty && terminal.output.contains("Repair: "), "\(shown)")
    }
  }

  @Test("a miss prints its reason on a terminal, and nothing elsewhere")
  func miss() throws {
    let mneme = Mneme(try RedisServer.shared())
    try mneme.run("put", "a", "b")
    let terminal = try start(["get", "something else"], on: mneme)
    #expect(try terminal.finish() == 1)
    #expect(terminal.output.hasPrefix("mneme: no answer: "))
    #expect(try mneme.run(["get", "something else"]).expecting(1).errors.isEmpty)
    let absent = try mneme.with(prefix: uniquePrefix()).run(["get", "q"]).expecting(1)
    #expect(absent.errorText.contains("there is no cache under the prefix"))
    #expect(try mneme.with(prefix: uniquePrefix()).run(["-q", "get", "q"]).expecting(1).errors.isEmpty)
  }
}
