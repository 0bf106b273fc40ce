/// The result of a command. One place in the program decides whether it is printed as text or as JSON.
protocol Report {
  /// One object.
  var json: JSONOutput { get }

  /// Returns the text output, without a newline at the end; nil if there is none.
  func text(_ style: TerminalStyle) -> String?

  /// Prints that text. A report that may have very many lines prints them one by one.
  func print(on output: Output) throws

  /// Prints the object, or several, one on each line.
  func printJSON(on output: Output) throws

  /// `.done`, or `.no` if the answer is no.
  var status: ExitStatus { get }

  /// Whether the text only confirms that the command was carried out, so that `--quiet` suppresses it.
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

/// The report of a command that has written all its results while it worked.
struct NoReport: Report {
  var status = ExitStatus.done
  var json: JSONOutput { .null }
  func text(_ style: TerminalStyle) -> String? { nil }
}
