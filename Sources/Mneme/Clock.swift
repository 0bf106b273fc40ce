import Glibc

/// Where a cache gets the time from; tests and dry runs hand in their own.
public typealias WallClock = @Sendable () -> UnixTime

/// The system's time, in whole seconds rounded down, as Python's `int(time.time())`.
@Sendable
public func systemClock() -> UnixTime {
  var now = timespec()
  clock_gettime(CLOCK_REALTIME, &now)
  return UnixTime(Int64(now.tv_sec))
}
