/// An argument of a command, and the key by which code reads it.
///
/// As with `Option`, the type says which sort it is:
///
///     static let query = Argument("QUERY", summary: "…")                                 // Argument<String>
///     static let limit = Argument(optional: "MAX_ENTRIES", value: .count(), …)           // Argument<Int?>
///     static let names = Argument(repeating: "NAMESPACE", atLeast: 1, …)                 // Argument<[String]>
public struct Argument<Value: Sendable>: ArgumentDeclaration {
  /// The row of the table.
  public let spec: ArgumentSpec
  /// From the checked values, in the order typed, to what the reader gets.
  @usableFromInline let collect: @Sendable ([any Sendable]) -> Value

  /// An argument that must be there.
  ///
  /// - Parameters:
  ///   - name: upper-case ASCII; it is also its placeholder in help.
  ///   - value: the kind of value.
  ///   - summary: one line of markup, without a full stop.
  @inlinable
  public init(_ name: String, value: ValueKind<Value>, summary: String) {
    spec = ArgumentSpec(name: name, value: ValueSpec(value), arity: .required, summary: summary)
    collect = { values in values[0] as! Value }
  }

  /// An argument that may be left out, and is then nil.
  @inlinable
  public init<Element>(optional name: String, value: ValueKind<Element>, summary: String)
  where Value == Element? {
    spec = ArgumentSpec(name: name, value: ValueSpec(value), arity: .optional, summary: summary)
    collect = { values in values.first.map { $0 as! Element } }
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
    collect = { values in values.map { $0 as! Element } }
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

  /// Upper-case, as help shows it.
  public let name: String
  /// What it takes.
  public let value: ValueSpec
  /// How often it stands.
  public let arity: Arity
  /// One line of markup.
  public let summary: String

  @usableFromInline
  init(name: String, value: ValueSpec, arity: Arity, summary: String) {
    self.name = name
    self.value = value
    self.arity = arity
    self.summary = summary
  }

  /// As a usage line shows it: `QUERY`, `[RESPONSE]`, `QUERY...`, `[FILE...]`.
  public var usage: String {
    switch arity {
    case .required: name
    case .optional: "[\(name)]"
    case .repeating(atLeast: 0): "[\(name)...]"
    case .repeating: "\(name)..."
    }
  }
}
