extension ValueKind where Value == Duration {
  /// A span of whole seconds, zero included: `90`, `90s`, `15m`, `12h`, `7d`, `2w`, `1h30m`.
  public static var duration: ValueKind { duration(in: .zero...(.longest)) }

  /// A span of time within limits.
  ///
  /// - Parameters:
  ///   - limits: the shortest and the longest duration.
  ///   - milliseconds: whether `250ms` is accepted too. Otherwise the value is a whole number of seconds.
  public static func duration(in limits: ClosedRange<Duration>, milliseconds: Bool = false) -> ValueKind {
    ValueKind(
      placeholder: "DURATION",
      isNumeric: true,
      parse: { text throws(ValueProblem) in
        let parsed = try parseDuration(text, milliseconds: milliseconds)
        // If the option has a limit, that is the one to name.
        guard let value = parsed ?? (limits.upperBound < .longest ? .longest : nil) else {
          throw ValueProblem("is too long", advice: "no duration goes beyond 15000000000w")
        }
        return try limits.admit(value, within: .zero...(.longest)) { formatDuration($0) }
      },
      format: { formatDuration($0) })
  }
}

extension Duration {
  /// The longest that can be typed, for ranges without another limit.
  public static var longest: Duration { .milliseconds(Int64.max) }
}

/// A unit of time by its letters, in milliseconds.
private struct Unit {
  let letters: String
  let milliseconds: Int64
}

/// Longest first: the parts of `1h30m` must come in this order.
private let units = [
  Unit(letters: "w", milliseconds: 604_800_000),
  Unit(letters: "d", milliseconds: 86_400_000),
  Unit(letters: "h", milliseconds: 3_600_000),
  Unit(letters: "m", milliseconds: 60_000),
  Unit(letters: "s", milliseconds: 1000),
  Unit(letters: "ms", milliseconds: 1),
]

/// - Returns: nil if the duration is too long for a number of milliseconds.
private func parseDuration(_ text: String, milliseconds: Bool) throws(ValueProblem) -> Duration? {
  let examples = "90, 90s, 15m, 12h, 7d, 2w" + (milliseconds ? ", 250ms" : "") + " or 1h30m"
  let noDuration = ValueProblem("is not a duration", advice: "write it as \(examples)")
  var rest = text.utf8[...]
  if rest.first == UInt8(ascii: "-"), rest.dropFirst().first.map(isDigit) == true {
    throw ValueProblem("is negative", advice: noDuration.advice)
  }

  var total: Int64 = 0
  var allowed = units.dropLast(milliseconds ? 0 : 1)
  repeat {
    let digits = rest.prefix(while: isDigit)
    rest = rest[digits.endIndex...]
    let letters = rest.prefix { !isDigit($0) }
    rest = rest[letters.endIndex...]
    guard !digits.isEmpty else { throw noDuration }

    // A number without a unit means seconds, but only alone. In 1h30 that would be a guess.
    let isBare = letters.isEmpty && digits.count == text.utf8.count
    let name = isBare ? "s" : String(Substring(letters))
    guard let index = allowed.firstIndex(where: { $0.letters == name }) else { throw noDuration }

    guard let number = Int64(Substring(digits)) else { return nil }
    let (span, overflow) = number.multipliedReportingOverflow(by: allowed[index].milliseconds)
    let (sum, carry) = total.addingReportingOverflow(span)
    guard !overflow, !carry else { return nil }
    total = sum
    allowed = allowed[(index + 1)...]
  } while !rest.isEmpty
  return .milliseconds(total)
}

/// Returns the shortest spelling in which every part is below the next unit: `1m30s` for 90 seconds.
private func formatDuration(_ duration: Duration) -> String {
  let (seconds, attoseconds) = duration.components
  var text = ""
  var rest = seconds
  for unit in units.dropFirst().dropLast() {
    let (count, remainder) = rest.quotientAndRemainder(dividingBy: unit.milliseconds / 1000)
    if count != 0 { text += "\(count)\(unit.letters)" }
    rest = remainder
  }
  let milliseconds = attoseconds / 1_000_000_000_000_000
  if milliseconds != 0 { text += "\(milliseconds)ms" }
  return text.isEmpty ? "0s" : text
}
