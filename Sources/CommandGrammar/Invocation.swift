/// What a command line asks for.
public enum Request: Sendable {
  /// To explain a command, or the program where there is none.
  case help(CommandSpec?, HelpForm)
  /// To print the version.
  case version
  /// To run a command that was named.
  case run(Invocation)
  /// To print the values of a kind that could stand at the end of an unfinished command line, one a line.
  /// What is wrong with that line is overlooked, and its arguments are not checked, so that only options can
  /// be read; its command is `__complete` where it names none.
  case complete(kind: String, Invocation)
}

/// How much of the help is asked for.
public enum HelpForm: Sendable, Equatable {
  /// A screenful.
  case short
  /// All of it.
  case long
  /// The definition itself.
  case json
}

/// Where the value of an option comes from.
public enum ValueOrigin: Sendable, Equatable {
  /// It was typed.
  case commandLine
  /// From this variable of the environment.
  case variable(String)
  /// From nowhere else.
  case `default`
}

/// A command that was named, with values that were checked, but neither the environment nor anything else
/// consulted.
public struct Invocation: Sendable {
  /// The arguments as they were typed.
  public let arguments: [String]
  /// What was typed: the options in their order, then the arguments in theirs.
  let values: [TypedValue]
  private let scope: Scope
  private let grammar: Grammar

  init(_ scope: Scope, arguments: [String], values: [TypedValue], grammar: Grammar) {
    self.scope = scope
    self.arguments = arguments
    self.values = values
    self.grammar = grammar
  }

  /// The command to run.
  public var command: CommandSpec { scope.command }

  /// Whether a switch was given.
  public subscript(option: Switch) -> Bool { isGiven(option) }

  /// The value that was typed, or else the default.
  ///
  /// Reading an option that the command does not have, or one that the environment may give (which only
  /// `resolve` reads), is a mistake in the program and stops it.
  public subscript<Value>(option: Option<Value>) -> Value {
    precondition(
      option.spec.environment.isEmpty, "\(option.spec.longForm) also reads the environment: use resolve")
    return option.collect(typed(option.spec))
  }

  /// The value of an argument.
  ///
  /// Reading one that the command does not have is a mistake in the program and stops it.
  public subscript<Value>(argument: Argument<Value>) -> Value {
    precondition(
      scope.arguments.contains { $0.name == argument.spec.name },
      "\(command.name) has no argument \(argument.spec.name)")
    return argument.collect(values(of: argument.member))
  }

  /// Whether an option was typed, whatever its value.
  public func isGiven(_ option: any OptionDeclaration) -> Bool { !typed(option.spec).isEmpty }

  /// The value that was typed, or else that of the first of the option's variables that is set and not empty,
  /// or else the default.
  ///
  /// - Throws: `UsageError` naming the variable, when its text is no such value.
  public func resolve<Value>(
    _ option: Option<Value>, environment: Environment
  ) throws(UsageError) -> Value {
    switch origin(of: option, environment: environment) {
    case .commandLine, .default: return option.collect(typed(option.spec))
    case .variable(let name):
      guard let kind = option.spec.value, let text = environment[name] else { return option.collect([]) }
      return option.collect([try grammar.check(text, kind, of: name, in: command)])
    }
  }

  /// Where `resolve` finds the value of an option.
  public func origin(of option: any OptionDeclaration, environment: Environment) -> ValueOrigin {
    if isGiven(option) { return .commandLine }
    let isSet = { (name: String) in environment[name]?.isEmpty == false }
    return option.spec.environment.first(where: isSet).map { .variable($0) } ?? .default
  }

  /// An error about this command line that only the command itself can see, such as two options that exclude
  /// each other.
  ///
  /// - Parameters:
  ///   - message: what is wrong, without a full stop.
  ///   - suggestion: what was probably meant, as a sentence.
  public func usageError(_ message: String, suggestion: String? = nil) -> UsageError {
    grammar.usageError(message, in: command, suggestion: suggestion)
  }

  private func typed(_ option: OptionSpec) -> [any Sendable] {
    precondition(scope.option(named: option.name) != nil, "\(command.name) has no option \(option.longForm)")
    return values(of: .option(option.name))
  }

  private func values(of member: Rule.Member) -> [any Sendable] {
    values.filter { $0.member == member }.map(\.value)
  }
}
