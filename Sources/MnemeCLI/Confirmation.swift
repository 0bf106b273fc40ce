import Glibc

/// Whether there is someone to ask and to read the question.
func isInteractive() -> Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

/// Asks a question that `y` answers with yes, and everything else with no.
func confirm(_ question: String) throws -> Bool {
  let answer = try answer(to: question)?.lowercased()
  return answer == "y" || answer == "yes"
}

/// Asks a question on the terminal.
/// - Returns: the line that was typed; nil at the end of input.
func answer(to question: String) throws -> String? {
  Output.ask(question)
  var lines = LineReader(try InputFile("-"), limit: 1024)
  return try lines.next().map { String(decoding: $0, as: UTF8.self) }
}
