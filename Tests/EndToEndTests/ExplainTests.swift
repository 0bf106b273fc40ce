import Foundation
import TestSupport
import Testing

/// `get --explain`: every neighbour with its verdict, and the rule that made the answer or the miss.
///
/// Vectors have two numbers and lie at a known angle to the question's, so that each similarity is known.
@Suite("Explanations")
struct ExplainTests {
  private struct Bench {
    let fixture: CacheFixture
    let directory: TemporaryDirectory
    let embedder: [String]

    /// Fills a cache with a question for each similarity, with ids from 1. "asked" itself is not stored.
    init(_ what: String, _ similarities: [Double]) throws {
      fixture = try CacheFixture(what)
      directory = try TemporaryDirectory()
      let vectors = similarities.enumerated().map { index, similarity in
        #"{"text":"question \#(index + 1)","embedding":[\#(similarity),\#((1 - similarity * similarity).squareRoot())]}"#
      }
      let text = ([#"{"text":"asked","embedding":[1,0]}"#] + vectors).joined(separator: "\n") + "\n"
      embedder = ["--embedder-file", try directory.write(text.utf8, to: "vectors")]
      let lines = similarities.indices.map {
        #"{"query":"question \#($0 + 1)","response":"answer \#($0 + 1)","ttl":86400}"# + "\n"
      }
      try fixture.mneme.run(
        ["import", "--embedder", "angles:dim2"] + embedder, input: Array(lines.joined().utf8)
      ).expecting(0)
    }

    func get(_ options: String..., expecting status: Int32) throws -> Outcome {
      try fixture.mneme.run(["get", "--explain", "--peek"] + options + embedder + ["asked"]).expecting(status)
    }

    func refuse(_ id: Int) throws {
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "response", "[ERROR] no model")
    }

    func expire(_ id: Int) throws {
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "ttl", "1")
      try fixture.age(id, by: 60)
    }

    /// Makes an entry older. Its confidence halves in 24 hours.
    func wither(_ id: Int, hours: Int) throws {
      try fixture.redis.send("HSET", fixture.key("entry:\(id)"), "ttl", "")
      try fixture.age(id, by: hours * 3600)
    }
  }

  @Test("each neighbour has its verdict, in the text and in JSON, and nothing is changed")
  func verdicts() throws {
    let similarities = [0.99, 0.98, 0.97, 0.96, 0.95, 0.9, 0.5]
    let bench = try Bench("verdicts", similarities)
    try bench.refuse(1)
    try bench.expire(2)
    for id in 3...5 { try bench.wither(id, hours: 48) }
    try bench.fixture.expectUnchanged {
      let text = try bench.get("--nearest", "7", expecting: 1).outputText
      let rows = text.split(separator: "\n").dropFirst().prefix(7).map(String.init)
      let verdicts = [
        "response refused", "expired", "too old since 1d", "too old since 1d", "too old since 1d",
        "not in nearest 3", "below threshold",
      ]
      for (index, verdict) in verdicts.enumerated() {
        let words = rows[index].split(separator: " ")
        #expect(words.first == "\(index + 1)" && rows[index].contains(verdict), "\(text)")
        #expect(rows[index].hasSuffix("question \(index + 1)"), "\(text)")
      }
      #expect(text.contains("no answer: the nearest answer is too old"), "\(text)")
      #expect(text.contains(/confidence 0\.24\d\d, required 0\.7000/), "\(text)")

      let before = Int(Date().timeIntervalSince1970)
      let json = try bench.get("--json", "--nearest", "7", expecting: 1).json()
      #expect(json["hit"].bool == false && json["reason"].string == "low_confidence")
      let candidates = try #require(json["candidates"].array)
      #expect(candidates.map { $0["id"].int } == [1, 2, 3, 4, 5, 6, 7])
      #expect(
        candidates.map { $0["verdict"].string } == [
          "refused_by_validator", "expired", "too_old", "too_old", "too_old", "not_weighed",
          "below_threshold",
        ])
      for (candidate, similarity) in zip(candidates, similarities) {
        #expect(abs(try #require(candidate["similarity"].double) - similarity) < 1e-6)
      }
      let old = candidates[2]
      let age = try #require(old["age_seconds"].int)
      #expect((172_800...172_900).contains(age))
      #expect(
        abs(try #require(old["confidence"].double) - 0.97 * pow(0.5, Double(age) / 86_400)) < 1e-6)
      // 0.97 falls to 0.7 in 24 h × log2(0.97 / 0.7) = 40,663 s, so that was 132,137 s before two days were over.
      let since = try #require(old["low_confidence_since"].int)
      #expect(abs(before - since - (age - 40_663)) < 30, "\(since)")
      #expect(candidates[5]["low_confidence_since"].isNull)
      // At 0.5 no age is young enough.
      #expect(candidates[6]["low_confidence_since"].int != nil)
    }
  }

