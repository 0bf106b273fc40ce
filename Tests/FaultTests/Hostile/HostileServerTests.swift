import Foundation
import Glibc
import TestSupport
import Testing

/// A server that lies: for each reply that a command gets, one of every wrong type and shape. The command ends in
/// bounded time and memory, with a status and an error of the contract, and never with a crash.
@Suite("A server that lies")
struct HostileServerTests {
  /// How many forgeries are tried on each reply; `MNEME_FORGERIES=100` tries them all.
  static let forgeriesPerReply =
    ProcessInfo.processInfo.environment["MNEME_FORGERIES"].flatMap { Int($0) } ?? 2

  /// Command lines that between them send every command that mneme has for a server.
  static let lines = [
    "put a_new_question an_answer --ttl 1h", "put question_7 another_answer --native-ttl --ttl 1h",
    "put --max-entries 5 one_more answer", "get question_7", "get --threshold 0.2 this_is_question_7",
    "get --peek --explain question_7", "stats", "vacuum", "vacuum --repair",
    "inspect-keys --sample all --top 3",
    "inspect-keys --check", "inspect-keys --list", "inspect-keys --discover", "set-quota faq 3 --evict",
    "set-quota faq", "export", "export -n faq", "import", "delete question_3", "clear --yes faq", "health",
    "reembed OTHER",
  ]

  static let forgeries: [(name: String, forgery: ForgingProxy.Forgery)] = {
    func text(_ text: String) -> ForgingProxy.Forgery { .bytes(Array(text.utf8)) }
    return [
      ("an error", text("-ERR no\r\n")), ("an error without a word", text("-\r\n")),
      ("a moved slot", text("-MOVED 1 127.0.0.1:1\r\n")), ("a slot nowhere", text("-MOVED 99999 :0\r\n")),
      ("an unfinished move", text("-ASK 1 256.1.1.1:99999999\r\n")), ("OK", text("+OK\r\n")),
      ("an empty line", text("+\r\n")), ("zero", text(":0\r\n")), ("minus one", text(":-1\r\n")),
      ("the largest number", text(":9223372036854775807\r\n")),
      ("a number beyond all", text(":99999999999999999999\r\n")), ("no number", text(":1x\r\n")),
      ("null", text("$-1\r\n")), ("null array", text("*-1\r\n")), ("an empty string", text("$0\r\n\r\n")),
      ("a string that is no number", text("$3\r\nabc\r\n")),
      ("bytes", .bytes(Array("$4\r\n".utf8) + [0, 255, 13, 10, 13, 10])),
      ("an empty array", text("*0\r\n")), ("an array of one", text("*1\r\n$1\r\n1\r\n")),
      ("a longer array", text("*12\r\n" + String(repeating: "$1\r\n1\r\n", count: 12))),
      ("nulls", text("*10\r\n" + String(repeating: "$-1\r\n", count: 10))),
      ("an array of errors", text("*3\r\n-ERR a\r\n-ERR b\r\n-ERR c\r\n")),
      ("a nested array", text("*2\r\n$1\r\n0\r\n*1\r\n*1\r\n*1\r\n:1\r\n")),
      ("a cursor that goes on", text("*2\r\n$1\r\n7\r\n*0\r\n")),
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
    "for every reply, of every wrong type and shape", .timeLimit(.minutes(20)),
    arguments: lines)
  func everyReply(line: String) throws {
    let stage = try LyingStage()
    let whole = try stage.run(line, reply: -1, nil)
    #expect([0, 1].contains(whole.outcome.status), "\(whole.outcome)")
    try #require(whole.replies > 0)
    var random = SplitMix64(state: UInt64(line.utf8.reduce(0) { $0 + Int($1) }))
    for reply in 0..<whole.replies {
      for (name, forgery) in Self.forgeries.shuffled(using: &random).prefix(Self.forgeriesPerReply) {
        let outcome = try stage.run(line, reply: reply, forgery).outcome
        expectSound(outcome, "\(name) for reply \(reply)")
      }
    }
  }

  @Test(
    "whatever never ends: strings, lines, arrays, nesting, errors", .timeLimit(.minutes(5)),
    arguments: [
      ("$500000000\r\n", "x"), ("$99999999999999999999999", "9"), ("-ERR ", "e"), ("+", "x"),
      ("*2147483647\r\n", ":1\r\n"), ("", "*1\r\n"), ("", "-ERR no\r\n"), ("*1000000\r\n", "$-1\r\n"),
      ("", "\r\n"), ("$1000000000\r\n", "x"),
    ])
  func endless(start: String, piece: String) throws {
    let stage = try LyingStage()
    let piece = Array(String(repeating: piece, count: max(1, 65_536 / piece.utf8.count)).utf8)
    for (line, reply) in [("stats", 3), ("export", 2), ("put q r", 4), ("get question_7", 0)] {
      let outcome = try stage.run(line, reply: reply, .endless(start: Array(start.utf8), rest: piece)).outcome
      expectSound(outcome, "\(start.debugDescription) and so on for reply \(reply)")
      #expect(outcome.status >= 64, "\(outcome)")
    }
  }

  private func expectSound(_ outcome: Outcome, _ what: String) {
    #expect([0, 1, 65, 69, 75, 77, 78].contains(outcome.status), "\(what): \(outcome)")
    // What tells of damage and goes on with the rest does so in warnings, and ends with 65.
    guard outcome.status >= 64, !(outcome.status == 65 && outcome.errorText.contains("warning: ")) else {
      return
    }
    #expect((try? Complaint(text: outcome)) != nil, "\(what): \(outcome)")
  }
}

/// A small cache for each run, behind a proxy that forges, and a limit on the memory of the command.
private final class LyingStage {
  private let server: RedisServer
  private let redis: RawRedis
  private let template: [String]
  private let prefix = "lie-template"
  /// Replies may take 1 GiB, since Redis has strings of half of that; while they grow they are there twice. Whoever
  /// takes more cannot have it, and ends by a signal.
  private static let mebibytes = 2800

