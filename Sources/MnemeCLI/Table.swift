internal import CTextLibraries

/// A table for people: columns aligned, numbers to the right, long texts cut to fit the width.
struct Table {
  struct Column {
    var title: String
    var isNumeric = false
    /// Gives way where the table is wider than the terminal.
    var isFlexible = false
  }

  var columns: [Column]
  var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  /// The lines of the table, its heading first.
  func text(_ style: TerminalStyle) -> String {
    var widths = columns.indices.map { index in
      rows.reduce(displayWidth(columns[index].title)) { max($0, displayWidth($1[index])) }
    }
    let gap = 2
    let excess = widths.reduce(gap * (columns.count - 1), +) - style.width
    if excess > 0, let flexible = columns.firstIndex(where: \.isFlexible) {
      widths[flexible] = max(8, widths[flexible] - excess)
    }
    func line(_ cells: [String]) -> String {
      var line = ""
      for (index, cell) in cells.enumerated() {
        let cell = fit(cell, widths[index])
        let padding = String(repeating: " ", count: max(0, widths[index] - displayWidth(cell)))
        line += columns[index].isNumeric ? padding + cell : cell + padding
        if index < cells.count - 1 { line += String(repeating: " ", count: gap) }
      }
      while line.last == " " { line.removeLast() }
      return line
    }
    return ([style.bold(line(columns.map(\.title)))] + rows.map(line)).joined(separator: "\n")
  }

  private func fit(_ cell: String, _ width: Int) -> String {
    guard displayWidth(cell) > width else { return cell }
    var shortened = ""
    for character in cell {
      guard displayWidth(shortened) + displayWidth(String(character)) < width else { break }
      shortened.append(character)
    }
    return shortened + "…"
  }
}

/// The columns that a text takes on a terminal.
func displayWidth(_ text: String) -> Int { text.reduce(0) { $0 + displayWidth($1) } }

/// A character is as wide as its widest scalar; one that asks for emoji presentation takes two columns.
private func displayWidth(_ character: Character) -> Int {
  let scalars = character.unicodeScalars
  if scalars.contains("\u{FE0F}") { return 2 }
  return scalars.reduce(0) { max($0, Int(utf8proc_charwidth(utf8proc_int32_t($1.value)))) }
}

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
  for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1024 {
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

/// A share as `12.3 %`; a dash where there is none.
func percentage(_ share: Double?) -> String { share.map { decimals($0 * 100, 1) + " %" } ?? "-" }

/// A span in its two largest units: `3d 4h`.
func span(_ seconds: Int64) -> String {
  let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
  guard let first = units.firstIndex(where: { seconds >= $0.0 }) else { return "0s" }
  let (whole, rest) = seconds.quotientAndRemainder(dividingBy: units[first].0)
  let head = "\(whole)\(units[first].1)"
  guard first + 1 < units.count, rest >= units[first + 1].0 else { return head }
  return head + " \(rest / units[first + 1].0)\(units[first + 1].1)"
}
