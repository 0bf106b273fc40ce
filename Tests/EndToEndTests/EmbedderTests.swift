import TestSupport
import Testing

/// Tests of external embedders, through the command: their vectors are found again, and their errors do no harm.
@Suite("Embedders")
struct EmbedderTests {
  private static let openAI = "openai:test-model:dim16"
  private static let ollama = "ollama:test-model:latest:dim16"

  private func fixture(_ what: String, _ server: EmbeddingServer) throws -> (CacheFixture, Mneme) {
    let fixture = try CacheFixture(what)
    var mneme = fixture.mneme
    mneme.environment = server.environment
    return (fixture, mneme)
  }

  @Test(
    "the fingerprint of a cache decides which server makes its vectors",
    arguments: [(openAI, "/v1/embeddings", "test-model"), (ollama, "/api/embed", "test-model:latest")])
  func fingerprintChooses(spec: String, path: String, model: String) throws {
    let server = try EmbeddingServer(dimension: 16)
    let (fixture, mneme) = try fixture("by-itself", server)
    try mneme.run("put", "--embedder", spec, "How do I reset my password?", "By the link.")
    #expect(try fixture.redis.send("HGET", fixture.key("meta"), "embedder_fingerprint").text == spec)
    #expect(try fixture.redis.send("HGET", fixture.key("meta"), "embedder_dim").text == "16")

    // From here on, no option is given.
    try mneme.run("put", "Where is my card?", "In the post.")
    let far = try mneme.run("get", "--json", "quite another thing altogether", expecting: 1).json()
    #expect(far["reason"].string == "below_threshold")
    let near = try mneme.run("get", "--json", "--threshold", "0.7", "please how do i reset my password?")
      .json()
    #expect(near["layer"].string == "semantic" && near["response"].string == "By the link.")

    let requests = server.requests
    #expect(requests.allSatisfy { $0.path == path && $0.body["model"].string == model })
    // The normalized text is embedded, and no key is made up.
    #expect(requests.first?.texts == ["how do i reset my password?"])
    #expect(requests.allSatisfy { $0.headers["authorization"] == nil && $0.body["dimensions"].isNull })
  }

