import CommandGrammar
import Glibc

/// The condition for colours and for the progress line: always, never, or on a terminal.
enum When: String, CaseIterable, Sendable {
  case auto, always, never
}

/// The properties of the streams that decide how to write on them.
struct TerminalStyle: Sendable {
  /// Whether standard output is a terminal. Control characters in text from a cache are then escaped.
  var outputIsTerminal = false
  var errorIsTerminal = false
  /// The columns for prose; 80 if the terminal does not report its width.
  var width = 80
  /// The columns for a table. It is unlimited in a file or a pipe, so that nothing is cut off.
  var tableWidth = Int.max
  var usesColor = false
  var usesProgress = false
  /// Whether the locale's character set is UTF-8.
  var usesUnicode = true

  /// The style for the process's streams.
  static func detect(color: When, progress: When, environment: Environment) -> TerminalStyle {
    var style = TerminalStyle()
    style.outputIsTerminal = isatty(STDOUT_FILENO) == 1
    style.errorIsTerminal = isatty(STDERR_FILENO) == 1
    var size = winsize()
    let descriptor = style.outputIsTerminal ? STDOUT_FILENO : STDERR_FILENO
    if let columns = environment["COLUMNS"].flatMap({ Int($0) }), columns >= 20 {
      style.width = columns
      style.tableWidth = columns
    } else if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 {
      style.width = Int(size.ws_col)
    }
    if style.outputIsTerminal { style.tableWidth = style.width }
    let isDumb = environment["TERM"] == "dumb"
    let wantsNoColor = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
    style.usesColor =
      color == .always || (color == .auto && style.outputIsTerminal && !isDumb && !wantsNoColor)
    style.usesProgress = progress == .always || (progress == .auto && style.errorIsTerminal && !isDumb)
    style.usesUnicode = isUnicode(environment)
    return style
  }

  /// Whether the locale uses UTF-8, by the variables that the C library reads, in its order.
  private static func isUnicode(_ environment: Environment) -> Bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }
    let locale = (variables.first { !$0.isEmpty } ?? "").lowercased()
    return locale.hasSuffix("utf-8") || locale.hasSuffix("utf8")
      || ["utf-8@", "utf8@"].contains { locale.contains($0) }
  }

  /// The mark for text that was cut off.
  var ellipsis: String { usesUnicode ? "\u{2026}" : "..." }

  /// Returns a heading, in bold type if colours are used.
  func bold(_ text: String) -> String { usesColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}
