import Foundation
import TestSupport
import Testing

/// Faults that were found once, each as it was met.
@Suite struct RegressionTests {
  // MARK: Input

  @Test("the earliest time that a number can hold is no time", arguments: ["created_at", "last_accessed_at"])
  func earliestTime(field: String) throws {
    let stage = try Stage("time")
    let line = #"{"query":"q","response":"r","\#(field)":-9223372036854775808}"#
    try stage.refusal(of: ["import"], input: Array(line.utf8), status: 65, type: "InvalidInputError")
    #expect(try stage.dump().isEmpty)
  }

  private func expectSound(_ stage: Stage, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let problems = LayoutAudit(try stage.dump(), prefix: stage.prefix).problems
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))", sourceLocation: sourceLocation)
  }
}
