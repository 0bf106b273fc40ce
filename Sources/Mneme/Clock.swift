import Glibc

/// A source of the time. Tests and dry runs pass their own.
public typealias WallClock = @Sendable () -> UnixTime

/// The system's time, in whole seconds rounded down, as Python's `int(time.time())`.
@Sendable
public func systemClock() -> UnixTime {
  var now = timespec()
  clock_gettime(CLOCK_REALTIME, &now)
  return UnixTime(Int64(now.tv_sec))
}

/// A moment on the monotonic clock.
///
/// `ContinuousClock` is not used, because it would load the runtime of Swift's concurrency and libdispatch, which makes
/// each start of the command a tenth slower.
package struct Instant: Comparable, Sendable {
  private let sinceBoot: Duration

  package static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(sinceBoot: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
  }

  package func duration(to later: Instant) -> Duration { later.sinceBoot - sinceBoot }

  package static func + (moment: Instant, span: Duration) -> Instant {
    Instant(sinceBoot: moment.sinceBoot + span)
  }

  package static func < (a: Instant, b: Instant) -> Bool { a.sinceBoot < b.sinceBoot }
}

/// Sleeps; a signal ends it early.
package func sleep(for duration: Duration) {
  guard duration > .zero else { return }
  let (seconds, attoseconds) = duration.components
  var span = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
  nanosleep(&span, nil)
}
