import Foundation
import TestSupport
import Testing

@Suite("The vectors that get keeps on this machine")
struct IndexCacheTests {
  private let fixture: CacheFixture
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    fixture = try CacheFixture("index")
    try fixture.fill(from: "settings") { fixture in
      let lines = (0..<300).map {
        "{\"query\":\"how do I change setting \($0) of my account\",\"response\":\"so \($0)\"}\n"
      }
      try fixture.mneme.run("import", input: lines.joined())
    }
  }

  /// The command with a cache directory of the test's own.
  private func mneme(_ variables: [String: String]) -> Mneme {
    var mneme = fixture.mneme
    mneme.environment = variables
    return mneme
  }

  private var kept: Mneme { mneme(["XDG_CACHE_HOME": directory.path("cache")]) }

  private func files() throws -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: directory.path("cache/mneme"))) ?? []
  }

  private static let questions = [
    "how can I change setting 12 of my account", "change the setting 250 of the account",
    "something else entirely",
    "my account settings", "how do I change setting 299 of my accounts?",
  ]

  @Test("semantic hits are the same with and without them, from the first on")
  func sameAnswers() throws {
    let forms = [
      [], ["--peek"], ["--json"], ["--threshold", "0.3", "--json", "--min-confidence", "0"],
      ["--peek", "--json", "--explain", "--nearest", "20"],
    ]
    let lines = Self.questions.flatMap { question in forms.map { ["get", question] + $0 } }
    // Every fifth line has the same form, so every fourth has each of them.
    for arguments in Effort.some(lines, every: 4) {
      let with = try kept.run(arguments)
      let without = try kept.run(arguments + ["--no-index-cache"])
      #expect(with.status == without.status)
      #expect(timeless(with) == timeless(without))
      #expect(with.errorText == without.errorText)
    }
    #expect(try files().count == 1)
  }

  /// The output, without values that change from one second to the next.
  private func timeless(_ outcome: Outcome) -> String {
    outcome.outputText.replacing(/"(age_seconds|confidence)":[0-9.e-]+/, with: "")
  }

  @Test("they hold no text, and nobody else may read them")
  func privacy() throws {
    _ = try kept.run(["get", Self.questions[0]])
    let name = try #require(try files().first)
    let path = directory.path("cache/mneme/" + name)
    let bytes = try Data(contentsOf: URL(filePath: path))
    for text in ["setting", "account", fixture.prefix, "so 1", "redis"] {
      #expect(bytes.range(of: Data(text.utf8)) == nil)
    }
    #expect(!name.contains(fixture.prefix))
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    #expect(
      try FileManager.default.attributesOfItem(atPath: directory.path("cache/mneme"))[.posixPermissions]
        as? Int
        == 0o700)
  }

  /// The umasks to try. With one that removes the owner's rights too, only root can make a directory.
  private static let masks = geteuid() == 0 ? ["0000", "0777"] : ["0000", "0077"]

  @Test("nobody else may read them, with any umask", arguments: masks)
  func mask(mask: String) throws {
    try FileManager.default.createDirectory(
      atPath: directory.path("cache"), withIntermediateDirectories: false)
    for _ in 0..<2 {
      let outcome = try kept.shell("umask \(mask); mneme get '\(Self.questions[0])'")
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "")
    }
    let place = directory.path("cache/mneme")
    let file = place + "/" + (try #require(try files().first))
    #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
    #expect(try FileManager.default.attributesOfItem(atPath: place)[.posixPermissions] as? Int == 0o700)
  }

  @Test(
    "a link, a pipe or another user's directory in their place changes neither the answer nor other files",
    arguments: [
      "ln -s ../victim cache/mneme", "mkfifo cache/mneme", "echo mine >cache/mneme",
      "ln -s nowhere cache/mneme",
      "mkdir -m 777 cache/mneme && { chown 65534 cache/mneme || true; }",
    ])
  func hostilePlaces(trap: String) throws {
    let script = "mkdir cache victim && echo precious >victim/file && \(trap)"
    try ChildProcess(["bash", "-c", script], directory: directory.path).finish().expecting(0)
    let listing = ["find", ".", "-printf", "%p %m %U %s %l\n"]
    let before = try ChildProcess(listing, directory: directory.path).finish().outputText
    for _ in 0..<2 {
      let outcome = try kept.run(["get", Self.questions[0]]).expecting(0)
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "", "\(outcome)")
    }
    // A user other than root owns the directory, closes it to others and uses it.
    guard geteuid() == 0 || !trap.hasPrefix("mkdir") else { return }
    #expect(try ChildProcess(listing, directory: directory.path).finish().outputText == before)
  }

  @Test("a link or a pipe in place of a file of theirs is not read, and is replaced, not followed")
  func hostileFiles() throws {
    _ = try kept.run(["get", Self.questions[0]])
    let path = directory.path("cache/mneme/" + (try #require(try files().first)))
    let victim = try directory.write("precious".utf8, to: "victim")
    for trap in ["ln -s '\(victim)'", "mkfifo", "ln '\(victim)'", "ln -s /dev/zero"] {
      try ChildProcess(["bash", "-c", "rm '\(path)' && \(trap) '\(path)'"]).finish().expecting(0)
      let outcome = try kept.run(["get", Self.questions[0]]).expecting(0)
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "", "\(outcome)")
      #expect(try directory.read("victim") == Array("precious".utf8))
      var status = stat()
      #expect(
        lstat(path, &status) == 0 && status.st_mode == S_IFREG | 0o600 && status.st_nlink == 1, "\(trap)")
    }
  }

  @Test("--no-index-cache makes and reads none")
  func switchedOff() throws {
    _ = try kept.run(["get", "--no-index-cache", Self.questions[0]])
    #expect(try files().isEmpty)
  }

  @Test("exact hits, and misses with --exact, make none")
  func exact() throws {
    try kept.run("get", "how do I change setting 12 of my account")
    try kept.run("get", "--exact", "no such question", expecting: 1)
    #expect(try files().isEmpty)
  }

  @Test("with them a get takes a few round trips, and receives a small part of the data")
  func roundTrips() throws {
    _ = try kept.run(["get", Self.questions[2]])
    let without = try kept.run(["-v", "get", "--no-index-cache", Self.questions[2]])
    let with = try kept.run(["-v", "get", Self.questions[2]])
    #expect(try roundTrips(with) <= 4 && roundTrips(with) < roundTrips(without), "\(with) \(without)")
    #expect(try received(with) * 4 < received(without), "\(with) \(without)")
  }

  private func roundTrips(_ outcome: Outcome) throws -> Int {
    let match = try #require(outcome.errorText.firstMatch(of: /(\d+) round trips?,/))
    return try #require(Int(match.1))
  }

  private func received(_ outcome: Outcome) throws -> Double {
    let match = try #require(outcome.errorText.firstMatch(of: /, ([0-9.]+) (B|KiB|MiB) received/))
    let unit: [Substring: Double] = ["B": 1, "KiB": 1024, "MiB": 1_048_576]
    return try #require(Double(match.1)) * #require(unit[match.2])
  }

  @Test(
    "without XDG_CACHE_HOME they are in ~/.cache, and a relative path is ignored",
    arguments: ["", "relative/path"])
  func home(xdg: String) throws {
    _ = try mneme(["HOME": directory.path, "XDG_CACHE_HOME": xdg]).run(["get", Self.questions[0]])
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path(".cache/mneme")).count == 1)
  }

  @Test(
    "if they cannot be kept, there is no message, and the answer is the same",
    arguments: [["HOME": "/proc/nowhere"], ["HOME": ""], ["XDG_CACHE_HOME": "/dev/null"]])
  func nowhere(variables: [String: String]) throws {
    for _ in 0..<2 {
      let outcome = try mneme(variables).run(["get", Self.questions[0]]).expecting(0)
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "")
    }
  }

  @Test("processes that make them at the same time all answer, and leave one file")
  func atOnce() throws {
    let started = try (0..<6).map { _ in try kept.start(["get", Self.questions[0]]) }
    for process in started {
      #expect(try process.finish().expecting(0).outputText == "so 12\n")
    }
    #expect(try files().count == 1)
  }

  @Test("a damaged one is made again, without a message")
  func damaged() throws {
    _ = try kept.run(["get", Self.questions[0]])
    let path = directory.path("cache/mneme/" + (try #require(try files().first)))
    let sound = try Data(contentsOf: URL(filePath: path))
    for position in [0, 20, 100, 150, 186, 300, sound.count / 2, sound.count - 1] {
      var bytes = sound
      bytes[position] ^= 0xff
      let file = try FileHandle(forWritingTo: URL(filePath: path))
      try file.write(contentsOf: bytes)
      try file.close()
      let outcome = try kept.run(["get", Self.questions[0]]).expecting(0)
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "")
      // It is whole again: the rows are the same ones.
      let again = try Data(contentsOf: URL(filePath: path))
      #expect(again.count == sound.count && again.dropFirst(2048) == sound.dropFirst(2048))
    }
  }

  @Test("a huge file, or one that is constantly truncated and rewritten, neither blocks nor crashes get")
  func huge() throws {
    _ = try kept.run(["get", Self.questions[0]])
    let path = directory.path("cache/mneme/" + (try #require(try files().first)))
    let sound = try Data(contentsOf: URL(filePath: path))
    #expect(truncate(path, 3 << 40) == 0)
    let outcome = try kept.run(["get", Self.questions[0]]).expecting(0)
    #expect(outcome.outputText == "so 12\n" && outcome.errorText == "")

    let stop = try directory.write("".utf8, to: "writing")
    try sound.write(to: URL(filePath: directory.path("sound")))
    let writer = try ChildProcess([
      "bash", "-c",
      "while [ -e '\(stop)' ]; do : >'\(path)'; cat '\(directory.path("sound"))' >'\(path)'; done",
    ])
    for _ in 0..<Effort.rounds(8, thorough: 16) {
      let outcome = try kept.run(["get", "--peek", Self.questions[0]]).expecting(0)
      #expect(outcome.outputText == "so 12\n" && outcome.errorText == "")
    }
    try FileManager.default.removeItem(atPath: stop)
    _ = try writer.finish()
  }

  @Test(
    "a peek makes and uses one after another get has identified the cache, and -v gives the reason before that"
  )
  func peek() throws {
    let first = try kept.run(["-v", "get", "--peek", Self.questions[0]]).expecting(0)
    #expect(first.errorText.contains("incarnation"))
    #expect(try files().isEmpty)
    try kept.run(["get", Self.questions[0]]).expecting(0)
    try FileManager.default.removeItem(atPath: directory.path("cache/mneme"))
    let second = try kept.run(["-v", "get", "--peek", Self.questions[0]]).expecting(0)
    #expect(!second.errorText.contains("incarnation"))
    #expect(try files().count == 1)
  }
}
