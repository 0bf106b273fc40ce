import Foundation
import TestSupport
import Testing

/// `put` and `get`: entries come back, and are in Redis as the layout says.
@Suite struct PutAndGetTests {
  @Test("no similarity is above 1, although rounding makes that of equal vectors so")
  func similarityOfEqualVectors() throws {
    let fixture = try CacheFixture()
    for query in ["how do i reset my password", "what is the capital of france", "order 12345 where is it"] {
      try fixture.mneme.run("put", query, "r")
      let hit = try fixture.mneme.run("get", "--peek", "--json", "--explain", query + " !!").json()
      let similarities =
        [hit["similarity"].double] + (hit["candidates"].array ?? []).map { $0["similarity"].double }
      #expect(similarities.allSatisfy { $0.map { $0 <= 1 } ?? false }, "\(similarities)")
      #expect(hit["confidence"].double.map { $0 <= 1 } == true, "\(hit)")
    }
  }

  @Test("get prints what was put, with one newline")
  func roundTrip() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "What are your hours?", "Nine to five.")
    let outcome = try fixture.mneme.run("get", "What are your hours?")
    #expect(outcome.outputText == "Nine to five.\n")
    #expect(outcome.errors.isEmpty)
  }

  @Test("a question that differs only in case and white space is the same")
  func normalised() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "  Where is\tthe Straße? ", "There.")
    #expect(try fixture.mneme.run("get", "--exact", "where is the STRASSE?").outputText == "There.\n")
    try fixture.mneme.run("get", "--exact", "--no-normalize", "where is the STRASSE?", expecting: 1)
  }

  @Test("a put reports its result in JSON")
  func putJSON() throws {
    let fixture = try CacheFixture()
    let first = try fixture.mneme.run("put", "--json", "q", "r").json()
    #expect(first.keys == ["evicted", "id", "namespace", "replaced"])
    #expect(first["id"].int == 1)
    #expect(first["namespace"].string == "default")
    #expect(first["replaced"].bool == false)
    #expect(first["evicted"].int == 0)
    let second = try fixture.mneme.run("put", "--json", "q", "new").json()
    #expect(second["id"].int == 1)
    #expect(second["replaced"].bool == true)
    #expect(try fixture.mneme.run("get", "q").outputText == "new\n")
  }

  @Test("an exact hit in JSON has all fields of the entry")
  func hitJSON() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "-n", "faq", "q?", "r", "--metadata", #"{"b":1e400,"a":[0.10]}"#)
    let hit = try fixture.mneme.run("get", "--json", "-n", "faq", "Q?")
    let json = try hit.json()
    #expect(
      json.keys == [
        "age_seconds", "confidence", "hit", "id", "layer", "metadata", "namespace", "query", "response",
        "similarity",
      ])
    #expect(json["hit"].bool == true)
    #expect(json["id"].int == 1)
    #expect(json["layer"].string == "exact")
    #expect(json["similarity"].double == 1)
    #expect(json["namespace"].string == "faq")
    #expect(json["query"].string == "q?")
    #expect(json["response"].string == "r")
    #expect(hit.outputText.contains(#"{"b":1e400,"a":[0.10]}"#), "numbers are kept as they were written")
    #expect(hit.outputLines.count == 1)
  }

  @Test("a paraphrase is a semantic hit, with its similarity")
  func semantic() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "How do I reset my password?", "Use the link.")
    let hit = try fixture.mneme.run("get", "--json", "--threshold", "0.5", "how can I reset my password")
      .json()
    #expect(hit["layer"].string == "semantic")
    let similarity = try #require(hit["similarity"].double)
    #expect(similarity > 0.5 && similarity < 1)
    #expect(
      try fixture.mneme.run("get", "--json", "--exact", "how can I reset my password", expecting: 1)
        .json()["reason"].string == "no_match")
  }

  @Test("a miss is status 1, prints nothing, and gives its reason in JSON")
  func miss() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "How do I reset my password?", "Use the link.")
    let text = try fixture.mneme.run("get", "What does a stamp cost?", expecting: 1)
    #expect(text.output.isEmpty)
    let json = try fixture.mneme.run("get", "--json", "What does a stamp cost?", expecting: 1).json()
    #expect(json.keys == ["hit", "reason"])
    #expect(json["hit"].bool == false)
    #expect(json["reason"].string == "below_threshold")
    let elsewhere = try fixture.mneme.run("get", "--json", "-n", "other", "anything", expecting: 1).json()
    #expect(elsewhere["reason"].string == "no_match")
  }

  @Test("a get without a cache is a miss and creates none")
  func nothingThere() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("get", "anything", expecting: 1)
    #expect(try fixture.dump().isEmpty)
  }

  @Test("an entry is stored as the layout requires")
  func layout() throws {
    let fixture = try CacheFixture()
    let before = Int(Date().timeIntervalSince1970)
    try fixture.mneme.run("put", "-n", "faq", "Q?", "r", "--ttl", "1h", "--metadata", #"{"k": 1}"#)
    let after = Int(Date().timeIntervalSince1970)
    // printf 'q?' | sha256sum
    let hash = "9fe05e415b07421a53f8698798db52db3d0d1d411dffdff3a43248ed36ab9d33"
    let entry = try fixture.fields(of: 1)
    #expect(entry["query_hash"] == hash)
    #expect(
      entry.keys.sorted() == [
        "access_count", "created_at", "embedding", "last_accessed_at", "metadata", "namespace", "query",
        "query_hash", "response", "ttl",
      ])
    #expect(entry["namespace"] == "faq")
    #expect(entry["query"] == "Q?")
    #expect(entry["response"] == "r")
    #expect(entry["metadata"] == #"{"k": 1}"#)
    #expect(entry["ttl"] == "3600")
    #expect(entry["access_count"] == "0")
    let created = try #require(entry["created_at"].flatMap { Int($0) })
    #expect((before...after).contains(created))
    #expect(entry["last_accessed_at"] == "\(created)")
    let embedding = try fixture.redis.send("HGET", fixture.key("entry:1"), "embedding").bytes
    #expect(embedding?.count == 384 * 4)

    let key = fixture.key
    #expect(try fixture.redis.send("GET", key("hash:faq:\(hash)")).text == "1")
    #expect(
      try fixture.redis.send("ZRANGE", key("lru:faq"), "0", "-1", "WITHSCORES").texts == ["1", "\(created)"])
    #expect(try fixture.redis.send("ZRANGE", key("by_id"), "0", "-1", "WITHSCORES").texts == ["1", "1"])
    #expect(
      try fixture.redis.send("ZRANGE", key("by_ttl"), "0", "-1", "WITHSCORES").texts == [
        "1", "\(created + 3600)",
      ])
    #expect(try fixture.redis.send("SMEMBERS", key("namespaces")).texts == ["faq"])
    #expect(try fixture.redis.send("GET", key("next_id")).text == "1")
    #expect(try fixture.redis.send("GET", key("version")).text == "1")
    #expect(
      try fixture.redis.send("HGETALL", key("meta")).pairs == [
        "embedder_fingerprint": "mneme:hashed-ngrams-v1:dim384", "embedder_dim": "384", "schema_version": "1",
      ])
    let names = [
      "by_id", "by_ttl", "entry:1", "hash:faq:\(hash)", "lru:faq", "meta", "namespaces", "next_id",
    ]
    #expect(try fixture.dump().names == (names + ["version"]).map(key))
    #expect(try fixture.dump().keys.allSatisfy { $0.expiresAt == nil })
  }

  @Test("the hash of a query is the SHA-256 of its normalised text")
  func hash() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", " Hello \n WORLD ", "r")
    // printf 'hello world' | sha256sum
    let hash = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    #expect(try fixture.redis.send("GET", fixture.key("hash:default:\(hash)")).text == "1")
  }

  @Test("with native expiry Redis expires the entry and its hash key, and a put without it removes the TTL")
  func nativeTTL() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r", "--ttl", "1h", "--native-ttl")
    let mortal = try fixture.dump().keys.filter { $0.expiresAt != nil }.map {
      String(decoding: $0.name, as: UTF8.self)
    }
    #expect(mortal.count == 2)
    #expect(mortal.allSatisfy { $0.hasPrefix(fixture.key("entry:")) || $0.hasPrefix(fixture.key("hash:")) })
    try fixture.mneme.run("put", "q", "r")
    #expect(try fixture.dump().keys.allSatisfy { $0.expiresAt == nil })
  }

  @Test("a hit is counted and recorded as a use, and the version stays")
  func touch() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.mneme.run("get", "q")
    try fixture.mneme.run("get", "q")
    try fixture.mneme.run("get", "another", expecting: 1)
    #expect(try fixture.fields(of: 1)["access_count"] == "2")
    #expect(
      try fixture.redis.send("HGETALL", fixture.key("counters:default")).pairs == [
        "hits_exact": "2", "misses": "1",
      ])
    #expect(try fixture.version() == 1)
  }

  @Test("a peek changes nothing and does not remove expired entries")
  func peek() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    try fixture.mneme.run("put", "old", "r", "--ttl", "10")
    try fixture.age(2, by: 10)
    try fixture.expectUnchanged {
      #expect(try fixture.mneme.run("get", "--peek", "q").outputText == "r\n")
      try fixture.mneme.run("get", "--peek", "old", expecting: 1)
      try fixture.mneme.run("get", "--peek", "nothing like it", expecting: 1)
    }
  }

  @Test("an expired entry is not served, and the get that finds it removes and counts it")
  func expired() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r", "--ttl", "10")
    try fixture.age(1, by: 10)
    try fixture.mneme.run("get", "q", expecting: 1)
    #expect(try fixture.entryCount() == 0)
    #expect(try fixture.redis.send("HGET", fixture.key("counters:default"), "expirations").text == "1")
    #expect(try fixture.dump().names.allSatisfy { isLastingKey($0, of: fixture.prefix) })
  }

  @Test("any response in valid UTF-8 is returned byte for byte")
  func responses() throws {
    let fixture = try CacheFixture()
    let texts = [
      "line\nline\n\n", "\ttab\r\n", "\u{1F469}\u{200D}\u{1F680} and e\u{301} and \u{e9}",
      "\u{1B}[31mred\u{7}",
      "nul \0 inside", "\u{202E}backwards", "\u{FEFF}mark", "-", "--json",
      String(repeating: "long ", count: 100_000),
    ]
    let directory = try TemporaryDirectory()
    for (index, text) in texts.enumerated() {
      try fixture.mneme.run("put", "input \(index)", input: text)
      try directory.write(text.utf8, to: "response")
      try fixture.mneme.run("put", "file \(index)", "--response-file", directory.path("response"))
      for query in ["input \(index)", "file \(index)"] {
        #expect(try fixture.mneme.run("get", "--exact", query).output == Array(text.utf8) + [0x0A])
        #expect(try fixture.mneme.run("get", "--exact", "--json", query).json()["response"].string == text)
      }
    }
  }

  @Test("a vector from a file is used instead of the embedder")
  func precomputed() throws {
    let fixture = try CacheFixture()
    let directory = try TemporaryDirectory()
    let vector = (0..<384).map { $0 == 7 ? "3" : "0" }.joined(separator: ",")
    let file = try directory.write("[\(vector)]".utf8, to: "vector.json")
    try fixture.mneme.run("put", "left", "found", "--embedding", file)
    let hit = try fixture.mneme.run("get", "--json", "right", "--embedding", file).json()
    #expect(hit["response"].string == "found")
    #expect(hit["layer"].string == "semantic")
    let numbers = try #require(try fixture.redis.send("HGET", fixture.key("entry:1"), "embedding").bytes)
    #expect(Array(numbers[28..<32]) == [0, 0, 0x80, 0x3F], "the stored vector has length 1")
  }

  @Test("a cache without embeddings serves exact hits")
  func none() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "--embedder", "none", "q", "r")
    #expect(try fixture.redis.send("HGET", fixture.key("meta"), "embedder_dim").text == "0")
    #expect(try fixture.mneme.run("get", "Q").outputText == "r\n")
    let miss = try fixture.mneme.run("get", "--json", "quite another", expecting: 1).json()
    #expect(miss["reason"].string == "no_embedder")
  }

  @Test("options may be before the command, after it, joined, bundled, and end at --")
  func optionPlaces() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("-nfaq", "put", "--", "-q", "--json")
    #expect(try fixture.mneme.run("--namespace=faq", "get", "--", "-q").outputText == "--json\n")
    #expect(try fixture.mneme.run("get", "-qn", "faq", "--", "-q").outputText == "--json\n")
  }

  @Test("an option overrides the environment, and MNEME_URL overrides REDIS_URL")
  func environment() throws {
    let fixture = try CacheFixture()
    try fixture.mneme.run("put", "q", "r")
    let other = fixture.mneme.with(prefix: "unused")
    #expect(try other.run("get", "q", "-p", fixture.prefix).outputText == "r\n")
    var redisURL = Mneme(url: "", prefix: fixture.prefix)
    redisURL.environment = ["REDIS_URL": fixture.mneme.url]
    #expect(try redisURL.run("get", "q").outputText == "r\n")
    let elsewhere = Mneme(url: "unix:///nonexistent/redis.sock", prefix: fixture.prefix)
    #expect(try elsewhere.run("get", "q", "--url", fixture.mneme.url).outputText == "r\n")
  }
}
