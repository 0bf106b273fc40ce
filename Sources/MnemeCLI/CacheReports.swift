import CommandGrammar
import Mneme

extension Options {
  static let allCaches = Switch(
    "all-caches", summary: "every cache on the server, one after the other",
    details: """
      Runs for each cache that `mneme inspect-keys --discover` finds, on a Redis Cluster on every primary. It \
      ignores {option:key-prefix}. With {option:json} it prints one object on each line. The exit status is the \
      worst one.
      """)
}

/// The reports of a command about each cache on the server.
struct CacheReports: Report {
  private var reports: [(keyPrefix: String, report: any Report)] = []

  mutating func add(_ keyPrefix: String, _ report: any Report) { reports.append((keyPrefix, report)) }

  var status: ExitStatus {
    guard !reports.isEmpty else { return .no }
    return reports.map(\.report.status).max { $0.rawValue < $1.rawValue } ?? .done
  }

  var json: JSONOutput { .null }

  func printJSON(on output: Output) throws {
    for (keyPrefix, report) in reports {
      guard case .object(let members) = report.json else { continue }
      let isNamed = members.contains { $0.0 == "key_prefix" }
      try output.print(.object((isNamed ? [] : [("key_prefix", JSONOutput(keyPrefix))]) + members))
    }
  }

  func text(_ style: TerminalStyle) -> String? { nil }

  func print(on output: Output) throws {
    if reports.isEmpty { return try output.print("there is no cache on this server") }
    for (number, (keyPrefix, report)) in reports.enumerated() {
      if number > 0 { try output.print("") }
      try output.print(output.style.bold("\(visible(keyPrefix)):"))
      try report.print(on: output)
    }
  }

  var isConfirmation: Bool { !reports.isEmpty && reports.allSatisfy(\.report.isConfirmation) }
}
