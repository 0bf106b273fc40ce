import Foundation
import TestSupport
import Testing

/// Tests of every command on a connection with every kind of fault: it ends with the right status, and neither its
/// output nor the cache is incomplete.
///
/// Three commands, which write, read, and do both in many requests, are run with every fault, and every command with
/// one. A thorough run tries every command with every fault.
@Suite("Every command on a faulty connection", .serialized)
struct ConnectionFaultTests {
  typealias Trial = ConnectionFaultBench.Trial

  private let bench: ConnectionFaultBench

  init() throws { bench = try .shared }

  /// A fault, and how a command may end then.
  struct Fault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let statuses: Set<Int32>
    /// The number of connections that have the fault.
    var times = Int.max
    var options = ConnectionFaultBench.patience
    let script: @Sendable (Int) -> ScriptedProxy.Script
    var isMet: @Sendable (Trial) -> Bool = { _ in true }

    init(
      _ name: String, _ statuses: Set<Int32>, times: Int = .max,
      options: [String] = ConnectionFaultBench.patience,
      _ script: @escaping @Sendable (Int) -> ScriptedProxy.Script,
      isMet: @escaping @Sendable (Trial) -> Bool = { _ in true }
    ) {
      (testDescription, self.statuses, self.times) = (name, statuses, times)
      (self.options, self.script, self.isMet) = (options, script, isMet)
    }

