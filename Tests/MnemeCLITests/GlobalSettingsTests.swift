import CommandGrammar
import Glibc
import Mneme
import MnemeRedis
import TestSupport
import Testing

@testable import MnemeCLI

@Suite("Settings: an option overrides the environment, which overrides the default")
struct GlobalSettingsTests {
  private func invocation(_ words: [String]) throws -> Invocation {
    guard case .run(let invocation) = try CommandTable.grammar.parse(words + ["stats"]) else {
      throw UnexpectedRequest()
    }
    return invocation
  }
  private struct UnexpectedRequest: Error {}

  private func settings(_ words: [String] = [], _ environment: Environment = [:]) throws -> GlobalSettings {
    try GlobalSettings(try invocation(words), environment)
  }

  @Test("the server")
  func url() throws {
    #expect(try settings().url == "redis://localhost:6379/0")
    #expect(try settings([], ["REDIS_URL": "redis://r"]).url == "redis://r")
    #expect(try settings([], ["REDIS_URL": "redis://r", "MNEME_URL": "redis://m"]).url == "redis://m")
    #expect(try settings(["-u", "redis://o"], ["MNEME_URL": "redis://m"]).url == "redis://o")
    #expect(try settings([], ["REDIS_URL": "redis://r", "MNEME_URL": ""]).url == "redis://r")
    #expect(try settings([], ["REDIS_URL": "", "MNEME_URL": ""]).url == "redis://localhost:6379/0")
  }

  @Test("the key prefix")
  func keyPrefix() throws {
    #expect(try settings().keyPrefix == "mneme")
    #expect(try settings([], ["MNEME_KEY_PREFIX": "e"]).keyPrefix == "e")
    #expect(try settings([], ["MNEME_KEY_PREFIX": ""]).keyPrefix == "mneme")
    #expect(try settings(["-po"], ["MNEME_KEY_PREFIX": "e"]).keyPrefix == "o")
  }

  @Test("the password: a file, then MNEME_PASSWORD, then REDISCLI_AUTH, then the URL's own")
  func password() throws {
    func password(_ words: [String] = [], _ environment: Environment = [:]) throws -> String? {
      try settings(words, environment).connectionOptions(for: RedisURL("redis://h")).password
    }
    #expect(try password() == nil)
    #expect(try password([], ["REDISCLI_AUTH": "cli"]) == "cli")
    #expect(try password([], ["REDISCLI_AUTH": "cli", "MNEME_PASSWORD": ""]) == "cli")
    #expect(try password([], ["REDISCLI_AUTH": "cli", "MNEME_PASSWORD": "own"]) == "own")
    #expect(try password([], ["REDISCLI_AUTH": "", "MNEME_PASSWORD": ""]) == nil)
  }

