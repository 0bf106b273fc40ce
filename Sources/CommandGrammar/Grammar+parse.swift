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

    if case .unknownCommand(let word) = parser.problem { throw unknownCommand(word) }
    switch parser.asked {
    case .version: return .version
    case .help(let form):
      let isHelpCommand = parser.command?.name == "help"
      let topic = isHelpCommand ? try parser.operands.first.map(topic(named:)) : nil
      return .help(topic ?? parser.command, form)
    case nil: break
    }
    if let problem = parser.problem { throw error(problem, in: parser.command) }
    guard let command = parser.command else {
      throw usageError("no command given", in: nil)
    }
    let invocation = Invocation(
      command: command,
      arguments: parser.operands,
      grammar: self,
      optionValues: try checkedOptions(parser.occurrences, of: command),
      argumentValues: try checkedArguments(parser.operands, of: command))
    try checkRules(of: invocation)
    guard command.name == "help" else { return .run(invocation) }
    let isJSON = invocation.optionValues["json"] != nil
    return .help(try invocation.arguments.first.map(topic(named:)), isJSON ? .json : .long)
  }

  private func topic(named name: String) throws(UsageError) -> CommandSpec {
    guard let command = command(named: name) else { throw unknownCommand(name) }
    return command
  }

  /// Each option once unless it repeats, each one of this command, each value one of its kind.
  private func checkedOptions(
    _ occurrences: [Parser.Occurrence], of command: CommandSpec
  ) throws(UsageError) -> [String: [any Sendable]] {
    var values: [String: [any Sendable]] = [:]
    for occurrence in occurrences {
      let name = occurrence.option.name
      guard let option = option(named: name, of: command) else {
        throw foreignOption(occurrence.option, in: command)
      }
      guard option.repeats || values[name] == nil else {
        throw usageError(
          "\(option.longForm) is given twice", in: command,
          suggestion: option.value == nil ? "Once is enough." : "Keep the one that you mean.")
      }
      if let kind = option.value, let text = occurrence.text {
        values[name, default: []].append(try check(text, kind, of: option.longForm, in: command))
      } else {
        values[name] = [true]
      }
    }
    return values
  }

  private func checkedArguments(
    _ operands: [String], of command: CommandSpec
  ) throws(UsageError) -> [String: [any Sendable]] {
    var values: [String: [any Sendable]] = [:]
    var rest = operands[...]
    for argument in command.arguments {
      let (least, most) =
        switch argument.arity {
        case .required: (1, 1)
        case .optional: (0, 1)
        case .repeating(let atLeast): (atLeast, Int.max)
        }
      guard rest.count >= least else {
        throw usageError("the argument \(argument.name) is missing", in: command)
      }
      for text in rest.prefix(most) {
        values[argument.name, default: []].append(
          try check(text, argument.value, of: argument.name, in: command))
      }
      rest = rest.dropFirst(most)
    }
    if let extra = rest.first { throw extraArgument(extra, in: command) }
    return values
  }

  private func checkRules(of invocation: Invocation) throws(UsageError) {
    for rule in invocation.command.rules + rules {
      let given = rule.members.filter { member in
        switch member {
        case .option(let name): invocation.optionValues[name] != nil
        case .argument(let name): invocation.argumentValues[name] != nil
        }
      }
      if let problem = rule.problem(given: given) { throw usageError(problem, in: invocation.command) }
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
        suggestion: error.nearest.map { "Did you mean '\($0)'?" })
    }
  }
}

// MARK: - Completion

extension Grammar {
  /// The hidden command by which the shells ask for values: `PROGRAM __complete KIND -- WORDS…`.
  static let completionCommand = "__complete"

  /// What can be understood of an unfinished line. The person is still typing: nothing about it is an error yet.
  private func completionRequest(_ words: ArraySlice<Word>) -> Request {
    var kind = ""
    if case .text(let text) = words.first { kind = text }
    var rest = words.dropFirst()
    if case .text("--") = rest.first { rest = rest.dropFirst() }
    var parser = Parser(self, Array(rest))
    parser.walk()

    let command = parser.command ?? CommandSpec(name: Grammar.completionCommand, summary: "")
    var values: [String: [any Sendable]] = [:]
    for occurrence in parser.occurrences {
      guard let option = option(named: occurrence.option.name, of: command) else {
        continue
      }
      if let kind = option.value, let text = occurrence.text {
        guard let value = try? kind.check(text) else { continue }
        values[option.name, default: []].append(value)
      } else {
        values[option.name] = [true]
      }
    }
    return .complete(
      kind: kind,
      Invocation(
        command: command, arguments: parser.operands, grammar: self, optionValues: values, argumentValues: [:]
      ))
  }
}
