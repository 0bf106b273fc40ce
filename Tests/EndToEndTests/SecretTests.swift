import Foundation
import TestSupport
import Testing

/// Passwords and keys, and the places where they must not appear: a message about a wrong line, a program that mneme
/// starts, a core dump.
@Suite("Secrets")
struct SecretTests {
  private static let secret = "hunter2hunter2"
  private static let url = "redis://user:\(secret)@127.0.0.1:1/0"

  @Test(
    "a message about a wrong line does not show a password in it",
    arguments: [
      ["stats", url], [url], [url, "stats"], ["--ulr", url, "stats"], ["--ulr=\(url)", "stats"],
      ["stats", "-x\(url)"], ["stats", "-u=\(url)"], ["stats", "--json=\(url)"],
      ["get", "q", "--threshold", url],
      ["stats", "--timeout", url], ["stats", "--color=\(url)"], ["export", "--format", url],
      ["set-quota", "n", url],
      ["import", url], ["calibrate", "--labelled", url], ["stats", "--password-file", url],
      ["stats", "-u", "redis://user:\(secret)@127.0.0.1:x/0"],
      ["stats", "-u", "http://user:\(secret)@127.0.0.1"],
      ["stats", "-u", "redis://127.0.0.1:1/x?password=\(secret)"], ["put", "q", "r", "--metadata", url],
      ["put", "q", "r", "--embedder", url], ["help", url], ["completions", url],
      ["export", "-o", "\(url)/x"],
    ])
  func wrongLines(words: [String]) throws {
    let mneme = Mneme(try RedisServer.shared(), prefix: uniquePrefix("secrets"))
    for extra in [[], ["--json"], ["-v"]] {
      let outcome = try mneme.run(words + extra)
      #expect(outcome.status != 0 || words[0] == "export", "\(outcome)")
      #expect(!outcome.errors.isEmpty, "\(outcome)")
      #expect(!(outcome.outputText + outcome.errorText).contains(Self.secret), "\(outcome)")
    }
  }

  @Test("no command prints a password or a key, with any verbosity")
  func everyCommand() throws {
    let server = try RedisServer(configuration: ["user app on >\(Self.secret) ~* &* +@all"])
    var mneme = Mneme(
      url: server.url.replacing("unix://", with: "unix://app:\(Self.secret)@"), prefix: uniquePrefix("says"))
    for name in ["MNEME_PASSWORD", "REDISCLI_AUTH", "OPENAI_API_KEY"] {
      mneme.environment[name] = Self.secret
    }
    mneme.environment["OPENAI_BASE_URL"] = "http://127.0.0.1:1"
    for line in [
      "put q r", "get q", "get --peek --explain other", "stats", "stats --prometheus", "health", "export",
      "inspect-keys --sample all --top 3", "inspect-keys --check", "inspect-keys --discover",
      "vacuum --repair",
      "set-quota default 5", "import", "delete q", "clear --yes --all", "reembed another", "snapshot",
      "put --embedder openai:m:dim3 -p third q r", "__complete fish clear x",
    ] {
      for extra in ["-v", "--json"] {
        let words = line.split(separator: " ").map(String.init)
        // Vectors are never requested: there is no server at that address.
        let outcome = try mneme.run(line.hasPrefix("__") ? words : [extra] + words)
        #expect([0, 1, 64, 65, 69].contains(outcome.status), "\(outcome)")
        #expect(!(outcome.outputText + outcome.errorText).contains(Self.secret), "\(outcome)")
      }
    }
  }

