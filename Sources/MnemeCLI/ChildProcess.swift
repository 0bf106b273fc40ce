import Glibc

/// A program that was started and has to be waited for.
final class ChildProcess {
  private var pid: pid_t
  private(set) var isRunning = true
  /// The end of a pipe to its standard input, or -1.
  private var input: Int32 = -1

  /// Starts a program, found by `PATH` unless its name holds a slash.
  /// - Parameters:
  ///   - environment: all variables that the program gets.
  ///   - silencesOutput: its standard output and error go nowhere.
  ///   - hasInput: its standard input is a pipe, which ends with this process, however that ends, or with `stop`.
  ///   - joinsErrors: its standard error goes where its standard output goes, in one order.
  /// - Returns: nil if the program does not exist.
  init?(
    _ arguments: [String], environment: [String: String], silencesOutput: Bool = false,
    hasInput: Bool = false, joinsErrors: Bool = false
  ) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var ends: [Int32] = [-1, -1]
    if hasInput {
      guard pipe(&ends) == 0 else { return nil }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    }
    defer { if hasInput { close(ends[0]) } }
    if silencesOutput {
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
      posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
    }
    if joinsErrors { posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) }
    // The child starts with default handlers for the signals that this process ignores or handles.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var defaults = sigset_t()
    sigemptyset(&defaults)
    for signal in [SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP] { sigaddset(&defaults, signal) }
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

    var words = arguments.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (words + variables).forEach { free($0) } }
    var pid: pid_t = 0
    guard posix_spawnp(&pid, arguments[0], &actions, &attributes, &words, &variables) == 0 else {
      if hasInput { close(ends[1]) }
      return nil
    }
    (self.pid, input) = (pid, ends[1])
  }

  /// Waits for the end.
  /// - Returns: the exit status, or 128 + the signal that ended it.
  @discardableResult
  func wait() -> Int32 {
    guard isRunning else { return 0 }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    isRunning = false
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
  }

  /// Ends its standard input, and waits.
  func stop() {
    if input >= 0 { close(input) }
    input = -1
    wait()
  }
}
