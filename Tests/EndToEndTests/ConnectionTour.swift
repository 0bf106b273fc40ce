import TestSupport
import Testing

/// Runs every command that uses a server once, in an order in which each has something to do.
/// - Parameters:
///   - mneme: on an empty prefix.
///   - urls: servers that take turns; those of `mneme` alone when empty.
func expectTourToWork(
  _ mneme: Mneme, options: [String] = [], urls: [String] = [], other: String? = nil,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let other = other ?? mneme.prefix + "2"
  let lines = (1...70).map { "{\"query\":\"question \($0)\",\"response\":\"answer \($0)\"}\n" }.joined()
  let tour: [(words: [String], input: String, says: String)] = [
    (["put", "q", "an answer"], "", ""),
    (["put", "q", "the answer", "--ttl", "1h"], "", ""),
    (["get", "q"], "", "the answer"),
    (["get", "--peek", "--json", "q"], "", "\"hit\":true"),
    (["import"], lines, ""),
    (["import", "--on-conflict", "skip"], lines, ""),
    (["get", "--threshold", "0.2", "this is question 7"], "", "answer"),
    (["get", "--exact", "question 7"], "", "answer 7"),
    (["stats", "--json"], "", "\"entries\":71"),
    (["set-quota", "default", "60", "--evict"], "", ""),
    (["set-quota", "default"], "", "60"),
    (["stats", "--json"], "", "\"entries\":60"),
    (["put", "question 70", "another answer"], "", ""),
    (["set-quota", "default", "--remove"], "", ""),
    (["inspect-keys", "--json"], "", "\"foreign\":[]"),
    (["inspect-keys", "--list", "--family", "by_id"], "", ":by_id"),
    (["export"], "", "\"response\":\"another answer\""),
    (["delete", "question 70"], "", ""),
    (["vacuum", "--json"], "", "\"complete\":true"),
    (["reembed", other], "", ""),
    (["stats", "--json", "-p", other], "", "\"entries\":59"),
    (["clear", "--yes", "--all"], "", ""),
    (["clear", "--yes", "--all", "-p", other], "", ""),
    (["stats", "--json"], "", "\"entries\":0"),
  ]
  for (index, step) in tour.enumerated() {
    let server = urls.isEmpty ? mneme : Mneme(url: urls[index % urls.count], prefix: mneme.prefix)
    let outcome = try server.run(step.words + options, input: Array(step.input.utf8))
    #expect(
      outcome.status == 0 && outcome.outputText.contains(step.says), "\(outcome)",
      sourceLocation: sourceLocation)
    #expect(!outcome.errorText.contains("warning"), "\(outcome)", sourceLocation: sourceLocation)
  }
}
