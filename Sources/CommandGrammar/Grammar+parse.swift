extension Grammar {
  /// Reads a command line, without the program's name. Consults nothing but the words.
  ///
  /// - Throws: `UsageError` for the first thing that is wrong, unless help or the version is asked for.
  public func parse(_ words: [String]) throws(UsageError) -> Request {
    try parse(words.map { .text($0) })
  }

  /// Reads a command line as the operating system hands it over, without the program's name.
  ///
  /// - Throws: `UsageError`, also for a word that is not valid UTF-8, naming its position.
  public func parse(rawArguments: [[UInt8]]) throws(UsageError) -> Request {
    try parse(rawArguments.map { Word(bytes: $0) })
  }

  func parse(_ words: [Word]) throws(UsageError) -> Request {
    if case .text(Grammar.completionCommand) = words.first { return completionRequest(words.dropFirst()) }
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
    let values =
      try checkedOptions(parser.occurrences, in: scope) + checkedArguments(parser.operands, in: scope)
    try checkRules(of: scope, values)
    guard scope.command.name == "help" else {
      return .run(Invocation(scope, arguments: parser.operands, values: values, grammar: self))
    }
    let isJSON = values.contains { $0.member == .option("json") }
    return .help(try parser.operands.first.map(topic(named:)), isJSON ? .json : .long)
  }

  private func topic(named name: String) throws(UsageError) -> CommandSpec {
    guard let command = command(named: name) else { throw unknownCommand(name) }
    return command
  }

  /// Each option once unless it repeats, each one of this command, each value one of its kind.
  private func checkedOptions(
    _ occurrences: [Parser.Occurrence], in scope: Scope
  ) throws(UsageError) -> [TypedValue] {
    var values: [TypedValue] = []
    for occurrence in occurrences {
      guard let option = scope.option(named: occurrence.option.name) else {
        throw foreignOption(occurrence.option, in: scope.command)
      }
      let member = Rule.Member.option(option.name)
      guard option.repeats || !values.contains(where: { $0.member == member }) else {
        throw usageError(
          "\(option.longForm) is given twice", in: scope.command,
          suggestion: option.value == nil ? "Once is enough." : "Keep the one that you mean.")
      }
      if let kind = option.value, let text = occurrence.text {
        let value = try check(text, kind, of: option.longForm, in: scope.command)
        values.append(TypedValue(member: member, value: value))
      } else {
        values.append(TypedValue(member: member, value: true))
      }
    }
    return values
  }

  private func checkedArguments(_ operands: [String], in scope: Scope) throws(UsageError) -> [TypedValue] {
    var values: [TypedValue] = []
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
        let value = try check(text, argument.value, of: argument.name, in: scope.command)
        values.append(TypedValue(member: .argument(argument.name), value: value))
      }
      rest = rest.dropFirst(most)
    }
    if let extra = rest.first { throw extraArgument(extra, in: scope.command) }
    return values
  }

  private func checkRules(of scope: Scope, _ values: [TypedValue]) throws(UsageError) {
    for rule in scope.rules {
      let given = rule.members.filter { member in values.contains { $0.member == member } }
      if let problem = rule.problem(given: given) { throw usageError(problem, in: scope.command) }
    }
  }

  /// Reads one value, and says whose it is when it cannot be read.
  func check(
    _ text: String, _ kind: ValueSpec, of name: String, in command: CommandSpec
  ) throws(UsageError) -> any Sendable {
    do {
      return try kind.check(text)
    } catch {
      throw usageError(
        "\(name): '\(text)' \(error.problem); \(error.advice)", in: command,
        suggestion: didYouMean(error.nearest.map { [$0] } ?? []))
    }
  }
}

// MARK: - Completion

extension Grammar {
  /// The hidden command by which the shells ask for values: `PROGRAM __complete KIND -- WORDS…`.
  static let completionCommand = "__complete"

  /// What can be understood of an unfinished line. The person is still typing: nothing about it is an error
  /// yet.
  private func completionRequest(_ words: ArraySlice<Word>) -> Request {
    var kind = ""
    if case .text(let text) = words.first { kind = text }
    var rest = words.dropFirst()
    if case .text("--") = rest.first { rest = rest.dropFirst() }
    var parser = Parser(self, Array(rest))
    parser.walk()

    let command = parser.scope?.command ?? CommandSpec(name: Grammar.completionCommand, summary: "")
    let scope = Scope(command, of: self)
    let values = parser.occurrences.compactMap { occurrence -> TypedValue? in
      guard let option = scope.option(named: occurrence.option.name) else { return nil }
      let member = Rule.Member.option(option.name)
      guard let kind = option.value, let text = occurrence.text else {
        return TypedValue(member: member, value: true)
      }
      return (try? kind.check(text)).map { TypedValue(member: member, value: $0) }
    }
    return .complete(kind: kind, Invocation(scope, arguments: parser.operands, values: values, grammar: self))
  }
}
