import Foundation
import TestSupport
import Testing

/// Tests of libraries that few commands need, which only these load, so that the others start fast. `StartUpTests`
/// checks the linked libraries, these tests the libraries loaded during a run.
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
    let fixture = try CacheFixture("loaded")
    var mneme = fixture.mneme
    mneme.environment = server.environment
    let asking = try loaded(
      by: mneme, ["put", "--embedder", "openai:test-model:dim16", "a question", "r"])
    #expect(asking.contains { $0.contains("libcurl") }, "\(asking)")
    // The cache's vectors come from that server, but these commands need none.
    for arguments in [["get", "a question"], ["stats"], ["vacuum"], ["export"], ["inspect-keys"]] {
      let others = try loaded(by: mneme, arguments)
      #expect(!others.isEmpty && !others.contains { $0.contains("libcurl") }, "\(arguments): \(others)")
    }
    let builtIn = try loaded(by: mneme.with(prefix: uniquePrefix()), ["put", "a question", "r"])
    #expect(!builtIn.isEmpty && !builtIn.contains { $0.contains("libcurl") }, "\(builtIn)")
  }

  /// Files that the loader finds before the system's libraries: empty ones, or libraries without any function.
  private func files(_ names: [String], areLibraries: Bool = false) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    for name in names {
      let path = "\(directory.path)/\(name)"
      let words = areLibraries ? ["clang", "-shared", "-x", "c", "/dev/null", "-o", path] : ["touch", path]
      _ = try ChildProcess(words).finish().expecting(0)
    }
    return directory
  }

  @Test(
    "a library that cannot be loaded, or lacks a function, is an error with the reason and the package to install",
    .needs(program: "clang"), arguments: [false, true])
  func unusable(areLibraries: Bool) throws {
    let names = ["libssl.so.3", "libssl.so.1.1", "libcurl.so.4", "libcurl-gnutls.so.4"]
    let files = try files(names, areLibraries: areLibraries)
    let reason = areLibraries ? "undefined symbol: " : "file too short"
    let server = try EmbeddingServer(dimension: 16)
    var mneme = try CacheFixture("unusable").mneme
    mneme.environment = server.environment.merging(["LD_LIBRARY_PATH": files.path]) { $1 }

    let silent = try ScriptedProxy(to: RedisServer.shared(), .stall(after: 0))
    let secure = silent.url.replacing("redis:", with: "rediss:")
    let store = try refusal(status: 69, type: "StoreBackendError") {
      try mneme.run(["stats", "--url", secure] + $0)
    }
    #expect(
      store.causes.contains { $0.contains(reason) } && store.remediation.contains("libssl3"), "\(store)")
    let embedder = try refusal(status: 69, type: "EmbedderError") {
      try mneme.run(["put", "--embedder", "openai:test-model:dim16", "a question", "r"] + $0)
    }
    #expect(
      embedder.causes.contains { $0.contains(reason) } && embedder.remediation.contains("libcurl4"),
      "\(embedder)")
  }

  @Test("libcurl with GnuTLS is loaded if there is none with OpenSSL", .enabled(if: hasGnuTLS))
  func gnuTLS() throws {
    let files = try files(["libcurl.so.4"])
    let server = try EmbeddingServer(dimension: 16)
    var mneme = try CacheFixture("gnutls").mneme
    mneme.environment = server.environment.merging(["LD_LIBRARY_PATH": files.path]) { $1 }
    let asking = try loaded(
      by: mneme, ["put", "--embedder", "openai:test-model:dim16", "a question", "r"])
    #expect(asking.contains { $0.contains("libcurl-gnutls") }, "\(asking)")
  }

  private static var hasGnuTLS: Bool {
    guard let library = dlopen("libcurl-gnutls.so.4", RTLD_LAZY) else { return false }
    return dlclose(library) == 0
  }
}
