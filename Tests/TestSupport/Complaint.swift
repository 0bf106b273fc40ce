import Testing

/// An error as the command prints it, in either form.
package struct Complaint: Equatable, Sendable {
  package var type: String
  package var message: String
  package var remediation: String
  package var causes: [String]

  /// `mneme: TYPE: message`, then `remediation: …` and a `caused by: …` line for each link of the chain. Notes may
  /// precede it, and after a usage error the usage line follows.
  package init(text outcome: Outcome) throws {
    var lines = outcome.errorLines[...]
    while let line = lines.first, !Complaint.isHead(line) { lines.removeFirst() }
    if lines.last?.hasPrefix("usage: mneme") == true { lines.removeLast() }
    guard let head = lines.popFirst(), let remediation = lines.popFirst(),
      remediation.hasPrefix("remediation: "),
      lines.allSatisfy({ $0.hasPrefix("caused by: ") })
    else { throw Unexpected("an error in three kinds of lines", of: outcome) }
    let parts = head.split(separator: ": ", maxSplits: 2).map(String.init)
    type = parts[1]
    message = parts[2]
    self.remediation = String(remediation.dropFirst("remediation: ".count))
    causes = lines.map { String($0.dropFirst("caused by: ".count)) }
  }

  /// `{"error":…,"message":…,"remediation":…,"causes":[…],"exit_status":…}`
  package init(json outcome: Outcome) throws {
    let object = try outcome.errorJSON()
    let members = object.keys?.filter { $0 != "notes" }
    guard members == ["causes", "error", "exit_status", "message", "remediation"],
      object["exit_status"].int == Int(outcome.status), let causes = object["causes"].array,
      let type = object["error"].string, let message = object["message"].string,
      let remediation = object["remediation"].string
    else { throw Unexpected("an error object with its status", of: outcome) }
    (self.type, self.message, self.remediation) = (type, message, remediation)
    self.causes = causes.compactMap(\.string)
  }

  private static func isHead(_ line: String) -> Bool {
    line.wholeMatch(of: /mneme: [A-Z][A-Za-z]*Error: .+/) != nil
  }
}

/// Runs a command that must be refused, as text and as JSON, and checks that both tell the same, with nothing
/// on standard output.
///
/// - Parameter run: runs the command with these further arguments.
@discardableResult
package func refusal(
  status: Int32, type: String? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ run: ([String]) throws -> Outcome
) throws -> Complaint {
  let text = try run([]).expecting(status)
  let json = try run(["--json"]).expecting(status)
  for outcome in [text, json] {
    #expect(outcome.output.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
    #expect(!outcome.errorText.contains("Fatal error"), "\(outcome)", sourceLocation: sourceLocation)
  }
  let complaint = try Complaint(json: json)
  #expect(try Complaint(text: text) == complaint, "\(text)", sourceLocation: sourceLocation)
  #expect(
    !complaint.message.isEmpty && !complaint.remediation.isEmpty, "\(text)", sourceLocation: sourceLocation)
  if let type { #expect(complaint.type == type, "\(text)", sourceLocation: sourceLocation) }
  return complaint
}
