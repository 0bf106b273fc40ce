import Foundation
import TestSupport
import Testing

/// Every command that talks to a server, each to be run through a faulty proxy on a cache of its own.
final class ConnectionFaultBench: Sendable {
  /// A command line. `FILE` stands for a file that is not there, `OTHER` for a prefix without a cache.
  struct Step: Sendable {
    let arguments: [String]
    var input: [UInt8] = []
    /// What it prints is of use line by line.
    let streams: Bool
    /// Its lines come in whatever order the server has them.
    let isUnordered: Bool

    init(_ line: String, input: String = "", streams: Bool = false, isUnordered: Bool = false) {
      arguments = line.split(separator: " ").map { String($0).replacing("_", with: " ") }
      self.input = Array(input.utf8)
      self.streams = streams
      self.isUnordered = isUnordered
    }

    var command: String { arguments[0] }
    /// What it has to say is JSON, errors too.
    var isJSON: Bool { arguments.contains("--json") }
  }

  /// What a step came to.
  struct Trial: Sendable, CustomStringConvertible {
    let step: Step
    let fault: FaultyProxy.Fault
    let outcome: Outcome
    let conversations: [FaultyProxy.Conversation]
    /// What was printed, the same for every prefix and every pace.
    let printed: String
    /// What FILE holds; nil where it is not there.
    let file: String?
    /// Of the cache and of the one in OTHER.
    let entries: [Int]
    let versions: [Int]
    /// What does not fit together in the caches.
    let problems: [String]

    var description: String { "through \(fault): \(outcome)" }
  }

  static var shared: ConnectionFaultBench { get throws { try common.get() } }
  private static let common = Result { try ConnectionFaultBench() }

  /// All commands of the contract that need a server, in the forms that talk to it differently.
  static let steps: [Step] = [
    Step("put a_new_question an_answer --ttl 1h"), Step("put question_7 another_answer"),
    Step("put --json another_question an_answer"), Step("get question_7"),
    Step("get --threshold 0.2 this_is_question_7"), Step("get --peek question_7"), Step("stats"),
    Step("stats --json"), Step("stats --prometheus"), Step("vacuum"), Step("vacuum --dry-run"),
    Step("inspect-keys"), Step("inspect-keys --check"),
    Step("inspect-keys --list", streams: true, isUnordered: true), Step("set-quota faq 3 --evict"),
    Step("set-quota faq"), Step("export", streams: true), Step("export -o FILE"),
    Step("export --format csv", streams: true), Step("import", input: lines), Step("delete question_3"),
    Step("delete --json question_4"), Step("delete --id 29 --id 30"), Step("clear --yes faq"),
    Step("reembed OTHER"), Step("health"),
  ]
  private static let lines = (0..<80).map { "{\"query\":\"new \($0)\",\"response\":\"answer \($0)\"}\n" }
    .joined()

  /// By command line: how each ends, and what it prints, when nothing is wrong.
  let reference: [[String]: Trial]

  private let server: RedisServer
  private let template: [String]
  private let directory: TemporaryDirectory

  private init() throws {
    server = try RedisServer()
    directory = try TemporaryDirectory()
    let stage = try Stage(on: server, prefix: "f-----")
    let entries = (1...40).map { number in
      let place = number > 20 ? ",\"namespace\":\"faq\",\"ttl\":3600" : ""
      return "{\"query\":\"question \(number)\",\"response\":\"answer \(number)\"\(place)}\n"
    }
    try stage.mneme.run("import", input: entries.joined())
    try stage.mneme.run("set-quota", "faq", "30")
    for id in 31...40 { try stage.age(id, by: 7200) }
    template = try stage.dump().names
    let bench = Bench(server: server, template: template, directory: directory)
    reference = try Dictionary(
      uniqueKeysWithValues: bench.run(
        ConnectionFaultBench.steps, .none, times: .max, options: ConnectionFaultBench.patience
      )
      .map { ($0.step.arguments, $0) })
  }

  /// Where time limits are not what is tried, a busy machine must not meet them.
  private static let patience = ["--connect-timeout", "60s", "--timeout", "60s"]

