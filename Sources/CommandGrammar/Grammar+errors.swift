extension Grammar {
  /// An error about the words for a command, or for the program.
  ///
  /// - Parameters:
  ///   - message: the problem, without a full stop.
  ///   - command: the command concerned, if one was named.
  ///   - suggestion: the line that was probably meant, as a sentence.
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
        suggestion: didYouMean(sameLetter(letter, in: known(in: command))))
    case .equalsAfterLetter(let option, let value):
      // By the rules, the value would begin with the equals sign, which is never intended.
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

  /// - Parameter before: the options before the word, of which one may have swallowed the command.
  func unknownCommand(_ word: String, after before: [Parser.Occurrence] = []) -> UsageError {
    let tried = triedNames.first { $0.key.split(separator: " ").contains(word[...]) }
    var suggestion = didYouMean(
      tried.map { [$0.value] }
        ?? nearestNames(to: word, among: commands.map(\.name)).map { "\(program) \($0)" })
    if word == program {
      suggestion = "Leave out the second '\(program)'."
    } else if suggestion == nil, let option = globalOptions.first(where: { $0.name == word }) {
      suggestion = didYouMean(["\(program) \(option.longForm)"])
    }
    return usageError(
      "unknown command '\(word)'", in: nil, suggestion: suggestion ?? commandTakenAsValue(among: before))
  }

  /// Reports that a command's name is in the place of an option's value: `mneme -p stats`.
  func commandTakenAsValue(among occurrences: [Parser.Occurrence]) -> String? {
    let swallowed = occurrences.first { $0.text.map { command(named: $0) != nil } ?? false }
    return swallowed.map { "'\($0.text ?? "")' was taken as the value of \($0.option.longForm)." }
  }

  func extraArgument(_ word: String, in command: CommandSpec) -> UsageError {
    let names = command.arguments.map(\.name)
    let isFile = command.arguments.last?.value.completion == .files
    return usageError(
      "unexpected argument '\(word)': \(command.name) takes \(names.isEmpty ? "none" : list(names, "and"))",
      in: command,
      suggestion: names.isEmpty
        ? optionsTaking(word, in: command)
        : isFile ? "Give one file at a time." : "Put a text that holds spaces in quotes.")
  }

  /// Returns the options that may have been meant for an unexpected word, if there are few.
  private func optionsTaking(_ word: String, in command: CommandSpec) -> String? {
    let takers = command.options.filter { option in
      option.value.map { (try? $0.check(word)) != nil } ?? false
    }
    guard 1...4 ~= takers.count else { return nil }
    let options = takers.map { "'\(forms(of: $0).map(\.plain).joined())'" }
    return "Name the option that it is for: \(list(options, "or"))."
  }

  /// An option that exists, but not here.
  func foreignOption(_ option: OptionSpec, in command: CommandSpec) -> UsageError {
    let owners = commands.filter { $0.options.contains { $0.name == option.name } }.map(\.name)
    return usageError(
      "\(option.longForm) is not an option of \(command.name)", in: command,
      suggestion: argument(named: option.name, in: command)
        ?? (owners.isEmpty ? nil : "It belongs to \(list(owners, "and"))."))
  }

  /// Returns the hint if an option was given for a value that the command takes as an argument: `clear -n faq`.
  private func argument(named name: String, in command: CommandSpec?) -> String? {
    let placeholder = String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    guard let command, command.arguments.contains(where: { $0.name == placeholder }) else { return nil }
    return "\(command.name) takes it as \(placeholder), without an option's name."
  }

  private func unknownOption(_ word: String, in command: CommandSpec?) -> UsageError {
    let known = known(in: command)
    // `-ttl` is a long name with one dash missing. `-T` can only be the other case of a letter, and `--n` only `-n`.
    let name = String(word.drop { $0 == "-" })
    let isLetter = name.utf8.count == 1
    var offers: [String] = []
    if !isLetter || word.utf8.starts(with: "--".utf8) {
      offers = nearestNames(to: name, among: known.map(\.name)).map { "--\($0)" }
    }
    if offers.isEmpty, isLetter || !word.utf8.starts(with: "--".utf8), let letter = name.first {
      offers = sameLetter(letter, in: known)
    }
    return usageError(
      "unknown option '\(word)'", in: command,
      suggestion: argument(named: name, in: command) ?? didYouMean(offers))
  }

  /// The options that could have been meant.
  private func known(in command: CommandSpec?) -> [OptionSpec] {
    command.map(options(of:)) ?? globalOptions + commands.flatMap(\.options)
  }

  private func sameLetter(_ letter: Character, in options: [OptionSpec]) -> [String] {
    let option = options.first { $0.short?.lowercased() == letter.lowercased() }
    return (option?.shortForm).map { [$0] } ?? []
  }

  /// `--ttl DURATION`, as an error shows it.
  private func form(of option: OptionSpec) -> String {
    "\(option.longForm) \(option.value?.placeholder ?? "")"
  }
}
