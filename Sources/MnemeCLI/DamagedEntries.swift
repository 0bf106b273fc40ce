import Mneme

/// The entries that a walk could not read and left out. One warning gives their number.
struct DamagedEntries {
  private var count = 0
  private var first: CorruptCacheError?

  mutating func add(_ error: CorruptCacheError) {
    count += 1
    first = first ?? error
  }

  /// Warns of them, if there are any.
  func warn(_ context: Context) {
    guard let first else { return }
    let others = counted(count - 1, "other damaged entry", plural: "other damaged entries")
    let which = count > 1 ? "It and \(others) are" : "It is"
    context.warn("\(first.message) \(which) left out. \(first.remediation)")
  }
}
