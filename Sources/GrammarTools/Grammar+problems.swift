import CommandGrammar

extension Grammar {
  /// Returns the inconsistencies of this definition, one line each. A program's tests assert that there are none.
  ///
  /// They concern names, duplicates, rules, defaults, summaries, references, markup, examples (which must parse), and
  /// whether every short help fits its screen.
  public func problems() -> [String] {
    var inspection = Inspection(grammar: self)
    inspection.inspectProgram()
    inspection.inspectCommands()
    inspection.inspectOptionsAcrossCommands()
    return inspection.found
  }
}

/// An inspection of a definition, with the problems found.
struct Inspection {
  let grammar: Grammar
  private(set) var found: [String] = []
  /// The part that is being examined, printed before each problem.
  var place = ""

  init(grammar: Grammar) { self.grammar = grammar }

  mutating func note(_ problem: String) { found.append("\(place): \(problem)") }

  mutating func require(_ condition: Bool, _ problem: String) {
    if !condition { note(problem) }
  }

  mutating func inspectProgram() {
    place = grammar.program
    require(isName(grammar.program), "the program's name is not lower-case ASCII")
    require(isDate(grammar.date), "the date '\(grammar.date)' is not YYYY-MM-DD")
    inspect(summary: grammar.summary, in: nil)
    inspect(markup: grammar.description, in: nil)
    inspect(options: grammar.globalOptions, in: nil)
    inspect(rules: grammar.rules, arguments: [], options: grammar.globalOptions)
    inspect(exitNotes: grammar.exitStatuses, in: nil)
    inspect(pages: grammar.seeAlso)
    for note in grammar.environmentNotes + grammar.files { inspect(markup: note.text, in: nil) }
    for note in grammar.environmentNotes { inspect(variable: note.name) }
    inspect(examples: grammar.examples, in: nil)
    inspectShortHelp(of: nil)
  }

  mutating func inspectCommands() {
    place = grammar.program
    for name in duplicates(grammar.commands.map(\.name)) { note("two commands are called \(name)") }
    for command in grammar.commands {
      place = "\(grammar.program) \(command.name)"
      require(isName(command.name), "the command's name is not lower-case ASCII")
      inspect(summary: command.summary, in: command)
      inspect(markup: command.description, in: command)
      inspect(arguments: command.arguments, in: command)
      inspect(options: command.options, in: command)
      inspect(rules: command.rules, arguments: command.arguments, options: command.options)
      inspect(exitNotes: command.exitNotes, in: command)
      inspect(pages: command.seeAlso)
      inspect(examples: command.examples, in: command)
      inspectShortHelp(of: command)
    }
  }

  /// Checks that an option name takes a value in all commands or in none, because the parser must know that before it
  /// knows the command.
  mutating func inspectOptionsAcrossCommands() {
    place = grammar.program
    let all = grammar.globalOptions + grammar.commands.flatMap(\.options)
    for (index, option) in all.enumerated() {
      for other in all[..<index] where (other.value == nil) != (option.value == nil) {
        if other.name == option.name {
          note("\(option.longForm) takes a value in one command and none in another")
        }
        if let short = option.shortForm, short == other.shortForm {
          note("\(short) takes a value in one command and none in another")
        }
      }
    }
  }

  private mutating func inspect(options: [OptionSpec], in command: CommandSpec?) {
    // Problems of the options of every command are reported once, not for every command.
    let others = command == nil ? [] : grammar.globalOptions
    for (index, option) in options.enumerated() {
      let rivals = options[..<index] + others
      if rivals.contains(where: { $0.name == option.name }) {
        note("two options are called \(option.longForm)")
      }
      if let short = option.shortForm, rivals.contains(where: { $0.shortForm == short }) {
        note("two options are called \(short)")
      }
    }
    let outer = place
    for option in options {
      place = "\(outer) \(option.longForm)"
      require(
        isName(option.name) && option.name.count > 1, "the name is not lower-case ASCII, two letters or more")
      if let short = option.short {
        require(short.isASCII && short.isLetter, "the short form '\(short)' is not an ASCII letter")
      }
      inspect(summary: option.summary, in: command)
      inspect(markup: option.details, in: command)
      for name in option.environment { inspect(variable: name) }
      guard let value = option.value else { continue }
      inspect(value: value)
      if let text = option.defaultText, (try? value.check(text)) == nil {
        note("the default '\(text)' is not a value of its kind")
      }
    }
    place = outer
  }

