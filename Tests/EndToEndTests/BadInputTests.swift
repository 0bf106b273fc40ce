import TestSupport
import Testing

/// Every wrong input ends with the status and form of the contract and changes nothing in Redis.
@Suite struct BadInputTests {
  /// A command line that must be refused.
  struct Line: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var input = ""
    var status: Int32
    var type: String?
    /// What the message or the remediation must hold, so that it leads to the mistake.
    var mentions: [String] = []

    var testDescription: String { arguments.map { String($0.prefix(60)) }.joined(separator: " ") }
  }

  static let usage: [Line] =
    [
      // Commands and options that there are not; the nearest is named.
      Line(arguments: ["gte", "q"], status: 64, mentions: ["gte", "get"]),
      Line(arguments: ["inspect-key"], status: 64, mentions: ["inspect-keys"]),
      Line(
        arguments: ["put", "q", "r", "--name-space", "x"], status: 64,
        mentions: ["--name-space", "--namespace"]),
      Line(arguments: ["get", "-Z", "q"], status: 64, mentions: ["-Z"]),
      Line(arguments: ["get", "--name", "x", "q"], status: 64, mentions: ["--name"]),
      Line(arguments: ["vacuum", "--threshold", "0.5"], status: 64, mentions: ["--threshold"]),
      // Arguments missing or too many.
      Line(arguments: ["put"], status: 64, mentions: ["QUERY"]),
      Line(arguments: ["get"], status: 64, mentions: ["QUERY"]),
      Line(arguments: ["get", "one", "two"], status: 64, mentions: ["two"]),
      Line(arguments: ["put", "q", "r", "more"], status: 64, mentions: ["more"]),
      Line(arguments: ["set-quota"], status: 64, mentions: ["NAMESPACE"]),
      Line(arguments: ["set-quota", "default", "1", "2"], status: 64, mentions: ["2"]),
      Line(arguments: ["delete"], status: 64),
      Line(arguments: ["clear"], status: 64),
      Line(arguments: ["stats", "extra"], status: 64, mentions: ["extra"]),
      Line(arguments: ["put", "q", "r", "--namespace"], status: 64, mentions: ["--namespace"]),
      Line(arguments: ["put", "q", "r", "--namespace", ""], status: 64, mentions: ["--namespace"]),
      Line(arguments: ["put", "q", "r", "--key-prefix", ""], status: 64, mentions: ["--key-prefix"]),
      Line(arguments: ["set-quota", "", "5"], status: 64),
      Line(arguments: ["set-quota", "default", "5", "--remove"], status: 64),
      Line(arguments: ["clear", "default", "--all", "--yes"], status: 64),
      Line(arguments: ["put", "q", "r", "--response-file", "/dev/null"], status: 64),
      Line(arguments: ["put", "q", "r", "--ttl", "5", "--ttl", "6"], status: 64, mentions: ["--ttl"]),
      Line(arguments: ["stats", "--json=yes"], status: 64, mentions: ["--json"]),
      Line(arguments: ["stats", "--color", "sometimes"], status: 64, mentions: ["--color", "sometimes"]),
      Line(
        arguments: ["import", "--on-conflict", "merge"], status: 64, mentions: ["--on-conflict", "merge"]),
      Line(arguments: ["export", "--format", "xml"], status: 64, mentions: ["--format", "xml"]),
      Line(arguments: ["export", "--since-id", "x"], status: 64, mentions: ["--since-id"]),
      Line(arguments: ["delete", "--id", "x"], status: 64, mentions: ["--id"]),
      Line(arguments: ["get", "q", "--threshold", "high"], status: 64, mentions: ["--threshold", "high"]),
      Line(arguments: ["get", "q", "--threshold", "nan"], status: 64, mentions: ["--threshold"]),
      Line(arguments: ["get", "q", "--timeout", "0"], status: 64, mentions: ["--timeout"]),
    ]
    // Times to live and quotas that are zero, negative, huge or no number.
    + [
      "0", "-5", "0s", "abc", "", " 5", "5 ", "1x", "1h-5m", "1.5.2", "5m1h5m", "99999999999999999999",
      "10000000000000d",
    ]
    .map { Line(arguments: ["put", "q", "r", "--ttl=\($0)"], status: 64, mentions: ["--ttl", $0]) }
    + ["0", "-1", "abc", "1.5", "99999999999999999999", "9223372036854775808", "1kk", "_1", "10 "]
    .map { Line(arguments: ["set-quota", "--", "default", $0], status: 64, mentions: [$0]) }
    + ["0", "-1", "abc", "99999999999999999999"]
    .map {
      Line(arguments: ["put", "q", "r", "--max-entries=\($0)"], status: 64, mentions: ["--max-entries", $0])
    }

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
      // What the validator refuses.
      Line(arguments: ["put", "q", ""], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", " \n\t"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", "[LLM Error] timed out"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q", "[ERROR] no"], status: 65, type: "InvalidInputError"),
      Line(arguments: ["put", "q"], status: 65, type: "InvalidInputError"),
      // Files that are not there, or no place for one.
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

  @Test("a command line that is wrong is refused, named, and changes nothing", arguments: usage + data)
  func line(_ line: Line) throws {
    let stage = try Stage("bad")
    try stage.mneme.run("put", "q", "the answer")
    try stage.mneme.run("set-quota", "default", "7")
    try stage.expectUnchanged {
      let complaint = try stage.refusal(
        of: line.arguments, input: Array(line.input.utf8), status: line.status, type: line.type)
      for part in line.mentions {
        #expect("\(complaint.message) \(complaint.remediation)".contains(part), "\(complaint)")
      }
    }
  }

  @Test(
    "a URL that does not parse is a usage error that says which part, and never tells the password",
    arguments: [
      "http://localhost", "localhost:6379", "redis:/localhost", "redis://localhost:port",
      "redis://localhost:99999",
      "redis://localhost:0x50", "redis://[::1", "redis://localhost/db", "redis://localhost/-1",
      "redis://localhost?db=x",
      "redis://localhost/0?no_such_parameter=1", "redis://localhost/%zz", "unix://",
      "redis://localhost:6379/0?socket_timeout=x",
    ])
  func url(text: String) throws {
    let stage = try Stage()
    for command in [["get", "q"], ["put", "q", "r"], ["stats"]] {
      let complaint = try stage.refusal(of: command + ["--url", text], status: 64)
      #expect(!complaint.message.isEmpty)
      let secret = text.replacing("://", with: "://user:hunter2@", maxReplacements: 1)
      let shown = try stage.mneme.run(command + ["--url", secret])
      #expect(shown.status == 64, "\(shown)")
      #expect(!shown.errorText.contains("hunter2"), "\(shown)")
    }
    #expect(try stage.dump().isEmpty)
  }

  static let everyCommand = [
    ["put", "q", "r"], ["get", "q"], ["stats"], ["vacuum"], ["inspect-keys"], ["inspect-keys", "--list"],
    ["set-quota", "default", "5"], ["set-quota", "default"], ["export"], ["import"], ["delete", "q"],
    ["clear", "--yes", "default"],
  ]

  @Test("no Redis there is a StoreBackendError with the URL in its message", arguments: everyCommand)
  func unreachable(command: [String]) throws {
    let line = "{\"query\":\"q\",\"response\":\"r\"}\n"
    for url in ["unix:///nonexistent/redis.sock", "redis://:hunter2@127.0.0.1:\(try freePort())/3"] {
      let mneme = Mneme(url: url, prefix: "p")
      let complaint = try refusal(status: 69, type: "StoreBackendError") {
        try mneme.run(command + $0, input: Array(line.utf8))
      }
      let masked = url.replacing("hunter2", with: "***")
      #expect(complaint.message.contains(masked), "\(complaint)")
      #expect(!"\(complaint)".contains("hunter2"))
      #expect(!complaint.causes.isEmpty, "the system's reason is missing")
    }
  }

  @Test("an argument that is no UTF-8 is refused wherever it stands")
  func invalidUTF8() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    let bad: [UInt8] = [0x61, 0xFF, 0x62]
    func word(_ text: String) -> [UInt8] { Array(text.utf8) }
    let lines: [[[UInt8]]] = [
      [word("put"), bad, word("r")], [word("put"), word("new"), bad], [word("get"), bad],
      [word("get"), word("q"), word("-n"), bad], [word("stats"), word("-p"), bad],
      [word("set-quota"), bad, word("5")],
      [word("delete"), bad], [bad], [word("put"), word("q"), word("r"), word("--metadata"), bad],
      // Too long a form of a slash, and half of a surrogate pair.
      [word("put"), [0xC0, 0xAF], word("r")], [word("put"), [0xED, 0xA0, 0x80], word("r")],
    ]
    try stage.expectUnchanged {
      for line in lines {
        try refusal(status: 64) { try stage.mneme.run(rawArguments: line + $0.map { Array($0.utf8) }) }
      }
    }
  }

  @Test("a response from a file that is no UTF-8 is refused")
  func invalidResponse() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    try stage.expectUnchanged {
      try stage.refusal(of: ["put", "q"], input: [0x61, 0xFF], status: 65, type: "InvalidInputError")
    }
  }

  @Test("what stands just at a limit is stored")
  func atTheLimit() throws {
    let stage = try Stage()
    let response = String(BadInputTests.tooLong.dropLast())
    try stage.mneme.run("put", BadInputTests.query, input: response)
    #expect(try stage.mneme.run("get", "--exact", BadInputTests.query).output.count == 4_194_305)
  }

  @Test("an embedding of another length is bad data")
  func embeddingLength() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    let directory = try TemporaryDirectory()
    let file = try directory.write("[1,0,0]".utf8, to: "vector")
    try stage.expectUnchanged {
      try stage.refusal(of: ["put", "new", "r", "--embedding", file], status: 65)
      for text in ["[]", "[1,", "[\"a\"]", "{}", "nope", "[1e400,0]", "[[1]]"] {
        try directory.write(text.utf8, to: "vector")
        try stage.refusal(of: ["put", "new", "r", "--embedding", file], status: 65)
      }
    }
  }

  @Test("output that cannot be written is status 74")
  func fullDisk() throws {
    let stage = try Stage()
    try stage.mneme.run("put", "q", "r")
    try stage.expectUnchanged {
      let outcome = try stage.mneme.shell("mneme export > /dev/full")
      #expect(outcome.status == 74, "\(outcome)")
      #expect(try Complaint(text: outcome).message.isEmpty == false)
    }
  }
}
