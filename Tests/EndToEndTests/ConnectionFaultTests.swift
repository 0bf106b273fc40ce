import Foundation
import TestSupport
import Testing

/// Every command, through a line on which everything goes wrong that can: it ends, with a status that tells, and
/// neither what it prints nor what it leaves behind is half of anything.
@Suite("Every command on a faulty line", .serialized)
struct ConnectionFaultTests {
  private typealias Trial = ConnectionFaultBench.Trial

  private let bench: ConnectionFaultBench

  init() throws { bench = try .shared }

  /// What holds however a command ends.
  private func expectSound(_ trials: [Trial], statuses: Set<Int32>) throws {
    #expect(!trials.isEmpty)
    for trial in trials {
      let reference = try #require(bench.reference[trial.step.arguments])
      #expect(trial.problems.isEmpty, "\(trial.problems) \(trial)")
      // Nothing was done twice.
      #expect(zip(trial.versions, reference.versions).allSatisfy { $0 <= $1 }, "\(trial)")
      guard case .exited(let status) = trial.outcome.termination else {
        Issue.record("\(trial)")
        continue
      }
      #expect(statuses.contains(status), "\(trial)")
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

  /// A command that failed has printed nothing, or, where each line is of use by itself, whole lines.
  private func expectNothingHalf(_ trial: Trial, _ reference: Trial) {
    #expect(trial.file == nil, "\(trial)")
    guard trial.step.streams else {
      #expect(trial.printed.isEmpty, "\(trial)")
      return
    }
    let lines = Set(reference.printed.split(whereSeparator: \.isNewline))
    #expect(lines.isSuperset(of: trial.printed.split(whereSeparator: \.isNewline)), "\(trial)")
    #expect(trial.outcome.output.isEmpty || trial.outcome.output.last == UInt8(ascii: "\n"), "\(trial)")
  }

  @Test("each command that needs a server is tried here, and without a fault each works")
  func everyCommand() throws {
    // The tour starts its own server; the others are refused, or work on files alone.
    let serverless: Set = [
      "demo", "snapshot", "dumps", "restore", "loads", "calibrate", "completions", "help",
    ]
    let tried = Set(ConnectionFaultBench.steps.map(\.command))
    #expect(try ConnectionFaultBench.commands().subtracting(serverless) == tried)
    for trial in bench.reference.values {
      #expect(trial.outcome.status == 0, "\(trial)")
      #expect(trial.problems.isEmpty, "\(trial)")
      #expect(!trial.conversations.isEmpty, "\(trial)")
    }
  }

  @Test("a command that needs no server makes no connection")
  func serverless() throws {
    let directory = try TemporaryDirectory()
    let questions = try directory.write(
      "text,label\n".utf8 + (1...8).flatMap { "question \($0),\($0 % 2)\n".utf8 }, to: "questions.csv")
    let proxy = try FaultyProxy(to: RedisServer.shared(), .stall(after: 0))
    let mneme = Mneme(url: proxy.url, prefix: "p")
    for words in [["snapshot", "f"], ["dumps", "f"], ["restore", "f"], ["loads", "f"]] {
      try mneme.run(words).expecting(69)
    }
    for words in [["completions", "bash"], ["help"], ["calibrate", "--labelled", questions]] {
      try mneme.run(words).expecting(0)
    }
    #expect(proxy.conversations.isEmpty)
  }

  @Test("a server that accepts and says nothing: 75 once the time for connecting is over, asked once")
  func silence() throws {
    // The time for a command is longer than the test waits, so that it is the other limit that ends this.
    let trials = try bench.run(options: ["--connect-timeout", "300ms", "--timeout", "1h"]) { _ in
      .stall(after: 0)
    }
    try expectSound(trials, statuses: [75])
    for trial in trials { #expect(trial.conversations.count == 1, "\(trial)") }
  }

  @Test(
    "a server that falls silent in the middle: 75 once the time for a command is over", arguments: [0.5, 0.9])
  func stalls(share: Double) throws {
    let trials = try bench.run(options: ["--connect-timeout", "1h", "--timeout", "300ms"]) {
      .stall(after: max(200, Int(Double($0) * share)))
    }
    try expectSound(trials, statuses: [0, 75])
    for trial in trials where trial.conversations.first?.isHit == true {
      #expect(trial.outcome.status == 75, "\(trial)")
    }
  }

  @Test("a server that hangs up before its first answers are whole: 69", arguments: [0, 7, 20])
  func cutEarly(count: Int) throws {
    try expectSound(try bench.run { _ in .cut(after: count) }, statuses: [69])
    if count == 0 { try expectSound(try bench.run { _ in .reset(after: count) }, statuses: [69]) }
  }

  @Test(
    "connections that all break off in the middle: 69, or done with a new one, and nothing half or twice",
    arguments: [0.3, 0.6, 0.97])
  func cutLate(share: Double) throws {
    for fault in [FaultyProxy.Fault.cut, FaultyProxy.Fault.reset] {
      try expectSound(try bench.run { fault(max(200, Int(Double($0) * share))) }, statuses: [0, 69])
    }
  }

  @Test(
    "a connection that breaks off once: what reads goes on with a new one, what writes is not written twice",
    arguments: [0, 0.5, 0.97])
  func cutOnce(share: Double) throws {
    let trials = try bench.run(times: 1) { .cut(after: Int(Double($0) * share)) }
    try expectSound(trials, statuses: [0, 69])
    let writing: Set = ["put", "import", "vacuum", "set-quota", "delete", "clear", "reembed", "get"]
    for trial in trials where trial.outcome.status == 69 {
      #expect(writing.contains(trial.step.command), "\(trial)")
      #expect(trial.outcome.errorText.contains("may have been written"), "\(trial)")
    }
    for trial in trials where !writing.contains(trial.step.command) {
      #expect(trial.conversations.count > 1, "\(trial)")
    }
  }

  @Test("a server that talks nonsense: 69", arguments: [0, 0.2, 0.5])
  func garbage(share: Double) throws {
    let trials = try bench.run { .garbage(after: Int(Double($0) * share)) }
    try expectSound(trials, statuses: [69])
    for trial in trials {
      #expect(trial.outcome.errorText.contains("does not speak the Redis protocol"), "\(trial)")
    }
  }

  @Test("a slow line: the same as a fast one")
  func delay() throws {
    try expectSound(try bench.run { _ in .delay(milliseconds: 20) }, statuses: [0])
  }
}
