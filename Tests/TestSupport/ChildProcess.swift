import Foundation
import Glibc
import Synchronization

/// A program that a test has started, with pipes to its standard streams.
///
/// It is started with every signal at its default and none blocked, whatever the test runner's threads have,
/// and in a process group of its own, so that Ctrl-C at the runner does not reach it unless the test sends it.
package final class ChildProcess {
  package let pid: pid_t
  /// The command as one would type it.
  package let commandLine: String

  private(set) var input: Descriptor?
  private(set) var output: Descriptor?
  private(set) var errors: Descriptor?
  private var termination: Termination?

  /// The end of a program.
  package enum Termination: Equatable, Sendable {
    case exited(Int32)
    case killed(bySignal: Int32)
  }

  /// Starts `words[0]`, which is looked for on PATH when it has no slash. Words are bytes, since a test may
  /// want to pass what is not UTF-8.
  package init(
    _ words: [[UInt8]], environment: [String: String] = ["PATH": searchPath], directory: String? = nil
  ) throws {
    ignoreBrokenPipes()
    commandLine = words.map(shellQuoted).joined(separator: " ")
    let started = directory.map { [Array("env".utf8), Array("--chdir=\($0)".utf8)] + words } ?? words
    (pid, input, output, errors) = try Descriptor.spawning.withLock { _ in
      try ChildProcess.spawn(started, environment)
    }
  }

  /// Starts a program with words that are text.
  package convenience init(
    _ words: [String], environment: [String: String] = ["PATH": searchPath], directory: String? = nil
  ) throws {
    try self.init(words.map { Array($0.utf8) }, environment: environment, directory: directory)
  }

  /// Everything between making the pipes and closing the child's ends of them.
  private static func spawn(
    _ words: [[UInt8]], _ environment: [String: String]
  ) throws -> (pid_t, Descriptor, Descriptor, Descriptor) {
    let (childInput, input) = try Descriptor.pipe()
    let (output, childOutput) = try Descriptor.pipe()
    let (errors, childErrors) = try Descriptor.pipe()

    let pid = try startProgram(words, environment, flags: POSIX_SPAWN_SETPGROUP) { actions in
      for (number, end) in [childInput, childOutput, childErrors].enumerated() {
        posix_spawn_file_actions_adddup2(&actions, end.number, Int32(number))
      }
    }
    return (pid, input, output, errors)
  }

  /// One that nobody waited for is killed and reaped.
  deinit {
    if termination == nil {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
  }

  /// Sends a signal; nothing once the program has been waited for.
  package func signal(_ number: Int32) {
    if termination == nil { kill(pid, number) }
  }

  /// Writes all of `bytes` to the program's standard input, unless the program has closed it.
  package func write(_ bytes: some Sequence<UInt8>) throws {
    guard let input else { return }
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(input.number, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { return }
        throw SystemError("write to \(commandLine)")
      }
      rest.removeFirst(count)
    }
  }

  /// Ends the program's standard input.
  package func closeInput() { input = nil }

  /// Closes our end of the program's standard output, as `head` does when it has enough.
  package func closeOutput() { output = nil }

  /// Reads standard output up to and without the next newline; nil at its end.
  package func readLine(within limit: Duration = patience) throws -> String? {
    guard let output else { return nil }
    let deadline = Deadline(in: limit)
    var line: [UInt8] = []
    while true {
      guard try output.isReadable(until: deadline) else {
        throw TestTimeout("a line from \(commandLine)")
      }
      var byte: UInt8 = 0
      let count = try checked("read", read(output.number, &byte, 1))
      if count == 0 { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
  }

  /// Returns the end of the program, or nil while it runs.
  package func poll() -> Termination? {
    if let termination { return termination }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    let signal = status & 0x7f
    termination = signal == 0 ? .exited((status >> 8) & 0xff) : .killed(bySignal: signal)
    return termination
  }
}

extension ChildProcess {
  /// Whether the program has a file of the directory open, also one without a name.
  package func holdsFile(in directory: TemporaryDirectory) -> Bool {
    let descriptors = "/proc/\(pid)/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: descriptors)) ?? []
    return names.contains { name in
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\(name)")
      return target?.hasPrefix(directory.path + "/") == true
    }
  }
}

/// The runner's own PATH.
package let searchPath = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"

/// A word as a shell wants it typed; bytes that are not text show as `$'\xNN'`.
package func shellQuoted(_ word: [UInt8]) -> String {
  let plain = word.allSatisfy { byte in
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
      || "-_./:=,@%+".utf8.contains(byte)
  }
  if plain && !word.isEmpty { return String(decoding: word, as: UTF8.self) }
  if let text = String(validating: word, as: UTF8.self), !word.contains(where: { $0 < 0x20 }) {
    return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
      + "'"
  }
  return "$'\(escaped(word))'"
}

/// Bytes as one line of printable ASCII, the way `redis-cli` shows them.
package func escaped(_ bytes: some Sequence<UInt8>) -> String {
  var text = ""
  for byte in bytes {
    switch byte {
    case UInt8(ascii: "\n"): text += "\\n"
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""):
      text += "\\" + String(UnicodeScalar(byte))
    case 0x20..<0x7f: text += String(UnicodeScalar(byte))
    default:
      let digits = String(byte, radix: 16)
      text += "\\x" + (digits.count == 1 ? "0" : "") + digits
    }
  }
  return text
}

/// Starts a program with every signal at its default and none blocked. With `POSIX_SPAWN_SETPGROUP` it leads a process
/// group.
/// - Precondition: `Descriptor.spawning` is held.
package func startProgram(
  _ words: [[UInt8]], _ environment: [String: String], flags: Int32,
  _ addActions: (inout posix_spawn_file_actions_t) -> Void
) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  addActions(&actions)

  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  sigemptyset(&signals)
  posix_spawnattr_setsigmask(&attributes, &signals)
  sigfillset(&signals)
  posix_spawnattr_setsigdefault(&attributes, &signals)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flags))

  var pid: pid_t = 0
  let variables = environment.map { Array("\($0.key)=\($0.value)".utf8) }
  let code = withCStrings(words) { arguments in
    withCStrings(variables) { posix_spawnp(&pid, arguments[0]!, &actions, &attributes, arguments, $0) }
  }
  guard code == 0 else {
    throw SystemError("posix_spawn \(words.map(shellQuoted).joined(separator: " "))", code: code)
  }
  return pid
}

/// Passes a null-terminated array of null-terminated strings, as `exec` and its kin take them.
private func withCStrings<Result>(
  _ strings: [[UInt8]], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let copies = strings.map { bytes in
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
    copy[bytes.count] = 0
    return copy
  }
  defer { copies.forEach { $0.deallocate() } }
  return body(copies + [nil])
}

/// Writing to a program that is gone is an error to handle, not the end of the test runner.
func ignoreBrokenPipes() { _ = brokenPipesAreIgnored }
private let brokenPipesAreIgnored: Bool = {
  signal(SIGPIPE, SIG_IGN)
  return true
}()
