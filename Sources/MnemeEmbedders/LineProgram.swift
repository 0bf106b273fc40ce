import Glibc
import Mneme

/// A program that answers each line of its input with a line of its output.
final class LineProgram {
  enum Failure: Error {
    case notStarted(Int32)
    /// The program has ended or closed its output. The status is its exit status, or 128 + the signal.
    case ended(status: Int32, answers: Int)
    case tooSlow(answers: Int)
    case tooLong
    /// A stop request has ended the wait.
    case stopped
  }

  private let pid: pid_t
  private var input: Int32
  private let output: Int32
  private var hasEnded = false
  /// The bytes of an incomplete line.
  private var rest: [UInt8] = []

  private static let longestLine = 16 << 20

  /// - Parameter environment: all variables that the program gets.
  init(_ command: String, environment: [String: String]) throws(Failure) {
    // Both pairs close by themselves in every child, and the child's own ends are copies that `dup2` makes.
    var toChild: [Int32] = [-1, -1]
    var fromChild: [Int32] = [-1, -1]
    guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else {
      let number = errno
      for end in toChild + fromChild where end >= 0 { close(end) }
      throw .notStarted(number)
    }
    for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer {
      close(toChild[0])
      close(fromChild[1])
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The program starts with default handlers for the signals that this process ignores or handles.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

    var words = ["/bin/sh", "-c", command].map { (word: String) in strdup(word) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var pid: pid_t = 0
    let number = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &words, &variables)
    guard number == 0 else {
      close(toChild[1])
      close(fromChild[0])
      throw .notStarted(number)
    }
    (self.pid, input, output) = (pid, toChild[1], fromChild[0])
    for end in [input, output] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
  }

  deinit {
    closeInput()
    close(output)
    // It has no more input, and gets a second to end.
    for _ in 0..<100 where !hasEnded {
      if waitpid(pid, nil, WNOHANG) == pid { hasEnded = true } else { usleep(10_000) }
    }
    kill()
  }

  /// Kills the program and all processes that it has started.
  func kill() {
    guard !hasEnded else { return }
    Glibc.kill(-pid, SIGKILL)
    _ = reap()
  }

  /// Writes the lines and reads as many. It does both at the same time, so that neither side blocks the other.
  func exchange(
    _ lines: [[UInt8]], before deadline: Instant
  ) throws(Failure) -> [[UInt8]] {
    var unsent = ArraySlice(lines.flatMap { $0 + [UInt8(ascii: "\n")] })
    var answers: [[UInt8]] = []
    while answers.count < lines.count {
      let left = Instant.now.duration(to: deadline)
      let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
      guard left > .zero else { throw .tooSlow(answers: answers.count) }
      var ends = [
        pollfd(fd: output, events: Int16(POLLIN), revents: 0),
        pollfd(fd: unsent.isEmpty ? -1 : input, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: StopRequest.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&ends, 3, Int32(min(milliseconds + 1, 60_000))) > 0 else { continue }
      guard ends[2].revents == 0 else { throw .stopped }
      if ends[1].revents != 0 {
        let count = unsent.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
        // A program that has stopped reading may still have answered.
        if count < 0, errno == EPIPE { unsent = [] } else { unsent = unsent.dropFirst(max(0, count)) }
      }
      if ends[0].revents != 0 { try read(into: &answers, wanting: lines.count) }
    }
    return answers
  }

  private func read(into answers: inout [[UInt8]], wanting count: Int) throws(Failure) {
    let piece = [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, filled in
      filled = max(0, Glibc.read(output, buffer.baseAddress, buffer.count))
    }
    guard !piece.isEmpty else {
      // `poll` has reported input, and none came, so this is the end.
      closeInput()
      throw .ended(status: reap(), answers: answers.count)
    }
    rest += piece
    var start = rest.startIndex
    while answers.count < count, let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
      answers.append(Array(rest[start..<end]))
      start = end + 1
    }
    rest.removeFirst(start)
    guard rest.count <= Self.longestLine else { throw .tooLong }
  }

  private func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }

  /// Waits for the end. A program that has closed its output but keeps running gets a second.
  private func reap() -> Int32 {
    guard !hasEnded else { return 0 }
    var status: Int32 = 0
    for _ in 0..<100 {
      if waitpid(pid, &status, WNOHANG) == pid {
        hasEnded = true
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
      }
      usleep(10_000)
    }
    Glibc.kill(-pid, SIGKILL)
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    hasEnded = true
    return 128 + SIGKILL
  }
}
