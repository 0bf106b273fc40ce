/// The action that a command line asks for.
public enum Request: Sendable {
  /// To explain a command, or the program if it is nil.
  case help(CommandSpec?, HelpForm)
  /// To print the version.
  case version
  /// To run a command that was named.
  case run(Invocation)
  /// To answer a shell's request for completions.
  case complete(CompletionRequest)
}

/// The length of a help text.
public enum HelpForm: Sendable, Equatable {
  /// At most one screen.
  case short
  /// All of it.
  case long
}

/// The place that an option's value comes from.
public enum ValueOrigin: Sendable, Equatable {
  /// It was typed.
  case commandLine
  /// From this variable of the environment.
  case variable(String)
  /// It is the default.
  case `default`
}

/// A command with all of its options and rules, computed once.
struct Scope: Sendable {
  let command: CommandSpec
  let arguments: [ArgumentSpec]
  /// Its own, then those of every command.
  let options: [OptionSpec]
  /// Its own, then those of every command.
  let rules: [Rule]

  init(_ command: CommandSpec, of grammar: Grammar) {
    self.command = command
    arguments = command.arguments
    options = grammar.options(of: command)
    rules = command.rules + grammar.rules
  }

  func option(named name: String) -> OptionSpec? { options.first { $0.name == name } }
}

/// A parsed command line: the command and its checked texts. Neither the environment nor anything else was read.
///
/// It keeps texts. The typed key that reads a text makes the value, so no cast is needed.
public struct Invocation: Sendable {
  /// A word that was typed, with the option or argument to which it belongs.
  struct Given: Sendable {
    let member: Rule.Member
    /// Empty for a switch.
    let text: String
  }

  /// The arguments as they were typed.
  public let arguments: [String]
  /// The options in their order, then the arguments in theirs.
  let given: [Given]
  private let scope: Scope
  private let grammar: Grammar

  init(_ scope: Scope, arguments: [String], given: [Given], grammar: Grammar) {
    self.scope = scope
    self.arguments = arguments
    self.given = given
    self.grammar = grammar
  }

  /// The command to run.
  public var command: CommandSpec { scope.command }

  /// Whether a switch was given.
  public subscript(option: Switch) -> Bool { isGiven(option) }

  /// The value that was typed, or else the default.
  ///
  /// To read an option that the command does not have, or one that has a variable (use `resolve`), is a mistake in the
  /// program and stops it.
  public subscript<Value>(option: Option<Value>) -> Value {
    precondition(
      option.spec.environment.isEmpty, "\(option.spec.longForm) also reads the environment: use resolve")
    return value(of: option.member, typed(option.spec), option.read)
  }

  /// The value of an argument.
  ///
  /// To read one that the command does not have is a mistake in the program and stops it.
  public subscript<Value>(argument: Argument<Value>) -> Value {
    precondition(
      scope.arguments.contains { $0.name == argument.spec.name },
      "\(command.name) has no argument \(argument.spec.name)")
    return value(of: argument.member, texts(of: argument.member), argument.read)
  }

  /// Whether an option was typed, whatever its value.
  public func isGiven(_ option: any OptionDeclaration) -> Bool { !typed(option.spec).isEmpty }

  /// The value that was typed, or else that of the first of the option's variables that is set and not empty,
  /// or else the default.
  ///
  /// - Throws: `UsageError` with the variable's name if its text is not valid.
  public func resolve<Value>(
    _ option: Option<Value>, environment: Environment
  ) throws(UsageError) -> Value {
    guard case .variable(let name) = origin(of: option, environment: environment),
      let text = environment[name]
    else { return value(of: option.member, typed(option.spec), option.read) }
    do {
      return try option.read([text])
    } catch {
      throw grammar.error(error, in: text, of: name, command)
    }
  }

  /// The place where `resolve` finds the value of an option.
  public func origin(of option: any OptionDeclaration, environment: Environment) -> ValueOrigin {
    if isGiven(option) { return .commandLine }
    let isSet = { (name: String) in environment[name]?.isEmpty == false }
    return option.spec.environment.first(where: isSet).map { .variable($0) } ?? .default
  }

  /// Makes an error about this command line that only the command itself can find, such as two options that exclude
  /// each other.
  ///
  /// - Parameters:
  ///   - message: the problem, without a full stop.
  ///   - suggestion: the line that was probably meant, as a sentence.
  public func usageError(_ message: String, suggestion: String? = nil) -> UsageError {
    grammar.usageError(message, in: command, suggestion: suggestion)
  }

  /// Reads texts that the parser has accepted with the same function.
  private func value<Value>(of member: Rule.Member, _ texts: [String], _ read: Reading<Value>) -> Value {
    do {
      return try read(texts)
    } catch {
      preconditionFailure("the kind of \(member.label) gives two results for one text")
    }
  }

  private func typed(_ option: OptionSpec) -> [String] {
    precondition(scope.option(named: option.name) != nil, "\(command.name) has no option \(option.longForm)")
    return texts(of: .option(option.name))
  }

  private func texts(of member: Rule.Member) -> [String] {
    given.filter { $0.member == member }.map(\.text)
  }
}
