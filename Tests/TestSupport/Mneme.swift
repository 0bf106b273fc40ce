import Foundation

/// The `mneme` command under test, with the server and key prefix that it works on.
///
/// Each run has an environment of only PATH, HOME, LANG and what is named here, so that nothing of the
/// machine's own settings takes part.
package struct Mneme: Sendable {
  package let url: String
  package let prefix: String
  /// Variables in addition to the server and the prefix. An empty one is not set.
  package var environment: [String: String] = [:]

  package init(url: String, prefix: String) {
    self.url = url
    self.prefix = prefix
  }

  package init(_ server: RedisServer, prefix: String = uniquePrefix()) {
    self.init(url: server.url, prefix: prefix)
  }

  /// The command on another prefix.
  package func with(prefix: String) -> Mneme {
    var other = Mneme(url: url, prefix: prefix)
    other.environment = environment
    return other
  }

  /// Runs `mneme` with these arguments to its end.
  /// - Throws: `Unexpected`, with all that the run printed, when the exit status is another.
  @discardableResult
  package func run(_ arguments: String..., input: String = "", expecting status: Int32 = 0) throws -> Outcome
  {
    try run(arguments, input: Array(input.utf8)).expecting(status)
  }

  /// Runs `mneme` with a list of arguments and bytes of input, to any exit status.
  package func run(
    _ arguments: [String], input: [UInt8] = [], within limit: Duration = patience
  ) throws -> Outcome {
    try start(arguments).finish(input: input, within: limit)
  }

  /// Runs `mneme` with arguments that are not text.
  package func run(rawArguments: [[UInt8]]) throws -> Outcome {
    try ChildProcess([Array(Mneme.binary.utf8)] + rawArguments, environment: variables).finish()
  }

  /// Starts `mneme` and leaves it to the test to talk to it.
  package func start(_ arguments: [String]) throws -> ChildProcess {
    try ChildProcess([Mneme.binary] + arguments, environment: variables)
  }

  /// Starts `mneme` with a limit on its address space.
  package func start(_ arguments: [String], memoryLimit mebibytes: Int) throws -> ChildProcess {
    let script = "ulimit -v \(mebibytes << 10); exec \"$0\" \"$@\""
    return try ChildProcess(["bash", "-c", script, Mneme.binary] + arguments, environment: variables)
  }

  /// Runs a line of shell in which `mneme` is this command.
  package func shell(_ line: String, within limit: Duration = patience) throws -> Outcome {
    let function = "mneme() { '\(Mneme.binary)' \"$@\"; }\n"
    return try ChildProcess(["bash", "-c", function + line], environment: variables).finish(within: limit)
  }

  private var variables: [String: String] {
    let own = ["MNEME_URL": url, "MNEME_KEY_PREFIX": prefix]
    return Mneme.plainEnvironment.merging(own) { $1 }.merging(environment) { $1 }.filter { $0.value != "" }
  }

  /// PATH, HOME and LANG.
  package static var plainEnvironment: [String: String] {
    ["PATH": searchPath, "HOME": home, "LANG": "C.UTF-8"]
  }

  /// The binary that the build has put next to the tests, or the one that MNEME_BINARY names.
  package static let binary: String = {
    if let path = ProcessInfo.processInfo.environment["MNEME_BINARY"] { return path }
    let runner = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: runner ?? "").deletingLastPathComponent().appending(path: "mneme").path
  }()

  /// An empty home directory for all runs of this process.
  private static var home: String { homeDirectory?.path ?? "/nonexistent" }
  private static let homeDirectory = try? TemporaryDirectory()
}
