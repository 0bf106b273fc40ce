import Mneme
import Testing

@testable import MnemeCLI

@Suite("CSV")
struct CSVTests {
  @Test(
    "fields are quoted where RFC 4180 says so",
    arguments: [
      (["a", "b"], "a,b\r\n"), (["a,b", "c"], "\"a,b\",c\r\n"), (["say \"hi\""], "\"say \"\"hi\"\"\"\r\n"),
      (["a\"\u{301}b"], "\"a\"\"\u{301}b\"\r\n"), (["line\nbreak", "cr\r"], "\"line\nbreak\",\"cr\r\"\r\n"),
      (["", ""], ",\r\n"), ([" a "], " a \r\n"),
    ])
  func writing(fields: [String], record: String) {
    #expect(CSV.record(fields) == record)
  }

  @Test(
    "a field that a spreadsheet would take for a formula is shown as text",
    arguments: [
      ("=1+1", "'=1+1"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
      ("@SUM(A1)", "'@SUM(A1)"),
      ("\t=1", "'\t=1"), ("\r=1", "\"'\r=1\""), ("\n=1", "\"'\n=1\""), ("=\"a\"", "\"'=\"\"a\"\"\""),
      ("\u{FF1D}1", "'\u{FF1D}1"), ("\u{FF20}A1", "'\u{FF20}A1"), ("=\u{301}1", "'=\u{301}1"),
      ("-inf", "'-inf"), ("-0x1p3", "'-0x1p3"),
      // Numbers, and a sign that begins nothing.
      ("-5", "-5"), ("+1.5e3", "+1.5e3"), ("a=b", "a=b"), ("'=1", "'=1"),
    ])
  func formulas(text: String, field: String) {
    #expect(CSV.record([text]) == field + "\r\n")
  }

  @Test("records are read back as they were written, except formulas")
  func roundTrip() {
    let records = [
      ["a", "b", ""], ["x,y", "say \"hi\"", "two\r\nlines"], ["", "", "é🙂"], ["\"", ",", "a\n"],
      ["\"\u{301}", ",\u{6D9}"],
    ]
    #expect(CSV.records(of: records.map(CSV.record).joined()) == records)
  }

  @Test("records end with either line end, and the last may lack it")
  func lineEnds() {
    #expect(CSV.records(of: "a,b\nc,d\r\n\r\n\"e\ne\",f") == [["a", "b"], ["c", "d"], ["e\ne", "f"]])
    #expect(CSV.records(of: "").isEmpty)
    #expect(CSV.records(of: "a,\"\"") == [["a", ""]])
  }

  @Test("an entry has a field for each column of the heading")
  func fields() {
    let entry = Sample.entry
    for form in EmbeddingForm.allCases {
      let fields = CSV.fields(of: entry, fingerprint: "f", embeddings: form)
      #expect(fields.count == CSV.heading.count)
      let embedding = fields.last
      switch form {
      case .none: #expect(embedding == "")
      case .base64: #expect(embedding.flatMap(decodeBase64) == entry.embedding.bytes)
      case .array: #expect(embedding == "[0.6,0.8]")
      }
    }
    #expect(CSV.fields(of: Sample.entry, fingerprint: "f", embeddings: .none)[8] == "60")
  }
}
