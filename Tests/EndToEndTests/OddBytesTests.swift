import Foundation
import TestSupport
import Testing

/// Data of other writers that `put` would refuse: it is kept unchanged, with a warning.
@Suite struct OddBytesTests {
  private func store(_ bytes: [UInt8], as field: String, of id: Int, in fixture: CacheFixture) throws {
    try fixture.redis.send(["HSET", fixture.key("entry:\(id)"), field].map { Array($0.utf8) } + [bytes])
  }

  private func field(_ name: String, of id: Int, in fixture: CacheFixture) throws -> [UInt8]? {
    try fixture.redis.send("HGET", fixture.key("entry:\(id)"), name).bytes
  }

  private static func vector(_ numbers: [Float]) -> [UInt8] {
    (numbers + [Float](repeating: 0, count: 384 - numbers.count)).flatMap {
      withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init)
    }
  }

  @Test(
    "vectors that are not of length 1, zero or not finite are exported and imported bit for bit, with a warning"
  )
  func vectors() throws {
    let (fixture, copy) = (try CacheFixture("from"), try CacheFixture("to"))
    let vectors: [[Float]] = [[3, 4], [0], [.nan, 1], [-.infinity], [.leastNonzeroMagnitude], [0.6, -0.8]]
    for number in 1...vectors.count {
      try fixture.mneme.run("put", "q\(number)", "r")
      try store(Self.vector(vectors[number - 1]), as: "embedding", of: number, in: fixture)
    }
    let outcome = try copy.mneme.run(["import"], input: fixture.mneme.run("export", "--no-settings").output)
      .expecting(0)
    #expect(
      outcome.errorText
        == "mneme: warning: 5 vectors, first that of line 1 cannot be compared: not of length 1, all "
        + "zeros, or not finite; kept as exported, and 'mneme inspect-keys --check' names what is stored\n")
    for id in 1...vectors.count {
      #expect(try field("embedding", of: id, in: copy) == (try field("embedding", of: id, in: fixture)))
    }
    let problems = try copy.mneme.run("inspect-keys", "--check", "--json", expecting: 1).json()["problems"]
    #expect(
      problems.array?.map { $0["problem"].string } == [String?](repeating: "incomparable-embedding", count: 5)
    )
    // A vector written by hand is scaled to length 1.
    let line = try jsonLine([
      "query": "q", "response": "r", "embedding": [3, 4] + [Int](repeating: 0, count: 382),
    ])
    #expect(try copy.mneme.run("import", input: line).errors.isEmpty)
    #expect(try field("embedding", of: 7, in: copy) == Self.vector([0.6, 0.8]))
  }

  @Test(
    "text that is not valid UTF-8 is exported byte for byte with a warning, and written to a pipe unchanged")
  func text() throws {
    let (fixture, copy) = (try CacheFixture("from"), try CacheFixture("to"))
    let odd: [UInt8] = Array("caf".utf8) + [0xe9, 0, 0xff, 0xf0, 0x9f]
    for number in 1...3 { try fixture.mneme.run("put", "q\(number)", "r") }
    for name in ["query", "response"] { try store(odd, as: name, of: 2, in: fixture) }
    try store(
      Array(#"{"a":""#.utf8) + odd.filter { $0 != 0 } + Array(#""}"#.utf8), as: "metadata", of: 2, in: fixture
    )
    try store(odd, as: "response", of: 3, in: fixture)

    let exported = try fixture.mneme.run("export", "--no-settings")
    #expect(
      exported.errorText
        == "mneme: warning: 2 entries, first entry 2, hold text that is not UTF-8: its bytes are in "
        + "the members *_base64\n")
    let lines = try exported.jsonLines()
    #expect(lines[0]["response_base64"].isNull)
    #expect(lines[1]["response"].string == "caf\u{fffd}\0\u{fffd}\u{fffd}")
    #expect(lines[1]["response_base64"].string == Data(odd).base64EncodedString())
    try copy.mneme.run(["import"], input: exported.output).expecting(0)
    for id in 1...3 {
      for name in ["query", "response", "metadata", "query_hash"] {
        #expect(try field(name, of: id, in: copy) == (try field(name, of: id, in: fixture)), "\(id) \(name)")
      }
    }
    #expect(try copy.mneme.run("get", "--exact", "q3").output == odd + [0x0a])
    let hit = try copy.mneme.run("get", "--exact", "--json", "q3").json()
    #expect(hit["response_base64"].string == Data(odd).base64EncodedString())
    // A text that was changed since the export replaces its bytes.
    let changed = exported.outputText.replacing("caf", with: "CAF")
    try copy.mneme.run("import", input: changed)
    #expect(try field("response", of: 3, in: copy) == Array("CAF\u{fffd}\0\u{fffd}\u{fffd}".utf8))

    let csv = try fixture.mneme.run("export", "--no-settings", "--format", "csv")
    #expect(
      csv.errorText.hasSuffix("hold text that is not UTF-8: bytes that are not UTF-8 were replaced\n"),
      "\(csv)")
    // A name that is not text would be another namespace.
    try store([0xff], as: "namespace", of: 3, in: fixture)
    let damaged = try fixture.mneme.run("export", "--no-settings", expecting: 65)
    #expect(damaged.errorText.contains("Entry 3") && damaged.outputLines.count == 2, "\(damaged)")
  }

  @Test("text that is not UTF-8 is servable, and a vector that cannot be compared allows only exact hits")
  func servable() throws {
    let fixture = try CacheFixture("servable")
    for id in 1...2 { try fixture.mneme.run("put", "q\(id)", "r") }
    try store(Array("abc".utf8) + [0xff], as: "response", of: 1, in: fixture)
    try store(Self.vector([0]), as: "embedding", of: 2, in: fixture)
    for id in 1...2 {
      try fixture.mneme.run("get", "--exact", "q\(id)")
      let shown = try fixture.mneme.run("show", "--json", "\(id)").json()
      #expect(shown["servable"].bool == true && shown["verdict"].string == "served", "\(shown)")
    }
    #expect(try fixture.mneme.run("show", "2").outputText.contains("would serve it only as an exact hit"))
    let listed = try fixture.mneme.run("list", "--json", "--unservable").jsonLines()
    #expect(listed.map { $0["id"].int } == [2])
    let exported = try fixture.mneme.run("export")
    #expect(exported.errorText.contains("entry 2 was exported, although "), "\(exported)")
    #expect(exported.errorText.contains("only as an exact hit; 'mneme list --unservable'"), "\(exported)")
  }
}
