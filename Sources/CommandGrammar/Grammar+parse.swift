extension Grammar {
  /// Parses a command line, without the program's name. It uses only the words.
  ///
  /// - Throws: `UsageError` for the first mistake, unless help or the version is requested.
  public func parse(_ words: [String]) throws(UsageError) -> Request {
    try parse(words.map { .text($0) })
  }

  /// Parses a command line as the operating system passes it, without the program's name.
  ///
  /// - Throws: `UsageError`, also for a word that is not valid UTF-8, naming its position.
  public func parse(rawArguments: [[UInt8]]) throws(UsageError) -> Request {
    try parse(rawArguments.map { Word(bytes: $0) })
  }

  func parse(_ words: [Word]) throws(UsageError) -> Request {
    if case .text(Grammar.completionCommand) = words.first {
      return .complete(CompletionRequest(Array(words.dropFirst()), self))
    }
    var parser = Parser(self, words)
    parser.walk()

    if case .unknownCommand(let word) = parser.problem {
      throw unknownCommand(word, after: parser.occurrences)
    }
    switch parser.asked {
    case .version: return .version
    case .help(let form):
      let isHelpCommand = parser.scope?.command.name == "help"
      let topic = isHelpCommand ? try parser.operands.first.map(topic(named:)) : nil
      return .help(topic ?? parser.scope?.command, form)
    case nil: break
    }
    if let problem = parser.problem { throw error(problem, in: parser.scope?.command) }
    guard let scope = parser.scope else {
      throw usageError(
        "no command given", in: nil, suggestion: commandTakenAsValue(among: parser.occurrences))
    }
    if scope.command.name == BuiltIn.helpCommand.name {
      let given = try checkedArguments(parser.operands, in: scope)
      guard let name = given.first?.text else { return .help(nil, .long) }
      return .help(try topic(named: name), .long)
    }
    let given =
      try checkedOptions(parser.occurrences, in: scope) + checkedArguments(parser.operands, in: scope)
    try checkRules(of: scope, given)
    return .run(Invocation(scope, arguments: parser.operands, given: given, grammar: self))
  }

  private func topic(named name: String) throws(UsageError) -> CommandSpec {
    guard let command = command(named: name) else { throw unknownCommand(name) }
    return command
  }

  /// Checks that each option belongs to the command and is given once unless it repeats, and that its values are valid.
  private func checkedOptions(
    _ occurrences: [Parser.Occurrence], in scope: Scope
  ) throws(UsageError) -> [Invocation.Given] {
    var given: [Invocation.Given] = []
    for occurrence in occurrences {
      guard let option = scope.option(named: occurrence.option.name) else {
        throw foreignOption(occurrence.option, in: scope.command)
      }
      let member = Rule.Member.option(option.name)
      guard option.repeats || !given.contains(where: { $0.member == member }) else {
        throw usageError(
          "\(option.longForm) is given twice", in: scope.command,
          suggestion: option.value == nil ? "Once is enough." : "Keep the one that you mean.")
      }
      if let value = option.value, let text = occurrence.text {
        given.append(try check(text, value, of: member, in: scope))
      } else {
        given.append(Invocation.Given(member: member, text: ""))
      }
    }
    return given
  }

  private func checkedArguments(_ operands: [String], in scope: Scope) throws(UsageError) -> [Invocation
    .Given]
  {
    var given: [Invocation.Given] = []
    var rest = operands[...]
    for argument in scope.arguments {
      let (least, most) =
        switch argument.arity {
        case .required: (1, 1)
        case .optional: (0, 1)
        case .repeating(let atLeast): (atLeast, Int.max)
        }
      guard rest.count >= least else {
        throw usageError("the argument \(argument.name) is missing", in: scope.command)
      }
      for text in rest.prefix(most) {
        given.append(try check(text, argument.value, of: .argument(argument.name), in: scope))
      }
      rest = rest.dropFirst(most)
    }
    if let extra = rest.first { throw extraArgument(extra, in: scope.command) }
    return given
  }

  private func checkRules(of scope: Scope, _ given: [Invocation.Given]) throws(UsageError) {
    for rule in scope.rules {
      let members = rule.members.filter { member in given.contains { $0.member == member } }
      if let problem = rule.problem(given: members) { throw usageError(problem, in: scope.command) }
    }
  }

  private func check(
    _ text: String, _ value: ValueSpec, of member: Rule.Member, in scope: Scope
  ) throws(UsageError) -> Invocation.Given {
    do {
      try value.check(text)
    } catch {
      throw self.error(error, in: text, of: member.label, scope.command)
    }
    return Invocation.Given(member: member, text: text)
  }

  /// Makes the error for a value, with the option or argument to which it belongs.
  func error(_ problem: ValueProblem, in text: String, of name: String, _ command: CommandSpec) -> UsageError
  {
    usageError(
      "\(name): '\(text)' \(problem.problem); \(problem.advice)", in: command,
      suggestion: didYouMean(problem.nearest.map { [$0] } ?? []))
  }
}

extension Invocation {
  /// Reads an unfinished line: its known options, and its unchecked arguments.
  init(understoodIn parser: Parser) {
    let command = parser.scope?.command ?? CommandSpec(name: Grammar.completionCommand, summary: "")
    let scope = Scope(command, of: parser.grammar)
    let given = parser.occurrences.compactMap { occurrence -> Given? in
      guard let option = scope.option(named: occurrence.option.name) else { return nil }
      let text = occurrence.text ?? ""
      if let value = option.value, (try? value.check(text)) == nil { return nil }
      return Given(member: .option(option.name), text: text)
    }
    self.init(scope, arguments: parser.operands, given: given, grammar: parser.grammar)
  }
}
