/// An option that takes a value, and the key by which code reads it.
///
/// `Value` is what reading gives, and says which of the three sorts the option is:
///
///     static let ttl = Option("ttl", value: .duration, summary: "…")                      // Option<Duration?>
///     static let url = Option("url", value: .text("URL"), default: "redis://…", …)        // Option<String>
///     static let ids = Option(repeating: "id", value: .integer("ID", 1...), …)            // Option<[Int]>
///
/// The declaration is the only place where anything about the option is written down: the parser, both helps,
/// the manual pages, the completions and the suggestions all read its `spec`.
///
/// The initialisers are inlinable so that the program's own compiler makes the types; made at run time, they
/// were a sixth of what building a table cost.
public struct Option<Value: Sendable>: OptionDeclaration {
  /// The row of the table.
  public let spec: OptionSpec
  /// From the checked values, in the order typed, to what the reader gets.
  @usableFromInline let collect: @Sendable ([any Sendable]) -> Value

  /// An option that may be left out, and is then nil.
  ///
  /// - Parameters:
  ///   - name: without the dashes, lower-case ASCII.
  ///   - short: the letter of the short form, if it has one.
  ///   - value: the kind of value.
  ///   - environment: variables that give the value when it is not typed; the first that is set and not empty.
  ///   - group: the heading under which help lists it.
  ///   - summary: one line of markup, without a full stop.
  ///   - details: the whole story, in markup.
  @inlinable
  public init<Element>(
    _ name: String, short: Character? = nil, value: ValueKind<Element>, environment: [String] = [],
    group: Group = .options, summary: String, details: String = ""
  ) where Value == Element? {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment, repeats: false,
      defaultText: nil, group: group, summary: summary, details: details)
    collect = { values in values.last.map { $0 as! Element } }
  }

  /// An option that has a default. The other parameters are those of `init(_:short:value:environment:…)`.
  ///
  /// - Parameter default: the value where none is given; help shows it as one would type it.
  @inlinable
  public init(
    _ name: String, short: Character? = nil, value: ValueKind<Value>, environment: [String] = [],
    default: Value, group: Group = .options, summary: String, details: String = ""
  ) {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment, repeats: false,
      defaultText: value.format(`default`), group: group, summary: summary, details: details)
    collect = { values in values.last.map { $0 as! Value } ?? `default` }
  }

  /// An option that may be given any number of times. The other parameters are those of
  /// `init(_:short:value:environment:…)`; a variable of the environment gives one value.
  @inlinable
  public init<Element>(
    repeating name: String, short: Character? = nil, value: ValueKind<Element>, environment: [String] = [],
    group: Group = .options, summary: String, details: String = ""
  ) where Value == [Element] {
    spec = OptionSpec(
      name: name, short: short, value: ValueSpec(value), environment: environment, repeats: true,
      defaultText: nil, group: group, summary: summary, details: details)
    collect = { values in values.map { $0 as! Element } }
  }
}

/// An option without a value, and the key by which code reads it: given or not.
public struct Switch: OptionDeclaration {
  /// The row of the table.
  public let spec: OptionSpec

  /// - Parameters:
  ///   - name: without the dashes, lower-case ASCII.
  ///   - short: the letter of the short form, if it has one.
  ///   - group: the heading under which help lists it.
  ///   - summary: one line of markup, without a full stop.
  ///   - details: the whole story, in markup.
  public init(
    _ name: String, short: Character? = nil, group: Group = .options, summary: String, details: String = ""
  ) {
    spec = OptionSpec(
      name: name, short: short, value: nil, environment: [], repeats: false, defaultText: nil, group: group,
      summary: summary, details: details)
  }
}

/// What can stand in a list of options: an `Option` of any value, or a `Switch`.
public protocol OptionDeclaration: Declaration {
  /// The row of the table.
  var spec: OptionSpec { get }
}

extension OptionDeclaration {
  /// The option's name.
  public var member: Rule.Member { .option(spec.name) }
}

/// One row of the table of options: all that is known of an option but the type of its value.
public struct OptionSpec: Sendable {
  /// Without the dashes.
  public let name: String
  /// The letter of the short form, if it has one.
  public let short: Character?
  /// What it takes; nil for a switch.
  public let value: ValueSpec?
  /// The variables that give the value when it is not typed, the first first.
  public let environment: [String]
  /// Whether it may be given more than once.
  public let repeats: Bool
  /// Its default, as one would type it.
  public let defaultText: String?
  /// The heading under which help lists it.
  public let group: Group
  /// One line of markup.
  public let summary: String
  /// The whole story, in markup; empty where the summary says it all.
  public let details: String

  @usableFromInline
  init(
    name: String, short: Character?, value: ValueSpec?, environment: [String], repeats: Bool,
    defaultText: String?,
    group: Group, summary: String, details: String
  ) {
    self.name = name
    self.short = short
    self.value = value
    self.environment = environment
    self.repeats = repeats
    self.defaultText = defaultText
    self.group = group
    self.summary = summary
    self.details = details
  }

  /// `--name`.
  public var longForm: String { "--\(name)" }
  /// `-n`, if it has a short form.
  public var shortForm: String? { short.map { "-\($0)" } }
}

/// A heading under which help lists options or commands. Groups come in the order of their first member.
public struct Group: Hashable, Sendable {
  /// As help shows it: `Connection`.
  public let title: String

  /// - Parameter title: as help shows it.
  public init(_ title: String) { self.title = title }

  /// The heading of options that name no other.
  public static let options = Group("Options")
  /// The heading of commands that name no other.
  public static let commands = Group("Commands")
}
