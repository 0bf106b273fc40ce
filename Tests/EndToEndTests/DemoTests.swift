import Foundation
import TestSupport
import Testing

/// Tests of `demo`: the tour on its own server, of which nothing remains.
@Suite struct DemoTests {
  /// The command with a mark in its environment that its children inherit, and a place for temporary files.
  private struct Marked {
    let directory: TemporaryDirectory
    let mark = "MNEME_TEST_MARK=\(UUID())"
    var mneme: Mneme

    init() throws {
      directory = try TemporaryDirectory()
      mneme = Mneme(url: "unix:///nonexistent/redis.sock", prefix: "p")
      let parts = mark.split(separator: "=").map(String.init)
      mneme.environment = [parts[0]: parts[1], "TMPDIR": directory.path]
    }

    /// The processes that inherited the mark and still run.
    func survivors() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.filter { pid in
        let environment = (try? Data(contentsOf: URL(filePath: "/proc/\(pid)/environ"))) ?? Data()
        return String(decoding: environment, as: UTF8.self).contains(mark)
      }
    }

    /// Fails when a process or a file is left.
    func expectNothingLeft(_ outcome: Outcome) throws {
      #expect(try survivors() == [], "\(outcome)")
      #expect(try directory.names() == [], "\(outcome)")
    }
  }

  @Test("the tour shows each command line before its output, and leaves nothing")
  func tour() throws {
    let marked = try Marked()
    let outcome = try marked.mneme.run("demo")
    let commands = outcome.outputLines.filter { $0.hasPrefix("$ mneme ") }
    // calibrate needs labelled texts, and the others say nothing of a cache.
    let others = ["calibrate", "completions", "help", "demo", "dumps", "restore", "loads"]
    for command in Set(CommandExample.all.map(\.command)).subtracting(others) {
      #expect(commands.contains { $0.contains(" \(command)") }, "no \(command) in \(outcome)")
    }
    #expect((outcome.outputText + outcome.errorText).contains("BGSAVE"), "\(outcome)")
    try marked.expectNothingLeft(outcome)
  }

  @Test("a signal in the middle of the tour leaves nothing", arguments: [SIGINT, SIGTERM, SIGHUP, SIGKILL])
  func interrupted(number: Int32) throws {
    let marked = try Marked()
    let demo = try marked.mneme.start(["demo"])
    _ = try demo.readLine()
    demo.signal(number)
    let outcome = try demo.finish()
    guard number == SIGKILL else {
      // The tour lasts some seconds, and on a busy machine the signal may come after it.
      let isOver = outcome.outputText.contains("That was the tour")
      #expect(outcome.status == (isOver ? 0 : 128 + number), "\(outcome)")
      return try marked.expectNothingLeft(outcome)
    }
    try eventually("the end of the server") {
      try marked.survivors().isEmpty && marked.directory.names().isEmpty
    }
  }

  @Test("a reader that stops reading ends the tour, and leaves nothing")
  func closedPipe() throws {
    let marked = try Marked()
    let outcome = try marked.mneme.shell("mneme demo | head -n 1")
    #expect(outcome.errors.isEmpty, "\(outcome)")
    try marked.expectNothingLeft(outcome)
  }

  @Test("without redis-server the tour says what to install")
  func noServer() throws {
    let marked = try Marked()
    var mneme = marked.mneme
    mneme.environment["PATH"] = "/nonexistent"
    let complaint = try refusal(status: 69) { try mneme.run(["demo"] + $0) }
    #expect("\(complaint)".contains("redis-server"), "\(complaint)")
    #expect(try marked.directory.names() == [])
  }
}
