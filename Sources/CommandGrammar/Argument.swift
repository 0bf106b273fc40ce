/// An argument of a command, and the key by which code reads it.
///
/// As with `Option`, the type says which sort it is:
///
///     static let query = Argument("QUERY", summary: "…")                                 // Argument<String>
///     static let limit = Argument(optional: "MAX_ENTRIES", value: .count(), …)           // Argument<Int?>
///     static let names = Argument(repeating: "NAMESPACE", value: .namespace, …)          // Argument<[Namespace]>
public struct Argument<Value: Sendable>: ArgumentDeclaration {
  /// The row of the table.
  public let spec: ArgumentSpec
  /// Reads the texts that were given, in the order typed.
  @usableFromInline let read: Reading<Value>

  /// An argument that must be there.
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
  /// - Parameter atLeast: how many must be there.
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
  /// A text that must be there.
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

/// What can stand in a command's list of arguments: an `Argument` of any value.
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
  /// How often an argument stands.
  public enum Arity: Sendable, Equatable {
    /// Once.
    case required
    /// Once or not at all.
    case optional
    /// As often as there are words left, and at least so often.
    case repeating(atLeast: Int)
  }

  /// Upper-case ASCII; it is also its placeholder in help.
  public let name: String
  /// What it takes.
  public let value: ValueSpec
  /// How often it stands.
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
