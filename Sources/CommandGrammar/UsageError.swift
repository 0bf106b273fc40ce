/// A command line that cannot be understood.
///
/// The texts quote what was typed as it was typed, control characters and all: whoever prints them makes
/// those visible.
public struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, naming the option or argument and the value. One line, without a full stop.
  public let message: String
  /// The usage line of the command concerned, or of the program: `mneme put [OPTIONS] QUERY [RESPONSE]`.
  public let usage: String
  /// What was probably meant, as a sentence.
  public let suggestion: String?
  /// Where to read on, as a sentence.
  public let hint: String

  /// What to do next: the suggestion, or else where to read on.
  public var remediation: String { suggestion ?? hint }
  /// The message alone.
  public var description: String { message }
}
