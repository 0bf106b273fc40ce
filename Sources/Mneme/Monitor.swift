import Glibc

/// A value that several threads use, one at a time. They can wait for its changes.
///
/// A thread that changes the value evaluates the conditions of the waiting threads, and wakes only those that are met.
package final class Monitor<State>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  // Used with the mutex held.
  private var state: State
  private var waiters: [Waiter] = []

  /// A thread that waits.
  private final class Waiter {
    let wakeUp = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Evaluates the thread's condition; true when it is met.
    let ask: (inout State) -> Bool
    var isDone = false

    init(_ ask: @escaping (inout State) -> Bool) {
      self.ask = ask
      pthread_cond_init(wakeUp, nil)
    }

    deinit {
      pthread_cond_destroy(wakeUp)
      wakeUp.deallocate()
    }
  }

  package init(_ state: State) {
    self.state = state
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Changes the value.
  package func change<R>(_ body: (inout State) throws -> R) rethrows -> R {
    pthread_mutex_lock(mutex)
    defer {
      askForWaiters()
      pthread_mutex_unlock(mutex)
    }
    return try body(&state)
  }

  /// Waits until `body` returns a value. It is called immediately and after each change, perhaps in the thread that
  /// made the change. It may change the value itself.
  package func wait<R>(until body: (inout State) -> R?) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if let answer = body(&state) {
      askForWaiters()
      return answer
    }
    var answer: R?
    withoutActuallyEscaping(body) { body in
      let waiter = Waiter { state in
        answer = body(&state)
        return answer != nil
      }
      waiters.append(waiter)
      while !waiter.isDone { pthread_cond_wait(waiter.wakeUp, mutex) }
    }
    guard let answer else { preconditionFailure("who is woken has an answer") }
    return answer
  }

  /// Evaluates the conditions, longest wait first. It starts again after each that is met, since that may have changed
  /// the value.
  private func askForWaiters() {
    while let place = waiters.firstIndex(where: { $0.ask(&state) }) {
      let waiter = waiters.remove(at: place)
      waiter.isDone = true
      pthread_cond_signal(waiter.wakeUp)
    }
  }
}

/// A thread that runs one closure. It blocks signals, so that other threads handle them.
package struct WorkerThread: @unchecked Sendable {
  private let thread: pthread_t

  /// A box that passes the closure to the thread, since a C function cannot take a Swift closure.
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts the thread.
  /// - Returns: nil if the system allows no more threads.
  package init?(_ run: @escaping @Sendable () -> Void) {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let body = Unmanaged.passRetained(Body(run))
    let code = pthread_create(
      &thread, nil,
      { body in
        Unmanaged<Body>.fromOpaque(body!).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      return nil
    }
    self.thread = thread
  }

  /// Lets the thread end by itself. Call it once, instead of `join`.
  package func detach() { pthread_detach(thread) }

  /// Waits until the closure has returned. Call it once.
  package func join() { pthread_join(thread, nil) }
}
