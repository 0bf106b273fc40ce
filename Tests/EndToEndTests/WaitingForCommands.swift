import Glibc
import TestSupport

// Tests that disturb a command in the middle of its work wait for it here. A pause instead would be too short on a busy
// machine.

extension Mneme {
  /// Starts a long command, and waits until it has come to an entry, or has ended. From its first entry on, a command
  /// handles signals, and detects that the server has lost data.
  /// - Parameter number: how many entries. If the output is a pipe that is not read, it comes to no more than some 30.
  func startWork(
    _ words: [String], on server: RedisServer, untilEntry number: Int = 30
  ) throws -> ChildProcess {
    let monitor = try Monitor(server)
    let beginning = Array("\(prefix):entry:".utf8)
    let command = try start(words)
    var entries: Set<[UInt8]> = []
    try eventually("\(command.commandLine) to be at work") {
      for seen in try monitor.commands() {
        entries.formUnion(seen.words.filter { $0.starts(with: beginning) })
      }
      return entries.count >= number || command.poll() != nil
    }
    return command
  }
}

extension ChildProcess {
  /// Whether its standard output, a pipe, is full: the program waits for a reader as soon as it writes more.
  func outputIsFull() throws -> Bool {
    let pipe = open("/proc/\(pid)/fd/1", O_WRONLY | O_CLOEXEC)
    guard pipe >= 0 else { throw SystemError("open the output of \(commandLine)") }
    defer { close(pipe) }
    var entry = pollfd(fd: pipe, events: Int16(POLLOUT), revents: 0)
    return Glibc.poll(&entry, 1, 0) == 0
  }
}
