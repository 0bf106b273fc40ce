import Mneme
import Testing

@testable import MnemeEmbedders

/// The addresses of servers, and the parts of them that are shown.
@Suite("Addresses and secrets")
struct AddressTests {
  @Test(
    "Ollama's host is read as its own client reads it",
    arguments: [
      ("localhost", "http://localhost:11434"), ("http://\u{33A}", "http://\u{33A}"),
      ("gpu.example.com", "http://gpu.example.com:11434"),
      ("127.0.0.1:8080", "http://127.0.0.1:8080"), (":8080", "http://localhost:8080"),
      ("[::1]", "http://[::1]:11434"), ("[::1]:8080", "http://[::1]:8080"),
      ("host/path", "http://host:11434/path"), ("http://host", "http://host"),
      ("https://host:8443/", "https://host:8443"), ("", "http://localhost:11434"),
    ])
  func ollama(host: String, url: String) { #expect(HTTPEmbedder.ollamaURL(host) == url) }

  @Test(
    "an address is shown without user, password and query",
    arguments: [
      ("http://host:1/v1", "http://host:1/v1"), ("http://user:secret@host/v1", "http://host/v1"),
      ("http://a@b:secret@host/v1", "http://host/v1"), ("https://host/v1?key=secret", "https://host/v1"),
      ("https://host/v1#secret", "https://host/v1"), ("https://host/a@b", "https://host/a@b"),
      ("user:secret@host", "host"), ("http://user:secret@host?x=/@", "http://host"), ("", ""),
      ("http://user:se/cret@host/v1", "http://***"), ("user:se?cr#et@host", "***"),
      ("user:secret@host/x://y", "host/x://y"), ("http://host:1/a@b", "http://host:1/a@b"),
      ("http://[::1]:1/a@b", "http://[::1]:1/a@b"),
    ])
  func shown(url: String, address shown: String) { #expect(address(of: url) == shown) }

  @Test("a description of the settings shows no key")
  func settings() {
    var settings = EmbedderSettings()
    settings.openAIBaseURL = "http://user:hidden@host/v1?token=hidden"
    settings.openAIKey = "sk-hidden"
    #expect(
      "\(settings)" == "EmbedderSettings(openAI: http://host/v1, ollama: http://localhost:11434)")
  }
}

/// From a fingerprint to an embedder.
@Suite("The catalog of embedders")
struct CatalogTests {
  @Test(
    "a fingerprint names protocol, model and dimension",
    arguments: [
      ("openai:text-embedding-3-small:dim1536", .openAI(model: "text-embedding-3-small")),
      ("ollama:nomic-embed-text:latest:dim768", .ollama(model: "nomic-embed-text:latest")),
      ("openai:org/model:dim1", .openAI(model: "org/model")), ("openai::dim8", nil), ("openai:dim8", nil),
      ("openai:m:dim0", nil), ("openai:m:dim65537", nil), ("openai:m:dimx", nil), ("openai:m", nil),
      ("openai:m:dim+8", nil), ("openai:m:dim08", nil),
      ("OpenAI:m:dim8", nil), ("sentence-transformers:m:n1:dim384", nil),
    ] as [(String, Service?)])
  func services(fingerprint: String, service: Service?) {
    #expect(Service(fingerprint: fingerprint) == service)
  }

  @Test("an option overrides the cache's embedder, and that overrides the default")
  func identity() throws {
    let cache = CacheIdentity(fingerprint: "an application's own", dimension: 7)
    #expect(try EmbedderCatalog.identity(spec: nil, cache: nil).fingerprint == EmbedderCatalog.defaultSpec)
    #expect(try EmbedderCatalog.identity(spec: nil, cache: cache) == cache)
    #expect(try EmbedderCatalog.identity(spec: "an application's own", cache: cache) == cache)
    #expect(try EmbedderCatalog.identity(spec: "x:dim3", cache: cache).dimension == 3)
    #expect(throws: InvalidInputError.self) {
      try EmbedderCatalog.identity(spec: "openai:model", cache: nil)
    }
    for spec in [EmbedderCatalog.defaultSpec, "none"] {
      #expect(throws: InvalidInputError.self) {
        try EmbedderCatalog.identity(spec: spec, cache: nil, takesForeignVectors: true)
      }
    }
    #expect(try EmbedderCatalog.embedder(spec: nil, cache: cache) is AbsentEmbedder)
    #expect(try EmbedderCatalog.embedder(spec: "ollama:m:dim2", cache: nil) is HTTPEmbedder)
  }

  @Test("a request has model and texts as JSON, and a dimension only if one is requested")
  func request() {
    let plain = EmbeddingProtocol.openAI.request(["a\"b", "\n"], model: "m", dimensions: nil)
    #expect(String(decoding: plain, as: UTF8.self) == #"{"model":"m","input":["a\"b","\n"]}"#)
    let short = EmbeddingProtocol.openAI.request(["é"], model: "m", dimensions: 8)
    #expect(String(decoding: short, as: UTF8.self) == #"{"model":"m","input":["é"],"dimensions":8}"#)
  }
}
