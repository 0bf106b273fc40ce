/// A rule about options and arguments that exclude or need each other, shared by the parser, usage line and help.
///
///     CommandSpec(name: "clear", …, rules: [.exactlyOne(of: names, all)])     // (NAMESPACE... | --all)
public struct Rule: Sendable {
  /// The number of members that may be given.
  package enum Kind: Sendable {
    case atMostOne, exactlyOne
    /// The first member is of no use without the others.
    case dependency
    /// The others are of no use with the first member.
    case exclusion
  }

  /// An option or argument of a rule, by name.
  public enum Member: Sendable, Equatable {
    /// An option, without its dashes.
    case option(String)
    /// An argument.
    case argument(String)

    /// The member as it is shown: `--all`, `NAMESPACE`.
    public var label: String {
      switch self {
      case .option(let name): "--\(name)"
      case .argument(let name): name
      }
    }
  }

  package let kind: Kind
  package let members: [Member]

  /// Makes a rule: at most one of the members may be given.
  public static func atMostOne(of members: any Declaration...) -> Rule {
    Rule(kind: .atMostOne, members: members.map(\.member))
  }

  /// Makes a rule: exactly one of the members must be given.
  public static func exactlyOne(of members: any Declaration...) -> Rule {
    Rule(kind: .exactlyOne, members: members.map(\.member))
  }

  /// Makes a rule: the first may be given only with the second.
  public static func dependency(of dependent: any Declaration, on needed: any Declaration) -> Rule {
    Rule(kind: .dependency, members: [dependent.member, needed.member])
  }

  /// Makes a rule: the first may not be given with any of the others.
  public static func exclusion(of first: any Declaration, from others: [any OptionDeclaration]) -> Rule {
    Rule(kind: .exclusion, members: [first.member] + others.map { $0.member })
  }
}

/// An option or an argument, which a `Rule` can name.
public protocol Declaration: Sendable {
  /// Its name. It is a requirement of the protocol, because a dynamic cast, which searches all conformances of the
  /// program, took a third of the time for building a table.
  var member: Rule.Member { get }
}

extension Rule {
  /// The problem of a command line on which these members were given, or nil.
  func problem(given: [Member]) -> String? {
    switch kind {
    case .exactlyOne where given.isEmpty: "\(list(members.map(\.label), "or")) is missing"
    case .exactlyOne, .atMostOne:
      given.count > 1 ? "\(list(given.map(\.label), "and")) exclude each other" : nil
    case .dependency:
      given == [members[0]] ? "\(members[0].label) goes only with \(members[1].label)" : nil
    case .exclusion:
      given.count > 1 && given[0] == members[0]
        ? "\(given[0].label) and \(given[1].label) exclude each other" : nil
    }
  }

  /// The note about one of the rule's members: markup, or nil.
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
    case .dependency: member == members[0] ? "Only with \(references[0])." : nil
    case .exclusion: "Not together with \(member == members[0] ? list(references, "or") : references[0])."
    }
  }
}
