/// How a caller watches long work, and ends it early. Both closures are called on the caller's own thread, between
/// batches.
public struct WorkControl {
  /// Asked between batches. true ends the work with what is done by then.
  public var shouldStop: () -> Bool
  /// Called after each batch.
  public var progress: (WorkProgress) -> Void

  public init(
    shouldStop: @escaping () -> Bool = { false }, progress: @escaping (WorkProgress) -> Void = { _ in }
  ) {
    self.shouldStop = shouldStop
    self.progress = progress
  }
}

/// How far long work has come.
public struct WorkProgress: Sendable, Equatable {
  /// How many entries, keys or other items are done.
  public var done: Int
  /// The part of the whole that this is, 0 … 1; nil where the whole is not known.
  public var share: Double?

  public init(done: Int, share: Double? = nil) {
    self.done = done
    self.share = share
  }
}
