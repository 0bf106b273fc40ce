/// A range that limits a value: `1...`, `...100` or `0...1`.
public protocol Limits<Bound> {
  /// What is limited.
  associatedtype Bound: Comparable
  /// The least allowed value, if there is one.
  var least: Bound? { get }
  /// The greatest allowed value, if there is one.
  var greatest: Bound? { get }
}

extension ClosedRange: Limits {
  /// The bound on this side, if there is one.
  @inlinable public var least: Bound? { lowerBound }
  /// The bound on this side, if there is one.
  @inlinable public var greatest: Bound? { upperBound }
}

extension PartialRangeFrom: Limits {
  /// The bound on this side, if there is one.
  @inlinable public var least: Bound? { lowerBound }
  /// The bound on this side, if there is one.
  @inlinable public var greatest: Bound? { nil }
}

extension PartialRangeThrough: Limits {
  /// The bound on this side, if there is one.
  @inlinable public var least: Bound? { nil }
  /// The bound on this side, if there is one.
  @inlinable public var greatest: Bound? { upperBound }
}

/// What a kind keeps of its limits, whichever sort of range they were.
///
/// The kinds take ranges of any sort in functions that are inlined into the program, and turn them into this:
/// making the types for each sort at run time was a quarter of what building a table and parsing cost.
@usableFromInline
struct Bounds<Bound: Comparable & Sendable>: Sendable {
  let least: Bound?
  let greatest: Bound?

  @usableFromInline
  init(least: Bound?, greatest: Bound?) {
    self.least = least
    self.greatest = greatest
  }

  /// The value, when it lies within.
  func admit(_ value: Bound, as format: (Bound) -> String) throws(ValueProblem) -> Bound {
    if let least, value < least { throw ValueProblem("is too small", advice: advice(format)) }
    if let greatest, value > greatest { throw ValueProblem("is too large", advice: advice(format)) }
    return value
  }

  private func advice(_ format: (Bound) -> String) -> String {
    switch (least, greatest) {
    case (let least?, let greatest?): "it must be from \(format(least)) to \(format(greatest))"
    case (let least?, nil): "it must be at least \(format(least))"
    case (nil, let greatest?): "it must be at most \(format(greatest))"
    case (nil, nil): "it has no limits"
    }
  }
}
