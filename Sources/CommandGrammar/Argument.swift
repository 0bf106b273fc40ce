/// An argument of a command, and the key by which code reads it.
///
/// The type tells which sort it is, as with `Option`:
///
///     static let query = Argument("QUERY", summary: "…")                                 // Argument<String>
///     static let limit = Argument(optional: "MAX_ENTRIES", value: .count(), …)           // Argument<Int?>
///     static let names = Argument(repeating: "NAMESPACE", value: .namespace, …)          // Argument<[Namespace]>
public struct Argument<Value: Sendable>: ArgumentDeclaration {
  /// The row of the table.
  public let spec: ArgumentSpec
  /// Reads the texts that were given, in the order typed.
  @usableFromInline let read: Reading<Value>

  /// An argument that is required.
  @inlinable
  public init(_ name: String, value: ValueKind<Value>, summary: String) {
    spec = ArgumentSpec(name: name, value: ValueSpec(value), arity: .required, summary: summary)
    read = { texts throws(ValueProblem) in try value.parse(texts[0]) }
  }

  /// An argument that may be left out, and is then nil.
  @inlinable
  public init<Element>(optional name: String, value: ValueKind<Element>, summary: String)
  where Value == Element? {
    spec = ArgumentSpec(name: name, value: ValueSpec(value), arity: .optional, summary: summary)
    read = readingOne(value)
  }

  /// An argument that takes all the words that are left. It must be a command's last.
  ///
  /// - Parameter atLeast: the least number of words.
  @inlinable
  public init<Element>(
    repeating name: String, atLeast: Int = 0, value: ValueKind<Element>, summary: String
  ) where Value == [Element] {
    spec = ArgumentSpec(
      name: name, value: ValueSpec(value), arity: .repeating(atLeast: atLeast), summary: summary)
    read = readingAll(value)
  }
}

extension Argument where Value == String {
  /// A text that is required.
  public init(_ name: String, summary: String) {
    self.init(name, value: .text(), summary: summary)
  }
}

extension Argument where Value == String? {
  /// A text that may be left out.
  public init(optional name: String, summary: String) {
    self.init(optional: name, value: .text(), summary: summary)
  }
}

extension Argument where Value == [String] {
  /// All the words that are left.
  public init(repeating name: String, atLeast: Int = 0, summary: String) {
    self.init(repeating: name, atLeast: atLeast, value: .text(), summary: summary)
  }
}

/// An `Argument` of any value, for a command's list of arguments.
public protocol ArgumentDeclaration: Declaration {
  /// The row of the table.
  var spec: ArgumentSpec { get }
}

extension ArgumentDeclaration {
  /// The argument's name.
  public var member: Rule.Member { .argument(spec.name) }
}

/// One row of a command's list of arguments.
public struct ArgumentSpec: Sendable {
  /// The number of words that an argument takes.
  public enum Arity: Sendable, Equatable {
    /// Exactly one word.
    case required
    /// One word, or none.
    case optional
    /// All words that are left, and at least so many.
    case repeating(atLeast: Int)
  }

  /// Upper-case ASCII; it is also its placeholder in help.
  public let name: String
  /// The kind of value.
  public let value: ValueSpec
  /// The number of words.
  public let arity: Arity
  /// One line of markup, without a full stop.
  public let summary: String

  @usableFromInline
  init(name: String, value: ValueSpec, arity: Arity, summary: String) {
    self.name = name
    self.value = value
    self.arity = arity
    self.summary = summary
  }
}
