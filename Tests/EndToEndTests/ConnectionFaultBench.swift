import Foundation
import TestSupport
import Testing

/// Every command that uses a server. Each is run through a faulty proxy on its own cache.
final class ConnectionFaultBench: Sendable {
  /// The outcome of a step.
  struct Trial: Sendable, CustomStringConvertible {
    let step: CommandExample
    let fault: ScriptedProxy.Script
    let outcome: Outcome
    let conversations: [ScriptedProxy.Conversation]
    /// The output, the same for every prefix and every pace.
    let printed: String
    /// The content of FILE; nil if it is not there.
    let file: String?
    /// The entries of the cache and of the one in OTHER.
    let entries: [Int]
    let versions: [Int]
    /// The inconsistencies in the caches.
    let problems: [String]

    var description: String { "through \(fault): \(outcome)" }
  }

  static var shared: ConnectionFaultBench { get throws { try common.get() } }
  private static let common = Result { try ConnectionFaultBench() }

  /// The status and the output of each command line without a fault.
  let reference: [[String]: Trial]

  private let server: RedisServer
  private let directory: TemporaryDirectory

  private init() throws {
    server = try RedisServer()
    directory = try TemporaryDirectory()
    let bench = Bench(server: server, directory: directory)
    reference = try Dictionary(
      uniqueKeysWithValues: bench.run(
        CommandExample.withServer, times: .max, options: ConnectionFaultBench.patience, { _ in .none }
      )
      .map { ($0.step.words, $0) })
  }

  /// Time limits that a busy machine does not reach, for tests of something else.
  static let patience = ["--connect-timeout", "60s", "--timeout", "60s"]

  /// Runs lines, each through a proxy and on a cache of its own.
  /// - Parameters:
  ///   - times: the number of connections of each line that have the fault.
  ///   - script: the fault, by the bytes that the line's first connection receives without a fault.
  func run(
    _ lines: [CommandExample], times: Int = .max, options: [String] = ConnectionFaultBench.patience,
    _ script: (Int) -> ScriptedProxy.Script
  ) throws -> [Trial] {
    try Bench(server: server, directory: directory).run(lines, times: times, options: options) { step in
      script(self.reference[step.words]?.conversations.first?.received ?? 0)
    }
  }
}

/// The part that runs.
private struct Bench {
  let server: RedisServer
  let directory: TemporaryDirectory

  func run(
    _ steps: [CommandExample], times: Int, options: [String],
    _ fault: (CommandExample) -> ScriptedProxy.Script
  ) throws -> [ConnectionFaultBench.Trial] {
    try steps.chunked(by: 8).flatMap { try runTogether(Array($0), times: times, options: options, fault) }
  }

  /// Runs all at the same time, since they mostly wait.
  private func runTogether(
    _ steps: [CommandExample], times: Int, options: [String],
    _ fault: (CommandExample) -> ScriptedProxy.Script
  ) throws -> [ConnectionFaultBench.Trial] {
    let fixture = try CacheFixture(on: server)
    let started = try steps.map { step in
      // All prefixes have the same length, so that the replies do too.
      let prefix = "f" + (uniquePrefix("").dropLast() + "-----").prefix(5)
      try CommandExample.sampleCache(CacheFixture(on: server, prefix: prefix))
      let proxy = try ScriptedProxy(to: server, fault(step), times: times)
      let words = step.words(file: directory.path(prefix), other: prefix + "2") + options
      return (step, prefix, proxy, fault(step), try Mneme(url: proxy.url, prefix: prefix).start(words))
    }
    let outcomes = try started.map { step, _, _, _, process in try process.finish(input: step.input) }
    // A proxy may still pass on what a command had sent before it gave up.
    try fixture.awaitNoOtherClients()
    return try zip(started, outcomes).map { start, outcome in
      let (step, prefix, proxy, fault, _) = start
      // A proxy may be slower to accept than the command was to give up.
      try eventually("the proxy to have a connection") { !proxy.conversations.isEmpty }
      let file = try? withoutMoment(String(decoding: directory.read(prefix), as: UTF8.self), prefix)
      let trial = try look(at: fixture.redis, step, prefix, fault, outcome, proxy.conversations, file)
      try fixture.redis.removeKeys(beginningWith: prefix)
      return trial
    }
  }

  /// A text without the parts that depend on the prefix and the time.
  private func withoutMoment(_ text: String, _ prefix: String) -> String {
    text.replacing(prefix, with: "PREFIX").replacing(#/"exported_at":\d+/#, with: "\"exported_at\":MOMENT")
  }

  private func look(
    at redis: RawRedis, _ step: CommandExample, _ prefix: String, _ fault: ScriptedProxy.Script,
    _ outcome: Outcome, _ conversations: [ScriptedProxy.Conversation], _ file: String?
  ) throws -> ConnectionFaultBench.Trial {
    let prefixes = [prefix, prefix + "2"]
    let dumps = try prefixes.map { try redis.dump(prefix: $0 + ":") }
    // Ages grow from one run to the next, confidences fall, and the columns have their widths.
    var printed = withoutMoment(outcome.outputText, prefix)
      .replacing(#/ [01]\.\d{3}(?= +\d+[smhd])/#, with: " CONFIDENCE")
      .replacing(#/ +\d+[smhd](?: \d+[smhd])?(?!\S)/#, with: " AGE").replacing(#/ {2,}/#, with: "  ")
      .replacing(/in [0-9.,]+ ?(ms|s)\b/, with: "in no time")
      .replacing(/the oldest [^,\n]+ old/, with: "the oldest of some age")
      .replacing(/[0-9.]+ [KMG]iB used/, with: "some used")
    // A delay over a second looks like a difference of the clocks.
    printed = printed.replacing(
      /this machine (and the server agree|is \d+s (ahead of|behind) the server)/, with: "CLOCK")
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
