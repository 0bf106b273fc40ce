/// The result of a command. One place in the program decides whether it is printed as text or as JSON.
protocol Report {
  /// One object.
  var json: JSONOutput { get }

  /// For people: lines without a newline at the end; nil where there is nothing to say.
  func text(_ style: TerminalStyle) -> String?

  /// Prints that text. One that may have very many lines prints them one by one.
  func print(on output: Output) throws

  /// Prints the object, or one a line where there are several.
  func printJSON(on output: Output) throws

  /// `.done`, or `.no` if the answer is no.
  var status: ExitStatus { get }

  /// The text says no more than that what was asked for has been done: `--quiet` wants none of it.
  var isConfirmation: Bool { get }
}

extension Report {
  var status: ExitStatus { .done }
  var isConfirmation: Bool { false }

  func print(on output: Output) throws {
    if let text = text(output.style) { try output.print(text) }
  }

  func printJSON(on output: Output) throws {
    let json = json
    if case .null = json {} else { try output.print(json) }
  }
}

/// A command whose results were all written while it worked.
struct NoReport: Report {
  var status = ExitStatus.done
  var json: JSONOutput { .null }
  func text(_ style: TerminalStyle) -> String? { nil }
}
