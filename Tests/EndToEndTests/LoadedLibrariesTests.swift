import TestSupport
import Testing

/// Start-up is a feature: the libraries that few commands need are loaded by them alone. `StartUpTests` look at what is
/// linked, these at what is loaded in the middle of a run.
@Suite("Loaded libraries")
struct LoadedLibrariesTests {
  /// The files that the dynamic loader opens in a run, those that are asked for in its middle among them.
  private func loaded(by mneme: Mneme, _ arguments: [String]) throws -> [Substring] {
    var mneme = mneme
    mneme.environment["LD_DEBUG"] = "files"
    let outcome = try mneme.run(arguments).expecting(0)
    return outcome.errorText.split(separator: "\n").filter { $0.contains("calling init:") }
  }

  @Test("libcurl is loaded when a server is asked for vectors, and by nothing else")
  func libcurl() throws {
    let server = try EmbeddingServer(dimension: 16)
    let stage = try Stage("loaded")
    var mneme = stage.mneme
    mneme.environment = server.environment
    let asking = try loaded(
      by: mneme, ["put", "--embedder", "openai:test-model:dim16", "a question", "r"])
    #expect(asking.contains { $0.contains("libcurl") }, "\(asking)")
    // The cache wants that server's vectors, but these need none.
    for arguments in [["get", "a question"], ["stats"], ["vacuum"], ["export"], ["inspect-keys"]] {
      let others = try loaded(by: mneme, arguments)
      #expect(!others.isEmpty && !others.contains { $0.contains("libcurl") }, "\(arguments): \(others)")
    }
    let builtIn = try loaded(by: mneme.with(prefix: uniquePrefix()), ["put", "a question", "r"])
    #expect(!builtIn.isEmpty && !builtIn.contains { $0.contains("libcurl") }, "\(builtIn)")
  }
}