    /// Whether it strikes one command of several at least. A short time limit may end them all before, and a slow line
    /// has no moment at which it strikes.
    var mustStrike: Bool {
      if case .delay = script(0) { return false }
      return options == ConnectionFaultBench.patience
    }
  }

  /// The place of a fault: a share of the server's replies, after the greeting.
  private static func place(_ bytes: Int, _ share: Double) -> Int { max(200, Int(Double(bytes) * share)) }

  static let faults: [Fault] =
    [
      // The time limit of a command is longer than the test waits, so that the other limit ends this.
      Fault(
        "a server that accepts and says nothing: 69 once the time for connecting is over, asked once", [69],
        options: ["--connect-timeout", "300ms", "--timeout", "1h"],
        { _ in .stall(after: 0) }, isMet: { $0.conversations.count == 1 })
    ]
    + [0.5, 0.9].map { share in
      Fault(
        "a server that falls silent after \(share) of its answers: 69 once the time for a command is over",
        [0, 69], options: ["--connect-timeout", "1h", "--timeout", "300ms"],
        { .stall(after: place($0, share)) },
        isMet: { $0.conversations.first?.isHit != true || $0.outcome.status == 69 })
    }
    + [0, 7, 20].map { count in
      Fault("a server that hangs up after \(count) bytes: 69", [69]) { _ in .cut(after: count) }
    }
    + [Fault("a server that resets the connection: 69", [69]) { _ in .reset(after: 0) }]
    + [0.3, 0.6, 0.97].map { share in
      Fault("connections that all end after \(share): 69, or done with a new one", [0, 69]) {
        .cut(after: place($0, share))
      }
    }
    + [0.3, 0.6, 0.97].map { share in
      Fault("connections that are all reset after \(share): 69, or done with a new one", [0, 69]) {
        .reset(after: place($0, share))
      }
    }
    + [0, 0.5, 0.97].map { share in
      Fault(
        "a connection that ends once after \(share): commands that read continue, a write is not done twice",
        [0, 69], times: 1, { .cut(after: Int(Double($0) * share)) },
        isMet: { trial in
          // A run may get less than the one that was measured, which asked for the server's identity each second.
          guard trial.step.use != .reads else {
            return trial.conversations.first?.isHit != true || trial.conversations.count > 1
          }
          return trial.outcome.status == 0 || trial.outcome.errorText.contains("may have been written")
        })
    }
    + [0, 0.2, 0.5].map { share in
      Fault(
        "a server that talks nonsense after \(share): 69", share == 0 ? [69] : [0, 69],
        { .garbage(after: Int(Double($0) * share)) },
        isMet: { trial in
          // The answers on one connection depend on the others, and may be too few to get there.
          !trial.conversations.contains(where: \.isHit)
            || trial.outcome.errorText.contains("does not speak the Redis protocol")
        })
    }
    + [Fault("a slow line: the same as a fast one", [0]) { _ in .delay(milliseconds: 20) }]

  /// Checks the rules for every end of a command.
  private func expectSound(_ trials: [Trial], _ fault: Fault) throws {
    #expect(!trials.isEmpty)
    for trial in trials {
      let reference = try #require(bench.reference[trial.step.words])
      #expect(trial.problems.isEmpty, "\(trial.problems) \(trial)")
      // Nothing was done twice. A dropped cache has no version to compare.
      let isDrop = trial.step.command == "drop"
      #expect(isDrop || zip(trial.versions, reference.versions).allSatisfy { $0 <= $1 }, "\(trial)")
      #expect(fault.isMet(trial), "\(trial)")
      guard case .exited(let status) = trial.outcome.termination else {
        Issue.record("\(trial)")
        continue
      }
      #expect(fault.statuses.contains(status), "\(trial)")
      if status == reference.outcome.status {
        #expect(trial.printed == reference.printed, "\(trial)")
        #expect(trial.file == reference.file, "\(trial)")
        #expect(trial.entries == reference.entries && trial.versions == reference.versions, "\(trial)")
      } else {
        expectNothingHalf(trial, reference)
        let complaint =
          try? trial.step.isJSON ? Complaint(json: trial.outcome) : Complaint(text: trial.outcome)
        #expect(complaint?.type == "StoreBackendError", "\(trial)")
      }
    }
  }

  /// Expects of a failed command no output, or complete lines if each line is useful alone.
  private func expectNothingHalf(_ trial: Trial, _ reference: Trial) {
    #expect(trial.file == nil, "\(trial)")
    if trial.step.words.contains("--prometheus") {
      // The metrics say that the cache is down.
      let lines = trial.printed.split(whereSeparator: \.isNewline)
      #expect(lines.isEmpty || lines.count == 3 && lines.allSatisfy { $0.contains("mneme_up") }, "\(trial)")
      return
    }
    guard trial.step.isStream else {
      #expect(trial.printed.isEmpty, "\(trial)")
      return
    }
    let lines = Set(reference.printed.split(whereSeparator: \.isNewline))
    #expect(lines.isSuperset(of: trial.printed.split(whereSeparator: \.isNewline)), "\(trial)")
    #expect(trial.outcome.output.isEmpty || trial.outcome.output.last == UInt8(ascii: "\n"), "\(trial)")
  }

  @Test("each command works without a fault")
  func everyCommand() throws {
    for trial in bench.reference.values {
      #expect(trial.outcome.status == 0, "\(trial)")
      #expect(trial.problems.isEmpty, "\(trial)")
      #expect(!trial.conversations.isEmpty, "\(trial)")
    }
  }

  @Test("a put, an export and an import, with each fault", arguments: faults)
  func eachFault(_ fault: Fault) throws {
    let number = try #require(
      Self.faults.firstIndex { $0.testDescription == fault.testDescription })
    let lines = CommandExample.withServer.enumerated().filter { place, line in
      line.isMainForm && ["put", "export", "import"].contains(line.command)
        || Effort.isThorough && (place + number) % 3 == 0
    }.map(\.element)
    let trials = try bench.run(lines, times: fault.times, options: fault.options, fault.script)
    try expectSound(trials, fault)
    let isStruck = trials.contains { $0.conversations.contains(where: \.isHit) }
    #expect(isStruck || !fault.mustStrike, "\(trials)")
  }

  @Test("every command, with a fault", arguments: faults.indices)
  func eachCommand(number: Int) throws {
    let (fault, count) = (Self.faults[number], Self.faults.count)
    // Another one in another run with another seed.
    let shift = Int(SeededGenerator.seed % UInt64(count))
    let lines = CommandExample.withServer.enumerated().filter { ($0.offset + shift) % count == number }
    guard !lines.isEmpty else { return }
    try expectSound(
      bench.run(lines.map(\.element), times: fault.times, options: fault.options, fault.script), fault)
  }

  @Test("a command that needs no server makes no connection")
  func serverless() throws {
    let directory = try TemporaryDirectory()
    let questions = try directory.write(
      "text,label\n".utf8 + (1...8).flatMap { "question \($0),\($0 % 2)\n".utf8 }, to: "questions.csv")
    let proxy = try ScriptedProxy(to: RedisServer.shared(), .stall(after: 0))
    let mneme = Mneme(url: proxy.url, prefix: "p")
    // The tour starts its own server: `DemoTests`.
    for line in CommandExample.all where line.use == .none && line.command != "demo" {
      let isRefused = ["snapshot", "dumps", "restore", "loads"].contains(line.command)
      try mneme.run(line.words(file: questions, other: "p2")).expecting(isRefused ? 69 : 0)
    }
    #expect(proxy.conversations.isEmpty)
  }
}
