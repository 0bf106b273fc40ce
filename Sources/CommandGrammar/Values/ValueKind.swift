/// A kind of value: it reads a text, explains why it cannot, and completes it.
///
/// The kinds of this module are `.text`, `.duration`, `.count`, `.integer`, `.number`, `.choice`, `.file` and
/// `.directory`; a program adds its own with `init(placeholder:completion:parse:format:)`.
///
/// A kind checks and converts, and gives the same value for the same text. It never uses the environment, a file or the
/// network, because `--help` must work without them. Its errors do not name the option: the parser adds that.
public struct ValueKind<Value: Sendable>: Sendable {
  /// The word that represents the value in help: `DURATION`.
  public let placeholder: String
  /// The values that a shell's completion offers.
  public let completion: Completion
  /// Whether a word like `-5` can be meant as this value, so that it is not taken for an option.
  public let isNumeric: Bool
  /// Reads the text as it was typed.
  public let parse: @Sendable (String) throws(ValueProblem) -> Value
  /// Writes a value as one would type it; `parse(format(value))` gives the value again.
  public let format: @Sendable (Value) -> String

  @inlinable
  public init(
    placeholder: String,
    completion: Completion = .nothing,
    isNumeric: Bool = false,
    parse: @escaping @Sendable (String) throws(ValueProblem) -> Value,
    format: @escaping @Sendable (Value) -> String
  ) {
    self.placeholder = placeholder
    self.completion = completion
    self.isNumeric = isNumeric
    self.parse = parse
    self.format = format
  }
}

/// The words that a shell offers for a value.
public enum Completion: Sendable, Equatable {
  /// Nothing: free text.
  case nothing
  /// Names of files.
  case files
  /// Names of directories.
  case directories
  /// One of these words. Other words are not values.
  case choices([String])
  /// These words. Other words may be values too.
  case suggestions([String])
  /// The program's commands.
  case commands
  /// Values that only the program knows, such as those on a server. The text names their kind.
  case dynamic(String)
}

/// The reason why a text is not a value of a kind. The parser puts the option and the text before it:
/// `--ttl: '5 parsecs' is not a duration; write it as 90, 90s or 1h30m`.
public struct ValueProblem: Error, Sendable, Equatable {
  /// The problem, to follow the quoted text: `is not a duration`.
  public let problem: String
  /// The right form: `write it as 90, 90s or 1h30m`.
  public let advice: String
  /// The value that was probably meant, if one is near.
  public let nearest: String?

  public init(_ problem: String, advice: String, nearest: String? = nil) {
    self.problem = problem
    self.advice = advice
    self.nearest = nearest
  }
}

/// A kind with its type erased, as the table of options holds it.
public struct ValueSpec: Sendable {
  /// The word that represents the value in help: `DURATION`.
  public let placeholder: String
  /// The values that a shell's completion offers.
  public let completion: Completion
  /// Whether a word like `-5` can be meant as this value.
  public let isNumeric: Bool
  /// Reads a text and drops the value, which the typed key reads again.
  package let check: @Sendable (String) throws(ValueProblem) -> Void

  /// The accepted words, if they are known.
  public var choices: [String] {
    if case .choices(let words) = completion { words } else { [] }
  }

  @inlinable
  init<Value>(_ kind: ValueKind<Value>) {
    self.init(
      placeholder: kind.placeholder, completion: kind.completion, isNumeric: kind.isNumeric,
      check: { text throws(ValueProblem) in _ = try kind.parse(text) })
  }

  @usableFromInline
  init(
    placeholder: String, completion: Completion, isNumeric: Bool,
    check: @escaping @Sendable (String) throws(ValueProblem) -> Void
  ) {
    self.placeholder = placeholder
    self.completion = completion
    self.isNumeric = isNumeric
    self.check = check
  }
}

/// Makes a value of the texts that were given for an option or argument, in the order typed. The parser has checked
/// each text, so this fails only for a text from the environment.
@usableFromInline
typealias Reading<Value> = @Sendable ([String]) throws(ValueProblem) -> Value

@inlinable
func readingOne<Value>(_ kind: ValueKind<Value>) -> Reading<Value?> {
  { texts throws(ValueProblem) in
    guard let text = texts.last else { return nil }
    return try kind.parse(text)
  }
}

@inlinable
func readingAll<Value>(_ kind: ValueKind<Value>) -> Reading<[Value]> {
  { texts throws(ValueProblem) in
    var values: [Value] = []
    for text in texts { values.append(try kind.parse(text)) }
    return values
  }
}
