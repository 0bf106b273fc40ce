import Foundation
import Mneme
import Testing

@testable import MnemeCLI

@Suite("JSON output")
struct JSONOutputTests {
  /// Writes a value and reads it back with Foundation.
  private func read(_ value: JSONOutput) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(value.text.utf8), options: .fragmentsAllowed)
  }

  @Test(
    "a string is escaped where JSON requires it, and where it could control a terminal",
    arguments: [
      ("plain é 🙂", #""plain é 🙂""#), ("a\"b\\c/", #""a\"b\\c/""#), ("\n\r\t", #""\n\r\t""#),
      ("\u{0}\u{1B}\u{7F}", #""\u0000\u001B\u007F""#), ("\u{9B}", #""\u009B""#), ("\u{202E}", #""\u202E""#),
      ("\u{2028}", #""\u2028""#), ("“quoted”", "\"“quoted”\""), ("\u{61C}ك", "\"\\u061Cك\""),
    ])
  func strings(text: String, json: String) {
    #expect(JSONOutput(text).text == json)
  }

  @Test("every string is read back unchanged")
  func roundTrip() throws {
    var text = ""
    for value in UInt32(0)...0x2FFF {
      if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
    }
    text += "🙂\u{10FFFF}"
    let back = try #require(try read(JSONOutput(text)) as? String)
    #expect(Array(back.unicodeScalars) == Array(text.unicodeScalars))
  }

  @Test("members keep their order; nothing is printed between the tokens")
  func objects() {
    let value: JSONOutput = ["b": 1, "a": [nil, true, "x"], "c": [:], "d": [] as JSONOutput]
    #expect(value.text == #"{"b":1,"a":[null,true,"x"],"c":{},"d":[]}"#)
  }

  @Test(
    "numbers are read back unchanged; values that JSON has no number for are null",
    arguments: [
      (0.1, "0.1"), (-0.0, "-0.0"), (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"), (1, "1.0"),
      (.infinity, "null"),
      (.nan, "null"),
    ] as [(Double, String)])
  func numbers(value: Double, json: String) throws {
    #expect(JSONOutput(value).text == json)
    if value.isFinite { #expect(try read(JSONOutput(value)) as? Double == value) }
  }

  @Test("whole numbers keep all their digits")
  func integers() {
    #expect(JSONOutput(Int64.max).text == "9223372036854775807")
    #expect(JSONOutput(Int64.min).text == "-9223372036854775808")
  }

  @Test(
    "stored metadata is written unchanged, on one line",
    arguments: [
      (#"{"b":1e400,"a":12345678901234567890}"#, #"{"b":1e400,"a":12345678901234567890}"#),
      ("{\r\n  \"a\": 1\n}", "{    \"a\": 1 }"), (#"{"s":"\ud83e\udde0"}"#, #"{"s":"\ud83e\udde0"}"#),
      // Python lets these pass; the first is not JSON, and many parsers refuse half of a pair.
      ("{\"a\":NaN}", #""{\"a\":NaN}""#), (#"{"s":"\ud800"}"#, #""{\"s\":\"\\ud800\"}""#), ("", "\"\""),
    ])
  func metadata(stored: String, json: String) {
    #expect(JSONOutput.metadata(stored).text == json)
  }

  @Test("a long value is written in pieces, and reads the same")
  func pieces() {
    let rows = (0..<20_000).map { JSONOutput.object([("row", JSONOutput($0)), ("of", .array([1, "two"]))]) }
    let value = JSONOutput.object([("rows", .array(rows)), ("end", true)])
    var (bytes, pieces): ([UInt8], [[UInt8]]) = ([], [])
    value.write(to: &bytes) { piece in
      pieces.append(piece)
      piece = []
    }
    #expect(pieces.count > 5 && pieces.allSatisfy { $0.count < 1 << 17 } && bytes.count < 1 << 17)
    #expect(String(decoding: pieces.joined() + bytes, as: UTF8.self) == value.text)
  }

  @Test("harmless JSON has the same value and no hazardous characters")
  func harmless() throws {
    let hazards = "\u{7F}\u{9B}31m\u{202E}\u{2028}"
    let json = "{\"\(hazards)\":\t\"\(hazards)é🙂\"\n}"
    let harmless = JSONOutput.harmless(json)
    #expect(!harmless.unicodeScalars.contains(where: isHazardous))
    let object = try JSONSerialization.jsonObject(with: Data(harmless.utf8)) as? [String: String]
    #expect(object == [hazards: hazards + "é🙂"])
    #expect(JSONOutput.harmless("{\"a\":1}") == "{\"a\":1}")
  }
}
