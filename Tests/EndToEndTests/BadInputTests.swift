import TestSupport
import Testing

/// Tests that every wrong input ends with the status and form of the contract and changes nothing in Redis.
@Suite struct BadInputTests {
  /// A command line that must be refused.
  struct Line: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var input = ""
    var status: Int32
    var type: String?
    /// Words about the mistake that the message or the remediation must contain.
    var mentions: [String] = []

    var testDescription: String { arguments.map { String($0.prefix(60)) }.joined(separator: " ") }
  }

  /// `UsageTests` tries in process which lines are refused, and their messages. These lines show the effect of a
  /// refusal that comes from the options, from an argument's value and from a missing argument.
  static let usage = [
    Line(
      arguments: ["put", "q", "r", "--name-space", "x"], status: 64,
      mentions: ["--name-space", "--namespace"]),
    Line(arguments: ["put", "q", "r", "--ttl=5m1h5m"], status: 64, mentions: ["--ttl", "5m1h5m"]),
    Line(arguments: ["set-quota"], status: 64, mentions: ["NAMESPACE"]),
  ]

  static let data: [Line] =
    [
      "[1]", "{", "nope", "1", "null", "{\"a\":}", "{\"a\":1}x", "{'a':1}", "{\"a\":01}",
    ].map {
      Line(
        arguments: ["put", "q", "r", "--metadata", $0], status: 65, type: "InvalidInputError",
        mentions: ["metadata"])
    } + [
      Line(
        arguments: ["put", "new"], input: tooLong, status: 65, type: "InvalidInputError",
        mentions: ["4194304"]),
      Line(arguments: ["put", query + "?", "r"], status: 65, type: "InvalidInputError", mentions: ["32768"]),
      Line(
        arguments: ["put", "q", "r", "--metadata", "{\"k\":\"\(metadata)\"}"], status: 65,
        type: "InvalidInputError",
        mentions: ["65536"]),
      // An unset variable in a script.
      Line(arguments: ["put", "", "r"], status: 64, type: "UsageError", mentions: ["--allow-empty"]),
      Line(arguments: ["put", " \t", "r"], status: 64, type: "UsageError", mentions: ["--allow-empty"]),
      // Responses that the validator refuses.
      Line(arguments: ["put", "q", ""], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", " \n\t"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", "[LLM Error] timed out"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", "[ERROR] no"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q"], status: 65, type: "InvalidInputError"),
      // Files that do not exist or cannot be made.
      Line(
        arguments: ["put", "q", "--response-file", "/nonexistent/r"], status: 66, mentions: ["/nonexistent/r"]
      ),
      Line(
        arguments: ["put", "q", "r", "--embedding", "/nonexistent/e"], status: 66,
        mentions: ["/nonexistent/e"]),
      Line(arguments: ["import", "/nonexistent/lines"], status: 66, mentions: ["/nonexistent/lines"]),
      Line(arguments: ["export", "-o", "/nonexistent/out"], status: 73, mentions: ["/nonexistent/out"]),
      // Another embedder than the cache's.
      Line(arguments: ["put", "q", "r", "--embedder", "none"], status: 78, type: "EmbedderMismatchError"),
    ]

  private static let query = String(repeating: "q", count: 32_768)
  private static let tooLong = String(repeating: "r", count: 4 * 1_048_576 + 1)
  private static let metadata = String(repeating: "m", count: 65_536)

  @Test("a wrong command line is refused with its mistake, and changes nothing", arguments: usage + data)
  func line(_ line: Line) throws {
    let fixture = try CacheFixture("bad")
    try fixture.fill(from: "bad input") { fixture in
      try fixture.mneme.run("put", "q", "the answer")
      try fixture.mneme.run("set-quota", "default", "7")
    }
    try fixture.expectUnchanged {
      let complaint = try fixture.refusal(
        of: line.arguments, input: Array(line.input.utf8), status: line.status, type: line.type)
      for part in line.mentions {
        #expect("\(complaint.message) \(complaint.remediation)".contains(part), "\(complaint)")
      }
    }
  }

  @Test("a URL that does not parse is a usage error, and its password is not shown")
  func url() throws {
    let fixture = try CacheFixture()
    for command in [["get", "q"], ["put", "q", "r"]] {
      let complaint = try fixture.refusal(
        of: command + ["--url", "redis://user:hunter2@localhost:port"], status: 64)
      #expect(complaint.message.contains("port") && !"\(complaint)".contains("hunter2"), "\(complaint)")
    }
    #expect(try fixture.dump().isEmpty)
  }

  @Test(
    "an unreachable Redis is a StoreBackendError with the URL in its message",
    arguments: CommandExample.oneEach)
  func unreachable(line: CommandExample) throws {
    // A command that reads is sent to one place, one that writes to the other. Nobody listens on port 1.
    let url = line.use == .reads ? "unix:///nonexistent/redis.sock" : "redis://:hunter2@127.0.0.1:1/3"
    let mneme = Mneme(url: url, prefix: "p")
    let complaint = try refusal(status: 69, type: "StoreBackendError") {
      try mneme.run(line.words(file: "/dev/null", other: "p2") + $0, input: line.input)
    }
    #expect(complaint.message.contains(url.replacing("hunter2", with: "***")), "\(complaint)")
    #expect(!"\(complaint)".contains("hunter2"))
    #expect(!complaint.causes.isEmpty, "the system's reason is missing")
  }

  @Test("an argument that is not UTF-8 is refused at any place")
  func invalidUTF8() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let bad: [UInt8] = [0x61, 0xFF, 0x62]
    func word(_ text: String) -> [UInt8] { Array(text.utf8) }
    let lines: [[[UInt8]]] = [
      [word("put"), bad, word("r")], [word("put"), word("new"), bad], [word("get"), bad],
      [word("get"), word("q"), word("-n"), bad], [word("stats"), word("-p"), bad],
      [word("set-quota"), bad, word("5")],
      [word("delete"), bad], [bad], [word("put"), word("q"), word("r"), word("--metadata"), bad],
      // An overlong form of a slash, and half of a surrogate pair.
      [word("put"), [0xC0, 0xAF], word("r")], [word("put"), [0xED, 0xA0, 0x80], word("r")],
    ]
    try fixture.expectUnchanged {
      for line in lines {
        try refusal(status: 64) { try fixture.mneme.run(rawArguments: line + $0.map { Array($0.utf8) }) }
      }
    }
  }

  @Test("an answer to the empty query is stored on request")
  func emptyQuery() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "--allow-empty", "", "nothing asked")
    #expect(try fixture.mneme.run("get", "").outputText == "nothing asked\n")
  }

  @Test("a response from a file that is not UTF-8 is refused")
  func invalidResponse() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.expectUnchanged {
      try fixture.refusal(of: ["put", "q"], input: [0x61, 0xFF], status: 65, type: "InvalidInputError")
    }
  }

  @Test("a text exactly at a limit is stored")
  func atTheLimit() throws {
    let fixture = try CacheFixture()
    let response = String(BadInputTests.tooLong.dropLast())
    try fixture.mneme.run("put", BadInputTests.query, input: response)
    #expect(try fixture.mneme.run("get", "--exact", BadInputTests.query).output.count == 4_194_305)
  }

  @Test("an embedding of another length is bad data")
  func embeddingLength() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let file = try directory.write("[1,0,0]".utf8, to: "vector")
    try fixture.expectUnchanged {
      try fixture.refusal(of: ["put", "new", "r", "--embedding", file], status: 65)
      try directory.write([UInt8](repeating: 0x3F, count: 384 * 8 - 1) + [0xBF], to: "vector")
      let other = try fixture.refusal(of: ["put", "new", "r", "--embedding", file], status: 65)
      #expect(other.remediation.contains("--embedding-type f64"), "\(other)")
      for text in ["[]", "[1,", "[\"a\"]", "{}", "nope", "[1e400,0]", "[[1]]"] {
        try directory.write(text.utf8, to: "vector")
        try fixture.refusal(of: ["put", "new", "r", "--embedding", file], status: 65)
      }
    }
  }

  @Test("output that cannot be written is status 74")
  func fullDisk() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.expectUnchanged {
      let outcome = try fixture.mneme.shell("mneme export > /dev/full")
      #expect(outcome.status == 74, "\(outcome)")
      #expect(try Complaint(text: outcome).message.isEmpty == false)
    }
  }
}
