import Testing

@testable import MnemeCLI

@Suite("Display width")
struct DisplayWidthTests {
  @Test(
    "a text has the width that a terminal gives it",
    arguments: [
      ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("한국", 4), ("ｱ", 1), ("Ａ", 2),
      // A consonant cluster is one character of two columns, a vowel sign none of its own.
      ("क्षि", 2), ("ก็", 1), ("\u{200B}", 0),
      // Emoji: plain, with a tone of skin, joined, a flag, a keycap, a heart made colourful.
      ("🙂", 2), ("👍🏽", 2), ("👩‍👩‍👧", 2), ("🇵🇹", 2), ("1️⃣", 2), ("❤️", 2), ("a🙂b", 4),
    ])
  func width(text: String, columns: Int) {
    #expect(displayWidth(text) == columns)
  }

  @Test(
    "a text that is cut ends in an ellipsis and is not wider than allowed",
    arguments: [
      ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"),
      ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"), ("👩‍👩‍👧👩‍👩‍👧", 3, "👩‍👩‍👧…"), ("abc", 1, "…"),
    ])
  func cutting(text: String, width: Int, result: String) {
    #expect(fitted(text, to: width) == result)
    #expect(displayWidth(fitted(text, to: width)) <= width)
  }

  @Test(
    "a name is cut in the middle",
    arguments: [
      ("tenant:acme:chat", 16, "tenant:acme:chat"), ("tenant:acme:chat", 11, "tenan…:chat"),
      ("日本語日本語", 7, "日本…語"), ("abc", 2, "a…"), ("abc", 1, "…"),
    ])
  func cuttingNames(text: String, width: Int, result: String) {
    #expect(fitted(text, to: width, keepsEnd: true) == result)
    #expect(displayWidth(result) <= width)
  }

  @Test(
    "if the locale has no ellipsis, dots are used",
    arguments: [(8, "abcdef"), (5, "ab..."), (2, "..")])
  func dots(width: Int, result: String) {
    #expect(fitted("abcdef", to: width, ellipsis: "...") == result)
  }
}

@Suite("Tables")
struct TableTests {
  private func table(_ rows: [[String]]) -> Table {
    var table = Table([.init(title: "NAME", isFlexible: true), .init(title: "N", isNumeric: true)])
    table.rows = rows
    return table
  }

  private func lines(_ table: Table, width: Int) -> [String] {
    var style = TerminalStyle()
    style.tableWidth = width
    return table.text(style).split(separator: "\n").map(String.init)
  }

  @Test("text is on the left and numbers are on the right, with characters of any width")
  func alignment() {
    let lines = lines(table([["faq", "1"], ["日本", "1,234"], ["🙂", "12"]]), width: 80)
    #expect(lines == ["NAME      N", "faq       1", "日本  1,234", "🙂       12"])
  }

  @Test("a flexible column is cut to fit, and the others stay whole")
  func cutting() {
    let name = String(repeating: "n", count: 50)
    for width in [20, 30, 60] {
      let lines = lines(table([[name, "1,234"], ["日本語日本語日本語", "9"]]), width: width)
      #expect(lines.allSatisfy { displayWidth($0) <= width })
      #expect(lines[1].hasSuffix("1,234"))
    }
    #expect(lines(table([[name, "1"]]), width: 20)[1] == String(repeating: "n", count: 16) + "…  1")
    // In a file or pipe nothing is cut.
    #expect(lines(table([[name, "1"]]), width: .max)[1] == name + "  1")
  }

  @Test("in a file or pipe one long name makes only its own line longer")
  func longName() {
    let name = String(repeating: "n", count: 5000)
    let lines = lines(table([[name, "1,234"], ["short", "9"]]), width: .max)
    #expect(lines[1] == name + "  1,234")
    #expect(lines[0].count < 80 && lines[2].count < 80)
  }

  @Test("no line ends in blanks")
  func trailingBlanks() {
    var table = Table([.init(title: "A"), .init(title: "B")])
    table.rows = [["long text", ""], ["x", "y"]]
    #expect(lines(table, width: 80) == ["A          B", "long text", "x          y"])
  }

