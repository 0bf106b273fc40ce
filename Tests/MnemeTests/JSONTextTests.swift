import Testing

@testable import Mneme

@Suite("JSON as text")
struct JSONTextTests {
  @Test(
    "accepts what RFC 8259 allows and keeps it as written",
    arguments: [
      "{}", " [1, 2.5e-3, -0.0, 1e400, 12345678901234567890] ", "\"\\ud800\"", "null", "true", "-0",
      "{\"b\": {\"x\": [[], {}]}, \"a\": \"\\u00e9\\n\"}", "[[[[[[[[[[]]]]]]]]]]", "\"\u{7F}é🎉\"",
    ])
  func accepts(text: String) throws {
    let value = try JSONText(parsing: Array(text.utf8))
    let trimmed = String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    #expect(value.text == trimmed)
  }

  @Test(
    "refuses everything else",
    arguments: [
      "", " ", "{", "}", "[1,]", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "-", "1.", ".5", "1e", "+1", "NaN",
      "Infinity", "nul", "truex", "\"", "\"\\x\"", "\"\\u12g4\"", "\"a\nb\"", "[1 2]", "{\"a\" 1}", "[1]]",
      "1 2",
      "{\"a\":1 \"b\":2}", "[}", "{]", "'a'", "[,1]", "{,}", "\u{FEFF}{}", "// x\n1",
    ])
  func refuses(text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONText(parsing: Array(text.utf8)) }
  }

  @Test("refuses bytes that are not UTF-8")
  func refusesInvalidUTF8() {
    #expect(throws: JSONSyntaxError.self) { try JSONText(parsing: [0x22, 0xC3, 0x28, 0x22]) }
  }

  @Test("walks members and elements without touching what is inside them")
  func walks() throws {
    let text = #"{ "a" : [1, {"x":"]}"}], "b":"c\"d", "n": -1.50e+7 ,"z":null}"#
    let object = try JSONText(parsing: Array(text.utf8))
    #expect(object.members.map(\.name) == ["a", "b", "n", "z"])
    #expect(object.members.map(\.value.text) == [#"[1, {"x":"]}"}]"#, #""c\"d""#, "-1.50e+7", "null"])
    #expect(object.members[0].value.elements.map(\.text) == ["1", #"{"x":"]}"}"#])
    #expect(object.members[1].value.string == "c\"d")
    #expect(object.members[2].value.double == -1.5e7)
  }

  @Test("finds the end of a run of plain bytes, whatever comes before and after")
  func runs() throws {
    for before in 0...20 {
      var text = (0..<before).reduce(into: "") { text, place in
        text += ["é", "!", "#", "[", "]", " ", "\u{7F}", "🎉"][place % 8]
      }
      // Plain bytes that are a bit or one away from those that end a run, and bytes above 0x7F.
      text += " !#[]~\u{7F}éß\u{A2}\u{DC}🎉"
      for control in UInt8(0)..<0x20 {
        let bytes = Array("\"\(text)".utf8) + [control] + Array("\(text)\"".utf8)
        let error = #expect(throws: JSONSyntaxError.self) { try JSONText(parsing: bytes) }
        #expect(error?.offset == 1 + text.utf8.count)
      }
      let object = try JSONText(parsing: Array(#"{"\#(text)\"\\\#(text)":"\#(text)","\#(text)":1}"#.utf8))
      #expect(object.members.map(\.name) == ["\(text)\"\\\(text)", text])
      #expect(object.members.map(\.value.text) == ["\"\(text)\"", "1"])
    }
  }

  @Test("resolves escapes, including surrogate pairs, and refuses a lone surrogate as text")
  func resolvesEscapes() throws {
    func string(_ text: String) throws -> String? { try JSONText(parsing: Array(text.utf8)).string }
    #expect(try string(#""\u00e9\ud83c\udf89\/\\\"\b\f\n\r\t""#) == "é🎉/\\\"\u{8}\u{C}\n\r\t")
    #expect(try string(#""\ud800""#) == nil)
    #expect(try string(#""\ud800\u0041""#) == nil)
    #expect(try string(#""\udc00\ud800""#) == nil)
  }

  @Test("accepts a million levels of nesting without recursion")
  func nests() throws {
    let depth = 1_000_000
    let text =
      [UInt8](repeating: UInt8(ascii: "["), count: depth)
      + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
    #expect(try JSONText(parsing: text).kind == .array)
    #expect(throws: JSONSyntaxError.self) { try JSONText(parsing: Array(text.dropLast())) }
  }
}