  init() throws {
    server = try RedisServer()
    redis = try server.connect()
    let mneme = Mneme(server, prefix: prefix)
    let lines = (1...12).map { number in
      let place = number > 6 ? ",\"namespace\":\"faq\",\"ttl\":3600" : ""
      return "{\"query\":\"question \(number)\",\"response\":\"answer \(number)\"\(place)}\n"
    }
    try mneme.run("import", input: lines.joined())
    try mneme.run("set-quota", "faq", "30")
    for id in 10...12 {
      try redis.send("HSET", "\(prefix):entry:\(id)", "created_at", "1000")
      try redis.send("ZADD", "\(prefix):by_ttl", "4600", "\(id)")
    }
    template = try redis.names(beginningWith: prefix).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Runs a command line on a copy of the cache. In it `_` stands for a blank, `OTHER` for a prefix without a cache.
  func run(
    _ line: String, reply: Int, _ forgery: ForgingProxy.Forgery?
  ) throws -> (outcome: Outcome, replies: Int) {
    let copy = "lie-" + uniquePrefix("x").padding(toLength: prefix.count - 4, withPad: "-", startingAt: 0)
    _ = try redis.pipeline(
      template.map { name in ["COPY", name, copy + name.dropFirst(prefix.count)].map { Array($0.utf8) } })
    let proxy = try ForgingProxy(toSocket: server.socketPath, reply: reply, forgery)
    let words = line.split(separator: " ").map {
      $0 == "OTHER" ? copy + "2" : String($0).replacing("_", with: " ")
    }
    let limits = ["--connect-timeout", "2s", "--timeout", "2s"]
    let outcome = try Mneme(url: proxy.url, prefix: copy)
      .start(words + limits, memoryLimit: LyingStage.mebibytes)
      .finish(input: line == "import" ? importLines(5..<9, by: "line") : [], within: .seconds(60))
    try redis.send(["UNLINK"].map { Array($0.utf8) } + redis.names(beginningWith: copy))
    return (outcome, proxy.replies)
  }
}