  private mutating func inspect(arguments: [ArgumentSpec], in command: CommandSpec) {
    for name in duplicates(arguments.map(\.name)) { note("two arguments are called \(name)") }
    var last = ArgumentSpec.Arity.required
    for argument in arguments {
      require(isPlaceholder(argument.name), "the argument's name '\(argument.name)' is not upper-case ASCII")
      inspect(summary: argument.summary, in: command)
      inspect(value: argument.value)
      switch (last, argument.arity) {
      case (.repeating, _): note("\(argument.name) follows an argument that takes all words")
      case (.optional, .required): note("\(argument.name) is required and follows an optional argument")
      default: break
      }
      last = argument.arity
    }
  }

  private mutating func inspect(value: ValueSpec) {
    require(
      isPlaceholder(value.placeholder), "the placeholder '\(value.placeholder)' is not upper-case ASCII")
    if case .choices(let words) = value.completion {
      require(!words.isEmpty, "there are no choices")
      for word in words {
        require(
          !word.isEmpty && word.utf8.allSatisfy(isPlainByte), "the choice '\(word)' is not a plain ASCII word"
        )
      }
    }
  }

  private mutating func inspect(rules: [Rule], arguments: [ArgumentSpec], options: [OptionSpec]) {
    for member in rules.flatMap(\.members) {
      switch member {
      case .option(let name):
        require(options.contains { $0.name == name }, "a rule speaks of --\(name), which is not there")
      case .argument(let name):
        let argument = arguments.first { $0.name == name }
        require(argument != nil, "a rule speaks of \(name), which is not there")
        let isNeeded = argument?.arity == .required
        require(!isNeeded, "a rule speaks of \(name), which cannot be left out")
      }
    }
    for rule in rules { require(rule.members.count > 1, "a rule speaks of fewer than two things") }
  }

  private mutating func inspect(exitNotes: [ExitNote], in command: CommandSpec?) {
    for code in duplicates(exitNotes.map { String($0.code) }) {
      note("the exit status \(code) is explained twice")
    }
    for exit in exitNotes {
      require(0...255 ~= exit.code, "\(exit.code) is not an exit status")
      inspect(markup: exit.text, in: command)
    }
  }

  private mutating func inspect(variable name: String) {
    let isVariable = name.utf8.allSatisfy { isUpper($0) || isDigit($0) || $0 == UInt8(ascii: "_") }
    require(
      isVariable && name.utf8.first.map(isUpper) == true, "'\(name)' is not an upper-case name of a variable")
  }
}

private func duplicates(_ names: [String]) -> [String] {
  names.indices.filter { names[..<$0].contains(names[$0]) }.map { names[$0] }
}

private func isUpper(_ byte: UInt8) -> Bool { UInt8(ascii: "A") <= byte && byte <= UInt8(ascii: "Z") }
private func isLower(_ byte: UInt8) -> Bool { UInt8(ascii: "a") <= byte && byte <= UInt8(ascii: "z") }

private func isName(_ name: String) -> Bool {
  name.utf8.first.map(isLower) == true
    && name.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
}

private func isPlaceholder(_ name: String) -> Bool {
  name.utf8.first.map(isUpper) == true
    && name.utf8.allSatisfy { isUpper($0) || isDigit($0) || "-_".utf8.contains($0) }
}

/// Whether a byte needs no quoting in any shell.
private func isPlainByte(_ byte: UInt8) -> Bool {
  isLower(byte) || isUpper(byte) || isDigit(byte) || "-_.".utf8.contains(byte)
}

private func isDate(_ text: String) -> Bool {
  let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
  return parts.map(\.count) == [4, 2, 2] && parts.allSatisfy { $0.allSatisfy(isDigit) }
}