  @Test("a password or a prefix from the environment that ends in a line break gives a warning")
  func lineBreaks() throws {
    func warnings(_ environment: Environment, _ words: [String] = []) throws -> [String] {
      let settings = try settings(words, environment)
      var warnings = settings.prefixWarning.map { [$0] } ?? []
      _ = try settings.connectionOptions(for: RedisURL("redis://h")) { warnings.append($0) }
      return warnings
    }
    for name in ["MNEME_PASSWORD", "REDISCLI_AUTH", "MNEME_KEY_PREFIX"] {
      for end in ["\n", "\r\n"] {
        let found = try warnings(["MNEME_URL": "redis://h", name: "text" + end])
        #expect(
          found.count == 1 && found.allSatisfy { $0.contains(name) && !$0.contains("text") }, "\(found)")
      }
      #expect(try warnings([name: "text"]).isEmpty)
    }
    // A value on the command line is used as it is.
    #expect(try warnings(["MNEME_KEY_PREFIX": "e\n"], ["-p", "o\n"]).isEmpty)
  }

  @Test("a password file may begin with a byte order mark, and its line may end as on Windows")
  func passwordFile() throws {
    let directory = try TemporaryDirectory()
    for text in ["pass", "pass\n", "pass\r\nmore", "\u{FEFF}pass\r\n"] {
      let path = try directory.write(text.utf8, to: "password")
      chmod(path, 0o600)
      #expect(try readPassword(from: path) { _ in } == "pass")
    }
  }

  @Test("a password that is sent to a server whose certificate is not checked gives a warning")
  func unverified() throws {
    func warns(_ words: [String], _ url: String, _ environment: Environment = [:]) throws -> Bool {
      try settings(words, environment).sendsPasswordToAnyone(RedisURL(url))
    }
    #expect(try warns(["--insecure"], "rediss://:pw@h"))
    #expect(try warns([], "rediss://h?ssl_cert_reqs=none", ["MNEME_PASSWORD": "pw"]))
    #expect(try !warns(["--insecure"], "rediss://h"))
    #expect(try !warns(["--insecure"], "redis://:pw@h"))
    #expect(try !warns([], "rediss://:pw@h"))
  }

  @Test("a key file that others can read gives a warning, wherever it is named, and only if TLS uses it")
  func sharedKey() throws {
    let directory = try TemporaryDirectory()
    let key = try directory.write("".utf8, to: "me.key")
    func warnings(_ words: [String], _ environment: Environment = [:], _ url: String = "rediss://h") throws
      -> [String]
    {
      var warnings: [String] = []
      _ = try settings(words, environment).connectionOptions(for: RedisURL(url)) { warnings.append($0) }
      return warnings
    }
    for mode in [0o640, 0o604] as [mode_t] {
      chmod(key, mode)
      for found in [
        try warnings(["--cert", "/nowhere", "--key", key]), try warnings(["--cert", key]),
        try warnings([], ["MNEME_KEY": key]), try warnings([], [:], "rediss://h?ssl_keyfile=\(key)"),
      ] {
        #expect(found.count == 1 && found.allSatisfy { $0.contains("'\(key)'") && $0.contains("chmod 600") })
      }
    }
    #expect(try warnings(["--key", key], [:], "redis://h").isEmpty)
    chmod(key, 0o600)
    #expect(try warnings(["--key", key]).isEmpty)
    #expect(try warnings(["--key", "/nowhere"]).isEmpty)
  }

  @Test("the files of TLS")
  func tls() throws {
    let environment: Environment = ["MNEME_CACERT": "ca", "MNEME_CERT": "cert", "MNEME_KEY": "key"]
    let fromEnvironment = try settings([], environment).tls
    #expect(fromEnvironment.caFile == "ca")
    #expect(fromEnvironment.certificateFile == "cert")
    #expect(fromEnvironment.keyFile == "key")
    #expect(try settings(["--cacert", "o"], environment).tls.caFile == "o")
    #expect(try settings([], ["MNEME_CACERT": "", "MNEME_CERT": "", "MNEME_KEY": ""]).tls == settings().tls)
    #expect(try settings().tls.verifiesCertificate == nil)
    #expect(try settings(["--insecure"]).tls.verifiesCertificate == false)
    #expect(try settings(["--insecure"]).tls.verifiesHostname == false)
  }

  @Test("time limits that are not given are left to the URL")
  func limits() throws {
    #expect(try settings().connectTimeout == nil)
    #expect(try settings().timeout == nil)
    let typed = try settings(["--connect-timeout", "250ms", "--timeout=2m"])
    #expect(typed.connectTimeout == .milliseconds(250))
    #expect(typed.timeout == .seconds(120))
  }

  @Test("how to print")
  func printing() throws {
    let plain = try settings()
    #expect(!plain.isJSON && !plain.isQuiet && !plain.isVerbose)
    #expect(try settings(["--json", "-q"]).isJSON)
    #expect(try settings(["-q"]).isQuiet)
    #expect(try settings(["-v"]).isVerbose)
    #expect(throws: UsageError.self) { try settings(["-q", "-v"]) }
    #expect(throws: UsageError.self) { try settings(["--askpass", "--password-file", "f"]) }
  }

  @Test("an invalid URL is a usage error, reported when the URL is needed and without its password")
  func wrongURL() throws {
    let wrong = try settings(["-u", "redis://user:hunter2@host:port/0"])
    let error = try #require(throws: UsageError.self) { try wrong.redisURL() }
    #expect(!error.message.contains("hunter2"))
    #expect(error.message.contains("port"))
  }
}

@Suite("Terminal style")
struct TerminalStyleTests {
  @Test("bold type depends on --color, then NO_COLOR and TERM, then on the terminal")
  func color() {
    func uses(_ when: When, _ environment: Environment = [:]) -> Bool {
      TerminalStyle.detect(color: when, progress: .auto, environment: environment).usesColor
    }
    #expect(uses(.always, ["NO_COLOR": "1", "TERM": "dumb"]))
    #expect(!uses(.never))
    #expect(!uses(.auto, ["NO_COLOR": "1"]))
    #expect(!uses(.auto, ["TERM": "dumb"]))
  }

  @Test("COLUMNS sets the width, for tables in a pipe too; invalid values are ignored")
  func columns() {
    func style(_ columns: String) -> TerminalStyle {
      .detect(color: .auto, progress: .auto, environment: ["COLUMNS": columns])
    }
    #expect(style("100").width == 100)
    #expect(style("100").tableWidth == 100)
    for nonsense in ["", "-5", "0", "3", "x", "99999999999999999999"] {
      let style = style(nonsense)
      #expect(style.width >= 20 && style.width < 10_000, "\(nonsense)")
    }
  }
}

@Suite("Durations")
struct DurationTests {
  @Test(
    "a time to live is whole seconds",
    arguments: [("1s", 1), ("90", 90), ("1h30m", 5400), ("2w", 1_209_600)] as [(String, Int64)])
  func seconds(text: String, seconds: Int64) throws {
    guard case .run(let invocation) = try CommandTable.grammar.parse(["put", "q", "r", "--ttl", text]) else {
      Issue.record("'\(text)' is not the time to live of a put")
      return
    }
    #expect(try Put(invocation).ttl == Seconds(seconds))
  }

  @Test(
    "a duration as seconds keeps its fraction",
    arguments: [
      (.milliseconds(1500), 1.5), (.zero, 0), (.seconds(86_400), 86_400), (.nanoseconds(1), 1e-9),
      (.milliseconds(-250), -0.25),
    ] as [(Duration, Double)])
  func fractions(duration: Duration, seconds: Double) {
    #expect(abs(duration.inSeconds - seconds) < 1e-12)
  }
}