  /// The names of all commands, as the program itself tells them.
  static func commands() throws -> Set<String> {
    let help = try Mneme(url: "", prefix: "p").run("help", "--json").json()
    return Set((help["commands"].array ?? []).compactMap(\.["name"].string))
  }

  /// Runs every step, each through a proxy and on a cache of its own.
  /// - Parameters:
  ///   - fault: by the bytes that the step's first connection receives when nothing is wrong.
  ///   - times: how many connections of each step it befalls.
  func run(
    times: Int = .max, options: [String] = ConnectionFaultBench.patience,
    _ fault: (Int) -> FaultyProxy.Fault
  ) throws -> [Trial] {
    let bench = Bench(server: server, template: template, directory: directory)
    return try ConnectionFaultBench.steps.chunked(by: 8).flatMap { group in
      try bench.run(Array(group), times: times, options: options) { step in
        fault(self.reference[step.arguments]?.conversations.first?.received ?? 0)
      }
    }
  }
}

/// The part that runs.
private struct Bench {
  let server: RedisServer
  let template: [String]
  let directory: TemporaryDirectory

  func run(
    _ steps: [ConnectionFaultBench.Step], _ fault: FaultyProxy.Fault, times: Int, options: [String]
  ) throws -> [ConnectionFaultBench.Trial] {
    try run(steps, times: times, options: options) { _ in fault }
  }

  /// All at once, since most of the time is spent waiting.
  func run(
    _ steps: [ConnectionFaultBench.Step], times: Int, options: [String],
    _ fault: (ConnectionFaultBench.Step) -> FaultyProxy.Fault
  ) throws -> [ConnectionFaultBench.Trial] {
    let redis = try server.connect()
    let started = try steps.map { step in
      let prefix = "f" + (uniquePrefix("").dropLast() + "-----").prefix(5)
      _ = try redis.pipeline(
        template.map { name in
          ["COPY", name, prefix + name.dropFirst(prefix.count)].map { Array($0.utf8) }
        })
      let proxy = try FaultyProxy(to: server, fault(step), times: times)
      let places = ["FILE": directory.path(prefix), "OTHER": prefix + "2"]
      let words = step.arguments.map { places[$0] ?? $0 } + options
      return (step, prefix, proxy, fault(step), try Mneme(url: proxy.url, prefix: prefix).start(words))
    }
    return try started.map { step, prefix, proxy, fault, process in
      let outcome = try process.finish(input: step.input, within: .seconds(120))
      let file = try? String(decoding: directory.read(prefix), as: UTF8.self)
      let trial = try look(at: redis, step, prefix, fault, outcome, proxy.conversations, file)
      try redis.send(["UNLINK"].map { Array($0.utf8) } + (try redis.names(beginningWith: prefix)))
      return trial
    }
  }

  private func look(
    at redis: RawRedis, _ step: ConnectionFaultBench.Step, _ prefix: String, _ fault: FaultyProxy.Fault,
    _ outcome: Outcome, _ conversations: [FaultyProxy.Conversation], _ file: String?
  ) throws -> ConnectionFaultBench.Trial {
    let prefixes = [prefix, prefix + "2"]
    let dumps = try prefixes.map { try redis.dump(prefix: $0 + ":") }
    var printed = outcome.outputText.replacing(prefix, with: "PREFIX")
      .replacing(/in [0-9.,]+ ?(ms|s)\b/, with: "in no time")
      .replacing(/the oldest [^,\n]+ old/, with: "the oldest of some age")
      .replacing(/[0-9.]+ [KMG]iB used/, with: "some used")
    if step.isUnordered {
      printed = Set(printed.split(whereSeparator: \.isNewline)).sorted().joined(separator: "\n")
    }
    return ConnectionFaultBench.Trial(
      step: step, fault: fault, outcome: outcome, conversations: conversations, printed: printed, file: file,
      entries: zip(prefixes, dumps).map { prefix, dump in
        dump.names.count { $0.hasPrefix(prefix + ":entry:") }
      },
      versions: try prefixes.map { Int(try redis.send("GET", $0 + ":version").integer ?? 0) },
      problems: zip(prefixes, dumps).flatMap { LayoutAudit($1, prefix: $0).problems })
  }
}

extension Array {
  fileprivate func chunked(by size: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
  }
}
