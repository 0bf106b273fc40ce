import CommandGrammar

/// A subcommand: its definition, its request, its work.
///
/// A value of a conforming type is the request: the options and arguments, checked and resolved. `run` does the work
/// and returns a report. It prints only results that are streamed.
protocol Command: SendableMetatype {
  static var spec: CommandSpec { get }

  /// Makes a request of checked words. It uses neither files nor the network.
  /// - Throws: `UsageError` for words that exclude each other.
  init(_ invocation: Invocation) throws(UsageError)

  func run(_ context: Context) throws -> any Report
}