  @Test("an import requests the vectors of 64 texts at a time, and only for lines without a vector")
  func batches() throws {
    let server = try EmbeddingServer(dimension: 16)
    let (fixture, mneme) = try fixture("batches", server)
    let vector = "\(EmbeddingServer.vector(for: "x", dimension: 16))"
    let lines = (1...130).map { #"{"query":"question number \#($0)","response":"answer \#($0)"}"# }
    let full = #"{"query":"with a vector","response":"r","embedding":\#(vector)}"#
    try mneme.run(
      "import", "--embedder", Self.openAI, input: (lines + [full]).joined(separator: "\n") + "\n")
    #expect(server.requests.map(\.texts.count) == [64, 64, 2])
    #expect(try fixture.entryCount() == 131)
    #expect(try mneme.run("get", "Question number 77").outputLines == ["answer 77"])
  }

  @Test("a dry run sends no text anywhere")
  func dryRun() throws {
    let server = try EmbeddingServer(dimension: 16)
    let (fixture, mneme) = try fixture("dry", server)
    let line = #"{"query":"q","response":"r"}"# + "\n"
    try mneme.run("import", "--dry-run", "--embedder", Self.openAI, input: line)
    #expect(server.requests.isEmpty)
    #expect(try fixture.dump().names.isEmpty)
  }

  @Test("if the model's own dimension differs, `dimensions` is requested")
  func dimensions() throws {
    let server = try EmbeddingServer { request, _ in
      .vectors(dimension: request.body["dimensions"].int ?? 64)
    }
    let (_, mneme) = try fixture("dimensions", server)
    try mneme.run("put", "--embedder", "openai:test-model:dim16", "a question", "r")
    #expect(server.requests.map { $0.body["dimensions"].int } == [nil, 16])
    // The dimension of OpenAI's own models is known, and the first request has it.
    let small = try EmbeddingServer { request, _ in
      .vectors(dimension: request.body["dimensions"].int ?? 1536)
    }
    let (_, other) = try fixture("dimensions-known", small)
    try other.run("put", "--embedder", "openai:text-embedding-3-small:dim512", "a question", "r")
    try other.with(prefix: uniquePrefix()).run(
      "put", "--embedder", "openai:text-embedding-3-small:dim1536", "a question", "r")
    #expect(small.requests.map { $0.body["dimensions"].int } == [512, nil])
  }

  @Test("a server that is busy or fails is asked again, after the time that it requests")
  func retries() throws {
    let server = try EmbeddingServer { _, count in
      switch count {
      case 0, 1: .status(500, body: #"{"error":{"message":"out of order"}}"#)
      case 2: .vectors(dimension: 16)
      case 3: .status(429, headers: ["Retry-After: 1"])
      case 4: .hangUp
      case 5: .cutOff(dimension: 16)
      case 6: .chunked(dimension: 16)
      default: .status(500, body: #"{"error":{"message":"gone home"}}"#, headers: ["Retry-After: 1"])
      }
    }
    let (_, mneme) = try fixture("retries", server)
    try mneme.run("put", "--embedder", Self.openAI, "first question", "r")
    #expect(server.requests.count == 3)
    let before = ContinuousClock.now
    try mneme.run("put", "second question", "r")
    #expect(server.requests.count == 7)
    #expect(before.duration(to: .now) >= .seconds(1))
    let refused = try mneme.run(["put", "third question", "r"]).expecting(69)
    #expect(server.requests.count == 12)
    #expect(
      refused.errorText.contains("gone home") && refused.errorText.contains("the same 5 times"), "\(refused)")
  }

  /// Each fault, the server's reply, and words that the error must contain.
  private static let faults: [(EmbeddingServer.Answer, [String])] = [
    (.status(401, body: #"{"error":{"message":"Incorrect API key"}}"#), ["401", "Incorrect API key"]),
    (.status(404, body: #"{"error":"model 'x' not found"}"#), ["404", "not found"]),
    (.status(400, body: #"{"detail":"too long"}"#), ["400", "too long"]),
    (.status(302, headers: ["Location: http://127.0.0.1:1/"]), ["302"]),
    (.status(429, headers: ["Retry-After: 7200"]), ["429", "7200 s"]),
    // Asked to wait longer than its limit, the command does not try again.
    (.status(500, body: "<html>boom</html>", headers: ["Retry-After: 7200"]), ["500", "boom"]),
    (.body(#"{"data":[{"#), ["not JSON"]),
    (.body("Hello"), ["not JSON"]),
    (.body(#"{"object":"list"}"#), ["without \"data\""]),
    (.body(#"{"data":[{"index":0,"embedding":"AAAA"}]}"#), ["not an array of numbers"]),
    (.body(#"{"data":[{"index":3,"embedding":[1]}]}"#), ["\"index\""]),
    (.numbers(["[NaN,1,2]"]), ["not JSON"]),
    (.numbers(["[1e999,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"]), ["not finite"]),
    (.numbers(["[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"]), ["zeros"]),
    (.numbers(["[1,2,3]"]), ["3 numbers", "16"]),
    (.numbers([]), ["0 vectors for 1 text."]),
    (.numbers(["[1,2]", "[1,2]"]), ["2 vectors for 1 text."]),
    (.late(.seconds(20), dimension: 16), ["did not answer within"]),
    (.raw("hello\n"), ["does not speak HTTP"]),
  ]

  @Test(
    "each fault is a miss with a warning on get, and an error with the server's reply on put",
    arguments: faults.indices)
  func fault(index: Int) throws {
    let (answer, words) = Self.faults[index]
    let server = try EmbeddingServer { request, _ in
      // The request for the existing question succeeds.
      request.texts == ["the question that is there"] ? .vectors(dimension: 16) : answer
    }
    let (fixture, mneme) = try fixture("faults", server)
    try mneme.run("put", "--embedder", Self.openAI, "the question that is there", "r")
    // On a busy machine too, every other answer comes before the limit.
    let isLate = if case .late = answer { true } else { false }
    let limit = ["--embedder-timeout", isLate ? "300ms" : "60s"]

    let miss = try mneme.run(["get", "--json", "--peek", "another"] + limit).expecting(1)
    #expect(try miss.json()["reason"].string == "embedder_failure")
    #expect(miss.errorText.contains("warning: ") && miss.errorText.contains(server.url), "\(miss)")
    for word in words { #expect(miss.errorText.contains(word), "\(miss)") }
    // An exact hit needs no embedder.
    #expect(try mneme.run("get", "The question that is there").outputLines == ["r"])

    try fixture.expectUnchanged {
      let put = try mneme.run(["put", "another", "r"] + limit)
      let complaint = try Complaint(text: put)
      #expect(complaint.type == "EmbedderError" && complaint.message.contains(server.url), "\(put)")
      #expect(put.status == (words.contains("503") || words.contains("429") ? 75 : 69), "\(put)")
      for word in words { #expect(complaint.message.contains(word), "\(put)") }
    }
  }

  @Test(
    "an import stops at the line that the embedder refuses, stores all lines before it, and can continue there"
  )
  func importStops() throws {
    let server = try EmbeddingServer { request, _ in
      request.texts.contains { $0.contains("poison") }
        ? .status(400, body: #"{"error":{"message":"no such words here"}}"#) : .vectors(dimension: 16)
    }
    let (fixture, mneme) = try fixture("import-stops", server)
    var lines = (1...200).map { #"{"query":"question number \#($0)","response":"answer \#($0)"}"# }
    lines[136] = #"{"query":"poison","response":"r"}"#
    let directory = try TemporaryDirectory()
    let file = try directory.write((lines.joined(separator: "\n") + "\n").utf8, to: "lines.jsonl")

    let outcome = try mneme.run(["import", "--embedder", Self.openAI, file]).expecting(69)
    let complaint = try Complaint(text: outcome)
    #expect(complaint.message.contains("line 137:") && complaint.message.contains("no such words here"))
    #expect(complaint.remediation.contains("The lines up to 136 are stored; continue with --since-line 136@"))
    #expect(try fixture.entryCount() == 136)
    // The line itself is passed over by hand.
    try mneme.run("import", "--since-line", "137", file)
    #expect(try fixture.entryCount() == 199)
  }

  @Test(
    "if the server ends in the middle of an import, whole batches are stored, and the next run stores the rest"
  )
  func importGoesOn() throws {
    let server = try EmbeddingServer { _, count in
      count == 2 ? .status(503, headers: ["Retry-After: 7200"]) : .vectors(dimension: 16)
    }
    let (fixture, mneme) = try fixture("import-goes-on", server)
    let lines = (1...200).map { #"{"query":"question number \#($0)","response":"answer \#($0)"}"# }
    let input = lines.joined(separator: "\n") + "\n"
    // The command does not wait so long.
    let outcome = try mneme.run(["import", "--embedder", Self.openAI], input: Array(input.utf8)).expecting(75)
    #expect(try Complaint(text: outcome).message.contains("line 129:"), "\(outcome)")
    #expect(try fixture.entryCount() == 128)
    try mneme.run("import", "--on-conflict", "skip", input: input)
    #expect(try fixture.entryCount() == 200)
  }

  @Test("a missing server, a missing key and a wrong URL are reported as such")
  func unreachable() throws {
    let fixture = try CacheFixture("unreachable")
    func complaint(_ environment: [String: String], _ spec: String = EmbedderTests.openAI) throws -> Complaint
    {
      var mneme = fixture.mneme
      mneme.environment = environment
      return try Complaint(text: mneme.run(["put", "--embedder", spec, "q", "r"]).expecting(69))
    }
    #expect(try complaint(["OPENAI_BASE_URL": "http://127.0.0.1:1/v1"]).message.contains("unreachable"))
    #expect(try complaint(["OLLAMA_HOST": "127.0.0.1:1"], Self.ollama).message.contains("unreachable"))
    let keyless = try complaint([:])
    #expect(keyless.message.contains("no API key") && keyless.remediation.contains("OPENAI_API_KEY"))
    #expect(try complaint(["OPENAI_BASE_URL": "file:///etc/passwd"]).message.contains("cannot be used"))
    #expect(try complaint(["OPENAI_BASE_URL": "http://:x"]).message.contains("cannot be"))
    #expect(try fixture.dump().names.isEmpty)
    try fixture.refusal(
      of: ["put", "--embedder", "openai:model", "q", "r"], status: 65, type: "InvalidInputError")
    try fixture.refusal(
      of: ["put", "--embedder-command", "x", "--embedder-file", "y", "q", "r"], status: 64, type: "UsageError"
    )
  }

  @Test(
    "the key is sent to the server, and is not in a message, on a command line or in another program's environment"
  )
  func keys() throws {
    let key = "sk-secret-4711"
    let server = try EmbeddingServer { request, _ in
      // A server that repeats the key in its answer.
      request.texts.contains("bad")
        ? .status(401, body: #"{"error":{"message":"Incorrect API key provided: sk-secret-4711."}}"#)
        : .vectors(dimension: 16)
    }
    var (_, mneme) = try fixture("keys", server)
    mneme.environment["OPENAI_API_KEY"] = key
    mneme.environment["MNEME_PASSWORD"] = ""
    try mneme.run("put", "--embedder", Self.openAI, "good", "r")
    #expect(server.requests.last?.headers["authorization"] == "Bearer \(key)")
    for arguments in [["put", "bad", "r"], ["get", "-v", "bad"], ["put", "--json", "bad", "r"]] {
      let outcome = try mneme.run(arguments)
      #expect(outcome.errorText.contains("its words repeat the key, and are not shown"), "\(outcome)")
      #expect(!outcome.errorText.contains(key) && !outcome.outputText.contains(key), "\(outcome)")
    }
    mneme.environment["OPENAI_API_KEY"] = "sk-secret\nInjected: header"
    let injected = try mneme.run(["put", "good too", "r"]).expecting(69)
    #expect(injected.errorText.contains("OPENAI_API_KEY") && !injected.errorText.contains("sk-secret"))

    // A program that makes vectors sees none of it, and neither does `ps` while it runs.
    let directory = try TemporaryDirectory()
    mneme.environment["OPENAI_API_KEY"] = key
    let spy =
      "env >'\(directory.path("env"))'; cat /proc/$PPID/cmdline >'\(directory.path("ps"))'; read -r l; echo '[1,2]'"
    try mneme.with(prefix: uniquePrefix()).run(
      "put", "--embedder", "command:spy:dim2", "--embedder-command", spy, "q", "r")
    let seen = String(decoding: try directory.read("env") + directory.read("ps"), as: UTF8.self)
    #expect(seen.contains("PATH=") && seen.contains("--embedder-command"))
    #expect(!seen.contains(key) && !seen.contains("OPENAI_API_KEY") && !seen.contains("MNEME_URL"))
  }
}
