import Foundation
import TestSupport
import Testing

/// Tests of wrong import lines: the line is named, and exactly the lines before it are stored and reported.
@Suite struct BadLinesTests {
  static let lines: [(what: String, line: String, status: Int32)] = [
    ("cut off", #"{"query":"q3","resp"#, 65),
    ("no JSON", "query,response", 65),
    ("no object", #"["q3","r3"]"#, 65),
    ("a number", "3", 65),
    ("no query", #"{"response":"r3"}"#, 65),
    ("no response", #"{"query":"q3"}"#, 65),
    ("a query that is not text", #"{"query":3,"response":"r3"}"#, 65),
    ("an empty namespace", #"{"query":"q3","response":"r3","namespace":""}"#, 65),
    ("metadata that is not an object", #"{"query":"q3","response":"r3","metadata":[1]}"#, 65),
    ("a time to live of 0", #"{"query":"q3","response":"r3","ttl":0}"#, 65),
    ("a time to live that is text", #"{"query":"q3","response":"r3","ttl":"soon"}"#, 65),
    ("a response that the validator refuses", #"{"query":"q3","response":"[ERROR] no"}"#, 65),
    ("half of a surrogate pair", #"{"query":"q3","response":"\ud800"}"#, 65),
    ("an embedding that is not base64", #"{"query":"q3","response":"r3","embedding":"@@"}"#, 65),
    ("an embedding of another length", #"{"query":"q3","response":"r3","embedding":[1,0,0]}"#, 65),
    ("a hash that is not a hash", #"{"query":"q3","response":"r3","query_hash":"xyz"}"#, 65),
    (
      "another fingerprint",
      #"{"query":"q3","response":"r3","embedder_fingerprint":"other:dim384","embedding":[\#(numbers)]}"#, 78
    ),
  ]

  private static let numbers = "1" + String(repeating: ",0", count: 383)

  @Test("a wrong line stops the import at its number, and the lines before it are stored", arguments: lines)
  func line(what: String, line: String, status: Int32) throws {
    let fixture = try CacheFixture("lines")
    try fixture.fill(from: "one entry") { try $0.mneme.run("put", "before", "r") }
    let good = try (1...2).map { try jsonLine(["query": "q\($0)", "response": "r\($0)"]) }
    let after = try jsonLine(["query": "after", "response": "r"])
    let input = Array((good.joined() + line + "\n" + after).utf8)
    let outcome = try fixture.mneme.run(["import"], input: input).expecting(status)
    let complaint = try Complaint(text: outcome)
    expectLine3(in: complaint)
    #expect(try fixture.entryCount() == 3)
    #expect(try fixture.version() == 3)
    #expect(try fixture.mneme.run("get", "--exact", "q2").outputText == "r2\n")

    let json = try fixture.mneme.run(["import", "--json"], input: input).expecting(status)
    try expectLine3(in: Complaint(json: json))
  }

  /// The complaint names line 3, and says that both lines before it are stored.
  private func expectLine3(in complaint: Complaint, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(complaint.message.contains("line 3: "), "\(complaint)", sourceLocation: sourceLocation)
    #expect(
      complaint.remediation.contains("The lines up to 2 are stored"), "\(complaint)",
      sourceLocation: sourceLocation)
  }

  @Test("bytes that are not UTF-8 stop the import at their line")
  func invalidUTF8() throws {
    let fixture = try CacheFixture()
    let input = Array(#"{"query":"q1","response":""#.utf8) + [0xFF] + Array("\"}\n".utf8)
    let outcome = try fixture.mneme.run(["import"], input: input).expecting(65)
    #expect(try Complaint(text: outcome).message.contains("line 1: "), "\(outcome)")
    #expect(try fixture.dump().isEmpty)
  }

  @Test("lines of a cache with another embedder are not stored in an existing cache")
  func otherCache() throws {
    let (from, to) = (try CacheFixture("from"), try CacheFixture("to"))
    try from.mneme.run("put", "--embedder", "none", "q", "r")
    try to.mneme.run("put", "q", "r")
    let lines = try from.mneme.run("export").output
    try to.expectUnchanged {
      try to.refusal(of: ["import"], input: lines, status: 78, type: "EmbedderMismatchError")
    }
  }

  @Test("an import without lines ends immediately and creates nothing")
  func empty() throws {
    let fixture = try CacheFixture()
    #expect(try fixture.mneme.run("import", "--json").json()["imported"].int == 0)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("empty lines between others and a missing last newline do no harm")
  func blankLines() throws {
    let fixture = try CacheFixture()
    let line = try jsonLine(["query": "q1", "response": "r"])
    let last = try jsonLine(["query": "q2", "response": "r"]).dropLast()
    #expect(try fixture.mneme.run("import", "--json", input: line + "\n" + last).json()["imported"].int == 2)
  }
}
