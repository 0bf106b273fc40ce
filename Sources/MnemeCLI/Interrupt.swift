import Glibc
import Synchronization

/// Ctrl-C and `kill`, taken between batches: a command that goes on for long asks here, and ends after the batch in
/// hand. A second signal ends it at once.
struct Interrupt: Sendable {
  private static let received = Atomic<Int32>(0)

  /// From now on signals wait for the batch in hand.
  func begin() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in Interrupt.received.store(signal, ordering: .relaxed) }
    action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
    sigaction(SIGINT, &action, nil)
    sigaction(SIGTERM, &action, nil)
  }

  /// Whether a signal has come.
  var isRequested: Bool { Self.received.load(ordering: .relaxed) != 0 }

  /// The status with which to end; nil when no signal has come.
  var status: ExitStatus? {
    switch Self.received.load(ordering: .relaxed) {
    case 0: nil
    case SIGTERM: .terminated
    default: .interrupted
    }
  }
}
