import CommandGrammar

/// A subcommand: its definition, its request, its work.
///
/// A conforming type is the request: what was typed, checked and resolved. `run` does the work and returns what
/// there is to tell; it prints nothing but what is streamed.
protocol Command: SendableMetatype {
  static var spec: CommandSpec { get }

  /// From checked words to a request. Touches no file and no network.
  /// - Throws: `UsageError` for words that exclude each other.
  init(_ invocation: Invocation) throws(UsageError)

  func run(_ context: Context) throws -> any Report
}
