import Glibc

/// Whether standard input and standard error are terminals, so that a question can be asked and answered.
func isInteractive() -> Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

/// Asks a question. `y` and `yes` mean yes, every other answer no.
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
