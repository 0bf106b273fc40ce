import Glibc
import Synchronization
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

    let newSession: Int32 = 0x80
    let command = (["env", "--chdir=\(directory)"] + words).map { Array($0.utf8) }
    let variables = ["TERM": "xterm"].merging(environment) { $1 }
    pid = try Descriptor.spawning.withLock { _ in
      try startProgram(command, variables, flags: newSession) { actions in
        // The leader of a new session gets the first terminal that it opens.
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, name, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO)
      }
    }
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
  func expect(_ text: String, within limit: Duration = .seconds(300)) throws -> String {
    try waitFor(text, within: limit) { $0.firstRange(of: Array(text.utf8))?.upperBound }
  }

  /// Waits for the end.
  /// - Returns: the exit status, or 128 and the signal's number.
  func finish(within limit: Duration = .seconds(300)) throws -> Int32 {
    let deadline = ContinuousClock.now + limit
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
    _ what: String, within limit: Duration, _ end: (ArraySlice<UInt8>) -> Int?
  ) throws -> String {
    let deadline = ContinuousClock.now + limit
    while true {
      let new = Array(output.utf8)[seen...]
      if let end = end(new) {
        defer { seen = end }
        return String(decoding: new[..<end], as: UTF8.self)
      }
      // Asked first: what it wrote before its end is still to be read.
      let hasEnded = poll() != nil
      guard readMore(within: 100) || !hasEnded, ContinuousClock.now < deadline else {
        throw Missing(what: "'\(what)'", output: output)
      }
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
