import Glibc
import TestSupport

/// A program at a terminal of its own, as a person has it: what is sent is typed, what is read is what the screen
/// gets.
final class PseudoTerminal {
  let pid: pid_t
  private let master: Int32
  private var status: Int32?
  /// All that was written so far, escape sequences and all.
  private(set) var output = ""
  /// The bytes of the output that `expect` has looked at.
  private var seen = 0

  /// - Parameter environment: all of it; `TERM` is set unless it names one.
  init(
    _ words: [String], environment: [String: String], directory: String = "/", columns: UInt16 = 80
  ) throws {
    // The steps of posix_openpt, unlockpt and ptsname on Linux; the C library shows those to GNU programs only.
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (unlocked, number): (Int32, Int32) = (0, 0)
    let (unlock, askNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)
    guard master >= 0, ioctl(master, unlock, &unlocked) == 0, ioctl(master, askNumber, &number) == 0 else {
      throw SystemError("/dev/ptmx")
    }
    let name = "/dev/pts/\(number)"
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The leader of a new session gets the first terminal that it opens.
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name, O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let newSession: Int32 = 0x80
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | newSession))

    let variables = ["TERM": "xterm"].merging(environment) { $1 }
    let command = ["env", "--chdir=\(directory)"] + words
    var arguments = command.map { strdup($0) } + [nil]
    var settings = variables.map { strdup("\($0)=\($1)") } + [nil]
    defer { (arguments + settings).forEach { free($0) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, command[0], &actions, &attributes, &arguments, &settings)
    guard code == 0 else { throw SystemError("posix_spawn \(words)", code: code) }
    self.pid = pid
  }

  deinit {
    if status == nil {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
    close(master)
  }

  /// Whether the terminal's driver shows typed characters.
  var echoes: Bool {
    var settings = termios()
    tcgetattr(master, &settings)
    return settings.c_lflag & tcflag_t(ECHO) != 0
  }

  /// Types.
  func send(_ text: String) throws {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
      guard count > 0 else { throw SystemError("write to the terminal") }
      rest = rest.dropFirst(count)
    }
  }

  /// Waits until a text is on its way to the screen, and returns what came up to it.
  /// - Throws: `Missing`, with all that came instead.
  @discardableResult
  func expect(_ text: String, within seconds: Double = 20) throws -> String {
    try waitFor(text, within: seconds) { $0.firstRange(of: Array(text.utf8))?.upperBound }
  }

  /// Waits until nothing has come for a while, and returns what came.
  @discardableResult
  func settle(for milliseconds: Int32 = 600) -> String {
    while readMore(within: milliseconds) {}
    let new = Array(output.utf8)[seen...]
    seen += new.count
    return String(decoding: new, as: UTF8.self)
  }

  /// Waits for the end.
  /// - Returns: the exit status, or 128 and the signal's number.
  func finish(within seconds: Double = 20) throws -> Int32 {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      _ = readMore(within: 20)
      if poll() != nil { break }
    }
    guard let status = poll() else { throw Missing(what: "the end", output: output) }
    while readMore(within: 20) {}
    return status
  }

  private func poll() -> Int32? {
    var code: Int32 = 0
    if status == nil, waitpid(pid, &code, WNOHANG) == pid {
      status = code & 0x7F == 0 ? code >> 8 & 0xFF : 128 + (code & 0x7F)
    }
    return status
  }

  struct Missing: Error, CustomStringConvertible {
    let what: String
    let output: String
    var description: String { "waited for \(what); on the screen: \(escaped(Array(output.utf8)))" }
  }

  private func waitFor(
    _ what: String, within seconds: Double, _ end: (ArraySlice<UInt8>) -> Int?
  ) throws -> String {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
      let new = Array(output.utf8)[seen...]
      if let end = end(new) {
        defer { seen = end }
        return String(decoding: new[..<end], as: UTF8.self)
      }
      guard ContinuousClock.now < deadline else { throw Missing(what: "'\(what)'", output: output) }
      _ = readMore(within: 100)
    }
  }

  /// - Returns: whether something came in time.
  private func readMore(within milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&entry, 1, milliseconds) > 0 else { return false }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    // When the last program at the terminal has ended, reading fails.
    let count = read(master, &bytes, bytes.count)
    guard count > 0 else { return false }
    output += String(decoding: bytes[..<count], as: UTF8.self)
    return true
  }
}
