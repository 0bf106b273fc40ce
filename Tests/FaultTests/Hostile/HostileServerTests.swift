import Foundation
import Glibc
import TestSupport
import Testing

/// Tests with false replies: for each reply that a command gets, one of every wrong type and shape. The command ends in
/// bounded time and memory, with a status and an error of the contract, and never with a crash.
@Suite("A server with false replies")
struct HostileServerTests {
  /// The number of replies to a command that are forged, each in another way.
  static let forgedReplies = Effort.rounds(3, thorough: 6)

  static let forgeries: [(name: String, forgery: ScriptedProxy.Forgery)] = {
    func text(_ text: String) -> ScriptedProxy.Forgery { .bytes(Array(text.utf8)) }
    return [
      ("an error", text("-ERR no\r\n")), ("an error without a word", text("-\r\n")),
      ("a moved slot", text("-MOVED 1 127.0.0.1:1\r\n")), ("a slot nowhere", text("-MOVED 99999 :0\r\n")),
      ("an unfinished move", text("-ASK 1 256.1.1.1:99999999\r\n")), ("OK", text("+OK\r\n")),
      ("an empty line", text("+\r\n")), ("zero", text(":0\r\n")), ("minus one", text(":-1\r\n")),
      ("the largest number", text(":9223372036854775807\r\n")),
      ("a number beyond all", text(":99999999999999999999\r\n")), ("no number", text(":1x\r\n")),
      ("null", text("$-1\r\n")), ("null array", text("*-1\r\n")), ("an empty string", text("$0\r\n\r\n")),
      ("a string that is not a number", text("$3\r\nabc\r\n")),
      ("bytes", .bytes(Array("$4\r\n".utf8) + [0, 255, 13, 10, 13, 10])),
      ("an empty array", text("*0\r\n")), ("an array of one", text("*1\r\n$1\r\n1\r\n")),
      ("a longer array", text("*12\r\n" + String(repeating: "$1\r\n1\r\n", count: 12))),
      ("nulls", text("*10\r\n" + String(repeating: "$-1\r\n", count: 10))),
      ("an array of errors", text("*3\r\n-ERR a\r\n-ERR b\r\n-ERR c\r\n")),
      ("a nested array", text("*2\r\n$1\r\n0\r\n*1\r\n*1\r\n*1\r\n:1\r\n")),
      ("a cursor that never ends", text("*2\r\n$1\r\n7\r\n*0\r\n")),
      ("a negative length", text("$-2\r\n")), ("a negative count", text("*-7\r\n")),
      ("a length beyond all", text("$99999999999\r\n")), ("a count beyond all", text("*99999999999\r\n")),
      ("no length", text("$x\r\nabc\r\n")), ("a type of version 3", text("%1\r\n$1\r\na\r\n:1\r\n")),
      ("an unknown type", text("?\r\n")), ("a string that ends wrongly", text("$3\r\nabcd\r\n")),
      ("a line end alone", text("\r\n")), ("a reply too many", .trailing(Array("+OK\r\n".utf8))),
      ("a string too many", .trailing(Array("$4\r\nlate\r\n".utf8))), ("the next one first", .swapped),
      ("deep nesting", text(String(repeating: "*1\r\n", count: 5000) + ":1\r\n")),
    ]
  }()

  @Test(
    "a reply of a wrong type or shape, in any place",
    arguments: CommandExample.withServer)
  func everyReply(line: CommandExample) throws {
    let fixture = try LyingServer()
    let whole = try fixture.run(line, reply: -1, nil)
    #expect([0, 1].contains(whole.outcome.status), "\(whole.outcome)")
    try #require(whole.replies > 0)
    var random = SeededGenerator(stream: UInt64(line.testDescription.utf8.reduce(0) { $0 + Int($1) }))
    // The first few are the greeting and what a command asks of any cache; there are many of the later ones.
    let first = min(whole.replies, Self.forgedReplies / 2)
    let replies =
      Array(0..<first) + (first..<whole.replies).shuffled(using: &random).prefix(Self.forgedReplies - first)
    // One order for all lines, each of which continues where the one before ends: together they play every lie.
    var order = SeededGenerator()
    let forgeries = Self.forgeries.shuffled(using: &order)
    let start = CommandExample.withServer.firstIndex { $0.words == line.words } ?? 0
    for (index, reply) in replies.enumerated() {
      let (name, forgery) = forgeries[(start * Self.forgedReplies + index) % forgeries.count]
      expectSound(
        try fixture.run(line, reply: reply, forgery).outcome, of: line, "\(name) for reply \(reply)")
    }
  }