  @Test("a file with a secret that others can read gives one warning")
  func once() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write(Array(Self.secret.utf8), to: "password")
    chmod(path, 0o640)
    let server = try RedisServer(configuration: ["user app on >\(Self.secret) ~* &* +@all"])
    let mneme = Mneme(
      url: server.url.replacing("unix://", with: "unix://app@"), prefix: uniquePrefix("once"))
    try mneme.run("put", "--password-file", path, "q", "r")
    // Two stores, and a page of entries.
    let outcome = try mneme.run("reembed", "--password-file", path, uniquePrefix("other"))
    #expect(outcome.errorText.components(separatedBy: "can be read by other users").count == 2, "\(outcome)")
    #expect(
      outcome.errorText.components(separatedBy: "\n").first?.hasPrefix("mneme: warning: ") == true,
      "\(outcome)")
  }

  // MARK: Programs that we start

  @Test("the server of the tour does not inherit keys and passwords")
  func tour() throws {
    let directory = try TemporaryDirectory()
    let script = try directory.write(
      Array("#!/bin/sh\nenv >'\(directory.path("env"))'\nexit 1\n".utf8), to: "script")
    // Another process writes the file, because a file that this one has open for writing could not be run.
    try ChildProcess(["install", "-m", "755", script, directory.path("redis-server")]).finish().expecting(0)
    var mneme = Mneme(url: Self.url, prefix: "p")
    mneme.environment = [
      "PATH": "\(directory.path):\(searchPath)", "TMPDIR": directory.path, "REDIS_URL": Self.url,
    ]
    for name in ["MNEME_PASSWORD", "REDISCLI_AUTH", "OPENAI_API_KEY"] {
      mneme.environment[name] = Self.secret
    }
    let outcome = try mneme.run(["demo"]).expecting(69)
    let seen = String(decoding: (try? directory.read("env")) ?? [], as: UTF8.self)
    #expect(seen.contains("PATH=") && !seen.contains(Self.secret), "\(seen), \(outcome)")
  }

  @Test("an embedder program inherits no connection and no ignored signal")
  func descriptors() throws {
    let directory = try TemporaryDirectory()
    let fixture = try CacheFixture("inherits")
    // Descriptors that the runner passes to every process do not count.
    let look = "for f in /proc/self/fd/*; do readlink $f; done; grep SigIgn /proc/self/status"
    let others = try ChildProcess(["/bin/sh", "-c", look]).finish().outputLines
    let spy = "( \(look) ) >'\(directory.path("seen"))'; read -r line; echo '[1,2]'"
    try fixture.mneme.run("put", "--embedder", "command:spy:dim2", "--embedder-command", spy, "q", "r")
    let seen = String(decoding: try directory.read("seen"), as: UTF8.self)
    let inherited = seen.split(separator: "\n").map(String.init)
    #expect(inherited.contains { $0.hasPrefix("pipe:") }, "\(seen)")
    #expect(inherited.filter { $0.hasPrefix("socket:") && !others.contains($0) } == [], "\(seen)")
    #expect(inherited.last == others.last, "\(seen)")
  }

  // MARK: Memory

  /// A way to pass a secret: arguments of `stats`, and variables.
  struct Holding: Sendable, CustomTestStringConvertible {
    let name: String
    var words: @Sendable (_ port: Int, _ file: String) -> [String] = { port, _ in
      ["-u", "redis://127.0.0.1:\(port)"]
    }
    var environment: @Sendable (_ port: Int) -> [String: String] = { _ in [:] }
    var testDescription: String { name }

    static let none = Holding(name: "nothing")
    static let some =
      [
        Holding(name: "a URL that is typed") { port, _ in ["--url=redis://:\(secret)@127.0.0.1:\(port)"] },
        Holding(name: "a URL's parameter") { port, _ in
          ["-u", "redis://127.0.0.1:\(port)?password=\(secret)"]
        },
        Holding(name: "a password file") { port, file in
          ["-u", "redis://127.0.0.1:\(port)", "--password-file", file]
        },
        // The command reads the certificate when it is connected, and waits there for somebody to write to the pipe.
        Holding(name: "a key") { port, file in
          ["-u", "rediss://127.0.0.1:\(port)", "--cert", file + ".pipe", "--key", file]
        },
        Holding(
          name: "MNEME_URL", words: { _, _ in [] },
          environment: { ["MNEME_URL": "redis://:\(secret)@127.0.0.1:\($0)"] }),
        Holding(
          name: "REDIS_URL, which is not used",
          environment: { _ in ["REDIS_URL": "redis://:\(secret)@elsewhere"] }),
      ]
      + ["OPENAI_BASE_URL", "https_proxy"].map { name in
        Holding(name: name, environment: { _ in [name: "http://user:\(secret)@elsewhere"] })
      }
      + ["MNEME_PASSWORD", "REDISCLI_AUTH", "OPENAI_API_KEY"].map { name in
        Holding(name: name, environment: { _ in [name: secret] })
      }
  }

  /// Starts the command on a server that never replies, possibly as another user.
  private func start(
    _ holding: Holding, in directory: TemporaryDirectory, _ script: String, as user: [String] = []
  ) throws -> (ChildProcess, ScriptedProxy) {
    let proxy = try ScriptedProxy(to: try RedisServer.shared(), .stall(after: 0))
    let file = try directory.write(Array(Self.secret.utf8), to: "secret")
    mkfifo(file + ".pipe", 0o644)
    for readable in [file, file + ".pipe"] { chmod(readable, 0o644) }
    // Otherwise a debug build handles the signal to print a backtrace.
    let variables = Mneme.plainEnvironment.merging([
      "MNEME_KEY_PREFIX": "a prefix to look for", "SWIFT_BACKTRACE": "enable=no",
    ]) { $1 }.merging(holding.environment(proxy.port)) { $1 }
    let words = holding.words(proxy.port, file) + ["--connect-timeout", "60s", "-q"]
    let started = try ChildProcess(
      user + ["bash", "-c", script, Mneme.binary, "stats"] + words, environment: variables,
      directory: directory.path)
    try eventually("the command to wait for the server, or to end") {
      !proxy.conversations.isEmpty || started.poll() != nil
    }
    return (started, proxy)
  }

  /// The core dump of a command that SIGABRT ends while it holds something; nil if there is none.
  private func core(_ holding: Holding) throws -> Data? {
    let directory = try TemporaryDirectory()
    let (mneme, proxy) = try start(
      holding, in: directory, "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"")
    mneme.signal(SIGABRT)
    let outcome = try withExtendedLifetime(proxy) { try mneme.finish() }
    #expect(outcome.termination == .killed(bySignal: SIGABRT), "\(outcome)")
    return try directory.names().first { $0.hasPrefix("core") }.map {
      try Data(contentsOf: URL(filePath: directory.path($0)))
    }
  }

  @Test("a command that holds a secret leaves no core dump, and one that holds none leaves one")
  func coreDumps() throws {
    guard let core = try core(.none), core.range(of: Data("a prefix to look for".utf8)) != nil else {
      let pattern =
        (try? String(contentsOfFile: "/proc/sys/kernel/core_pattern", encoding: .utf8)) ?? "unknown"
      try Test.cancel("core dumps are not to be had here; kernel.core_pattern is \(pattern)")
    }
    for holding in Holding.some {
      #expect(try self.core(holding) == nil, "\(holding.name)")
    }
  }

  @Test("another process of the same user cannot read the memory of one that holds a secret")
  func otherProcesses() throws {
    // Root can read everything, so the user nobody tries it.
    let user = geteuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    let script = """
      [ -x "$0" ] || exit 1; "$0" "$@" & read -r go; for name in environ maps; do
        if cat "/proc/$!/$name" >/dev/null 2>&1; then echo open; else echo closed; fi
      done; kill -9 $!
      """
    func look(_ holding: Holding) throws -> [String] {
      let directory = try TemporaryDirectory()
      chmod(directory.path, 0o755)
      let (shell, proxy) = try start(holding, in: directory, script, as: user)
      return try withExtendedLifetime(proxy) { try shell.finish(input: [0x0A]).outputLines }
    }
    let open = try look(.none)
    guard open == ["open", "open"] else {
      try Test.cancel("one process may not look into another here anyhow: \(open)")
    }
    for holding in Holding.some { #expect(try look(holding) == ["closed", "closed"], "\(holding.name)") }
  }
}
