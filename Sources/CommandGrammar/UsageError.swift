/// A command line that cannot be understood.
///
/// The texts quote words as they were typed, control characters included. The caller makes those visible.
public struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The problem, with the option or argument and the value. One line, without a full stop.
  public let message: String
  /// The usage line of the command concerned, or of the program: `mneme put [OPTIONS] QUERY [RESPONSE]`.
  public let usage: String
  /// The line that was probably meant, as a sentence.
  public let suggestion: String?
  /// A pointer to the help, as a sentence.
  public let hint: String

  /// The next step: the suggestion, or else the pointer to the help.
  public var remediation: String { suggestion ?? hint }
  /// The message alone.
  public var description: String { message }
}
