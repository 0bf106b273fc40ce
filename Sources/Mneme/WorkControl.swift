/// Closures with which a caller follows long work and ends it early. Both are called on the caller's own thread,
/// between batches.
package struct WorkControl {
  /// Called between batches. If it returns true, the work ends and keeps what is done.
  package var shouldStop: () -> Bool
  /// Called after each batch.
  package var progress: (WorkProgress) -> Void

  package init(
    shouldStop: @escaping () -> Bool = { false }, progress: @escaping (WorkProgress) -> Void = { _ in }
  ) {
    self.shouldStop = shouldStop
    self.progress = progress
  }
}

/// The progress of long work.
package struct WorkProgress: Sendable, Equatable {
  /// The number of entries, keys or other items that are done.
  package var done: Int
  /// The part of the whole that this is, 0 … 1; nil if the whole is not known.
  package var share: Double?

  package init(done: Int, share: Double? = nil) {
    self.done = done
    self.share = share
  }
}
