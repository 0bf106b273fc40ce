import Glibc
import Mneme

/// `1234567` as `1,234,567`.
func grouped(_ number: some BinaryInteger) -> String {
  let digits = String(number.magnitude)
  var text = ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
    text.append(digit)
  }
  return (number < 0 ? "-" : "") + text
}

/// A size in binary units: `1.5 MiB`.
func size(_ bytes: Int) -> String {
  guard bytes >= 1024 else { return "\(bytes) B" }
  var value = Double(bytes)
  var unit = ""
  // A number that would be rounded to 1024.0 of a unit is 1.0 of the next.
  for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1023.95 {
    value /= 1024
    unit = next
  }
  return decimals(value, 1) + " " + unit
}

/// A number with so many decimals, rounded half away from zero.
func decimals(_ value: Double, _ count: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  let scale = (0..<count).reduce(1.0) { scale, _ in scale * 10 }
  let scaled = Int64((abs(value) * scale).rounded())
  let (whole, rest) = scaled.quotientAndRemainder(dividingBy: Int64(scale))
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard count > 0 else { return sign + String(whole) }
  let digits = String(rest)
  return sign + String(whole) + "." + String(repeating: "0", count: count - digits.count) + digits
}

/// A share as `12.3 %`; a dash for nil.
func percentage(_ share: Double?) -> String { share.map { decimals($0 * 100, 1) + " %" } ?? "-" }

extension Duration {
  /// In seconds, with their fraction.
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// A span in its two largest units: `3d 4h`.
func span(_ seconds: Int64) -> String {
  let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
  guard let first = units.firstIndex(where: { seconds >= $0.0 }) else { return "0s" }
  let (whole, rest) = seconds.quotientAndRemainder(dividingBy: units[first].0)
  let head = "\(whole)\(units[first].1)"
  guard first + 1 < units.count, rest >= units[first + 1].0 else { return head }
  return head + " \(rest / units[first + 1].0)\(units[first + 1].1)"
}

/// A moment as `2026-11-29 03:12:05 UTC`, or in seconds since 1970 if it is thousands of years away.
func utc(_ time: UnixTime) -> String {
  var (seconds, parts) = (time_t(time.rawValue), tm())
  guard time.rawValue.magnitude < 200_000_000_000, gmtime_r(&seconds, &parts) != nil else {
    return "second \(time.rawValue)"
  }
  func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
  let date = [String(parts.tm_year + 1900), two(parts.tm_mon + 1), two(parts.tm_mday)]
  let clock = [two(parts.tm_hour), two(parts.tm_min), two(parts.tm_sec)]
  return date.joined(separator: "-") + " " + clock.joined(separator: ":") + " UTC"
}

/// A span in its largest unit: `3d`.
func shortSpan(_ seconds: Int64) -> String { String(span(seconds).prefix { $0 != " " }) }

/// Formats a measured duration: `3 ms`, `4.2 s`, `2m 5s`.
func elapsed(_ duration: Duration) -> String {
  let seconds = duration.inSeconds
  if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
  return seconds < 60 ? "\(decimals(seconds, 1)) s" : span(Int64(seconds))
}

/// `1 entry`, `2,000 entries`: a number and what it counts.
/// - Parameter plural: needed only if it is not the unit with an `s`.
func counted(_ number: some BinaryInteger, _ unit: String, plural: String? = nil) -> String {
  number == 1 ? "1 \(unit)" : "\(grouped(number)) \(plural ?? unit + "s")"
}

/// `1 entry`, `2,000 entries`.
func entryCount(_ number: some BinaryInteger) -> String { counted(number, "entry", plural: "entries") }

/// `1 entry was`, `2,000 entries were`.
func entriesWere(_ number: some BinaryInteger) -> String {
  entryCount(number) + (number == 1 ? " was" : " were")
}

/// A part of a whole in whole percent: `87 %`.
func share(_ part: Int, of whole: Int) -> String {
  "\(grouped(Int((Double(part) * 100 / Double(max(whole, 1))).rounded()))) %"
}

/// A number in at most five columns: `9,999`, `12.3k`, `4.56M`.
func abbreviated(_ number: Int64) -> String {
  guard number.magnitude >= 10_000 else { return grouped(number) }
  var value = Double(number)
  var unit = ""
  for next in ["k", "M", "G", "T", "P", "E"] where abs(value) >= 999.5 {
    value /= 1000
    unit = next
  }
  let places = abs(value) < 9.995 ? 2 : abs(value) < 99.95 ? 1 : 0
  return decimals(value, places) + unit
}

/// Joins the parts with commas, without those that are nil.
func list(_ parts: [String?]) -> String { parts.compactMap(\.self).joined(separator: ", ") }
