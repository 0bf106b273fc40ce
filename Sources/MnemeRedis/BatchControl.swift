/// How someone who has asked for many entries to be removed keeps an eye on it.
public struct BatchControl: Sendable {
  /// Asked between batches; true ends the work with what is done by then.
  public var shouldStop: @Sendable () -> Bool
  /// Called after each batch with the number of entries removed so far.
  public var progress: @Sendable (Int) -> Void

  public init(
    shouldStop: @escaping @Sendable () -> Bool = { false },
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.shouldStop = shouldStop
    self.progress = progress
  }
}