  @Test("entries that a nearer hit made unnecessary are marked, and --nearest entries are shown")
  func hit() throws {
    let bench = try Bench("hit", [0.99, 0.95, 0.86, 0.4, 0.3, 0.2])
    try bench.refuse(1)
    let text = try bench.get(expecting: 0).outputText
    #expect(text.hasPrefix("answer 2\n\n"), "\(text)")
    #expect(text.contains("nearer one served") && text.contains("served"), "\(text)")
    #expect(
      text.hasSuffix(
        "semantic hit: entry 2, similarity 0.9500, required 0.8500\n"
      ), "\(text)")
    func verdicts(_ options: [String]) throws -> [String?] {
      try #require(
        bench.fixture.mneme.run(
          ["get", "--explain", "--peek", "--json"] + options + bench.embedder + ["asked"]
        )
        .json()["candidates"].array
      ).map { $0["verdict"].string }
    }
    let all: [String?] = [
      "refused_by_validator", "served", "not_needed", "below_threshold", "below_threshold", "below_threshold",
    ]
    #expect(try verdicts([]) == Array(all.prefix(5)))
    #expect(try verdicts(["--nearest", "20"]) == all)
    #expect(try verdicts(["--threshold", "0.35", "--nearest", "4"])[3] == "low_confidence")
    // Without an embedder an exact hit has no neighbours.
    let exact = try bench.fixture.mneme.run(["get", "--explain", "--peek", "--json", "question 4"])
      .expecting(0).json()
    #expect(exact["layer"].string == "exact" && exact["candidates"].array?.isEmpty == true)
  }

  @Test("after an exact hit the entries are shown that a semantic search would have compared")
  func exactHit() throws {
    let bench = try Bench("exact", [0.99, 0.95, 0.4])
    try bench.fixture.redis.send("HSET", bench.fixture.key("entry:2"), "access_count", "1234")
    let words = ["get", "--explain", "--peek"] + bench.embedder + ["question 1"]
    let text = try bench.fixture.mneme.run(words).expecting(0).outputText
    #expect(text.hasPrefix("answer 1\n\n"), "\(text)")
    #expect(text.contains("exact hit served") && text.contains("1234"), "\(text)")
    #expect(text.hasSuffix("exact hit: entry 1 has the same question\n"))
    let json = try bench.fixture.mneme.run(words + ["--json"]).expecting(0).json()
    let candidates = try #require(json["candidates"].array)
    #expect(candidates.map { $0["id"].int } == [1, 2, 3])
    #expect(candidates.map { $0["verdict"].string } == ["served", "not_needed", "below_threshold"])
    #expect(candidates[1]["access_count"].int == 1234)
    #expect(try #require(candidates[1]["expires_at"].int) > Int(Date().timeIntervalSince1970))
  }

  @Test("the response of a neighbour that is only explained is not read")
  func responses() throws {
    let bench = try Bench("large", [Double](repeating: 0.99, count: 60))
    let response = String(repeating: "long ", count: 40_000)
    for id in 1...60 {
      try bench.fixture.redis.send("HSET", bench.fixture.key("entry:\(id)"), "response", response)
    }
    let outcome = try bench.get("-v", "--json", "--nearest", "60", expecting: 0)
    #expect(try outcome.json()["candidates"].array?.count == 60)
    let match = try #require(outcome.errorText.firstMatch(of: /, ([0-9.]+) (B|KiB|MiB) received/))
    let unit: [Substring: Double] = ["B": 1, "KiB": 1024, "MiB": 1_048_576]
    let received = try #require(Double(match.1)) * #require(unit[match.2])
    // All of them are 12 MB, and the nearest three are read to be weighed.
    #expect(received < 2_000_000)
  }

  @Test("expired neighbours do not hide an answer behind them, and a get that may write removes them")
  func expiredNeighbours() throws {
    let bench = try Bench("hidden", [0.99, 0.98, 0.97, 0.96, 0.95])
    for id in 1...4 { try bench.expire(id) }
    let words = ["get", "--json"] + bench.embedder + ["asked"]
    try bench.fixture.expectUnchanged {
      let peeked = try bench.fixture.mneme.run(words + ["--peek"]).expecting(0).json()
      #expect(peeked["id"].int == 5)
    }
    #expect(try bench.fixture.mneme.run(words).expecting(0).json()["id"].int == 5)
    let stats = try bench.fixture.mneme.run(["stats", "--json"]).expecting(0).json()
    #expect(stats["entries"].int == 1 && stats["expirations"].int == 4)
  }

  @Test("a miss names the rule that decided")
  func misses() throws {
    let far = try Bench("misses-far", [0.8, 0.2])
    try rule(
      far.get(expecting: 1),
      "no answer: the nearest question is below the threshold: similarity 0.8000, required 0.8500"
    )
    // At 0.6 the confidence was never high enough.
    #expect(
      try far.get("--threshold", "0.5", "--min-confidence", "0.9", expecting: 1).outputText.contains(
        "confidence too low"))
    try rule(
      far.get("-n", "empty", expecting: 1), "no answer: the namespace has nothing to compare with")

    let gone = try Bench("misses-gone", [0.99, 0.98])
    try gone.expire(1)
    try gone.refuse(2)
    try rule(
      gone.get(expecting: 1),
      "no answer: the nearest answers are expired, damaged or refused by the validator")

    let others = far.fixture.mneme
    try rule(
      others.run(["get", "--explain", "--peek", "asked"]).expecting(1),
      "no answer: there is no exact match, and a semantic match needs the cache's embedder")
    try rule(
      others.run(["get", "--explain", "--peek", "--exact", "asked"]).expecting(1),
      "no answer: no entry has exactly this question")
    let broken = try others.run(["get", "--explain", "--peek", "--embedder-command", "exit 3", "asked"])
      .expecting(1)
    try rule(broken, "no answer: there is no exact match, and the embedder failed")
    #expect(broken.errorText.contains("ended with status 3"), "\(broken)")
  }

  private func rule(
    _ outcome: Outcome, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let last = try #require(outcome.outputLines.last)
    #expect(last.hasPrefix(words), "\(outcome)", sourceLocation: sourceLocation)
  }
}
