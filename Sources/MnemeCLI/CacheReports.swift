import CommandGrammar
import Mneme

extension Options {
  static let allCaches = Switch(
    "all-caches", summary: "every cache on the server, one after the other",
    details: """
      Runs for each cache that `mneme inspect-keys --discover` finds, on a Redis Cluster on every primary. It \
      ignores {option:key-prefix}. If a cache cannot be read, mneme prints the error and continues with the next one. \
      With {option:json} it prints one object on each line. The exit status is the worst one.
      """)
}

/// The reports of a command about each cache on the server, which are printed as they come.
struct CacheReports: Report {
  /// The worst status; nil without a cache.
  private var worst: ExitStatus?
  private var hasPrinted = false

  mutating func add(_ status: ExitStatus) {
    if status.rawValue > worst?.rawValue ?? -1 { worst = status }
  }

  mutating func print(_ report: any Report, _ context: Context) throws {
    let (settings, output) = (context.settings, context.output)
    if settings.isJSON {
      guard case .object(let members) = report.json else { return }
      let isNamed = members.contains { $0.0 == "key_prefix" }
      try output.print(
        .object((isNamed ? [] : [("key_prefix", JSONOutput(settings.keyPrefix))]) + members))
    } else if !(settings.isQuiet && report.isConfirmation), let text = report.text(output.style) {
      if hasPrinted { try output.print("") }
      hasPrinted = true
      try output.print(output.style.bold("\(visible(settings.keyPrefix)):") + "\n" + text)
    }
  }

  var status: ExitStatus { worst ?? .no }
  var json: JSONOutput { .null }
  func text(_ style: TerminalStyle) -> String? { worst == nil ? "there is no cache on this server" : nil }
}
