import Mneme
import TestSupport
import Testing

@Suite("JSON strings")
struct JSONWritingTests {
  /// The string written character by character, which is slow and cannot lose a byte between two runs.
  private static func writtenByCharacter(_ text: String) -> String {
    var json = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": json += "\\\""
      case "\\": json += "\\\\"
      case "\n": json += "\\n"
      case "\r": json += "\\r"
      case "\t": json += "\\t"
      case _ where isHazardous(scalar): json += "\\u" + hexadecimal(scalar.value, digits: 4)
      default: json.unicodeScalars.append(scalar)
      }
    }
    return json + "\""
  }

  /// Every kind of character that is escaped, and neighbours of it that begin with the same bytes and are not.
  private static let pieces = [
    "a", "plain text of some length, ", "\"", "\\", "/", "\n", "\r\n", "\t", "\0", "\u{1}", "\u{1F}", " ",
    "\u{7F}",
    "\u{80}", "\u{9F}", "\u{A0}", "«", "é", "\u{61B}", "\u{61C}", "\u{61D}", "مرحبا", "\u{200D}", "\u{200E}",
    "\u{200F}",
    "\u{2010}", "\u{2027}", "\u{2028}", "\u{2029}", "\u{202E}", "\u{202F}", "\u{2065}", "\u{2066}",
    "\u{2069}", "\u{206A}",
    "“typographic” – it’s…", "日本語", "🙂", "👩‍👩‍👧", "\u{10FFFF}", "e\u{301}", "\u{FFFD}", "```\nlet a = \"b\"\n```",
  ]

  @Test(
    "a text written in runs is byte for byte what it is written character by character, and reads back the same"
  )
  func runs() throws {
    var random = SeededGenerator()
    var texts = [""] + Self.pieces
    for _ in 0..<3_000 {
      texts.append(
        (0..<Int.random(in: 1...12, using: &random))
          .map { _ in Self.pieces.randomElement(using: &random)! }.joined())
    }
    for text in texts {
      let json = JSONText.quoted(text)
      #expect(
        json.elementsEqual(Self.writtenByCharacter(text).utf8),
        "\(text.unicodeScalars.map { String($0.value, radix: 16) })")
      let back = try #require(try JSONText(parsing: json).string)
      #expect(back.utf8.elementsEqual(text.utf8))
    }
  }

  @Test("every character of Unicode is written as it is by itself")
  func everyCharacter() {
    // Above the third plane nothing is escaped: a sample of it will do in a short run.
    let step: UInt32 = Effort.isThorough ? 1 : 31
    for value in UInt32(0)...0x10FFFF where value <= 0x2FFFF || value % step == 0 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(scalar)
      if !JSONText.quoted(text).elementsEqual(Self.writtenByCharacter(text).utf8) {
        Issue.record("U+\(hexadecimal(value, digits: 4))")
      }
    }
  }

  @Test("a string is appended after existing bytes")
  func appending() {
    var bytes = Array("[1,".utf8)
    JSONText.append("a\nb", to: &bytes)
    #expect(bytes.elementsEqual("[1,\"a\\nb\"".utf8))
  }
}
