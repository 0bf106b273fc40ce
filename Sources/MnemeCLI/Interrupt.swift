import Glibc
import Mneme
import Synchronization

/// SIGINT, SIGTERM and SIGHUP, handled between batches. A long command asks here whether one has come, and ends after
/// the current batch. A wait for input ends immediately. A second signal ends the program.
struct Interrupt: Sendable {
  /// The signal that has come, or 0.
  private static let received = Atomic<Int32>(0)
  /// The end of a pipe to which the handler writes, so that a wait for input ends too; -1 before `begin`.
  private static let writeEnd = Atomic<Int32>(-1)
  /// The end of the pipe that a wait polls.
  private static let readEnd = Atomic<Int32>(-1)

  /// Begins to handle signals: from now on the program ends after the current batch.
  /// - Parameter insists: later signals do not end the program either, for work that must not be left half done.
  func begin(_ signals: [Int32] = [SIGINT, SIGTERM, SIGHUP], insists: Bool = false) {
    if Interrupt.writeEnd.load(ordering: .relaxed) < 0 { makePipe() }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in Interrupt.take(signal) }
    action.sa_flags = insists ? 0 : Int32(bitPattern: UInt32(SA_RESETHAND))
    for signal in signals where !isKeptAway(signal) { sigaction(signal, &action, nil) }
  }

  /// Whether the program ignores a signal, as under `nohup`.
  private func isKeptAway(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard signal == SIGHUP, sigaction(signal, nil, &action) == 0 else { return false }
    return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
      == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Restores the default: a signal ends the program immediately.
  func end(_ signals: [Int32]) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = SIG_DFL
    for signal in signals { sigaction(signal, &action, nil) }
  }

  /// Whether a signal has come.
  var isRequested: Bool { Interrupt.received.load(ordering: .relaxed) != 0 }

  /// The status with which to end; nil when no signal has come.
  var status: ExitStatus? {
    switch Interrupt.received.load(ordering: .relaxed) {
    case 0: nil
    case SIGTERM: .terminated
    case SIGHUP: .hungUp
    default: .interrupted
    }
  }

  /// Waits until there is something to read, or the end of the input.
  /// - Throws: `Interruption` when a signal comes first.
  func awaitInput(on descriptor: Int32) throws {
    let readEnd = Interrupt.readEnd.load(ordering: .relaxed)
    // Before `begin` a signal ends the program, so a blocking read is fine.
    guard readEnd >= 0 else { return }
    var entries = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0),
    ]
    while poll(&entries, 2, -1) < 0, errno == EINTR {}
    if let status { throw Interruption(status: status) }
  }

  /// Waits for a time. A signal ends the wait, also one that came before it.
  func pause(for duration: Duration) {
    guard duration > .zero else { return }
    var entry = pollfd(
      fd: Interrupt.readEnd.load(ordering: .relaxed), events: Int16(POLLIN), revents: 0)
    poll(&entry, 1, Int32(clamping: Int64((duration / .milliseconds(1)).rounded(.up))))
  }

  /// Records a signal. It is called by the handler, so it must not allocate or wait.
  private static func take(_ signal: Int32) {
    received.store(signal, ordering: .relaxed)
    let number = errno
    var byte: UInt8 = 0
    _ = write(writeEnd.load(ordering: .relaxed), &byte, 1)
    errno = number
  }

  private func makePipe() {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    Interrupt.readEnd.store(ends[0], ordering: .relaxed)
    Interrupt.writeEnd.store(ends[1], ordering: .relaxed)
    StopRequest.watch(ends[0])
  }
}