  @Test(
    "endless replies: strings, lines, arrays, nesting, errors",
    arguments: [
      ("$500000000\r\n", "x"), ("$99999999999999999999999", "9"), ("-ERR ", "e"), ("+", "x"),
      ("*2147483647\r\n", ":1\r\n"), ("", "*1\r\n"), ("", "-ERR no\r\n"), ("*1000000\r\n", "$-1\r\n"),
      ("", "\r\n"), ("$1000000000\r\n", "x"),
    ])
  func endless(start: String, piece: String) throws {
    let fixture = try LyingServer()
    let piece = Array(String(repeating: piece, count: max(1, 65_536 / piece.utf8.count)).utf8)
    let replies = [("stats", 3), ("export", 2), ("put", 4), ("get", 0)]
    // Those that can be had whole, of up to a gigabyte, take long: one command will do in a short run.
    let isWhole = start == "$500000000\r\n" || start == "$1000000000\r\n"
    for (command, reply) in replies.prefix(isWhole && !Effort.isThorough ? 1 : replies.count) {
      let line = try #require(CommandExample.oneEach.first { $0.command == command })
      let outcome = try fixture.run(line, reply: reply, .endless(start: Array(start.utf8), rest: piece))
        .outcome
      expectSound(outcome, of: line, "\(start.debugDescription) and so on for reply \(reply)")
      #expect(outcome.status >= 64, "\(outcome)")
    }
  }

  private func expectSound(_ outcome: Outcome, of line: CommandExample, _ what: String) {
    #expect([0, 1, 65, 69, 75, 77, 78].contains(outcome.status), "\(what): \(outcome)")
    // A command that reports damage and continues with the rest does so in warnings, and ends with 65.
    // `show` prints the damage of an entry with its fields.
    let isReported = outcome.errorText.contains("warning: ") || line.command == "show"
    guard outcome.status >= 64, !(outcome.status == 65 && isReported) else { return }
    let complaint = try? line.isJSON ? Complaint(json: outcome) : Complaint(text: outcome)
    #expect(complaint != nil, "\(what): \(outcome)")
  }
}

/// A cache for each run, behind a proxy that forges, and a limit on the memory of the command.
private final class LyingServer {
  private let server: RedisServer
  private let redis: RawRedis
  /// Replies may take 1 GiB, since Redis has strings of half of that; while they grow they are there twice. A command
  /// that takes more cannot have it, and ends by a signal.
  private static let mebibytes = 2800

  init() throws {
    server = try RedisServer()
    redis = try server.connect()
  }

  /// Runs a command line on a cache of its own.
  func run(
    _ line: CommandExample, reply: Int, _ forgery: ScriptedProxy.Forgery?
  ) throws -> (outcome: Outcome, replies: Int) {
    let prefix = uniquePrefix("lie")
    try CommandExample.sampleCache(CacheFixture(on: server, prefix: prefix))
    let proxy = try ScriptedProxy(to: server, forgery.map { .forge(reply: reply, $0) } ?? .none)
    // A lie may leave the command waiting.
    let limit = forgery == nil ? "60s" : "2s"
    let outcome = try Mneme(url: proxy.url, prefix: prefix)
      .start(
        line.words(file: server.directory + "/file", other: prefix + "2")
          + ["--connect-timeout", limit, "--timeout", limit],
        memoryLimit: LyingServer.mebibytes
      )
      .finish(input: line.input, within: .seconds(300))
    try redis.removeKeys(beginningWith: prefix)
    return (outcome, proxy.replies)
  }
}
