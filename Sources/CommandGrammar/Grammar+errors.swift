extension Grammar {
  /// An error about the words for a command, or for the program.
  ///
  /// - Parameters:
  ///   - message: what is wrong, without a full stop.
  ///   - command: the command concerned, if one was named.
  ///   - suggestion: what was probably meant, as a sentence.
  public func usageError(_ message: String, in command: CommandSpec?, suggestion: String? = nil) -> UsageError
  {
    let name = command.map { " \($0.name)" } ?? ""
    let subject = command == nil ? "the commands" : "its options"
    return UsageError(
      message: message, usage: usage(of: command), suggestion: suggestion,
      hint: "Run '\(program)\(name) -h' for \(subject).")
  }

  func error(_ problem: Parser.Problem, in command: CommandSpec?) -> UsageError {
    switch problem {
    case .unknownCommand(let word):
      unknownCommand(word)
    case .unknownOption(let word):
      unknownOption(word, in: command)
    case .unknownLetter(let letter, let word):
      usageError(
        "unknown option '-\(letter)' in '\(word)'", in: command,
        suggestion: sameLetter(letter, in: known(in: command)).map { "Did you mean '\($0)'?" })
    case .equalsAfterLetter(let option, let value):
      // Taken by the letter, the value would begin with the equals sign, which nobody means.
      usageError(
        "'\(option.shortForm ?? "")=\(value)' mixes the two ways to write a value", in: command,
        suggestion: "Write '\(option.longForm)=\(value)'.")
    case .missingValue(let option, before: nil):
      usageError("\(form(of: option)) needs a value", in: command, suggestion: nil)
    case .missingValue(let option, before: let word?):
      usageError(
        "\(form(of: option)) needs a value, and '\(word)' looks like an option", in: command,
        suggestion: "Write \(option.longForm)=\(word) if that is the value.")
    case .needlessValue(let option, let word):
      usageError("'\(word)': \(option.longForm) takes no value", in: command)
    case .invalidUTF8(let position, let offset):
      usageError("argument \(position) is not valid UTF-8: see its byte \(offset + 1)", in: command)
    }
  }

  func unknownCommand(_ word: String) -> UsageError {
    var suggestion = nearestName(to: word, among: commands.map(\.name)).map {
      "Did you mean '\(program) \($0)'?"
    }
    if suggestion == nil, let option = globalOptions.first(where: { $0.name == word }) {
      suggestion = "Did you mean '\(program) \(option.longForm)'?"
    }
    return usageError("unknown command '\(word)'", in: nil, suggestion: suggestion)
  }

  func extraArgument(_ word: String, in command: CommandSpec) -> UsageError {
    let names = command.arguments.map(\.name)
    return usageError(
      "unexpected argument '\(word)': \(command.name) takes \(names.isEmpty ? "none" : list(names, "and"))",
      in: command,
      suggestion: names.isEmpty ? nil : "Put a text that holds spaces in quotes.")
  }

  /// An option that exists, but not here.
  func foreignOption(_ option: OptionSpec, in command: CommandSpec) -> UsageError {
    let owners = commands.filter { $0.options.contains { $0.name == option.name } }.map(\.name)
    return usageError(
      "\(option.longForm) is no option of \(command.name)", in: command,
      suggestion: owners.isEmpty ? nil : "It belongs to \(list(owners, "and")).")
  }

  private func unknownOption(_ word: String, in command: CommandSpec?) -> UsageError {
    let known = known(in: command)
    // `-ttl` is a long name with a dash too few; `-T` can only be the other case of a letter.
    let name = String(word.drop { $0 == "-" })
    var suggestion =
      name.utf8.count > 1 ? nearestName(to: name, among: known.map(\.name)).map { "--\($0)" } : nil
    if suggestion == nil, !word.utf8.starts(with: "--".utf8), let letter = name.first {
      suggestion = sameLetter(letter, in: known)
    }
    return usageError(
      "unknown option '\(word)'", in: command, suggestion: suggestion.map { "Did you mean '\($0)'?" })
  }

  /// The options that could have been meant.
  private func known(in command: CommandSpec?) -> [OptionSpec] {
    command.map(options(of:)) ?? globalOptions + commands.flatMap(\.options)
  }

  private func sameLetter(_ letter: Character, in options: [OptionSpec]) -> String? {
    options.first { $0.short?.lowercased() == letter.lowercased() }?.shortForm
  }

  /// `--ttl DURATION`, as an error shows it.
  private func form(of option: OptionSpec) -> String {
    "\(option.longForm) \(option.value?.placeholder ?? "")"
  }
}
