import Foundation
import TestSupport
import Testing

/// A cache with the fingerprint of one of the Python library's reference embedders is opened without an option.
@Suite(.needsPythonPeer) struct ReferenceEmbedderTests {
  /// The fingerprint that a reference embedder gives a cache.
  struct Stamp: CustomTestStringConvertible, Sendable {
    var fingerprint: String
    var dimension: Int
    /// The text that a refusal to embed must contain.
    var need: String

    var testDescription: String { fingerprint }
  }

  static let stamps = [
    Stamp(fingerprint: "openai:text-embedding-3-small:dim1536", dimension: 1536, need: "OPENAI_API_KEY"),
    Stamp(fingerprint: "ollama:nomic-embed-text:dim768", dimension: 768, need: "127.0.0.1:9"),
    Stamp(
      fingerprint: "sentence-transformers:all-MiniLM-L6-v2:n1:dim384", dimension: 384, need: "--embedding"),
    Stamp(fingerprint: "bedrock:amazon.titan-embed-text-v2:0:dim1024", dimension: 1024, need: "--embedding"),
    Stamp(fingerprint: "an application's own", dimension: 7, need: "--embedding"),
  ]

  @Test("exact hits are served, and everything works that embeds nothing", arguments: stamps)
  func exact(stamp: Stamp) throws {
    let (cache, mneme) = try filled(stamp)
    let hit = try mneme.run("get", "--json", " Where is MY card? ").json()
    #expect(hit["layer"].string == "exact" && hit["response"].string == "On its way.")
    #expect(try mneme.run("get", "--exact", "-n", "faq", "how late is it").outputText == "Late.\n")

    let stats = try mneme.run("stats", "--json").json()
    #expect(stats["embedder_fingerprint"].string == stamp.fingerprint)
    #expect(stats["embedder_dim"].int == stamp.dimension && stats["entries"].int == 2)
    try mneme.run("set-quota", "faq", "5")
    try mneme.run("inspect-keys", "--check")
    #expect(try mneme.run("vacuum", "--json").json()["expired"].int == 0)
    let lines = try mneme.run("export").output
    let copy = try CacheFixture("copy")
    try copy.mneme.run(["import"], input: lines).expecting(0)
    #expect(
      try copy.redis.send("HGET", copy.key("meta"), "embedder_fingerprint").text == stamp.fingerprint)
    try mneme.run("delete", "where is my card?")
    try mneme.run("clear", "--yes", "faq")
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  @Test("a command that needs a vector reports what it lacks, and changes nothing", arguments: stamps)
  func semantic(stamp: Stamp) throws {
    let (cache, mneme) = try filled(stamp)
    let before = try cache.dump().without { $0.contains(":counters:") || $0.hasSuffix(":meta") }
    let miss = try mneme.run("get", "--json", "another question", expecting: 1)
    let reason = try miss.json()["reason"].string
    #expect(["no_embedder", "embedder_failure"].contains(reason), "\(miss)")
    // The warning names what an embedder lacks; the reason says that there is none.
    #expect(miss.errorText.contains(stamp.need) || reason == "no_embedder", "\(miss)")

    let refused = try mneme.run(["put", "another question", "r"])
    #expect(refused.status > 1, "\(refused)")
    let complaint = try Complaint(text: refused)
    #expect(complaint.type == "EmbedderError", "\(refused)")
    #expect("\(complaint)".contains(stamp.need), "\(refused)")
    #expect(try cache.dump().without { $0.contains(":counters:") || $0.hasSuffix(":meta") } == before)
  }

  @Test(
    "a vector of the caller is stored under the cache's fingerprint, and found by both", arguments: stamps
  )
  func vectors(stamp: Stamp) throws {
    let (cache, mneme) = try filled(stamp)
    let directory = try TemporaryDirectory()
    let numbers = try cache.python("cache._embedder.embed('new').tolist()")
    let file = try directory.write("\(numbers)".utf8, to: "vector")
    try mneme.run("put", "New", "ours", "--embedding", file)
    #expect(try cache.python("open_cache(cache._embedder).get('new').response").string == "ours")
    let near = try cache.python(
      "hit = open_cache(cache._embedder).get('other words', embedding=cache._embedder.embed('new')); hit.layer, hit.response"
    )
    #expect(near.description == #"["semantic","ours"]"#)
    let hit = try mneme.run("get", "--json", "still other words", "--embedding", file).json()
    #expect(hit["layer"].string == "semantic" && hit["response"].string == "ours")
    try directory.write("[1,2,3]".utf8, to: "short")
    let short = try mneme.run(["put", "short", "r", "--embedding", directory.path("short")])
    #expect(short.status == 65 || short.status == 78, "\(short)")
    #expect(try CacheCheck(cache).problems.isEmpty)
  }

  /// A cache that Python has filled, and the command with nothing set that would lead to a server.
  private func filled(_ stamp: Stamp) throws -> (CacheFixture, Mneme) {
    let cache = try CacheFixture("stamped")
    try cache.python(
      """
      cache = open_cache(Scattered(\(pythonLiteral(stamp.fingerprint)), \(stamp.dimension)), native=False)
      cache.put("Where is my card?", "On its way.", metadata={"n": 1})
      cache.put("How late is it", "Late.", namespace="faq")
      """)
    var mneme = cache.mneme
    mneme.environment["OLLAMA_HOST"] = "http://127.0.0.1:9"
    return (cache, mneme)
  }
}
