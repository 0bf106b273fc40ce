/// Passes values from `next` to `body`. A thread of its own makes the next value while `body` handles the last one, so
/// that neither the server nor this process waits for the other.
///
/// - Parameters:
///   - next: makes the next value; nil ends it. The first is made in the caller's thread, all others in the other, and
///     none after an error.
///   - body: handles a value, in the caller's thread, in order. An error ends it; one more value may have been made by
///     then, or be in the making, which is waited for.
package func forEachReadAhead<Element: Sendable>(
  _ next: @escaping @Sendable () throws -> Element?, _ body: (Element) throws -> Void
) throws {
  guard let first = try next() else { return }
  let place = Monitor(Place<Element>.empty)
  let thread = WorkerThread {
    while true {
      let made = Result { try next() }
      let goesOn = place.wait { place -> Bool? in
        switch place {
        case .made: return nil
        case .closed: return false
        case .empty:
          place = .made(made)
          return true
        }
      }
      guard goesOn, case .success(_?) = made else { return }
    }
  }
  guard let thread else {
    // Without a second thread, values are made and handled in turn.
    try body(first)
    while let element = try next() { try body(element) }
    return
  }
  defer {
    place.change { $0 = .closed }
    thread.join()
  }
  try body(first)
  while true {
    // The other thread does not know of a cancellation of this one.
    try WorkCancellation.check()
    let made = place.wait { place -> Result<Element?, any Error>? in
      guard case .made(let made) = place else { return nil }
      place = .empty
      return made
    }
    guard let element = try made.get() else { return }
    try body(element)
  }
}

/// The place where the thread puts a value.
private enum Place<Element: Sendable>: Sendable {
  case empty
  /// nil: there are no more.
  case made(Result<Element?, any Error>)
  case closed
}
