import TestSupport
import Testing

/// Vectors from a program of the user's own, and from a file.
@Suite("Embedder commands and files")
struct EmbedderCommandTests {
  /// Counts letters: a vector of three numbers for each text. Writes down that it was started.
  private static func counter(_ directory: borrowing TemporaryDirectory) -> String {
    """
    echo started >>'\(directory.path("starts"))'; exec python3 -c '
    import json, sys
    for line in sys.stdin:
        text = json.loads(line)
        print(json.dumps([text.count("a"), text.count("e"), len(text)]), flush=True)'
    """
  }

  @Test(
    "one process makes the vectors of a whole import, and its fingerprint is the cache's",
    .needs(program: "python3"))
  func oneProcess() throws {
    let directory = try TemporaryDirectory()
    let fixture = try CacheFixture("command")
    let command = ["--embedder-command", Self.counter(directory)]
    let lines = (1...300).map { #"{"query":"a \"question\"\n number \#($0)","response":"answer \#($0)"}"# }
    try fixture.mneme.run(
      ["import", "--embedder", "command:letters:dim3"] + command,
      input: Array((lines.joined(separator: "\n") + "\n").utf8)
    ).expecting(0)
    #expect(try directory.read("starts").count { $0 == 0x0A } == 1)
    #expect(try fixture.entryCount() == 300)
    #expect(
      try fixture.redis.send("HGET", fixture.key("meta"), "embedder_fingerprint").text
        == "command:letters:dim3")
    // If the program is missing, there are only exact hits; with it, semantic hits too.
    let without = try fixture.mneme.run(["get", "--json", "e e e e"]).expecting(1).json()
    #expect(without["reason"].string == "no_embedder")
    #expect(
      try fixture.mneme.run(["get", "a 'question' number 77"] + command).expecting(0).outputLines.count == 1)
  }

  @Test("a program's vectors are accepted under an unknown fingerprint, and not under the built-in one")
  func strangers() throws {
    let fixture = try CacheFixture("strangers")
    try fixture.mneme.run(
      "put", "--embedder", "somebody:else:dim2", "--embedder-command", "echo '[1,0]'", "q", "r")
    #expect(
      try fixture.redis.send("HGET", fixture.key("meta"), "embedder_fingerprint").text == "somebody:else:dim2"
    )
    try fixture.mneme.run("put", "--embedder-command", "echo '[0,1]'", "another", "r2")
    #expect(
      try fixture.mneme.run("get", "--embedder-command", "echo '[0.1,1]'", "a third").outputLines == ["r2"])
    let builtIn = try CacheFixture("built-in")
    try builtIn.refusal(
      of: ["put", "--embedder-command", "echo '[1,0]'", "q", "r"], status: 65, type: "InvalidInputError")
    #expect(try builtIn.dump().names.isEmpty)
    // Without a program, on a prefix without a cache.
    let embedder = ["--embedder", "sentence-transformers:x:dim384"]
    let lines = importLines(1...1)
    for words in [["put", "q", "r"] + embedder, ["import"] + embedder] {
      let complaint = try builtIn.refusal(of: words, input: lines, status: 69, type: "EmbedderError")
      #expect(complaint.message.contains("cannot run here"), "\(complaint)")
    }
    #expect(try builtIn.dump().names.isEmpty)
  }

  /// A program that is silent for longer than a test waits.
  private static let silent = "sleep 1000"

  @Test(
    "a program that ends early, writes nothing, or writes something other than a vector is an error with that reason",
    arguments: [
      ("exit 3", "ended with status 3 after 0 of 1"), ("kill -9 $$", "signal 9"),
      ("/no/such/program", "status 127"), ("echo '[1,2,3]'", "3 numbers, not of 2"),
      ("echo hello", "not an array of numbers"), ("echo '[NaN,1]'", "not an array of numbers"),
      ("echo '[0,0]'", "zeros"), ("echo '[1,1e300]'", "not finite"), (silent, "within the time limit"),
      ("exec 1>&-; \(silent)", "0 of 1 answers"),
    ])
  func faults(command: String, words: String) throws {
    let fixture = try CacheFixture("command-faults")
    // On a busy machine too, every other program has ended before its limit.
    let limit = command == Self.silent ? "300ms" : "60s"
    let options = [
      "--embedder", "command:x:dim2", "--embedder-command", command, "--embedder-timeout", limit,
    ]
    let put = try fixture.mneme.run(["put", "q", "r"] + options)
    #expect(try Complaint(text: put).type == "EmbedderError" && put.errorText.contains(words), "\(put)")
    #expect(try fixture.dump().names.isEmpty)
    try fixture.mneme.run(
      "put", "--embedder", "command:x:dim2", "--embedder-command", "echo '[1,0]'", "there", "r")
    let get = try fixture.mneme.run(["get", "--json", "q"] + options).expecting(1)
    #expect(try get.json()["reason"].string == "embedder_failure")
    #expect(get.errorText.contains(words), "\(get)")
  }

  @Test("vectors of a file are looked up by the question; an export with arrays is such a file")
  func files() throws {
    let directory = try TemporaryDirectory()
    let fixture = try CacheFixture("file")
    let vectors = """
      {"text":"Where is my  CARD?","embedding":[1,0.1]}
      {"query":"where is the card","embedding":[1,0.2]}
      """
    let file = ["--embedder-file", try directory.write(vectors.utf8, to: "vectors.jsonl")]
    try fixture.mneme.run(["put", "--embedder", "mine:dim2", "where is my card?", "In the post."] + file)
      .expecting(0)
    #expect(try fixture.mneme.run(["get", "Where is the card"] + file).outputLines == ["In the post."])
    let miss = try fixture.mneme.run(["get", "--json", "nothing known"] + file).expecting(1)
    #expect(try miss.json()["reason"].string == "embedder_failure")
    #expect(miss.errorText.contains("has no vector for the text"))

    let lines = [#"{"query":"where is the card","response":"a"}"#, #"{"query":"unknown","response":"b"}"#]
    let stopped = try fixture.mneme.run(["import"] + file, input: Array(lines.joined(separator: "\n").utf8))
    #expect(try Complaint(text: stopped.expecting(69)).message.contains("line 2:"))
    #expect(try fixture.entryCount() == 2)

    let exported = directory.path("export.jsonl")
    try fixture.mneme.run("export", "--embeddings", "array", "-o", exported)
    let copy = try CacheFixture("file-copy")
    try copy.mneme.run(
      "put", "--embedder", "mine:dim2", "--embedder-file", exported, "Where is my card?", "r")
    try directory.write(#"{"text":"q"}"#.utf8, to: "bad.jsonl")
    let bad = try copy.mneme.run(["put", "--embedder-file", directory.path("bad.jsonl"), "q", "r"]).expecting(
      69)
    #expect(try Complaint(text: bad).message.contains("line 1:"))
    try copy.mneme.run(["put", "--embedder-file", directory.path("none"), "q", "r"]).expecting(66)
  }
}
