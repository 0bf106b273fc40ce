import Mneme
import Testing

@testable import MnemeCLI

@Suite("Text made visible")
struct VisibleTests {
  @Test(
    "characters that could control a terminal or reorder text are shown in visible form",
    arguments: [
      ("plain é 日本 🙂 👩‍👩‍👧", "plain é 日本 🙂 👩‍👩‍👧"), ("\u{1B}[2J", "^[[2J"), ("a\u{0}b", "a^@b"), ("\u{7F}", "^?"),
      ("a\tb\nc\rd", "a\\tb\\nc\\rd"), ("\u{9B}31m", "<U+009B>31m"), ("\u{202E}txt", "<U+202E>txt"),
      ("\u{2066}a\u{2069}", "<U+2066>a<U+2069>"), ("\u{61C}\u{200F}", "<U+061C><U+200F>"),
      ("a\u{2028}b\u{2029}c", "a<U+2028>b<U+2029>c"),
    ])
  func shown(text: String, result: String) {
    #expect(visible(text) == result)
  }

  @Test("in a text of many lines, line ends and tabs stay")
  func multiline() {
    #expect(visible("a\tb\nc\u{7}\r\n", multiline: true) == "a\tb\nc^G\\r\n")
  }

  @Test("no hazardous character is left")
  func everyScalar() {
    for value in UInt32(0)...0x2FFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let shown = visible("a\(scalar)b")
      #expect(!shown.unicodeScalars.contains(where: isHazardous), "U+\(hexadecimal(value, digits: 4))")
    }
  }
}
