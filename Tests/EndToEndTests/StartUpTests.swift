import Foundation
import TestSupport
import Testing

/// Tests of what the command links, since that decides the time of its start. A line of source can bring in a library
/// unnoticed: a closure at the top of `main.swift`, or `ContinuousClock`, starts Swift's concurrency each time.
@Suite struct StartUpTests {
  private func lines(_ words: String...) throws -> [String] {
    try ChildProcess(words, environment: Mneme.plainEnvironment).finish().expecting(0).outputLines
  }

  /// The names in a list of dynamic symbols, without their versions.
  private func symbols(_ words: String...) throws -> Set<Substring> {
    let listed = try ChildProcess(["nm", "-D"] + words, environment: Mneme.plainEnvironment).finish()
      .expecting(0)
    return Set(
      listed.outputLines.compactMap { line in
        line.split(separator: " ").last?.prefix { $0 != "@" }
      })
  }

  @Test(
    "the arguments are seen where a library that is loaded first has set a variable", .needs(program: "clang")
  )
  func preloaded() throws {
    let directory = try TemporaryDirectory()
    let source = try directory.write(
      Array(
        "#include <stdlib.h>\n__attribute__((constructor)) static void c(void) { setenv(\"A\", \"1\", 1); }\n"
          .utf8),
      to: "agent.c")
    let library = directory.path("agent.so")
    try ChildProcess(["clang", "-shared", "-fPIC", "-o", library, source]).finish().expecting(0)
    var environment = Mneme.plainEnvironment
    environment["LD_PRELOAD"] = library
    let outcome = try ChildProcess([Mneme.binary, "--version"], environment: environment).finish()
    #expect(try outcome.expecting(0).outputText.hasPrefix("mneme "), "\(outcome)")
  }

  @Test("the arguments are seen where /proc is not mounted")
  func withoutProc() throws {
    let script = "mount -t tmpfs none /proc && exec \"$0\" \"$@\""
    func run(_ words: [String]) throws -> Outcome {
      try ChildProcess(["unshare", "-rm", "sh", "-c", script] + words, environment: Mneme.plainEnvironment)
        .finish()
    }
    guard try run(["true"]).status == 0 else {
      try Test.cancel("no mount namespace can be made here")
    }
    let outcome = try run([Mneme.binary, "--version"]).expecting(0)
    #expect(outcome.outputText.hasPrefix("mneme "), "\(outcome)")
    let fixture = try CacheFixture("no-proc")
    let words = ["put", "-u", fixture.mneme.url, "-p", fixture.prefix, "q", "r"]
    try run([Mneme.binary] + words).expecting(0)
    #expect(try fixture.entryCount() == 1)
  }

  @Test(
    "the command uses neither Swift's concurrency nor libdispatch nor Foundation", .needs(program: "nm"))
  func linked() throws {
    let used = try symbols("--undefined-only", Mneme.binary)
    #expect(!used.isEmpty)
    var paths: [String: String] = [:]
    for line in try lines("ldd", Mneme.binary) {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count > 2, words[1] == "=>" { paths[String(words[0])] = String(words[2]) }
    }
    for name in ["libFoundation", "libcurl", "libssl", "libcrypto"] {
      #expect(!paths.keys.contains { $0.hasPrefix(name) }, "\(paths)")
    }
    // A build with Swift's shared libraries links them in any case, so only the used symbols are checked.
    for library in ["libswift_Concurrency.so", "libdispatch.so"] {
      guard let path = paths[library] else { continue }
      let offered = try symbols("--defined-only", path)
      #expect(!offered.isEmpty)
      #expect(offered.intersection(used) == [], "\(library)")
    }
  }
}
