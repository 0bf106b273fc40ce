import Mneme
import Testing

@testable import MnemeEmbedders

@Suite("Answers of servers for embeddings")
struct EmbeddingProtocolTests {
  private func vectors(_ text: String) throws -> [[Float]] {
    try EmbeddingProtocol.openAI.vectors(
      in: JSONText(parsing: Array(text.utf8)), ReceivedVectors(source: "The server", dimension: 1))
  }

  @Test("vectors are put in the order of the texts by their index")
  func order() throws {
    let data =
      #"{"data":[{"index":2,"embedding":[3]},{"embedding":[1],"index":0},{"index":1,"embedding":[2]}]}"#
    #expect(try vectors(data) == [[1], [2], [3]])
    #expect(try vectors(#"{"data":[]}"#) == [])
  }

  @Test(
    "an index that is missing, doubled or not that of a text is an error",
    arguments: [
      #"{"data":[{"embedding":[1]}]}"#, #"{"data":[{"index":1,"embedding":[1]}]}"#,
      #"{"data":[{"index":-1,"embedding":[1]}]}"#, #"{"data":[{"index":0.5,"embedding":[1]}]}"#,
      #"{"data":[{"index":"0","embedding":[1]}]}"#,
      #"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#,
      #"{"data":[{"index":9223372036854775807,"embedding":[1]}]}"#,
    ])
  func wrongIndex(text: String) {
    let error = #expect(throws: EmbedderError.self) { try vectors(text) }
    #expect(error?.message.contains("\"index\"") == true)
  }

  @Test("the query of a base URL stays after the path, and a fragment is refused")
  func baseURL() throws {
    func embedder(_ url: String) -> HTTPEmbedder {
      var settings = EmbedderSettings()
      (settings.openAIBaseURL, settings.openAIKey) = (url, "key")
      return .openAI("m", CacheIdentity(fingerprint: "openai:m:dim1", dimension: 1), settings)
    }
    #expect(embedder("http://h/v1?api-version=2").url == "http://h/v1/embeddings?api-version=2")
    #expect(embedder("http://h/v1/").url == "http://h/v1/embeddings")
    let error = #expect(throws: EmbedderError.self) { try embedder("http://h/v1#part").embed(["text"]) }
    #expect(error?.message.contains("#") == true)
  }

  @Test("a dimension that is too large is reported as such")
  func dimension() {
    let error = #expect(throws: InvalidInputError.self) {
      try EmbedderCatalog.identity(spec: "command:x:dim99999999999", cache: nil)
    }
    #expect(error?.message.contains("too large") == true && error?.remedy == .lowerDimension)
    let missing = #expect(throws: InvalidInputError.self) {
      try EmbedderCatalog.identity(spec: "command:x", cache: nil)
    }
    #expect(missing?.message.contains("does not say") == true)
  }
}
