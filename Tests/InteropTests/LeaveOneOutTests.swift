import Foundation
import TestSupport
import Testing

/// Tests of `mneme audit` against a simple NumPy program: see `Tests/Interop/leave_one_out.py`.
@Suite("The audit compared with NumPy", .needsPythonPeer, .needsBanking77)
struct LeaveOneOutTests {
  @Test(
    "gives the counts of a comparison of all with all: Banking77, with its intents as responses")
  func banking77() throws {
    let fixture = try CacheFixture("leave one out")
    let directory = try TemporaryDirectory()
    // Every question in a thorough run, else each twenty-fifth.
    let step = Effort.isThorough ? 1 : 25
    _ = try ChildProcess(
      [PythonPeer.interpreter, "-c", Self.lines, Repository.banking77, "\(step)", directory.path("lines")]
    ).finish().expecting(0)
    try fixture.mneme.run(["import", directory.path("lines")], within: .seconds(300)).expecting(0)
    let numPy = try PythonPeer.start("leave_one_out.py", fixture.mneme.url, fixture.prefix)
    let expected = try JSONValue(numPy.finish(within: .seconds(300)).expecting(0).outputText)
    for threshold in ["0.85", "0.95"] {
      let outcome = try fixture.mneme.run(
        ["audit", "--json", "--limit", "0", "--threshold", threshold], within: .seconds(300))
      let hasConflicts = expected["pairs"][threshold][0].int ?? 0 > 0
      let answer = try outcome.expecting(hasConflicts ? 1 : 0).json()["namespaces"][0]
      #expect(answer["entries"].int == expected["entries"].int)
      #expect(answer["compared"].int == expected["entries"].int)
      let table = try #require(answer["leave_one_out"].array)
      #expect(table.count == 30)
      for (row, counts) in zip(table, try #require(expected["table"].array)) {
        #expect(
          ["same", "different", "none"].map { row[$0].int } == (counts.array ?? []).map(\.int),
          "at \(row["threshold"])")
      }
      #expect(answer["conflict_count"].int == expected["pairs"][threshold][0].int)
      #expect(answer["duplicate_count"].int == expected["pairs"][threshold][1].int)
    }
  }

  /// Turns questions into import lines.
  private static let lines = """
    import csv, json, sys
    with open(sys.argv[1], newline="", encoding="utf-8") as source, open(sys.argv[3], "w") as lines:
        for row in list(csv.DictReader(source))[::int(sys.argv[2])]:
            lines.write(json.dumps({"query": row["text"], "response": row["category"]}) + "\\n")
    """
}
