/// An operation on one key, with its times, for a check of linearisability.
struct Operation<Value: Hashable & Sendable>: Sendable, CustomStringConvertible {
  enum Action: Sendable {
    case put(Value)
    /// A read and its value; nil for nothing there.
    case get(Value?)
    /// Whether there was something to remove.
    case delete(Bool)
  }

  var action: Action
  /// Taken before the call and after it, from one clock.
  var begin: ContinuousClock.Instant
  var end: ContinuousClock.Instant

  var description: String { "\(action)" }
}

/// Whether some order of these operations, in which none comes before one that had ended when it began, is a history
/// of a key that holds one value at a time.
///
/// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with Lowe's memory of the states
/// that have been tried ("Testing for linearizability", 2017).
/// - Precondition: at most 64 operations.
func isLinearisable<Value: Hashable>(_ operations: [Operation<Value>], from initial: Value? = nil) -> Bool {
  precondition(operations.count <= 64, "the set of operations is the bits of one word")
  let all = operations.count == 64 ? UInt64.max : (1 << UInt64(operations.count)) - 1
  var tried: Set<SearchState<Value>> = []

  func search(_ done: UInt64, _ value: Value?) -> Bool {
    if done == all { return true }
    guard tried.insert(SearchState(done: done, value: value)).inserted else { return false }
    let rest = operations.indices.filter { done & (1 << UInt64($0)) == 0 }
    // An operation that began after another of the rest had ended cannot be the next.
    guard let earliestEnd = rest.map({ operations[$0].end }).min() else { return true }
    for index in rest where operations[index].begin <= earliestEnd {
      guard let next = operations[index].action.applied(to: value) else { continue }
      if search(done | (1 << UInt64(index)), next.value) { return true }
    }
    return false
  }
  return search(0, initial)
}

private struct SearchState<Value: Hashable>: Hashable {
  var done: UInt64
  var value: Value?
}

extension Operation.Action {
  /// The value afterwards; nil if the action cannot have had this result.
  fileprivate func applied(to value: Value?) -> (value: Value?, Void)? {
    switch self {
    case .put(let new): (new, ())
    case .get(let read): read == value ? (value, ()) : nil
    case .delete(let found): found == (value != nil) ? (nil, ()) : nil
    }
  }
}
