extension ClosedRange {
  /// Checks that a value is within the bounds. A bound of the type itself is not mentioned in the error.
  func admit(
    _ value: Bound, within type: ClosedRange, as format: (Bound) -> String
  ) throws(ValueProblem) -> Bound {
    if contains(value) { return value }
    let advice =
      switch (lowerBound > type.lowerBound, upperBound < type.upperBound) {
      case (true, true): "it must be from \(format(lowerBound)) to \(format(upperBound))"
      case (true, false): "it must be at least \(format(lowerBound))"
      case (false, _): "it must be at most \(format(upperBound))"
      }
    throw ValueProblem(value < lowerBound ? "is too small" : "is too large", advice: advice)
  }
}
