/// What may be given together, so that the parser, the usage line and the help agree on it.
///
///     CommandSpec(name: "clear", …, rules: [.exactlyOne(of: names, all)])     // (NAMESPACE... | --all)
public struct Rule: Sendable {
  /// How many of the members may be given.
  enum Kind: Sendable {
    case atMostOne, exactlyOne, atLeastOne
  }

  /// What a rule speaks of, by name.
  public enum Member: Sendable, Equatable {
    /// An option, without its dashes.
    case option(String)
    /// An argument.
    case argument(String)

    /// As it is shown: `--all`, `NAMESPACE`.
    public var label: String {
      switch self {
      case .option(let name): "--\(name)"
      case .argument(let name): name
      }
    }
  }

  let kind: Kind
  let members: [Member]

  /// The members exclude each other.
  public static func atMostOne(of members: any Declaration...) -> Rule {
    Rule(kind: .atMostOne, members: members.map(\.member))
  }

  /// One of the members must be given, and no second.
  public static func exactlyOne(of members: any Declaration...) -> Rule {
    Rule(kind: .exactlyOne, members: members.map(\.member))
  }

  /// One of the members must be given, or several.
  public static func atLeastOne(of members: any Declaration...) -> Rule {
    Rule(kind: .atLeastOne, members: members.map(\.member))
  }
}

/// What a `Rule` can speak of: an option or an argument.
public protocol Declaration: Sendable {
  /// Its name. It is asked for here because finding it by a dynamic cast, which looks through every conformance
  /// of the program, was a third of what building a table cost.
  var member: Rule.Member { get }
}

extension Rule {
  /// What is wrong with a command line on which these members were given, or nil.
  func problem(given: [Member]) -> String? {
    let labels = given.map(\.label)
    if given.isEmpty, kind != .atMostOne {
      return "\(list(members.map(\.label), "or")) is missing"
    }
    if given.count > 1, kind != .atLeastOne {
      return "\(list(labels, "and")) exclude each other"
    }
    return nil
  }

  /// What the rule says of one of its members: markup, or nil when it says nothing.
  func note(on member: Member) -> String? {
    let others = members.filter { $0 != member }
    guard members.contains(member), !others.isEmpty else { return nil }
    let references = others.map { other in
      switch other {
      case .option(let name): "{option:\(name)}"
      case .argument(let name): "{arg:\(name)}"
      }
    }
    return switch kind {
    case .atMostOne: "Not together with \(list(references, "or"))."
    case .exactlyOne: "Either this or \(list(references, "or")) must be given."
    case .atLeastOne: "This or \(list(references, "or")) must be given, or several of them."
    }
  }
}
