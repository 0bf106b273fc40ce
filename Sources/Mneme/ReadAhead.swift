import Glibc

/// Takes values from where they are made, one ahead of who handles them: a thread of its own makes the next while the
/// last is handled, so that neither the server nor this process waits for the other.
///
/// - Parameters:
///   - next: makes the next value; nil ends it. The first is made in the caller's thread, all others in the other, and
///     none after an error.
///   - body: handles a value, in the caller's thread, in order. What it throws ends it; one more value may have been
///     made by then, or be in the making, which is waited for.
package func forEachReadAhead<Element: Sendable>(
  _ next: @escaping @Sendable () throws -> Element?, _ body: (Element) throws -> Void
) throws {
  guard let first = try next() else { return }
  let reader = Reader(next)
  guard reader.start() else {
    // No thread is to be had: one after the other.
    try body(first)
    while let element = try next() { try body(element) }
    return
  }
  defer { reader.stop() }
  try body(first)
  while let element = try reader.take() { try body(element) }
}

/// The thread, and the place where it puts what it has made.
private final class Reader<Element: Sendable>: @unchecked Sendable {
  /// What is said from one thread to the other, under the lock alone.
  private enum Place {
    case empty
    /// nil: there are no more.
    case made(Result<Element?, any Error>)
    case closed
  }

  private let next: @Sendable () throws -> Element?
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var place = Place.empty
  private var thread = pthread_t()
  private var isAtEnd = false

  init(_ next: @escaping @Sendable () throws -> Element?) {
    self.next = next
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// - Returns: false when no thread could be made.
  func start() -> Bool {
    // Signals are for the thread that looks whether one came.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let context = Unmanaged.passRetained(self as AnyObject)
    let code = pthread_create(
      &thread, nil,
      { context in
        (Unmanaged<AnyObject>.fromOpaque(context!).takeRetainedValue() as? any Runnable)?.run()
        return nil
      }, context.toOpaque())
    if code != 0 { context.release() }
    return code == 0
  }

  /// The next value; nil after the last.
  func take() throws -> Element? {
    if isAtEnd { return nil }
    pthread_mutex_lock(lock)
    while case .empty = place { pthread_cond_wait(changed, lock) }
    let taken = place
    place = .empty
    pthread_cond_signal(changed)
    pthread_mutex_unlock(lock)
    guard case .made(let result) = taken, case .success(let element?) = result else {
      isAtEnd = true
      if case .made(.failure(let error)) = taken { throw error }
      return nil
    }
    return element
  }

  /// Ends the thread, and waits until it has ended.
  func stop() {
    pthread_mutex_lock(lock)
    place = .closed
    pthread_cond_signal(changed)
    pthread_mutex_unlock(lock)
    pthread_join(thread, nil)
  }
}

/// What a thread can be told to do, whatever its type: a C function knows no generic ones.
private protocol Runnable: AnyObject {
  func run()
}

extension Reader: Runnable {
  func run() {
    while true {
      let result = Result { try next() }
      pthread_mutex_lock(lock)
      while case .made = place { pthread_cond_wait(changed, lock) }
      if case .closed = place {
        pthread_mutex_unlock(lock)
        return
      }
      place = .made(result)
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
      guard case .success(_?) = result else { return }
    }
  }
}
