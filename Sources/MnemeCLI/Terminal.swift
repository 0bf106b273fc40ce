import Glibc

/// When to use something that only a person at a terminal wants.
enum When: String, CaseIterable, Sendable {
  case auto, always, never
}

/// What the streams are, and so how to write on them.
struct TerminalStyle: Sendable {
  /// Standard output is a terminal: text from a cache is made harmless first.
  var outputIsTerminal = false
  var errorIsTerminal = false
  /// Columns to fill; 80 where nobody says.
  var width = 80
  var usesColor = false
  var usesProgress = false

  /// What can be known about the process's streams.
  static func detect(color: When, progress: When, environment: Environment) -> TerminalStyle {
    var style = TerminalStyle()
    style.outputIsTerminal = isatty(STDOUT_FILENO) == 1
    style.errorIsTerminal = isatty(STDERR_FILENO) == 1
    var size = winsize()
    let descriptor = style.outputIsTerminal ? STDOUT_FILENO : STDERR_FILENO
    if let columns = environment["COLUMNS"].flatMap(Int.init), columns >= 20 {
      style.width = columns
    } else if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 {
      style.width = Int(size.ws_col)
    }
    let isDumb = environment["TERM"] == "dumb"
    let wantsNoColor = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
    style.usesColor =
      color == .always || (color == .auto && style.outputIsTerminal && !isDumb && !wantsNoColor)
    style.usesProgress = progress == .always || (progress == .auto && style.errorIsTerminal && !isDumb)
    return style
  }

  /// A heading, bold where that can be seen.
  func bold(_ text: String) -> String { usesColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}

/// Text from a cache, a server or a file name with everything that could command a terminal or turn the reading
/// direction around made visible: `^[` for escape, `<U+202E>` for an override.
/// - Parameter multiline: newlines and tabs stay as they are.
func visible(_ text: String, multiline: Bool = false) -> String {
  guard text.unicodeScalars.contains(where: isHazardous) else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x09, 0x0A:
      result += multiline ? String(scalar) : scalar.value == 0x09 ? "\\t" : "\\n"
    case 0x0D: result += "\\r"
    case 0x00..<0x20: result += "^" + String(Unicode.Scalar(UInt8(scalar.value + 0x40)))
    case 0x7F: result += "^?"
    default:
      if isHazardous(scalar) {
        result += "<U+" + hexadecimal(scalar.value, digits: 4) + ">"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
  }
  return result
}

/// Control characters of both sets, separators that break lines, and the marks that reorder text.
func isHazardous(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x00..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
  default: false
  }
}

/// Upper-case hexadecimal digits, zeros in front.
func hexadecimal(_ number: UInt32, digits: Int) -> String {
  let text = String(number, radix: 16, uppercase: true)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}
