import Foundation
import Synchronization
import TestSupport
import Testing

/// Tests of copying a whole cache to another embedder, also if a run is interrupted.
@Suite("Reembedding")
struct ReembedTests {
  private static let other = "openai:test-model:dim16"

  private func filled(_ count: Int) throws -> CacheFixture {
    let fixture = try CacheFixture("reembed-from")
    let lines = (1...count).map {
      #"{"query":"question \#($0)","response":"answer \#($0)","metadata":{"n":\#($0).0},"ttl":90000,"access_count":\#($0)}"#
    }
    try fixture.mneme.run("import", input: lines.joined(separator: "\n") + "\n")
    return fixture
  }

  private func withoutVectors(_ fixture: CacheFixture, prefix: String) throws -> [String] {
    try fixture.mneme.with(prefix: prefix).run("export", "--no-settings", "--embeddings", "none").outputLines
      .map {
        $0.replacing(/"embedder_fingerprint":"[^"]*"/, with: "").replacing(/"id":[0-9]+,/, with: "")
      }
  }

  @Test("a second run continues an interrupted one, embeds nothing twice, and keeps all but the vectors")
  func goesOn() throws {
    let fixture = try filled(150)
    let server = try EmbeddingServer { _, count in
      count == 1 ? .status(503, headers: ["Retry-After: 7200"]) : .vectors(dimension: 16)
    }
    var mneme = fixture.mneme
    mneme.environment = server.environment
    let target = uniquePrefix("reembed-to")
    try fixture.expectUnchanged {
      let broken = try mneme.run(["reembed", "--embedder", Self.other, target]).expecting(75)
      #expect(
        broken.errorText.contains("copied 64 entries") && broken.errorText.contains("run the command again"))
      #expect(try fixture.redis.send("HGET", "\(target):meta", "copy_of").text == fixture.prefix)
      // It is not the copy of another cache or of another embedder.
      let mismatch = try fixture.refusal(of: ["reembed", target], status: 78, type: "EmbedderMismatchError")
      #expect(mismatch.message.contains("copy under the prefix '\(target)'"), "\(mismatch)")
      #expect(mismatch.remediation.contains("mneme drop --key-prefix"), "\(mismatch)")
      let stranger = try filled(1)
      #expect(
        try stranger.mneme.run(["reembed", "--embedder", Self.other, target]).expecting(65).errorText
          .contains("unfinished copy of another cache"))
      let report = try mneme.run("reembed", "--json", "--embedder", Self.other, target).json()
      #expect(report["entries"].int == 86 && report["already_there"].int == 64, "\(report)")
    }
    #expect(server.requests.map(\.texts.count) == [64, 64, 64, 22])
    #expect(try withoutVectors(fixture, prefix: target) == withoutVectors(fixture, prefix: fixture.prefix))
    #expect(try fixture.redis.send("HGET", "\(target):meta", "copy_of").text == nil)
    // The copy is complete, and an ordinary cache now.
    #expect(
      try mneme.run(["reembed", "--embedder", Self.other, target]).expecting(65).errorText
        .contains("is not empty"))
  }

  @Test("a copy without an entry can be begun again with another embedder")
  func begunAgain() throws {
    let fixture = try filled(3)
    let target = uniquePrefix("reembed-to")
    // No server is there.
    var mneme = fixture.mneme
    mneme.environment = ["OPENAI_BASE_URL": "http://127.0.0.1:1"]
    try mneme.run(["reembed", "--embedder", Self.other, target]).expecting(69)
    #expect(try mneme.run("reembed", "--json", target).json()["entries"].int == 3)
    try mneme.with(prefix: target).run("get", "question 1")
  }

  @Test("after a killed run the copy is as it was, and the next run adds only the rest")
  func killed() throws {
    let fixture = try filled(200)
    let server = try EmbeddingServer { _, count in
      count == 2 ? .late(.seconds(30), dimension: 16) : .vectors(dimension: 16)
    }
    var mneme = fixture.mneme
    mneme.environment = server.environment
    let target = uniquePrefix("reembed-killed")
    try fixture.expectUnchanged {
      let victim = try mneme.start(["reembed", "--embedder", Self.other, target])
      try eventually("the third batch to be asked for") { server.requests.count == 3 }
      victim.signal(SIGKILL)
      try eventually("the end") { victim.poll() == .killed(bySignal: SIGKILL) }
      let report = try mneme.run("reembed", "--json", "--embedder", Self.other, target).json()
      #expect(report["entries"].int == 72 && report["already_there"].int == 128, "\(report)")
    }
    // Only the batch that was under way at the kill is requested again.
    #expect(server.requests.map(\.texts.count) == [64, 64, 64, 64, 8])
    #expect(try withoutVectors(fixture, prefix: target) == withoutVectors(fixture, prefix: fixture.prefix))
    try mneme.with(prefix: target).run("inspect-keys", "--check")
  }

  @Test("two parallel runs make one complete copy, with each entry once")
  func together() throws {
    let fixture = try filled(300)
    let arrived = Atomic(0)
    let server = try EmbeddingServer { _, _ in
      // The first request has its answer when the second has arrived, which is the other run's.
      arrived.add(1, ordering: .relaxed)
      try? eventually("a second request") { arrived.load(ordering: .relaxed) > 1 }
      return .vectors(dimension: 16)
    }
    var mneme = fixture.mneme
    mneme.environment = server.environment
    let target = uniquePrefix("reembed-two")
    try fixture.expectUnchanged {
      let first = try mneme.start(["reembed", "--json", "--embedder", Self.other, target])
      try eventually("the first batch to be asked for") { server.requests.count == 1 }
      let second = try mneme.start(["reembed", "--json", "--embedder", Self.other, target])
      let reports = try [second, first].map { try $0.finish().expecting(0).json() }
      for report in reports {
        let seen = try #require(report["entries"].int) + #require(report["already_there"].int)
        #expect(seen == 300, "\(report)")
      }
      #expect(reports.compactMap { $0["entries"].int }.reduce(0, +) == 300, "\(reports)")
    }
    #expect(
      try withoutVectors(fixture, prefix: target).sorted()
        == withoutVectors(fixture, prefix: fixture.prefix).sorted())
    #expect(try fixture.redis.send("HGET", "\(target):meta", "copy_of").text == nil)
    try mneme.with(prefix: target).run("inspect-keys", "--check")
  }

  @Test("quotas are copied, except one that the copy already has")
  func quotas() throws {
    let fixture = try filled(3)
    for (namespace, quota) in [("default", "3"), ("faq", "70"), ("without entries", "9")] {
      try fixture.mneme.run("set-quota", namespace, quota)
    }
    let target = uniquePrefix("reembed-quotas")
    let copy = fixture.mneme.with(prefix: target)
    try fixture.redis.send(
      "HSET", "\(target):meta", "embedder_fingerprint", "mneme:hashed-ngrams-v1:dim384", "embedder_dim",
      "384", "schema_version", "1", "copy_of", fixture.prefix)
    try copy.run("set-quota", "faq", "5")
    try fixture.mneme.run("reembed", target)
    for (namespace, quota) in [("default", 3), ("faq", 5), ("without entries", 9)] {
      #expect(try copy.run("set-quota", "--json", namespace).json()["quota"].int == quota, "\(namespace)")
    }
    #expect(try copy.run("stats", "--json").json()["entries"].int == 3)
    try copy.run("inspect-keys", "--check")
  }

  @Test("a prefix with any key of a cache is refused, and so is the cache's own; a younger answer stays")
  func refused() throws {
    let fixture = try filled(3)
    for key in ["entry:7", "hash:default:\(String(repeating: "a", count: 64))", "next_id"] {
      let target = uniquePrefix("occupied")
      try fixture.redis.send("SET", "\(target):\(key)", "x")
      #expect(try fixture.mneme.run(["reembed", target]).expecting(65).errorText.contains("is not empty"))
      #expect(try fixture.redis.dump(prefix: target + ":").names.count == 1)
    }
    try fixture.refusal(of: ["reembed", fixture.prefix], status: 65, type: "InvalidInputError")

    // A younger answer that an application has stored stays.
    let target = uniquePrefix("younger")
    try fixture.redis.send(
      "HSET", "\(target):meta", "embedder_fingerprint", "mneme:hashed-ngrams-v1:dim384", "embedder_dim",
      "384",
      "schema_version", "1", "copy_of", fixture.prefix)
    try fixture.age(1, by: 60)
    try fixture.mneme.with(prefix: target).run("put", "question 1", "younger")
    let report = try fixture.mneme.run("reembed", "--json", target).json()
    #expect(report["entries"].int == 2 && report["already_there"].int == 1, "\(report)")
    #expect(try fixture.mneme.with(prefix: target).run("get", "question 1").outputLines == ["younger"])
  }
}
