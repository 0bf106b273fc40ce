import Foundation
import TestSupport
import Testing

/// Tests of the command with other processes: at the same time as another one, with pipes, and with signals.
@Suite struct ProcessTests {
  @Test("two shells that put the same new queries at the same time store one entry for each query")
  func twoShells() throws {
    let fixture = try CacheFixture("race")
    let count = Effort.rounds(80, thorough: 160)
    let loop = "for i in {1..\(count)}; do mneme put -q \"query $i\" \"answer $i\" || exit; done"
    let shells = try fixture.mneme.shell(
      "( \(loop) ) & first=$!; ( \(loop) ) & second=$!; wait $first && wait $second", within: .seconds(500))
    #expect(shells.status == 0, "\(shells)")
    #expect(shells.errors.isEmpty, "\(shells)")

    let dump = try fixture.dump()
    func keys(_ family: String) -> [String] { dump.names.filter { $0.hasPrefix(fixture.key(family)) } }
    #expect(keys("entry:").count == count)
    #expect(keys("hash:").count == count)
    for family in ["by_id", "lru:default"] {
      let members = try fixture.redis.send("ZRANGE", fixture.key(family), "0", "-1").texts
      #expect(Set(members.map { fixture.key("entry:\($0)") }) == Set(keys("entry:")), "\(family)")
    }
    // None is shadowed: every entry is the one that its hash key points to.
    for key in dump.keys where String(decoding: key.name, as: UTF8.self).hasPrefix(fixture.key("hash:")) {
      let id = String(decoding: key.content[0], as: UTF8.self)
      let hash = try fixture.redis.send("HGET", fixture.key("entry:\(id)"), "query_hash").text
      #expect(String(decoding: key.name, as: UTF8.self) == fixture.key("hash:default:\(hash ?? "")"))
    }
    #expect(try fixture.version() == 2 * count)
  }

  @Test("a reader that stops reading ends the command without a message")
  func closedPipe() throws {
    let fixture = try CacheFixture()
    let long = String(repeating: "long ", count: 200)
    let lines = try (1...1000).map { try jsonLine(["query": "q\($0)", "response": long]) }.joined()
    try fixture.mneme.run("import", input: lines)
    for command in ["export", "inspect-keys --list", "export --format csv"] {
      let outcome = try fixture.mneme.shell("mneme \(command) | head -n 1; echo \"${PIPESTATUS[0]}\"")
      #expect(outcome.errors.isEmpty, "\(outcome)")
      #expect(outcome.outputLines.count == 2, "\(outcome)")
      let status = outcome.outputLines.last
      #expect(status == "0" || status == "141", "\(outcome)")
    }
  }

  @Test(
    "a signal ends a command that waits for a reply, and nothing is written",
    arguments: [SIGINT, SIGTERM])
  func signalBeforeInput(number: Int32) throws {
    let fixture = try CacheFixture()
    let put = try fixture.mneme.start(["put", "q"])
    try put.write("half an ans".utf8)
    usleep(200_000)
    put.signal(number)
    #expect(try put.finishWithoutInput().status == 128 + number)
    #expect(try fixture.dump().isEmpty)
  }

  @Test(
    "a signal in the middle of an import ends it after the current batch, with a report of the stored lines",
    arguments: [SIGHUP, SIGINT, SIGTERM])
  func signalInImport(number: Int32) throws {
    let fixture = try CacheFixture()
    let importing = try fixture.mneme.start(["import"])
    let lines = try (1...300).map { try jsonLine(["query": "q\($0)", "response": "r"]) }.joined()
    try importing.write(lines.utf8)
    // The rest of the input never arrives. Complete batches of what has arrived are stored.
    try eventually("a batch to be in") { try fixture.entryCount() > 0 }
    importing.signal(number)
    let outcome = try importing.finishWithoutInput()
    #expect(outcome.status == 128 + number, "\(outcome)")
    let stored = try fixture.entryCount()
    #expect(stored > 0)
    #expect(try fixture.version() == stored)
    let told = outcome.outputText + outcome.errorText
    #expect(told.contains("\(stored)"), "\(stored) entries are stored, and this was said: \(told)")
  }

  @Test("help and version work without a server and with a wrong environment")
  func brokenEnvironment() throws {
    var mneme = Mneme(url: "not a URL", prefix: "p")
    mneme.environment = ["MNEME_CACERT": "/nonexistent", "LANG": "xx_XX", "HOME": "/nonexistent"]
    for arguments in [
      ["--help"], ["-h"], ["help"], ["help", "put"], ["put", "--help"], ["put", "-h"], ["--version"],
    ] {
      let outcome = try mneme.run(arguments).expecting(0)
      #expect(!outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    }
    #expect(try mneme.run("put", "--help").outputText.contains("--ttl"))
  }

  @Test("a build without the trait Redis reports what is missing", .needsBuildWithoutRedis)
  func withoutRedis() throws {
    let complaint = try refusal(status: 69, type: "StoreBackendError") { extra in
      try ChildProcess([Repository.mnemeWithoutRedis, "stats"] + extra, environment: Mneme.plainEnvironment)
        .finish()
    }
    #expect(complaint.message.contains("requires the optional 'redis' extra"), "\(complaint)")
  }
}
