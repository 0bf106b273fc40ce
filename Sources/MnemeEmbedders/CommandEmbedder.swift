import Glibc
import Mneme
import Synchronization

/// An embedder that is a program of the user.
///
/// It gets each text as a JSON string on a line of its standard input, and answers each with a JSON array of numbers
/// on a line of its standard output, in their order. It is started with the first text. Its input ends when the
/// embedder is released. It inherits standard error.
///
///     "how do i reset my password"        →
///                                         ←  [0.12, -0.03, 0.4]
///
/// It runs under `/bin/sh -c` in its own process group. So Ctrl-C does not reach it and the current batch can be
/// finished. After the time limit the whole group is killed.
public final class CommandEmbedder: Embedder {
  public let fingerprint: String
  public let dimension: Int
  private let command: String
  private let environment: [String: String]
  private let timeLimit: Duration
  private let program = Mutex<LineProgram?>(nil)

  /// - Parameters:
  ///   - command: the command line, as one would type it in a shell.
  ///   - fingerprint: the fingerprint of the vectors. It is not checked.
  ///   - dimension: the length of each vector.
  ///   - environment: all variables that the program gets.
  ///   - timeLimit: the time limit for the answer to one batch.
  public init(
    _ command: String, fingerprint: String, dimension: Int, environment: [String: String], timeLimit: Duration
  ) {
    self.command = command
    self.fingerprint = fingerprint
    self.dimension = dimension
    self.environment = environment
    self.timeLimit = timeLimit
  }

  public func embed(_ texts: [String]) throws -> [[Float]] {
    guard !texts.isEmpty else { return [] }
    return try program.withLock { program in
      do {
        let running = try program ?? LineProgram(command, environment: environment)
        program = running
        let lines = texts.map { JSONText.quoted($0) }
        let answers = try withoutPipeSignals {
          try running.exchange(lines, before: Instant.now + timeLimit)
        }
        return try vectors(in: answers)
      } catch let failure as LineProgram.Failure {
        // A late answer would be taken for that to another text.
        program?.kill()
        program = nil
        if case .stopped = failure { throw WaitStopped() }
        throw error(for: failure, texts.count)
      }
    }
  }

  private var source: String { "The embedder command" }

  private func vectors(in answers: [[UInt8]]) throws(EmbedderError) -> [[Float]] {
    let received = ReceivedVectors(source: source, dimension: dimension)
    var vectors: [[Float]] = []
    for (index, line) in answers.enumerated() {
      do {
        let vector = try received.numbers(in: try? JSONText(parsing: line))
        try received.check(vector)
        vectors.append(vector)
      } catch {
        var error = error
        error.textIndex = index
        throw error
      }
    }
    return vectors
  }

  /// Converts a failure of the program to an error.
  private func error(for failure: LineProgram.Failure, _ count: Int) -> EmbedderError {
    var error: EmbedderError
    switch failure {
    case .notStarted(let number):
      error = EmbedderError(
        "\(source) could not be started: error \(number).", remedy: .checkShell)
    case .ended(let status, let answers):
      let manner = status > 128 ? "was ended by signal \(status - 128)" : "ended with status \(status)"
      error = EmbedderError(
        "\(source) \(manner) after \(answers) of \(count) answers.",
        remedy: .tryEmbedderByHand)
      error.textIndex = answers < count ? answers : nil
    case .tooSlow(let answers):
      error = EmbedderError(
        "\(source) gave \(answers) of \(count) answers within the time limit.",
        remedy: .flushEmbedder)
    case .tooLong, .stopped:
      error = EmbedderError(
        "\(source) gave a line of more than 16 MiB.",
        remedy: .writeVector)
    }
    return error
  }
}
