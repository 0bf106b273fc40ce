/// An option that takes a value, and the key by which code reads it.
///
/// `Value` is the type of the value, and decides which of the three kinds the option is:
///
///     static let ttl = Option("ttl", value: .duration, summary: "…")                      // Option<Duration?>
///     static let url = Option("url", value: .text("URL"), default: "redis://…", …)        // Option<String>
///     static let ids = Option(repeating: "id", value: .integer("ID"), …)            // Option<[Int]>
///
/// The declaration has everything about the option: the parser, both helps, the manual pages, the completions and the
/// suggestions read its `spec`. `OptionSpec` documents the parameters.
///
/// The initializers are inlinable, so that the types are made when the program is compiled. At run time, that took a
/// sixth of the time for building a table.
public struct Option<Value: Sendable>: OptionDeclaration {
  /// The row of the table.
  public let spec: OptionSpec
  /// Reads the texts that were given, in the order typed.
  @usableFromInline let read: Reading<Value>

  /// An option that may be left out, and is then nil.
  ///
  /// - Parameter implied: the value if the name is given alone. Another value is written after an equals sign.
  @inlinable
  public init<Element>(
    _ name: String, short: Character? = nil, value: ValueKind<Element>, environment: [String] = [],
    implied: Element? = nil, group: Group = .options, summary: String, details: String = ""
  ) where Value == Element? {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment,
      impliedText: implied.map(value.format), group: group, summary: summary, details: details)
    read = readingOne(value)
  }

  /// An option that has a default.
  ///
  /// - Parameter default: the value if none is given. Help shows it as one would type it.
  @inlinable
  public init(
    _ name: String, short: Character? = nil, value: ValueKind<Value>, environment: [String] = [],
    default: Value, group: Group = .options, summary: String, details: String = ""
  ) {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment,
      defaultText: value.format(`default`), group: group, summary: summary, details: details)
    let readOne = readingOne(value)
    read = { texts throws(ValueProblem) in try readOne(texts) ?? `default` }
  }

  /// An option that may be given any number of times; a variable of the environment gives one value.
  @inlinable
  public init<Element>(
    repeating name: String, short: Character? = nil, value: ValueKind<Element>, environment: [String] = [],
    group: Group = .options, summary: String, details: String = ""
  ) where Value == [Element] {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment, repeats: true,
      group: group,
      summary: summary, details: details)
    read = readingAll(value)
  }
}

/// An option without a value, and the key by which code reads it: given or not.
public struct Switch: OptionDeclaration {
  /// The row of the table.
  public let spec: OptionSpec

  public init(
    _ name: String, short: Character? = nil, group: Group = .options, summary: String, details: String = ""
  ) {
    spec = OptionSpec(name: name, short: short, value: nil, group: group, summary: summary, details: details)
  }
}

/// An `Option` of any value, or a `Switch`, for a list of options.
public protocol OptionDeclaration: Declaration {
  /// The row of the table.
  var spec: OptionSpec { get }
}

extension OptionDeclaration {
  /// The option's name.
  public var member: Rule.Member { .option(spec.name) }
}

/// One row of the table of options: everything about an option but the type of its value.
public struct OptionSpec: Sendable {
  /// Without the dashes, lower-case ASCII.
  public let name: String
  /// The letter of the short form, if it has one.
  public let short: Character?
  /// The kind of value; nil for a switch.
  public let value: ValueSpec?
  /// The variables that give the value if it is not typed. The first that is set and not empty is used.
  public let environment: [String]
  /// Whether it may be given more than once.
  public let repeats: Bool
  /// Its default, as one would type it.
  public let defaultText: String?
  /// The value if the name is given alone, as one would type it; nil for an option that needs a value.
  public let impliedText: String?
  /// The heading under which help lists it.
  public let group: Group
  /// One line of markup, without a full stop.
  public let summary: String
  /// The full description, in markup; empty if the summary is enough.
  public let details: String

  @usableFromInline
  init(
    name: String, short: Character?, value: ValueSpec?, environment: [String] = [], repeats: Bool = false,
    defaultText: String? = nil, impliedText: String? = nil, group: Group, summary: String, details: String
  ) {
    self.name = name
    self.short = short
    self.value = value
    self.environment = environment
    self.repeats = repeats
    self.defaultText = defaultText
    self.impliedText = impliedText
    self.group = group
    self.summary = summary
    self.details = details
  }

  /// `--namespace`.
  public var longForm: String { "--\(name)" }
  /// `-n`, if it has a short form.
  public var shortForm: String? { short.map { "-\($0)" } }
}

/// A heading under which help lists options or commands. Groups come in the order of their first member.
public struct Group: Hashable, Sendable {
  /// The title as help shows it: `Connection`.
  public let title: String

  public init(_ title: String) { self.title = title }

  /// The heading of options that name no other.
  public static let options = Group("Options")
  /// The heading of commands that name no other.
  public static let commands = Group("Commands")
}
