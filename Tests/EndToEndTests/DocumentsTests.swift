import Foundation
import TestSupport
import Testing

/// The commands, schedules and configuration in README.md and in the manual pages.
@Suite("The documents")
struct DocumentsTests {
  @Test(
    "show what each command in them prints",
    .needs(program: "python3"), .needs(program: "jq"))
  func commands() throws {
    let outcome = try ChildProcess(
      [Repository.top + "/Tests/documents", Mneme.binary], environment: Mneme.plainEnvironment,
      directory: Repository.top
    ).finish(within: .seconds(900))
    #expect(outcome.status == 0, "\(outcome.outputText)\n\(outcome.errorText)")
    let count = try #require(outcome.outputText.firstMatch(of: #/(\d+) commands, 0 differences/#)).1
    #expect((Int(count) ?? 0) > 60)
  }

  @Test("list the same servers in README.md as in the table of mneme-servers(7)")
  func servers() throws {
    let table = try Documents.manual("mneme-servers.7")
    let tried = table.matches(of: #/\n(Redis|Valkey) (\d+\.\d+)\.\d+\t/#).map { "\($0.1) \($0.2)" }
    let sentence = try #require(try Documents.readme().firstMatch(of: #/It is tried on ([^:]+):/#)).1
    var program = ""
    let named = sentence.matches(of: #/(Redis|Valkey|\d+\.\d+)/#).compactMap { match -> String? in
      guard match.0.first?.isNumber == true else {
        program = String(match.0)
        return nil
      }
      return "\(program) \(match.0)"
    }
    #expect(!tried.isEmpty && Set(tried) == Set(named), "\(tried) and \(named)")
  }

  /// A crontab's command, as cron runs it: with this program and directory in place of the ones in the line.
  private func cron(_ text: String, _ mneme: Mneme, in directory: TemporaryDirectory) throws -> Outcome {
    let line = try #require(try Documents.line(ofManual: "mneme-scheduling.7", containing: text))
    #expect(!line.contains("%"), "cron takes a percent sign for the end of the line")
    let command = line.replacing(#/^(\S+\s+){5}/#, with: "")
      .replacing("/usr/local/bin/mneme", with: Mneme.binary)
      .replacing(#/-u \S+/#, with: "-u '\(mneme.url)' -p '\(mneme.prefix)'")
      .replacing("/var/lib/prometheus/node-exporter", with: directory.path)
    return try ChildProcess(
      ["/bin/sh", "-c", command],
      environment: ["PATH": "/usr/bin:/bin", "HOME": directory.path, "SHELL": "/bin/sh"]
    ).finish()
  }

  @Test("have a vacuum for cron that is silent when all is done, and prints an error when it fails")
  func vacuum() throws {
    let fixture = try CacheFixture("cron")
    let directory = try TemporaryDirectory()
    for number in 1...5 { try fixture.mneme.run("put", "--ttl", "1h", "q\(number)", "r") }
    try fixture.age(by: 7200)
    let outcome = try cron("-q -u", fixture.mneme, in: directory)
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    #expect(try fixture.entryCount() == 0)
    let away = try cron("-q -u", Mneme(url: "unix:///nonexistent", prefix: "p"), in: directory)
    #expect(away.status == 69 && away.errorText.hasPrefix("mneme: StoreBackendError: "), "\(away)")
  }

  @Test(
    "have a line for cron that replaces the metrics file completely or keeps the old one",
    .needs(program: "promtool"))
  func metrics() throws {
    let fixture = try CacheFixture("cron")
    let directory = try TemporaryDirectory()
    try fixture.mneme.run("put", "q", "r")
    let outcome = try cron("stats --prometheus >", fixture.mneme, in: directory)
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
    #expect(try directory.names().filter { $0.hasPrefix("mneme") } == ["mneme.prom"])
    let check = ["promtool", "check", "metrics"]
    let first = try directory.read("mneme.prom")
    try ChildProcess(check, environment: Mneme.plainEnvironment).finish(input: first).expecting(0)
    // If the server is away, cron has something to mail, and the file says that the cache is down.
    let away = try cron(
      "stats --prometheus >", Mneme(url: "unix:///nonexistent", prefix: "p"), in: directory)
    #expect(!away.errors.isEmpty)
    let last = try directory.read("mneme.prom")
    #expect(String(decoding: last, as: UTF8.self).contains("mneme_up{key_prefix=\"p\"} 0\n"))
    try ChildProcess(check, environment: Mneme.plainEnvironment).finish(input: last).expecting(0)
  }

  @Test("have alerts that Prometheus accepts", .needs(program: "promtool"))
  func alerts() throws {
    let rules = try #require(
      try Documents.blocks(ofManual: "mneme-scheduling.7").first { $0.hasPrefix("groups:") })
    let directory = try TemporaryDirectory()
    try Data(rules.utf8).write(to: URL(fileURLWithPath: directory.path("rules.yml")))
    let outcome = try ChildProcess(
      ["promtool", "check", "rules", directory.path("rules.yml")], environment: Mneme.plainEnvironment
    ).finish().expecting(0)
    #expect(outcome.outputText.contains("SUCCESS"), "\(outcome)")
    // Every metric that they use is one that mneme prints.
    let fixture = try CacheFixture("alerts")
    for word in ["a", "b"] { try fixture.mneme.run("put", word, "r") }
    try fixture.mneme.run("set-quota", "default", "5")
    try fixture.mneme.run("get", "a")
    let printed = try fixture.mneme.run("stats", "--prometheus").outputText
    let used = Set(rules.matches(of: #/\bmneme_\w+/#).map { String($0.output) })
    #expect(used.count >= 5)
    for name in used { #expect(printed.contains("\n\(name){") || printed.hasPrefix("\(name){"), "\(name)") }
  }

  @Test(
    "have a job for Kubernetes whose command works with the password as Kubernetes mounts it",
    .needs(program: "python3"), .needs(pythonModule: "yaml"))
  func kubernetes() throws {
    let text = try #require(
      try Documents.blocks(ofManual: "mneme-scheduling.7").first { $0.hasPrefix("apiVersion:") })
    let toJSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
    let job = try ChildProcess(["python3", "-c", toJSON]).finish(input: Array(text.utf8)).expecting(0).json()
    #expect(job["kind"].string == "CronJob")
    let pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    let container = pod["containers"][0]
    #expect(container["volumeMounts"][0]["name"].string == pod["volumes"][0]["name"].string)
    let mount = try #require(container["volumeMounts"][0]["mountPath"].string)
    // Kubernetes mounts each key of a secret as a symbolic link, here to a file that its group may read.
    let directory = try TemporaryDirectory()
    try directory.write("hunter2".utf8, to: "data")
    try FileManager.default.setAttributes([.posixPermissions: 0o440], ofItemAtPath: directory.path("data"))
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("password"), withDestinationPath: "data")
    let server = try RedisServer(configuration: ["user mneme-vacuum on >hunter2 ~* &* +@all"])
    let url = try #require(container["env"][0]["value"].string)
    let mneme = Mneme(
      url: server.url.replacing("unix://", with: try #require(url.firstMatch(of: #/^redis:\/\/[^@]+@/#)).0)
        .replacing("redis://", with: "unix://"), prefix: uniquePrefix())
    let password = ["--password-file", directory.path("password")]
    try mneme.run(password + ["put", "q", "r"]).expecting(0)
    let words = try #require(container["args"].array).map { try #require($0.string) }
    let outcome = try mneme.run(words.map { $0.replacing(mount, with: directory.path) }).expecting(0)
    #expect(outcome.output.isEmpty, "\(outcome)")
  }

  @Test(
    "have units that systemd accepts and finds safe", .needs(program: "systemd-analyze"))
  func units() throws {
    let blocks = try Documents.blocks(ofManual: "mneme-scheduling.7").filter { $0.hasPrefix("[Unit]") }
    try #require(blocks.count == 2)
    let directory = try TemporaryDirectory()
    let service = blocks[0].replacing("/usr/local/bin/mneme", with: Mneme.binary)
      .replacing(#/\nDocumentation=.*/#, with: "")
    for (name, text) in [("mneme-vacuum.service", service), ("mneme-vacuum.timer", blocks[1])] {
      try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: directory.path(name)))
    }
    let verified = try ChildProcess(
      ["systemd-analyze", "verify", "--man=no"]
        + ["mneme-vacuum.service", "mneme-vacuum.timer"].map(directory.path),
      environment: Mneme.plainEnvironment
    ).finish()
    let complaints = verified.errorText.split(separator: "\n").filter { $0.contains("mneme-vacuum") }
    #expect(complaints.isEmpty, "\(verified)")
    let security = try ChildProcess(
      [
        "systemd-analyze", "security", "--offline=true", "--threshold=40",
        directory.path("mneme-vacuum.service"),
      ], environment: Mneme.plainEnvironment
    ).finish()
    #expect(security.status == 0, "\(security)")
    #expect(security.outputText.contains("Overall exposure level"), "\(security)")
  }

  @Test(
    "have a reference of the library in which every link leads somewhere",
    .needs(program: "swift"), .needs(program: "docc"))
  func reference() throws {
    let build = URL(filePath: Mneme.binary).deletingLastPathComponent().path
    let directory = try TemporaryDirectory()
    let maps = ["CVector", "CProcess", "CRuntimeLibraries"].flatMap {
      ["-Xcc", "-fmodule-map-file=\(build)/\($0).build/module.modulemap"]
    }
    let target = try ChildProcess(["swiftc", "-print-target-info"]).finish().expecting(0).json()["target"]
    try ChildProcess(
      [
        "swift", "symbolgraph-extract", "-module-name", "Mneme", "-target",
        try #require(target["triple"].string), "-I", "\(build)/Modules", "-I", "Sources/CTextLibraries",
        "-minimum-access-level", "public", "-output-dir", directory.path,
      ] + maps, directory: Repository.top
    ).finish(within: .seconds(600)).expecting(0)
    let outcome = try ChildProcess(
      [
        "docc", "convert", "Sources/Mneme/Mneme.docc", "--additional-symbol-graph-dir", directory.path,
        "--output-path", directory.path("archive"), "--fallback-display-name", "Mneme",
        "--fallback-bundle-identifier", "mneme",
      ], directory: Repository.top
    ).finish(within: .seconds(600)).expecting(0)
    let warnings = (outcome.outputText + outcome.errorText).split(separator: "\n")
      .filter { $0.contains("warning:") && !$0.contains("is missing documentation") }
    #expect(warnings.isEmpty, "\(outcome)")
  }
}
