import Glibc

/// A moment on the monotonic clock by which something must be done.
struct Deadline: Comparable {
  private let nanoseconds: UInt64

  private init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  static func after(_ span: Duration) -> Deadline {
    let (seconds, attoseconds) = span.components
    let (whole, overflow) = UInt64(max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    let (moment, late) = (overflow ? .max : whole).addingReportingOverflow(
      now + UInt64(max(0, attoseconds) / 1_000_000_000))
    return Deadline(nanoseconds: late ? .max : moment)
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func < (a: Deadline, b: Deadline) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The time that is left; zero if it has passed.
  var remaining: Duration {
    let now = Deadline.now
    return now >= nanoseconds ? .zero : .nanoseconds(Int64(clamping: nanoseconds - now))
  }

  /// The time that is left in milliseconds, rounded up so that a wait never ends before the deadline. At most a
  /// day, after which the caller asks again.
  var remainingMilliseconds: Int32 {
    let now = Deadline.now
    guard now < nanoseconds else { return 0 }
    return Int32(min((nanoseconds - now - 1) / 1_000_000 + 1, 86_400_000))
  }
}