  @Test("the heading is bold if bold type is used")
  func heading() {
    var style = TerminalStyle()
    style.usesColor = true
    #expect(table([["a", "1"]]).text(style) == "\u{1B}[1mNAME  N\u{1B}[0m\na     1")
  }

  @Test("it has a least width below which it would be cut too much")
  func leastWidth() {
    let long = String(repeating: "n", count: 50)
    #expect(table([["a", "1"]]).leastWidth == 7)
    #expect(table([[long, "1,234"]]).leastWidth == 16 + 2 + 5)
  }
}

@Suite("Figures")
struct FiguresTests {
  @Test(
    "digits are grouped by threes",
    arguments: [
      (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"),
      (.max, "9,223,372,036,854,775,807"),
      (.min, "-9,223,372,036,854,775,808"),
    ] as [(Int64, String)])
  func grouping(number: Int64, text: String) {
    #expect(grouped(number) == text)
  }

  @Test(
    "sizes are in binary units",
    arguments: [
      (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_048_576, "1.0 MiB"),
      (1_048_575, "1.0 MiB"), (1 << 40, "1.0 TiB"), (1 << 60, "1024.0 PiB"),
    ])
  func sizes(bytes: Int, text: String) {
    #expect(size(bytes) == text)
  }

  @Test(
    "decimals are rounded, halves away from zero",
    arguments: [
      (0, 1, "0.0"), (0.05, 1, "0.1"), (-0.04, 1, "0.0"), (-0.06, 1, "-0.1"), (2.5, 0, "3"),
      (1e20, 1, "1e+20"),
      (.infinity, 2, "inf"), (9.999, 2, "10.00"), (1.005, 3, "1.005"),
    ] as [(Double, Int, String)])
  func decimalPlaces(value: Double, count: Int, text: String) {
    #expect(decimals(value, count) == text)
  }

  @Test(
    "a span shows its two largest units",
    arguments: [
      (-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (61, "1m 1s"), (3600, "1h"), (3659, "1h"),
      (3660, "1h 1m"), (90_000, "1d 1h"), (86_400 * 400, "400d"),
    ] as [(Int64, String)])
  func spans(seconds: Int64, text: String) {
    #expect(span(seconds) == text)
  }

  @Test(
    "a number is abbreviated to five columns at most",
    arguments: [
      (0, "0"), (9999, "9,999"), (10_000, "10.0k"), (12_345, "12.3k"), (99_949, "99.9k"), (99_951, "100k"),
      (999_499, "999k"), (999_500, "1.00M"), (1_234_567, "1.23M"), (.max, "9.22E"), (-12_345, "-12.3k"),
    ] as [(Int64, String)])
  func abbreviations(number: Int64, text: String) {
    #expect(abbreviated(number) == text)
  }

  @Test(
    "a duration is given in a unit that fits it",
    arguments: [
      (.zero, "0 ms"), (.microseconds(1499), "1 ms"), (.milliseconds(999), "999 ms"),
      (.milliseconds(1240), "1.2 s"),
      (.seconds(59), "59.0 s"), (.seconds(125), "2m 5s"),
    ] as [(Duration, String)])
  func durations(duration: Duration, text: String) {
    #expect(elapsed(duration) == text)
  }

  @Test("a unit is in the singular for one and in the plural for many")
  func counting() {
    #expect(entryCount(0) == "0 entries")
    #expect(entryCount(1) == "1 entry")
    #expect(entriesWere(1) == "1 entry was" && entriesWere(2) == "2 entries were")
    #expect(counted(1000, "key") == "1,000 keys")
    #expect(share(1, of: 3) == "33 %")
    #expect(share(5, of: 0) == "500 %")
  }

  @Test("a share is a percentage, and none is a dash")
  func shares() {
    #expect(percentage(nil) == "-")
    #expect(percentage(0) == "0.0 %")
    #expect(percentage(2.0 / 3) == "66.7 %")
    #expect(percentage(1) == "100.0 %")
  }
}
