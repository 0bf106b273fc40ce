extension ValueKind where Value == Int {
  /// A whole number: `42`, `-7`.
  public static func integer(_ placeholder: String = "N", _ limits: ClosedRange<Int> = .all) -> ValueKind {
    ValueKind(
      placeholder: placeholder,
      isNumeric: true,
      parse: { text throws(ValueProblem) in
        let isNegative = text.utf8.first == UInt8(ascii: "-")
        let digits = text.utf8.dropFirst(isNegative ? 1 : 0)
        guard !digits.isEmpty, digits.allSatisfy(isDigit) else {
          throw ValueProblem("is not a whole number", advice: "write it in digits, as 42")
        }
        guard let value = Int(text) else {
          let (problem, limit) = isNegative ? ("is too small", Int.min) : ("is too large", Int.max)
          throw ValueProblem(problem, advice: "no number here goes beyond \(limit)")
        }
        return try limits.admit(value, within: .all) { String($0) }
      },
      format: { String($0) })
  }

  /// A number of things: `10000`, `10_000`, `10k`, `1M`, `2G`. The letters are powers of a thousand.
  public static func count(_ placeholder: String = "N", _ limits: ClosedRange<Int> = 0...Int.max) -> ValueKind
  {
    ValueKind(
      placeholder: placeholder,
      isNumeric: true,
      parse: { text throws(ValueProblem) in
        try limits.admit(try parseCount(text), within: .all) { String($0) }
      },
      format: { String($0) })
  }
}

extension ValueKind where Value == Double {
  /// A finite decimal number: `0.85`, `-3`, `1e6`.
  public static func number(_ placeholder: String = "NUMBER", _ limits: ClosedRange<Double> = .all)
    -> ValueKind
  {
    ValueKind(
      placeholder: placeholder,
      isNumeric: true,
      parse: { text throws(ValueProblem) in
        // `Double` also accepts "nan", "inf" and hexadecimal numbers, which would be typing errors here.
        let isDecimal = text.utf8.allSatisfy { isDigit($0) || "+-.eE".utf8.contains($0) }
        guard isDecimal, let value = Double(text) else {
          throw ValueProblem("is not a number", advice: "write it as 0.85")
        }
        guard value.isFinite else { throw ValueProblem("is too large", advice: "write it as 0.85") }
        return try limits.admit(value, within: .all) { decimal($0) }
      },
      format: { decimal($0) })
  }
}

extension ClosedRange<Int> {
  /// No limit on either side.
  public static var all: Self { Int.min...Int.max }
}

extension ClosedRange<Double> {
  /// No limit on either side.
  public static var all: Self { -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude }
}

/// Without the `.0` that a whole `Double` describes itself with.
private func decimal(_ value: Double) -> String {
  let text = "\(value)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

package func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9") }

/// Digits, an underscore allowed between two of them, then at most one letter.
private func parseCount(_ text: String) throws(ValueProblem) -> Int {
  let noCount = ValueProblem("is not a count", advice: "write it as 10000, 10_000, 10k or 1M")
  var bytes = Array(text.utf8)[...]
  if bytes.first == UInt8(ascii: "-"), bytes.dropFirst().allSatisfy(isDigit), bytes.count > 1 {
    throw ValueProblem("is negative", advice: noCount.advice)
  }
  var unit = 1
  switch bytes.last {
  case UInt8(ascii: "k"), UInt8(ascii: "K"): unit = 1000
  case UInt8(ascii: "M"): unit = 1_000_000
  case UInt8(ascii: "G"): unit = 1_000_000_000
  default: break
  }
  if unit > 1 { bytes.removeLast() }

  var count = 0
  var digitBefore = false
  for byte in bytes {
    if byte == UInt8(ascii: "_"), digitBefore {
      digitBefore = false
      continue
    }
    guard isDigit(byte) else { throw noCount }
    digitBefore = true
    count = try appending(Int(byte - UInt8(ascii: "0")), to: count)
  }
  guard digitBefore else { throw noCount }
  let (product, overflow) = count.multipliedReportingOverflow(by: unit)
  guard !overflow else { throw tooLarge }
  return product
}

private let tooLarge = ValueProblem("is too large", advice: "no count goes beyond \(Int.max)")

/// One more decimal digit at the end of a number.
private func appending(_ digit: Int, to number: Int) throws(ValueProblem) -> Int {
  let (product, overflow) = number.multipliedReportingOverflow(by: 10)
  let (sum, carry) = product.addingReportingOverflow(digit)
  guard !overflow, !carry else { throw tooLarge }
  return sum
}
